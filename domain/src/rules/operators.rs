//! What people write for operators that Cedar spells otherwise.

/// Spellings of other languages, and Cedar's. Longer ones first: `===` is not `==` and one more.
const SPELLINGS: [(&str, &str); 9] = [
    ("===", "=="),
    ("!==", "!="),
    ("=>", ">="),
    ("=<", "<="),
    ("<>", "!="),
    ("and", "&&"),
    ("or", "||"),
    ("not", "!"),
    ("=", "=="),
];

/// What Cedar has for the first foreign operator of a condition that cannot be read: what stands there, and what to write.
pub(super) fn foreign(condition: &str) -> Option<(String, &'static str)> {
    let mut rest = condition;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' => text(rest),
            '\'' => return Some((rest.get(..quoted(rest)).unwrap_or("'…'").to_owned(), "\"…\"")),
            _ if is_word(first) => rest.find(|c: char| !is_word(c)).unwrap_or(rest.len()),
            _ if is_symbol(first) => rest.find(|c: char| !is_symbol(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, behind) = rest.split_at_checked(taken)?;
        if let Some((_, cedar)) = SPELLINGS.iter().find(|(spelling, _)| token.eq_ignore_ascii_case(spelling))
        {
            return Some((token.to_owned(), cedar));
        }
        rest = behind;
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '<' | '>' | '!')
}

/// How long the text at the beginning is, with its quotes.
fn text(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

fn quoted(rest: &str) -> usize {
    rest.get(1..).and_then(|inner| inner.find('\'')).map_or(rest.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_of_other_languages_are_told_in_cedars() {
        for (condition, written, cedar) in [
            ("resource.mgdl => 3", "=>", ">="),
            ("resource.mgdl =< 3", "=<", "<="),
            ("resource.mgdl <> 3", "<>", "!="),
            ("resource.mgdl = 3", "=", "=="),
            ("resource.mgdl === 3", "===", "=="),
            ("resource.a > 1 AND resource.b > 1", "AND", "&&"),
            ("resource.a > 1 or resource.b > 1", "or", "||"),
            ("not resource.fasting", "not", "!"),
            ("resource.device == 'apple'", "'apple'", "\"…\""),
        ] {
            assert_eq!(foreign(condition), Some((written.to_owned(), cedar)), "{condition}");
        }
    }

    #[test]
    fn what_is_cedars_or_stands_in_a_text_is_left_alone() {
        for condition in [
            "resource.mgdl >= 3 && resource.android != 4 || !(resource.order <= 1)",
            "resource.device == \"a and b => 'c' \\\" or\" >",
            "\"never ends => ",
            "",
        ] {
            assert_eq!(foreign(condition), None, "{condition}");
        }
    }
}
