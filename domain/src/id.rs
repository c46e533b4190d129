//! Identifiers and names, each with a type of its own so that one is never taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Why a text is not the identifier or the name it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: {why}")]
pub struct InvalidId {
    /// The text that was refused.
    pub text: String,
    /// What it should have been, with its article: "a group id".
    pub what: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The alphabet of generated identifiers: Crockford's base 32, in which text order is numeric order.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a generated identifier: 128 bits, five a character.
pub const ID_LEN: usize = 26;

/// What a character of the alphabet stands for. Without a search: identifiers are read several times for each record of
/// the stream and each row of a list.
fn digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'H' => byte - b'A' + 10,
        b'J' | b'K' => byte - b'J' + 18,
        b'M' | b'N' => byte - b'M' + 20,
        b'P'..=b'T' => byte - b'P' + 22,
        b'V'..=b'Z' => byte - b'V' + 27,
        _ => return None,
    })
}

/// Writes 128 bits as 26 characters whose order as text is their order as a number.
fn encode(mut bits: u128) -> String {
    let mut out = [b'0'; ID_LEN];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET.get((bits & 31) as usize).copied().unwrap_or(b'0');
        bits >>= 5;
    }
    out.iter().map(|b| char::from(*b)).collect()
}

fn decode(text: &str, what: &'static str) -> Result<u128, InvalidId> {
    let fail = |why| InvalidId { text: text.chars().take(64).collect(), what, why };
    if text.len() != ID_LEN {
        return Err(fail("it must have 26 characters"));
    }
    let mut bits: u128 = 0;
    for (at, byte) in text.bytes().enumerate() {
        let digit =
            digit(byte).ok_or_else(|| fail("it has a character outside 0-9 and A-Z without I, L, O, U"))?;
        if at == 0 && digit > 7 {
            return Err(fail("it is out of range"));
        }
        bits = (bits << 5) | u128::from(digit);
    }
    Ok(bits)
}

