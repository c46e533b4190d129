//! The purpose of a group: the plain text that people read before they agree to share or to read.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Characters of a purpose at most.
pub const MAX_PURPOSE: usize = 1_000;

/// Characters that readers cannot see, or that change the order in which others are shown: the controls except for the line
/// feed, Unicode's `Default_Ignorable_Code_Point`, its line and paragraph separators, the blank Braille pattern, and the
/// planes that are for tags and private use. A text with one of them can say something else than it seems to.
const HIDDEN: [(char, char); 22] = [
    ('\0', '\t'),
    ('\u{b}', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{13430}', '\u{13440}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{3fffe}', '\u{10ffff}'),
];

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

fn is_hidden(c: char) -> bool {
    HIDDEN.iter().any(|(from, to)| (*from..=*to).contains(&c))
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

    /// A class of a regular expression with every character that is in none of these ranges. Escapes of characters beyond
    /// 16 bits differ between dialects, so those stand for themselves.
    fn all_but(ranges: &[(u32, u32)]) -> String {
        // Neither surrogates nor what is beyond Unicode are characters.
        let mut ranges = [ranges, &[(0xd800, 0xdfff), (0x11_0000, 0x11_0000)]].concat();
        ranges.sort_unstable();
        let escaped = |code: u32| match code {
            ..=0xffff => format!("\\u{code:04x}"),
            _ => char::from_u32(code).unwrap().to_string(),
        };
        let (mut class, mut next) = (String::new(), 0);
        for (from, to) in ranges {
            if from > next {
                class += &format!("{}-{}", escaped(next), escaped(from - 1));
            }
            next = next.max(to + 1);
        }
        format!("[{class}]")
    }

    #[test]
    fn the_description_of_the_api_has_the_pattern_of_a_purpose() {
        let hidden: Vec<_> = HIDDEN.iter().map(|(from, to)| (u32::from(*from), u32::from(*to))).collect();
        let spaces = (0..0x1_0000).filter_map(char::from_u32).filter(|c| c.is_whitespace());
        let spaces: Vec<_> = spaces.map(|c| (u32::from(c), u32::from(c))).collect();
        let (any, seen) = (all_but(&hidden), all_but(&[hidden, spaces].concat()));
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
