//! Cursors: where a list goes on, sealed so that only we can make them and only for whom they were made.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The secret that cursors are sealed with.
#[derive(Clone)]
pub struct CursorKey(Vec<u8>);

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey(…)")
    }
}

/// A cursor that was not made by us, or not for this list and caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of this list; leave it out to start from the beginning")]
pub struct InvalidCursor;

/// Bytes of the seal: 128 bits, of a cursor that is good for nothing but the next page.
const SEAL: usize = 16;

impl CursorKey {
    /// A key of random bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    fn mac(&self, scope: &[&str], position: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in scope.iter().chain([&position]) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(mac)
    }

    /// Seals a position for a scope: whatever the list depends on (caller, group, membership, filter).
    pub fn seal(&self, scope: &[&str], position: &str) -> String {
        let tag = self.mac(scope, position).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
        let mut bytes: Vec<u8> = tag.iter().take(SEAL).copied().collect();
        bytes.extend_from_slice(position.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position in a cursor that was sealed for the same scope.
    ///
    /// # Errors
    /// If it was not.
    pub fn open(&self, scope: &[&str], cursor: &str) -> Result<String, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| InvalidCursor)?;
        let (tag, position) = bytes.split_at_checked(SEAL).ok_or(InvalidCursor)?;
        let position = std::str::from_utf8(position).map_err(|_| InvalidCursor)?;
        let mac = self.mac(scope, position).ok_or(InvalidCursor)?;
        mac.verify_truncated_left(tag).map_err(|_| InvalidCursor)?;
        Ok(position.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_for_its_own_list_and_unaltered() {
        let key = CursorKey::new(vec![7; 32]);
        let cursor = key.seal(&["user", "group"], "01ABC#x");
        assert_eq!(key.open(&["user", "group"], &cursor), Ok("01ABC#x".into()));
        assert_eq!(key.open(&["other", "group"], &cursor), Err(InvalidCursor));
        assert_eq!(key.open(&["userg", "roup"], &cursor), Err(InvalidCursor));
        assert_eq!(CursorKey::new(vec![8; 32]).open(&["user", "group"], &cursor), Err(InvalidCursor));
        for at in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            // The last character's spare bits do not count; everything that decodes differently must be refused.
            if URL_SAFE_NO_PAD.decode(&altered).is_ok_and(|bytes| Ok(bytes) != URL_SAFE_NO_PAD.decode(&cursor)) {
                assert_eq!(key.open(&["user", "group"], &altered), Err(InvalidCursor), "{at}");
            }
        }
        for text in ["", "x", "AAAA", "é"] {
            assert_eq!(key.open(&[], text), Err(InvalidCursor));
        }
    }
}
