//! Mistakes in the configuration as a compiler shows them.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use domain::diagnostic::{Diagnostic, Span};
use domain::stack::is_secret;

use super::style::Style;

/// Lines shown before the one with the mistake.
const BEFORE: usize = 1;
/// Longer stretches (minified YAML, say) are not shown.
const LONGEST: usize = 4096;
/// How many mistakes are shown; nobody reads more in one go.
const MOST: usize = 50;

/// All mistakes, the first ones in full; `sources` are the names and texts of the files.
pub fn diagnostics(all: &[Diagnostic], sources: &[(String, String)], style: Style) -> String {
    let covered = all.iter().any(is_secret).then(|| without_secrets(all, sources));
    let sources = covered.as_deref().unwrap_or(sources);
    let mut parts: Vec<String> = all.iter().take(MOST).map(|one| diagnostic(one, sources, style)).collect();
    if all.len() > MOST {
        parts.push(format!("… and {} more", all.len() - MOST));
    }
    parts.join("\n\n")
}

/// The texts with secrets blackened: what is shown here ends up in logs. Every byte keeps its place.
fn without_secrets(all: &[Diagnostic], sources: &[(String, String)]) -> Vec<(String, String)> {
    let cover = |(index, (name, text)): (usize, &(String, String))| {
        let mut bytes = text.clone().into_bytes();
        for one in all.iter().filter(|one| is_secret(one) && usize::from(one.span.file) == index) {
            let hidden = bytes.get_mut(one.span.start..one.span.end).into_iter().flatten();
            hidden.filter(|byte| !byte.is_ascii_whitespace()).for_each(|byte| *byte = b'*');
        }
        (name.clone(), String::from_utf8_lossy(&bytes).into_owned())
    };
    sources.iter().enumerate().map(cover).collect()
}

fn diagnostic(diagnostic: &Diagnostic, sources: &[(String, String)], style: Style) -> String {
    let title = Level::ERROR.primary_title(diagnostic.message.as_str()).id(diagnostic.code.0);
    let mut group = Group::with_title(title);
    for (span, primary) in
        std::iter::once((diagnostic.span, true)).chain(diagnostic.also.map(|span| (span, false)))
    {
        let Some((name, text)) = sources.get(usize::from(span.file)) else { continue };
        group = match cut(text, span) {
            Some((lines, first, at)) => {
                let kind = if primary { AnnotationKind::Primary } else { AnnotationKind::Context };
                group.element(
                    Snippet::source(lines).line_start(first).path(name.as_str()).annotation(kind.span(at)),
                )
            }
            None => group.element(Origin::path(name.as_str()).line(span.line).char_column(span.column)),
        };
    }
    let help = Group::with_title(Level::HELP.secondary_title(diagnostic.help.as_str()));
    let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group, help])
}

/// The lines around a place, the number of the first of them, and the place within them. Cutting keeps the cost of
/// showing a mistake independent of the size of the file.
fn cut(text: &str, span: Span) -> Option<(&str, usize, Range<usize>)> {
    let (start, end) = (span.start.min(text.len()), span.end.clamp(span.start, text.len().max(span.start)));
    let before = text.get(..start)?;
    let mut from = before.rfind('\n').map_or(0, |at| at + 1);
    let mut first = span.line;
    for _ in 0..BEFORE {
        if from == 0 || first <= 1 {
            break;
        }
        from = text.get(..from - 1)?.rfind('\n').map_or(0, |at| at + 1);
        first -= 1;
    }
    // A mistake that stretches over lines is marked on the first of them.
    let line_end = text.get(start..)?.find('\n').map_or(text.len(), |at| start + at);
    let lines = text.get(from..line_end)?;
    let at = start - from..end.min(line_end).max(start) - from;
    (lines.len() <= LONGEST).then_some((lines, first.max(1), at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::diagnostic::Code;

    fn mistake(text: &str, word: &str) -> Diagnostic {
        let start = text.find(word).unwrap();
        let line = text[..start].matches('\n').count() + 1;
        let column = start - text[..start].rfind('\n').map_or(0, |at| at + 1) + 1;
        Diagnostic {
            code: Code("FH0103"),
            message: format!("unknown key `{word}`"),
            span: Span { start, end: start + word.len(), line, column, file: 0 },
            also: None,
            help: "did you mean `fields`?".into(),
        }
    }

    #[test]
    fn a_mistake_is_shown_in_its_line_with_code_place_and_help() {
        let text = "version: 1\nname: study\ndataTypes:\n  glucose:\n    feilds: {}\n";
        let sources = [("stack.yaml".to_owned(), text.to_owned())];
        let shown = diagnostics(&[mistake(text, "feilds")], &sources, Style::default());
        assert!(shown.contains("stack.yaml:5:5"), "{shown}");
        insta::assert_snapshot!(shown, @r"
        error[FH0103]: unknown key `feilds`
         --> stack.yaml:5:5
          |
        5 |     feilds: {}
          |     ^^^^^^
          |
        help: did you mean `fields`?
        ");
    }

    #[test]
    fn a_secret_is_pointed_at_but_not_shown() {
        let text = "name: study\ntags: { a: hunter2hunter2, b: c }\n";
        let secret = Diagnostic {
            code: Code("FH0125"),
            message: "a secret".into(),
            ..mistake(text, "hunter2hunter2")
        };
        let below = Diagnostic { message: "wrong".into(), ..mistake(text, "b: c") };
        let shown =
            diagnostics(&[secret, below], &[("stack.yaml".to_owned(), text.to_owned())], Style::default());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(shown.matches("tags: { a: **************, b: c }").count(), 2, "{shown}");
    }

    #[test]
    fn an_empty_file_can_be_wrong_too() {
        let empty = Diagnostic { span: Span { line: 1, column: 1, ..Span::default() }, ..mistake("x", "x") };
        let shown = diagnostics(&[empty], &[("stack.yaml".to_owned(), String::new())], Style::default());
        assert!(shown.contains("FH0103") && shown.contains("stack.yaml:1:1"), "{shown}");
    }

    #[test]
    fn a_mistake_on_a_huge_line_is_named_by_its_place() {
        let text = format!("a: {}feilds", "x".repeat(1 << 20));
        let shown = diagnostics(
            &[mistake(&text, "feilds")],
            &[("stack.yaml".to_owned(), text.clone())],
            Style::default(),
        );
        assert!(shown.len() < 500 && shown.contains("stack.yaml:1:"), "{}", shown.len());
    }
}
