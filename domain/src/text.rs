//! Text that people see, such as the names of groups.
//!
//! A name must be told apart from every other name by sight. So a name consists of visible characters and spaces:
//! format characters, bidirectional controls and characters that render as nothing are refused wherever they occur.

use icu_properties::props::{
    BinaryProperty as _, DefaultIgnorableCodePoint, EnumeratedProperty as _, GeneralCategory,
};

/// Characters that render as blanks although their general category says otherwise: the Braille pattern without dots, the
/// musical symbol null notehead and the filler of the Khitan small script.
const BLANK: [char; 3] = ['\u{2800}', '\u{1d159}', '\u{16fe4}'];

/// Why a text cannot be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is empty, or consists of spaces and combining marks.
    #[error("must have a character that can be seen")]
    NothingVisible,
    /// It contains a character that cannot be seen.
    #[error("must not contain U+{:04X}, which cannot be seen", u32::from(*.0))]
    Invisible(char),
}

/// Checks that a name has at least one visible character and no invisible one. Spaces are allowed.
///
/// # Errors
/// The first invisible character, or that there is nothing to see.
pub fn check_visible_name(name: &str) -> Result<(), NameError> {
    if let Some(invisible) = name.chars().find(|c| is_invisible(*c)) {
        return Err(NameError::Invisible(invisible));
    }
    if name.chars().any(stands_alone) { Ok(()) } else { Err(NameError::NothingVisible) }
}

/// Whether a character renders as nothing, changes the direction of its neighbours or is reserved for private use. Spaces
/// are visible in this sense: they separate words. Line and paragraph separators are not.
pub fn is_invisible(c: char) -> bool {
    use GeneralCategory as Category;
    let category = Category::for_char(c);
    let unseen = [
        Category::Control,
        Category::Format,
        Category::PrivateUse,
        Category::LineSeparator,
        Category::ParagraphSeparator,
    ];
    unseen.contains(&category) || DefaultIgnorableCodePoint::for_char(c) || BLANK.contains(&c)
}

/// Whether a character can be seen without another one: neither a space nor a combining mark.
fn stands_alone(c: char) -> bool {
    use GeneralCategory as Category;
    let joining =
        [Category::SpaceSeparator, Category::NonspacingMark, Category::EnclosingMark, Category::SpacingMark];
    !joining.contains(&Category::for_char(c))
}

/// A class of a regular expression with every character that is none of these. Escapes of characters beyond 16 bits
/// differ between dialects, so those stand for themselves.
#[cfg(test)]
pub(crate) fn all_but(excluded: impl Fn(char) -> bool) -> String {
    let escaped = |c: char| match u32::from(c) {
        code @ ..=0xffff => format!("\\u{code:04x}"),
        _ => c.to_string(),
    };
    let included: Vec<char> = ('\0'..=char::MAX).filter(|c| !excluded(*c)).collect();
    let adjacent = |before: &char, after: &char| u32::from(*before) + 1 == u32::from(*after);
    let ranges = included.chunk_by(adjacent).map(|run| match run {
        [only] => escaped(*only),
        [first, .., last] => format!("{}-{}", escaped(*first), escaped(*last)),
        [] => String::new(),
    });
    format!("[{}]", ranges.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_script_are_accepted() {
        for name in [
            "Diabetes clinic",
            "糖尿病",
            "مجموعة",
            "Ζωή",
            "กลุ่ม",
            "नमस्ते",
            "Jürgen",
            "🩺 team",
            "a\u{301}",
            "-",
        ] {
            assert_eq!(check_visible_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_name_without_a_visible_character_is_refused() {
        for name in ["", " ", "\u{3000}", "\u{a0}\u{2003}", "\u{301}", " \u{20dd}"] {
            assert_eq!(check_visible_name(name), Err(NameError::NothingVisible), "{name:?}");
        }
    }

    #[test]
    fn an_invisible_character_is_refused_wherever_it_is() {
        for c in [
            '\0',
            '\n',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2063}',
            '\u{2066}',
            '\u{2069}',
            '\u{206f}',
            '\u{2800}',
            '\u{3164}',
            '\u{e000}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{16fe4}',
            '\u{1d159}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e0100}',
        ] {
            for name in [c.to_string(), format!("{c}clinic"), format!("cli{c}nic"), format!("clinic{c}")] {
                assert_eq!(check_visible_name(&name), Err(NameError::Invisible(c)), "{name:?}");
            }
        }
        let error = check_visible_name("a\u{202e}b").unwrap_err();
        assert_eq!(error.to_string(), "must not contain U+202E, which cannot be seen");
    }

    #[test]
    fn the_description_of_the_api_has_the_pattern_of_a_name() {
        let any = all_but(is_invisible);
        let seen = all_but(|c| is_invisible(c) || c.is_whitespace());
        let schemas: serde_json::Value = serde_json::from_str(include_str!("openapi/schemas.json")).unwrap();
        assert_eq!(schemas["schemas"]["GroupName"]["pattern"], format!("^{any}*{seen}{any}*$"));
    }
}
