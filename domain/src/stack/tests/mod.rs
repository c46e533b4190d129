mod examples;
mod gallery;
mod promises;
mod properties;
mod references;
mod variables;

use std::collections::BTreeMap;

use super::source::Source;
use super::{Stack, Values, parse, parse_with_overlay};
use crate::diagnostic::{Diagnostic, Span};

/// A small file without mistakes.
const GOOD: &str = r#"version: 1
name: study
region: eu-west-1
dataTypes:
  glucose:
    time: takenAt
    fields:
      takenAt: { type: datetime, required: true }
      mgdl: { type: integer, required: true, min: 0, max: 1000 }
      ratio: { type: decimal, min: 0.5 }
      device: { type: string, maxLength: 8, oneOf: [apple, "garmin"] }
    retention: 3y
groups:
  endocrinology:
    owner: lead@example.org
    rules:
      - types: [glucose]
        when: resource.mgdl > 180
        fields: [takenAt, mgdl]
        history: since 2014-01-01
"#;

fn no_variables(_: &str) -> Option<String> {
    None
}

fn nothing_given() -> Values<'static> {
    static NOTHING: BTreeMap<String, String> = BTreeMap::new();
    Values { shell: &no_variables, given: &NOTHING }
}

fn read(text: &str) -> Result<Stack, Vec<Diagnostic>> {
    parse(text, &no_variables)
}

/// `GOOD` with one thing replaced.
fn with(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    GOOD.replacen(old, new, 1)
}

fn layered(base: &str, over: &str) -> Result<Stack, Vec<Diagnostic>> {
    let (base, over) =
        (Source { name: "stack.yaml", text: base }, Source { name: "stack.test.yaml", text: over });
    parse_with_overlay(base, Some(over), &no_variables)
}

/// Diagnostics as people read them: place, message, the line with the place marked, and what to do.
fn render(files: &[&str], diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let Span { file, start, end, line, column } = diagnostic.span;
        let text = files[usize::from(file)];
        assert!(start <= end && end <= text.len(), "{diagnostic:?}");
        let shown = text.lines().nth(line - 1).unwrap_or_default();
        let width = text[start..end].lines().next().unwrap_or_default().chars().count().max(1);
        let also =
            diagnostic.also.map(|also| format!(" (also {}:{})", also.line, also.column)).unwrap_or_default();
        let file = if file == 0 { String::new() } else { format!("file {file}, ") };
        out += &format!("{} {file}{line}:{column}{also} {}\n", diagnostic.code, diagnostic.message);
        if shown.len() < 200 {
            out += &format!("  | {shown}\n  | {}{}\n", " ".repeat(column - 1), "^".repeat(width));
        }
        out += &format!("  = {}\n", diagnostic.help);
    }
    out
}