macro_rules! generated_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Makes the identifier of 128 bits that the caller drew.
            pub fn from_bits(bits: u128) -> Self {
                Self(encode(bits))
            }
            /// Reads one that was issued before.
            ///
            /// # Errors
            /// If the text cannot be such an identifier.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                decode(text, $what).map(|_| Self(text.to_owned()))
            }
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
            /// The 128 bits that it was made of.
            pub fn bits(&self) -> u128 {
                // Checked when it was made; 0 keeps this total.
                decode(&self.0, $what).unwrap_or(0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

generated_id! {
    /// A person (or later a machine) who acts. Never the same as the drive that data lives in.
    UserId, "a user id"
}
generated_id! {
    /// The storage tenant: the partition that items live in. Every user has a personal one.
    DriveId, "a drive id"
}
generated_id! {
    /// A group. Made by the server and never used again, even after the group is gone.
    GroupId, "a group id"
}
generated_id! {
    /// An invitation to a group.
    InvitationId, "an invitation id"
}
generated_id! {
    /// A data job: a backfill or a purge.
    JobId, "a job id"
}

/// An item's identifier: 48 bits of the item's own time (milliseconds since the year 0), 16 bits that tell
/// its data type, 64 random bits.
///
/// The order of identifiers is therefore the order of the items' times, which makes the identifier itself the
/// sort key, and a look-up by identifier alone needs neither an index nor a second row. It is also why an item's
/// time cannot change once the item exists (ADR 0004).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ItemId(String);

/// The 16 bits of an [`ItemId`] that tell the data type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeTag(pub u16);

impl TypeTag {
    /// The tag of a data type's name. Two names may share one; a look-up then tries both.
    pub fn of(type_name: &Name) -> Self {
        // FNV-1a, folded: stable for ever, which std's hasher does not promise.
        let hash = type_name
            .as_str()
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self(((hash >> 16) ^ (hash & 0xffff)) as u16)
    }
}

impl ItemId {
    /// Makes the identifier of a new item; `random` is drawn by the caller.
    pub fn new(time: Timestamp, type_name: &Name, random: u64) -> Self {
        let tag = u128::from(TypeTag::of(type_name).0);
        Self(encode((Self::time_bits(time) << 80) | (tag << 64) | u128::from(random)))
    }

    fn time_bits(time: Timestamp) -> u128 {
        // Timestamps are limited to the years 0 to 8000 (see `Timestamp`), which 48 bits hold.
        time.since_year_zero() as u128
    }

    /// Reads one that was issued before.
    ///
    /// # Errors
    /// If the text cannot be an item id.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        decode(text, "an item id").map(|_| Self(text.to_owned()))
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn bits(&self) -> u128 {
        // Checked when it was made; 0 keeps this total.
        decode(&self.0, "an item id").unwrap_or(0)
    }

    /// The item's time.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_since_year_zero((self.bits() >> 80) as i64)
    }

    /// The tag of the item's data type.
    pub fn type_tag(&self) -> TypeTag {
        TypeTag(((self.bits() >> 64) & 0xffff) as u16)
    }

    /// A text that sorts before (or is a prefix of) every item id at or after `time`, and after all earlier ones.
    pub fn lower_bound(time: Timestamp) -> String {
        encode(Self::time_bits(time) << 80)
    }
}

impl TryFrom<String> for ItemId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}
impl From<ItemId> for String {
    fn from(id: ItemId) -> String {
        id.0
    }
}
impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name from stack.yaml or from a group's owner: of a data type, a field, a declared group or the stack.
///
/// It starts with a letter, goes on with letters, digits, `_` and `-`, and has at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// If the text breaks the rule above.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fail = |why| InvalidId { text: text.chars().take(80).collect(), what: "a name", why };
        let mut chars = text.chars();
        match chars.next() {
            None => return Err(fail("it is empty")),
            Some(c) if !c.is_ascii_alphabetic() => return Err(fail("it must start with a letter")),
            Some(_) => {}
        }
        if !chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Err(fail("only letters, digits, `_` and `-` may follow"));
        }
        if text.len() > 64 {
            return Err(fail("it has more than 64 characters"));
        }
        Ok(Self(text.to_owned()))
    }
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}
impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_id_gives_back_its_time_and_type() {
        let name = Name::parse("glucose").unwrap();
        for text in [
            "2014-02-03T03:42:12Z",
            "0001-01-01T00:00:00Z",
            "1931-05-04T10:00:00.5+02:00",
            "7999-12-31T23:59:59.999Z",
        ] {
            let time = Timestamp::parse(text).unwrap();
            let id = ItemId::new(time, &name, u64::MAX);
            assert_eq!(id.time(), time, "{text}");
            assert_eq!(id.type_tag(), TypeTag::of(&name));
            assert_eq!(ItemId::parse(id.as_str()), Ok(id));
        }
    }

    #[test]
    fn every_character_of_the_alphabet_stands_for_its_place_and_no_other_for_any() {
        for byte in 0..=u8::MAX {
            let place = ALPHABET.iter().position(|one| *one == byte);
            assert_eq!(digit(byte).map(usize::from), place, "{}", char::from(byte));
        }
    }

    #[test]
    fn item_ids_sort_by_time_whatever_their_random_part() {
        let name = Name::parse("glucose").unwrap();
        let early = Timestamp::parse("2014-02-03T03:42:12Z").unwrap();
        let late = Timestamp::parse("2014-02-03T03:42:12.001Z").unwrap();
        assert!(ItemId::new(early, &name, u64::MAX) < ItemId::new(late, &name, 0));
        assert!(ItemId::lower_bound(late).as_str() <= ItemId::new(late, &name, 0).as_str());
        assert!(ItemId::lower_bound(late).as_str() > ItemId::new(early, &name, u64::MAX).as_str());
    }

    #[test]
    fn ids_that_were_never_issued_are_refused() {
        for text in [
            "",
            "x",
            "01ARZ3NDEKTSV4RRFFQ69G5FA",
            "01ARZ3NDEKTSV4RRFFQ69G5FAU",
            "81ARZ3NDEKTSV4RRFFQ69G5FAV",
            "../../../../../../../../etc",
        ] {
            assert!(GroupId::parse(text).is_err(), "{text}");
        }
    }
}
