//! What a condition looks like apart from its numbers and texts.
//!
//! Whether a condition fits its data type does not depend on which number stands in `resource.mgdl > 180`, nor on which
//! text in `resource.device == "apple"`. So a stack with ten thousand groups that differ in such things only has its
//! conditions checked once. (The length of a pattern of `like` does matter: it has a cost.) Only a sound condition says something about others of its shape: mistakes have their places.
//!
//! Where a text could mean more than itself it is part of the shape: fields (`resource["mgdl"]`, `has "mgdl"`), values
//! that are read from texts (`datetime("2014-01-01")`), members of sets and records, and whatever has an escape in it.

use std::fmt::Write as _;

/// Longer numbers may be too large for Cedar.
const LONGEST_NUMBER: usize = 18;

/// A piece of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Number(&'t str),
    /// With its quotes.
    Text(&'t str),
    Sign(&'t str),
}

/// The shape of a condition; none if it cannot be told.
pub(super) fn shape(condition: &str) -> Option<String> {
    let mut shape = String::with_capacity(condition.len());
    // The three tokens before the one that is looked at.
    let mut before: [Option<Token<'_>>; 3] = [None; 3];
    let mut rest = condition;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(shape);
        }
        // A comment may hold anything; conditions with comments are simply looked at one by one.
        if rest.starts_with("//") {
            return None;
        }
        let length = token_length(rest)?;
        let (text, after) = rest.split_at_checked(length)?;
        let token = kind(text);
        if matches!(before, [_, _, Some(Token::Word("like"))]) {
            let _ = write!(shape, "{length} ");
        }
        shape.push_str(match token {
            Token::Number(digits) if is_small(digits) => "0",
            Token::Text(text) if stands_for_itself(before) && !text.contains('\\') => "\"\"",
            Token::Word(text) | Token::Number(text) | Token::Text(text) | Token::Sign(text) => text,
        });
        shape.push(' ');
        let [_, second, third] = before;
        before = [second, third, Some(token)];
        rest = after;
    }
}

fn is_small(number: &str) -> bool {
    number.len() <= LONGEST_NUMBER && number.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a text behind these tokens is a value and nothing more.
fn stands_for_itself(before: [Option<Token<'_>>; 3]) -> bool {
    match before {
        [_, _, Some(Token::Sign("==" | "!=") | Token::Word("like"))] => true,
        // Not so the argument of a function, which is read: `datetime("2014-01-01")`.
        [Some(Token::Sign(".")), Some(Token::Word("contains")), Some(Token::Sign("("))] => true,
        _ => false,
    }
}

fn kind(text: &str) -> Token<'_> {
    match text.chars().next() {
        Some('"') => Token::Text(text),
        Some(c) if c.is_ascii_digit() => Token::Number(text),
        Some(c) if c.is_alphabetic() || c == '_' => Token::Word(text),
        _ => Token::Sign(text),
    }
}

/// How many bytes the first token has; none if a text is never closed.
pub(crate) fn token_length(rest: &str) -> Option<usize> {
    let first = rest.chars().next()?;
    if first == '"' {
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Some(at + 1),
                _ => {}
            }
        }
        return None;
    }
    let while_ = |more: fn(char) -> bool| rest.find(|c| !more(c)).unwrap_or(rest.len());
    if first.is_ascii_digit() {
        // A digit with letters behind it is no number: it is kept as it is, and Cedar says what it thinks of it.
        return Some(while_(|c| c.is_alphanumeric() || c == '_'));
    }
    if first.is_alphabetic() || first == '_' {
        return Some(while_(|c| c.is_alphanumeric() || c == '_'));
    }
    let pairs = ["==", "!=", "<=", ">=", "&&", "||", "::"];
    if pairs.iter().any(|pair| rest.starts_with(pair)) {
        return Some(2);
    }
    Some(first.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::shape;

    fn same(a: &str, b: &str) -> bool {
        let (a, b) = (shape(a), shape(b));
        a.is_some() && a == b
    }

    #[test]
    fn numbers_and_texts_that_stand_for_themselves_are_no_part_of_a_shape() {
        assert!(same("resource.mgdl > 180", "resource.mgdl>80"));
        assert!(same("resource.mgdl > -1", "resource.mgdl > -180"));
        assert!(same("resource.device == \"apple\"", "resource.device == \"garmin\""));
        assert!(same("resource.device like \"app*\"", "resource.device like \"*pp*\""));
        assert!(same("resource.tags.contains(\"a\")", "resource.tags.contains(\"b || c\")"));
    }

    #[test]
    fn whatever_a_verdict_may_depend_on_is_part_of_it() {
        for (a, b) in [
            ("resource.mgdl > 180", "resource.mgld > 180"),
            ("resource.mgdl > 180", "resource.mgdl > \"180\""),
            ("resource[\"mgdl\"] > 1", "resource[\"mgld\"] > 1"),
            ("resource has \"mgdl\"", "resource has \"mgld\""),
            ("resource.at > datetime(\"2014-01-01\")", "resource.at > datetime(\"2014-13-01\")"),
            ("decimal(\"1.5\") == resource.x", "decimal(\"1.55555\") == resource.x"),
            ("[\"a\"].contains(resource.x)", "[\"b\"].contains(resource.x)"),
            ("{\"a\": 1}.a == 1", "{\"b\": 1}.a == 1"),
            ("User::\"a\" == resource.x", "User::\"b\" == resource.x"),
            ("resource.x == \"a\"", "resource.x == \"\\q\""),
            ("resource.x > 1", "resource.x > 99999999999999999999"),
            ("resource.x > 1", "resource.x > 1a"),
            ("resource.x like \"a*\"", "resource.x like \"*\""),
            ("resource.x == \"a\" && true", "resource.x == \"a && true\""),
            ("resource.x1 > 1", "resource.x2 > 1"),
            ("resource.hasTag(\"a\")", "resource.hasTag(\"b\")"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
        assert_eq!((shape("resource.x > 1 // a"), shape("resource.x == \"a")), (None, None));
    }
}
