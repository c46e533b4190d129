//! E-mail addresses: what counts as one, and when two are the same.
//!
//! This is the only definition. The stack file, the API, the keys of the store, the provisioner and the access policies
//! all use [`Address`], so none of them accepts what another refuses or compares in another way.
//!
//! Two addresses are the same if they are equal after Unicode normalization (NFC) and ASCII case folding. No other mapping
//! is applied: Unicode case mappings turn different mailboxes into one (U+212A KELVIN SIGN becomes `k`), and only the mail
//! provider knows whether dots or `+tags` matter.

use std::fmt;
use std::hash::{Hash, Hasher};

use email_address::{EmailAddress, Error, Options};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::text::is_invisible;

/// Bytes of an address at most (RFC 5321, section 4.5.3.1.3, without the angle brackets).
pub const MAX_BYTES: usize = 254;
/// Bytes of the part before the `@` at most (RFC 5321, section 4.5.3.1.1).
pub const MAX_LOCAL_BYTES: usize = 64;

/// An e-mail address in NFC, in the case in which it was written. Equality and hash are those of [`Address::key`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// Why a string is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an e-mail address: {why}")]
pub struct InvalidAddress {
    /// The string, shortened, with characters that cannot be seen written as their code points.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl Address {
    /// Reads an address. Blanks around it are ignored.
    ///
    /// # Errors
    /// If the string is not an address such as `ann@example.org`: display names, angle brackets, comments, quoted local
    /// parts, domain literals, domains without a dot, and characters that cannot be seen are refused.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        check(text.trim()).map(Self).map_err(|why| InvalidAddress { text: excerpt(text), why })
    }

    /// The address as it was written, in NFC. For display; compare and hash [`Address::key`] instead.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What addresses are compared by: the address with ASCII letters in lower case.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

fn check(text: &str) -> Result<String, String> {
    if let Some(c) = text.chars().find(|c| is_invisible(*c)) {
        return Err(format!("it contains {}, which cannot be seen", code_point(c)));
    }
    // The crate takes every character that is not ASCII, such as a no-break space.
    if text.chars().any(char::is_whitespace) {
        return Err(CHARACTERS.to_owned());
    }
    // A few characters are canonically equivalent to an ASCII character (U+212A to `K`, U+037E to `;`). Normalized, the
    // address would be another person's.
    let turns_ascii = |c: &char| !c.is_ascii() && std::iter::once(*c).nfc().any(|c| c.is_ascii());
    if let Some(c) = text.chars().find(turns_ascii) {
        let ascii: String = std::iter::once(c).nfc().collect();
        return Err(format!("it contains {}, which looks like `{ascii}`", code_point(c)));
    }
    let text: String = text.nfc().collect();
    if text.len() > MAX_BYTES {
        return Err(format!("it is longer than {MAX_BYTES} bytes"));
    }
    let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
    EmailAddress::parse_with_options(&text, options).map_err(|error| reason(&error))?;
    let (local, domain) = text.rsplit_once('@').ok_or_else(|| reason(&Error::MissingSeparator))?;
    if local.starts_with('"') {
        return Err("the part before the `@` is in quotation marks".to_owned());
    }
    // The crate lets every character of a local part into a domain.
    if domain.chars().any(|c| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '-' && c != '.') {
        return Err(NO_DOMAIN.to_owned());
    }
    Ok(text)
}

const CHARACTERS: &str = "it contains blanks, brackets or other characters that an address cannot have";
const NO_DOMAIN: &str = "the part after the `@` must be a domain such as `example.org`";

fn reason(error: &Error) -> String {
    match error {
        Error::MissingSeparator => "it has no `@`".to_owned(),
        Error::LocalPartEmpty => "the part before the `@` is empty".to_owned(),
        Error::LocalPartTooLong => format!("the part before the `@` is longer than {MAX_LOCAL_BYTES} bytes"),
        Error::DomainEmpty
        | Error::DomainTooFew
        | Error::DomainTooLong
        | Error::SubDomainEmpty
        | Error::SubDomainTooLong
        | Error::UnsupportedDomainLiteral
        | Error::InvalidIPAddress => NO_DOMAIN.to_owned(),
        Error::UnsupportedDisplayName | Error::MissingDisplayName | Error::MissingEndBracket => {
            "it has a name or brackets around the address".to_owned()
        }
        _ => CHARACTERS.to_owned(),
    }
}

fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

