//! Collects mistakes, and reads the small things that every section consists of.

use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::stack::codes;
use crate::stack::reference::Section;

use super::source::{At, Locator};
use super::yaml::{Entry, Kind, Node, Scalar};

/// The most mistakes that are kept: a file with more is not the file that was meant.
const MAX_PROBLEMS: usize = 1000;

/// Why there is no `renamedFrom` for data types, and what to do.
const TYPE_RENAME: &str = "the name of a data type is in the key of every item and copy, so the old one must stay; \
    declare the new type beside it, write new items under it, and name the old one under `removed` when it is empty";

struct Problem {
    code: Code,
    at: At,
    also: Option<At>,
    message: String,
    help: String,
}

/// The mistakes found so far.
#[derive(Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    /// How many more there were.
    dropped: usize,
}

impl Report {
    pub fn add(&mut self, code: Code, at: At, message: impl Into<String>, help: impl Into<String>) {
        self.push(Problem { code, at, also: None, message: message.into(), help: help.into() });
    }

    /// A mistake that is about two places.
    pub fn add_pair(
        &mut self,
        code: Code,
        at: At,
        also: At,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Problem { code, at, also: Some(also), message: message.into(), help: help.into() });
    }

    fn push(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.dropped += 1;
        }
    }

    /// Whether it is no use to look for more.
    pub fn is_full(&self) -> bool {
        self.dropped > 0
    }

    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The mistakes in the order of their places, each once.
    pub fn finish(self, files: &[Locator<'_>]) -> Vec<Diagnostic> {
        let mut problems = self.problems;
        let full = self.dropped > 0;
        problems.sort_by(|a, b| {
            (a.at.file, a.at.start, a.code, &a.message).cmp(&(b.at.file, b.at.start, b.code, &b.message))
        });
        problems.dedup_by(|a, b| (a.at, a.code, &a.message) == (b.at, b.code, &b.message));
        let span = |at: At| files.get(usize::from(at.file)).map(|file| file.span(at)).unwrap_or_default();
        if let (true, Some(last)) = (full, problems.last_mut()) {
            last.help.push_str("; there are more mistakes than are shown");
        }
        problems
            .into_iter()
            .map(|problem| Diagnostic {
                code: problem.code,
                message: problem.message,
                span: span(problem.at),
                also: problem.also.map(span),
                help: problem.help,
            })
            .collect()
    }

    /// Opens a section: a mapping with known keys.
    pub fn section<'n>(
        &mut self,
        node: &'n Node,
        at: At,
        section: &'static Section,
        what: &str,
    ) -> Option<Fields<'n>> {
        let entries = self.mapping(node, at, what)?;
        let mut meant = Vec::new();
        for entry in entries {
            if section.keys.iter().any(|key| key.name == entry.key) {
                continue;
            }
            if self.is_full() {
                break;
            }
            if section.name == "dataType" && entry.key == "renamedFrom" {
                self.add(codes::RENAME, entry.key_at, format!("{what} cannot be renamed"), TYPE_RENAME);
                continue;
            }
            let known = || section.keys.iter().map(|key| key.name);
            let help = match nearest(&entry.key, known()) {
                Some(near) => {
                    meant.push(near);
                    format!("did you mean `{near}`?")
                }
                None => format!("remove it; the keys here are {}", list(known())),
            };
            self.add(
                codes::UNKNOWN_KEY,
                entry.key_at,
                format!("{what} has no key {}", quoted(&entry.key)),
                help,
            );
        }
        Some(Fields { what: what.to_owned(), at, entries, meant })
    }

    /// A mapping whose keys are names.
    pub fn mapping<'n>(&mut self, node: &'n Node, at: At, what: &str) -> Option<&'n [Entry]> {
        match &node.kind {
            Kind::Mapping(entries) => Some(entries),
            Kind::Broken => None,
            _ => {
                let help = if node.is_null() {
                    "put its keys below it, indented, or remove it (an empty one is written `{}`)"
                } else {
                    "write `key: value` lines below it, indented by two spaces"
                };
                let at = if node.is_null() { at } else { node.at };
                self.add(
                    codes::WRONG_KIND,
                    at,
                    format!("{what} must be a mapping, not {}", describe(node)),
                    help,
                );
                None
            }
        }
    }

    /// The members of a list.
    pub fn sequence<'n>(&mut self, entry: &'n Entry) -> Option<&'n [Node]> {
        match &entry.value.kind {
            Kind::Sequence(nodes) => Some(nodes),
            Kind::Broken => None,
            Kind::Scalar(scalar) if !entry.value.is_null() => {
                let help =
                    format!("for a list of one, write `{}: [{}]`", entry.key, plain_excerpt(&scalar.text));
                self.wrong(entry, "a list", help);
                None
            }
            _ => {
                self.wrong(
                    entry,
                    "a list",
                    format!("write `{}: [a, b]`, or one `- a` line for each", entry.key),
                );
                None
            }
        }
    }

    /// A list of texts.
    pub fn texts<'n>(&mut self, entry: &'n Entry) -> Option<Vec<(&'n str, At)>> {
        let nodes = self.sequence(entry)?;
        let mut texts = Vec::with_capacity(nodes.len());
        for node in nodes {
            match &node.kind {
                Kind::Scalar(scalar) if !node.is_null() => texts.push((scalar.text.as_str(), node.at)),
                Kind::Broken => {}
                _ => {
                    let at = if node.at.start == node.at.end { entry.key_at } else { node.at };
                    let message =
                        format!("each member of `{}` must be a text, not {}", entry.key, describe(node));
                    self.add(
                        codes::WRONG_KIND,
                        at,
                        message,
                        "put a text in quotes if it has special characters",
                    );
                }
            }
        }
        Some(texts)
    }

    /// A list of texts without repetitions.
    pub fn distinct<'n>(&mut self, entry: &'n Entry) -> Option<Vec<(&'n str, At)>> {
        let mut texts = self.texts(entry)?;
        let mut seen = std::collections::HashMap::new();
        texts.retain(|(text, at)| match seen.get(text) {
            Some(first) => {
                let message = format!("{} is in `{}` twice", quoted(text), entry.key);
                self.add_pair(codes::DUPLICATE, *at, *first, message, "remove one of the two");
                false
            }
            None => {
                seen.insert(*text, *at);
                true
            }
        });
        Some(texts)
    }

    pub fn scalar<'n>(&mut self, entry: &'n Entry, wanted: &str, help: &str) -> Option<&'n Scalar> {
        match &entry.value.kind {
            Kind::Scalar(scalar) if !entry.value.is_null() => Some(scalar),
            Kind::Broken => None,
            _ => {
                self.wrong(entry, wanted, help);
                None
            }
        }
    }

    /// A text; one that looks like a number is one too.
    pub fn text<'n>(&mut self, entry: &'n Entry) -> Option<&'n str> {
        self.scalar(entry, "a text", "write the text behind the key").map(|scalar| scalar.text.as_str())
    }

    pub fn boolean(&mut self, entry: &Entry) -> Option<bool> {
        let scalar = self.scalar(entry, "`true` or `false`", "write `true` or `false`")?;
        match (scalar.plain, scalar.text.as_str()) {
            (true, "true") => Some(true),
            (true, "false") => Some(false),
            (true, other) => {
                let help = match other.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" | "1" => "write `true`",
                    "no" | "off" | "n" | "false" | "0" => "write `false`",
                    _ => "write `true` or `false`",
                };
                self.wrong(entry, "`true` or `false`", help);
                None
            }
            (false, _) => {
                self.wrong(entry, "`true` or `false`", "write it without quotes");
                None
            }
        }
    }

    /// A whole number within a range.
    pub fn integer(&mut self, entry: &Entry, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let scalar = self.scalar(entry, &wanted, "write the number behind the key")?;
        let Some(number) = scalar.plain.then(|| scalar.text.parse::<i64>().ok()).flatten() else {
            let help = if scalar.plain {
                "write it in digits alone, without a unit"
            } else {
                "write it without quotes"
            };
            self.wrong(entry, &wanted, help);
            return None;
        };
        if range.contains(&number) {
            return Some(number);
        }
        let nearest = number.clamp(*range.start(), *range.end());
        let message = format!("`{}` must be {wanted}, not `{number}`", entry.key);
        self.add(codes::VALUE, entry.value.at, message, format!("the nearest that is allowed is {nearest}"));
        None
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, entry: &Entry, choices: &[(&'static str, T)]) -> Option<T> {
        let words = || choices.iter().map(|(word, _)| *word);
        let wanted = format!("one of {}", list(words()));
        let text = self.scalar(entry, &wanted, &format!("write one of {}", list(words())))?.text.as_str();
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*choice);
        }
        let help = match nearest(text, words()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write one of {}", list(words())),
        };
        self.add(
            codes::VALUE,
            entry.value.at,
            format!("`{}` must be {wanted}, not {}", entry.key, quoted(text)),
            help,
        );
        None
    }

    /// A value of the wrong kind.
    pub fn wrong(&mut self, entry: &Entry, wanted: &str, help: impl Into<String>) {
        let message = format!("`{}` must be {wanted}, not {}", entry.key, describe(&entry.value));
        self.add(codes::WRONG_KIND, entry.value.at, message, help);
    }
}

