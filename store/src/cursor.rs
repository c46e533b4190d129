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

    fn mac(&self, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Some(mac)
    }

    fn seal_of(&self, scope: &[&str], position: &[u8]) -> Option<Hmac<Sha256>> {
        let parts = std::iter::once("seal".as_bytes()).chain(scope.iter().map(|part| part.as_bytes()));
        self.mac(&parts.chain([position]).collect::<Vec<_>>())
    }

    /// Hides a position, or shows it again. A page can end at a row that its reader may not see, so its position, which
    /// tells an item and a drive, must not be readable. The seal is a different one for each position and serves as the
    /// initial value, as in SIV.
    fn veil(&self, seal: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        let mut veiled = Vec::with_capacity(bytes.len());
        for (at, block) in bytes.chunks(32).enumerate() {
            let stream = self.mac(&[b"veil", seal, &(at as u64).to_be_bytes()])?.finalize().into_bytes();
            veiled.extend(block.iter().zip(stream).map(|(byte, with)| byte ^ with));
        }
        Some(veiled)
    }

    /// Seals a position for a scope: whatever the list depends on (caller, group, membership, filter).
    pub fn seal(&self, scope: &[&str], position: &str) -> String {
        let sealed = || {
            let seal = self.seal_of(scope, position.as_bytes())?.finalize().into_bytes();
            let mut bytes: Vec<u8> = seal.iter().take(SEAL).copied().collect();
            let veiled = self.veil(&bytes, position.as_bytes())?;
            bytes.extend(veiled);
            Some(bytes)
        };
        // HMAC takes keys of any length, so there is always one.
        URL_SAFE_NO_PAD.encode(sealed().unwrap_or_default())
    }

    /// The position in a cursor that was sealed for the same scope.
    ///
    /// # Errors
    /// If it was not.
    pub fn open(&self, scope: &[&str], cursor: &str) -> Result<String, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| InvalidCursor)?;
        let (seal, veiled) = bytes.split_at_checked(SEAL).ok_or(InvalidCursor)?;
        let position = self.veil(seal, veiled).ok_or(InvalidCursor)?;
        let expected = self.seal_of(scope, &position).ok_or(InvalidCursor)?;
        expected.verify_truncated_left(seal).map_err(|_| InvalidCursor)?;
        String::from_utf8(position).map_err(|_| InvalidCursor)
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
            if URL_SAFE_NO_PAD
                .decode(&altered)
                .is_ok_and(|bytes| Ok(bytes) != URL_SAFE_NO_PAD.decode(&cursor))
            {
                assert_eq!(key.open(&["user", "group"], &altered), Err(InvalidCursor), "{at}");
            }
        }
        for text in ["", "x", "AAAA", "é"] {
            assert_eq!(key.open(&[], text), Err(InvalidCursor));
        }
    }

    #[test]
    fn a_cursor_does_not_tell_its_position() {
        let key = CursorKey::new(vec![7; 32]);
        let position = "01ARZ3NDEKTSV4RRFFQ69G5FAV#01ARZ3NDEKTSV4RRFFQ69G5FAW";
        let cursor = key.seal(&["user"], position);
        let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        assert!(!bytes.windows(6).any(|six| position.as_bytes().windows(6).any(|other| other == six)));
        assert_eq!(key.open(&["user"], &cursor).as_deref(), Ok(position));
        assert_ne!(bytes[16..], URL_SAFE_NO_PAD.decode(key.seal(&["other"], position)).unwrap()[16..]);
    }
}