fn excerpt(text: &str) -> String {
    const SHOWN: usize = 64;
    let mut shown = String::new();
    for c in text.chars().take(SHOWN) {
        match is_invisible(c) {
            true => shown.push_str(&format!("<{}>", code_point(c))),
            false => shown.push(c),
        }
    }
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;
    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> String {
        Address::parse(text).unwrap().key()
    }

    #[test]
    fn addresses_of_all_common_forms_are_accepted() {
        let local_of_64 = "l".repeat(64);
        for text in [
            "lead@example.org",
            "a.b+c@sub.example.co.uk",
            "o'neil@example.org",
            "jörg@exämple.de",
            "用户@例子.公司",
            "1@2.org",
            "a@xn--bcher-kva.example",
            &format!("{local_of_64}@example.org"),
        ] {
            assert_eq!(Address::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(Address::parse(" \tAnn@Example.org\n").unwrap().as_str(), "Ann@Example.org");
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_with_its_reason() {
        let (long_local, long_domain) = ("l".repeat(65), vec!["d".repeat(60); 5].join("."));
        let (local, domain) = ("part before", "part after");
        for (text, why) in [
            ("", "no `@`"),
            ("lead", "no `@`"),
            ("@example.org", local),
            ("lead@", domain),
            ("lead@example", domain),
            ("a@.org", domain),
            ("a@example.", domain),
            ("ann@example..org", domain),
            ("a@[127.0.0.1]", domain),
            ("a@ex!ample.org", domain),
            ("a b@example.org", "cannot have"),
            ("a\u{A0}b@example.org", "cannot have"),
            ("a@exam\u{3000}ple.org", "cannot have"),
            ("a@b@example.org", "cannot have"),
            ("a..b@example.org", "cannot have"),
            (".a@example.org", "cannot have"),
            ("a.@example.org", "cannot have"),
            ("mailto:ann@example.org", "cannot have"),
            ("ann;bob@example.org", "cannot have"),
            ("ann@example.org,bob@example.org", "cannot have"),
            ("a@-x.org", "cannot have"),
            ("<ann@example.org>", ""),
            ("Ann <ann@example.org>", ""),
            ("\"ab\"@example.org", "quotation marks"),
            (&format!("{long_local}@example.org"), "longer than 64 bytes"),
            (&format!("a@{long_domain}"), "longer than 254 bytes"),
            ("an\u{200B}n@example.org", "U+200B"),
            ("ann\u{202E}@example.org", "U+202E"),
            ("ann@exam\u{2066}ple.org", "U+2066"),
            ("ann@example\u{AD}.org", "U+00AD"),
            ("a\u{FE0F}@example.org", "U+FE0F"),
            ("a\u{E0041}@example.org", "U+E0041"),
            ("a\u{0}@example.org", "U+0000"),
            ("mi\u{212A}e@example.org", "U+212A"),
            ("a\u{37E}b@example.org", "U+037E"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.why.contains(why), "{text:?}: {error}");
            assert!(!error.to_string().chars().any(is_invisible), "{error:?}");
        }
    }

    #[test]
    fn one_mailbox_is_one_address_however_it_is_written() {
        assert_eq!(key(" T3-ANN@Example.ORG "), key("t3-ann@example.org"));
        assert_eq!(key("jo\u{308}rg@example.org"), key("j\u{F6}rg@example.org"), "NFD and NFC");
        let [nfd, nfc] = ["jo\u{308}rg@example.org", "j\u{F6}rg@example.org"].map(Address::parse);
        assert_eq!(nfd.unwrap().as_str(), nfc.unwrap().as_str());
    }

    #[test]
    fn different_mailboxes_stay_different() {
        for (one, other) in [
            ("ann@example.org", "ann+x@example.org"),
            ("ann@example.org", "a.nn@example.org"),
            ("\u{130}nci@example.org", "inci@example.org"),
            ("\u{130}nci@example.org", "i\u{307}nci@example.org"),
            ("\u{C9}va@example.org", "\u{E9}va@example.org"),
            ("stra\u{DF}e@example.org", "strasse@example.org"),
            ("\u{3A3}@example.org", "\u{3C3}@example.org"),
        ] {
            assert_ne!(key(one), key(other), "{one} and {other}");
            assert_ne!(Address::parse(one).unwrap(), Address::parse(other).unwrap());
        }
        assert_eq!(Address::parse("\u{130}nci@example.org").unwrap().as_str(), "\u{130}nci@example.org");
    }

    /// Local parts of letters that case mappings and normalization treat in odd ways.
    fn odd() -> impl Strategy<Value = String> {
        let letter = prop::sample::select(vec![
            "a",
            "A",
            "k",
            "K",
            "\u{212A}",
            "i",
            "I",
            "\u{130}",
            "\u{131}",
            "s",
            "\u{17F}",
            "ss",
            "\u{DF}",
            "\u{1E9E}",
            "o\u{308}",
            "\u{F6}",
            "O\u{308}",
            "\u{D6}",
            "t\u{308}",
            "T\u{308}",
            "\u{1E97}",
            "\u{3C3}",
            "\u{3C2}",
            "\u{3A3}",
            "\u{2126}",
            "\u{3A9}",
            "\u{FB01}",
            "fi",
            "\u{AC00}",
            "\u{1100}\u{1161}",
            "+",
            "1",
        ]);
        prop::collection::vec(letter, 1..4).prop_map(|letters| format!("{}@example.org", letters.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn addresses_are_equal_exactly_if_nfc_and_ascii_folding_make_them_so(
            (one, other) in (odd(), odd()),
        ) {
            let plain = |text: &str| text.nfc().collect::<String>().to_ascii_lowercase();
            if let (Ok(a), Ok(b)) = (Address::parse(&one), Address::parse(&other)) {
                let alike = plain(&one) == plain(&other);
                prop_assert_eq!(a.key() == b.key(), alike);
                prop_assert_eq!(a == b, alike);
                let read_back = Address::parse(a.as_str()).unwrap();
                prop_assert_eq!(read_back.as_str(), a.as_str());
            } else {
                let kelvin = [one, other].iter().any(|text| text.contains('\u{212A}'));
                prop_assert!(kelvin, "nothing else of these is refused");
            }
        }

        #[test]
        fn whatever_is_accepted_is_short_visible_and_has_one_at_sign(text in "\\PC{1,6}@[a-z]{1,3}\\PC{0,2}\\.[a-z]{2}") {
            if let Ok(address) = Address::parse(&text) {
                let shown = address.as_str();
                prop_assert!(shown.len() <= MAX_BYTES && shown.matches('@').count() == 1);
                prop_assert!(!shown.chars().any(|c| c.is_whitespace() || is_invisible(c)));
                prop_assert_eq!(address.key(), text.trim().nfc().collect::<String>().to_ascii_lowercase());
            }
        }
    }
}