/// The entries of a section.
pub(super) struct Fields<'n> {
    what: String,
    /// Where a missing key is missed: at the key the section belongs to.
    pub at: At,
    entries: &'n [Entry],
    /// Keys that a misspelt one was probably meant to be: they are not missing as well.
    meant: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    pub fn get(&self, name: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == name)
    }

    /// A key that must be there.
    pub fn require(&self, name: &str, example: &str, report: &mut Report) -> Option<&'n Entry> {
        let found = self.get(name);
        if found.is_none() && !self.meant.contains(&name) {
            let message = format!("{} has no `{name}`, which it needs", self.what);
            report.add(
                codes::MISSING_KEY,
                self.at,
                message,
                format!("add it, for example `{name}: {example}`"),
            );
        }
        found
    }
}

/// What stands there instead of what was wanted.
pub(super) fn describe(node: &Node) -> String {
    match &node.kind {
        _ if node.is_null() => "empty".into(),
        Kind::Scalar(scalar) if scalar.plain => quoted(&scalar.text),
        Kind::Scalar(scalar) => format!("the text {}", quoted(&scalar.text)),
        Kind::Sequence(_) => "a list".into(),
        Kind::Mapping(_) | Kind::Broken => "a mapping".into(),
    }
}

fn plain_excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// What somebody wrote, in backticks, on one line and not too long.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", plain_excerpt(text))
}

/// Words in backticks with commas between them.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 20;
    let words: Vec<&str> = words.into_iter().collect();
    let mut text = words.iter().take(SHOWN).map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
    if words.len() > SHOWN {
        text.push_str(&format!(" and {} more", words.len() - SHOWN));
    }
    text
}
