//! Whatever the file, the reader neither panics nor stays silent.

use proptest::prelude::*;

use super::{GOOD, layered, read};
use crate::diagnostic::{Diagnostic, Span};

fn sound(span: Span, text: &str) {
    assert!(span.start <= span.end && span.end <= text.len(), "{span:?}");
    assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{span:?}");
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let breaks = bare.replace("\r\n", "\n").replace('\r', "\n");
    let line = breaks.split('\n').nth(span.line - 1).expect("the line exists");
    assert!(span.column >= 1 && span.column <= line.chars().count() + 1, "{span:?}");
}

fn check(result: Result<crate::stack::Stack, Vec<Diagnostic>>, files: &[&str]) {
    let Err(diagnostics) = result else { return };
    assert!(!diagnostics.is_empty());
    for diagnostic in &diagnostics {
        sound(diagnostic.span, files[usize::from(diagnostic.span.file)]);
        assert!(!diagnostic.message.is_empty() && !diagnostic.help.is_empty(), "{diagnostic:?}");
        assert!(!diagnostic.message.contains('\n') || diagnostic.code.0 == "FH0118", "{diagnostic:?}");
        assert!(super::super::CODES.iter().any(|(code, _)| *code == diagnostic.code.0));
    }
}

/// What mutations put in: everything that YAML, variables and conditions give a meaning to.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            ":", ": ", "- ", "\n", "\r", "\t", " ", "  ", "{", "}", "[", "]", ",", "'", "\"", "|", ">",
            "&a ", "*a", "!", "!x ", "#", " #", "%", "@", "`", "?", "? ", "---\n", "...\n", "<<: ", "${",
            "${A}", "${A:-b}", "$${", "\\", "\u{feff}", "é", "😀", "\0", "~", "null", "resource", ".", "(",
            "&&", "0", "-1", "true",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ]
}

#[derive(Debug, Clone)]
enum Mutation {
    Insert(prop::sample::Index, String),
    Delete(prop::sample::Index, usize),
    Truncate(prop::sample::Index),
    Copy(prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => (any::<prop::sample::Index>(), piece()).prop_map(|(at, text)| Mutation::Insert(at, text)),
        3 => (any::<prop::sample::Index>(), 1..30usize).prop_map(|(at, count)| Mutation::Delete(at, count)),
        1 => any::<prop::sample::Index>().prop_map(Mutation::Truncate),
        1 => (any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(from, to)| Mutation::Copy(from, to)),
    ]
}

fn mutate(text: &str, mutations: &[Mutation]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for mutation in mutations {
        let length = chars.len() + 1;
        match mutation {
            Mutation::Insert(at, text) => {
                drop(chars.splice(at.index(length)..at.index(length), text.chars()))
            }
            Mutation::Delete(at, count) => {
                let start = at.index(length);
                drop(chars.drain(start..(start + count).min(chars.len())));
            }
            Mutation::Truncate(at) => chars.truncate(at.index(length)),
            Mutation::Copy(from, to) => {
                let from = from.index(length);
                let line: Vec<char> = chars[from..].iter().copied().take(40).collect();
                let to = to.index(length);
                drop(chars.splice(to..to, line));
            }
        }
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_file_is_read_or_explained(mutations in prop::collection::vec(mutation(), 1..6)) {
        let text = mutate(GOOD, &mutations);
        check(read(&text), &[&text]);
    }

    #[test]
    fn a_mutated_overlay_is_read_or_explained(mutations in prop::collection::vec(mutation(), 1..6)) {
        let text = mutate(GOOD, &mutations);
        check(layered(GOOD, &text), &[GOOD, &text]);
        check(layered(&text, GOOD), &[&text, GOOD]);
    }

    #[test]
    fn any_text_is_read_or_explained(pieces in prop::collection::vec(piece(), 0..30)) {
        let text = pieces.concat();
        check(read(&text), &[&text]);
    }
}

#[test]
fn a_file_cut_off_anywhere_is_read_or_explained() {
    for (at, _) in GOOD.char_indices() {
        check(read(&GOOD[..at]), &[&GOOD[..at]]);
    }
}
