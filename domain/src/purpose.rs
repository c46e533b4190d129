//! The purpose of a group: the plain text that people read before they agree to share or to read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::is_invisible;

/// Characters of a purpose at most.
pub const MAX_PURPOSE: usize = 1_000;

/// The purpose of a group: 1 to [`MAX_PURPOSE`] characters, trimmed, in which every character can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Purpose(String);

/// Why a text is not a purpose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurposeError {
    /// It has no characters, or only spaces.
    #[error("must not be empty")]
    Empty,
    /// It is too long.
    #[error("has {0} characters; it may have at most {MAX_PURPOSE}")]
    TooLong(usize),
    /// It contains a character that readers cannot see.
    #[error("contains `U+{:04X}`, which readers cannot see; only line breaks may be invisible", u32::from(*.0))]
    Hidden(char),
}

impl Purpose {
    /// Reads a purpose. Line breaks become `\n`, and white space around the text is removed.
    ///
    /// # Errors
    /// If it is empty, too long, or contains a character that cannot be seen.
    pub fn parse(text: &str) -> Result<Self, PurposeError> {
        let text = text.replace("\r\n", "\n");
        let length = text.chars().count();
        if length > MAX_PURPOSE {
            return Err(PurposeError::TooLong(length));
        }
        if let Some(hidden) = text.chars().find(|c| is_hidden(*c)) {
            return Err(PurposeError::Hidden(hidden));
        }
        let text = text.trim();
        if text.is_empty() { Err(PurposeError::Empty) } else { Ok(Self(text.to_owned())) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text with this character can say something else than it seems to.
fn is_hidden(c: char) -> bool {
    c != '\n' && is_invisible(c)
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Purpose {
    type Error = PurposeError;

    fn try_from(text: String) -> Result<Self, PurposeError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::all_but;

    #[test]
    fn plain_text_with_line_breaks_is_a_purpose() {
        for (sent, kept) in [
            ("Glucose for the diabetes clinic", "Glucose for the diabetes clinic"),
            ("  Für Ärztinnen. 糖尿病 🙂\n", "Für Ärztinnen. 糖尿病 🙂"),
            ("first\r\n\r\nsecond", "first\n\nsecond"),
            ("مرحبا", "مرحبا"),
        ] {
            assert_eq!(Purpose::parse(sent).unwrap().as_str(), kept);
        }
        assert_eq!(Purpose::parse(&"ä".repeat(MAX_PURPOSE)).unwrap().as_str().chars().count(), MAX_PURPOSE);
    }

    #[test]
    fn text_that_nobody_can_see_as_it_is_is_no_purpose() {
        assert_eq!(Purpose::parse(" \n\u{3000}"), Err(PurposeError::Empty));
        assert_eq!(Purpose::parse(&"x".repeat(MAX_PURPOSE + 1)), Err(PurposeError::TooLong(MAX_PURPOSE + 1)));
        // Null, tab, carriage return, delete, soft hyphen, joiners, marks and overrides of direction, isolates,
        // separators, fillers, variation selectors, the byte order mark and tags.
        for hidden in [
            '\0',
            '\t',
            '\r',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{61c}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{2028}',
            '\u{2029}',
            '\u{2060}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0001}',
            '\u{e007f}',
            '\u{e0100}',
        ] {
            let found = Purpose::parse(&format!("care{hidden}team"));
            assert_eq!(found, Err(PurposeError::Hidden(hidden)), "U+{:04X}", u32::from(hidden));
            let edges = Purpose::parse(&format!("{hidden}care team{hidden}"));
            assert_eq!(edges, Err(PurposeError::Hidden(hidden)), "U+{:04X} at the edges", u32::from(hidden));
        }
        assert_eq!(
            Purpose::parse("a\u{202e}b").unwrap_err().to_string(),
            "contains `U+202E`, which readers cannot see; only line breaks may be invisible"
        );
    }

    #[test]
    fn the_description_of_the_api_has_the_pattern_of_a_purpose() {
        let any = all_but(is_hidden);
        let seen = all_but(|c| is_hidden(c) || c.is_whitespace());
        let schemas: serde_json::Value = serde_json::from_str(include_str!("openapi/schemas.json")).unwrap();
        let schema = &schemas["schemas"]["Purpose"];
        assert_eq!(schema["pattern"], format!("^{any}*{seen}{any}*$"));
        assert_eq!(schema["maxLength"], MAX_PURPOSE);
    }

    #[test]
    fn a_stored_purpose_is_checked_when_it_is_read() {
        let read = |json: &str| serde_json::from_str::<Purpose>(json);
        assert_eq!(read("\"care\"").unwrap().as_str(), "care");
        assert!(read("\"\"").is_err() && read("\"a\\u200b\"").is_err());
    }
}
