//! YAML as a tree that knows where each of its parts stands in the file.
//!
//! Only what a configuration needs: mappings with texts as keys, lists, scalars. Anchors, aliases, tags, merge
//! keys and further documents are refused, because they make what a file says depend on what is far away.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::codes;
use super::report::{Report, quoted};
use super::source::{At, Locator};

/// The most levels of nesting; stack.yaml itself has seven.
pub(super) const MAX_DEPTH: usize = 32;

/// A part of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub at: At,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
    /// Already reported; nothing more is said about it.
    Broken,
}

/// A text, with how it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scalar {
    pub text: String,
    /// Without quotes, so that it can also be a number, a truth or nothing.
    pub plain: bool,
    /// Where its first byte stands, if each of its bytes can be found in the file.
    pub exact: Option<usize>,
    /// Bytes of indentation before each of its lines but the first.
    pub indent: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub key_at: At,
    pub value: Node,
}

impl Node {
    /// Nothing: an empty value, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(s) if s.plain && matches!(s.text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Reads a file; `None` if it has no tree at all, which is then reported or an empty file.
pub(super) fn read(locator: &Locator<'_>, file: u8, report: &mut Report) -> Option<Node> {
    let mut builder = Builder { locator, file, stack: Vec::new(), root: None, documents: 0 };
    for event in Parser::new_from_str(locator.text) {
        match event {
            Ok((event, span)) => {
                let start = locator.byte_of(span.start.index());
                let end = locator.byte_of(span.end.index()).max(start);
                if builder.take(event, At { file, start, end }, report).is_err() {
                    return builder.root;
                }
            }
            Err(error) => {
                syntax(locator, file, &error, report);
                return None;
            }
        }
    }
    builder.root
}

/// Reading cannot go on; why is in the report.
struct Stop;

enum Pending {
    Nothing,
    Key(String, At),
    /// A key that was refused: its value is read and dropped.
    Refused,
}

enum Frame {
    Sequence(At, Vec<Node>),
    Mapping { at: At, entries: Vec<Entry>, pending: Pending, seen: HashMap<String, At> },
}

struct Builder<'l, 't> {
    locator: &'l Locator<'t>,
    file: u8,
    stack: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
}

impl Builder<'_, '_> {
    fn take(&mut self, event: Event<'_>, at: At, report: &mut Report) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    unsupported(
                        report,
                        at,
                        "a second document begins here",
                        "keep one document: remove the line `---`",
                    );
                    return Err(Stop);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let kind = if self.marked(anchor, tag.is_some(), at, report) {
                    Kind::Broken
                } else {
                    Kind::Scalar(self.scalar(text.into_owned(), style, at))
                };
                self.put(Node { at, kind }, report);
            }
            Event::Alias(_) => {
                let help = "repeat the value; if the text itself begins with `*`, put it in quotes";
                unsupported(report, at, "YAML aliases (`*name`) are not supported", help);
                self.put(Node { at, kind: Kind::Broken }, report);
            }
            Event::SequenceStart(anchor, tag) => {
                self.marked(anchor, tag.is_some(), at, report);
                self.push(Frame::Sequence(at, Vec::new()), at, report)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.marked(anchor, tag.is_some(), at, report);
                let frame = Frame::Mapping {
                    at,
                    entries: Vec::new(),
                    pending: Pending::Nothing,
                    seen: HashMap::new(),
                };
                self.push(frame, at, report)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (start, kind) = match self.stack.pop() {
                    Some(Frame::Sequence(at, nodes)) => (at, Kind::Sequence(nodes)),
                    Some(Frame::Mapping { at, entries, .. }) => (at, Kind::Mapping(entries)),
                    None => return Err(Stop),
                };
                self.put(Node { at: At { end: at.end.max(start.end), ..start }, kind }, report);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Reports an anchor or a tag.
    fn marked(&self, anchor: usize, tagged: bool, at: At, report: &mut Report) -> bool {
        if anchor > 0 {
            let help = "remove `&name`; if the text itself begins with `&`, put it in quotes";
            unsupported(report, at, "YAML anchors (`&name`) are not supported", help);
        }
        if tagged {
            let help = "remove `!name`; if the text itself begins with `!`, as a condition may, put all of it in quotes";
            unsupported(report, at, "YAML tags (`!name`) are not supported", help);
        }
        anchor > 0 || tagged
    }

    fn scalar(&self, text: String, style: ScalarStyle, at: At) -> Scalar {
        let (plain, quote) = match style {
            ScalarStyle::Plain => (true, 0),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => (false, 1),
            ScalarStyle::Literal => return self.block(text, at),
            ScalarStyle::Folded => return Scalar { text, plain: false, exact: None, indent: 0 },
        };
        // Escapes and folded lines make the text differ from what the file says.
        let first = at.start + quote;
        let inside = at.end.checked_sub(quote).and_then(|end| self.locator.text.get(first..end));
        let exact = (inside == Some(text.as_str())).then_some(first);
        Scalar { text, plain, exact, indent: 0 }
    }

    /// A text of lines behind `|`: the file's own lines without their indentation, unless some are empty.
    fn block(&self, text: String, at: At) -> Scalar {
        let line = self.locator.line_of(at.start).text;
        let indent = line.len() - line.trim_start_matches(' ').len();
        let indented = text.trim_end().replace('\n', &format!("\n{}", " ".repeat(indent)));
        let rest = self.locator.text.get(at.start..).unwrap_or_default();
        let exact = rest.starts_with(&indented).then_some(at.start);
        Scalar { text, plain: false, exact, indent }
    }

    fn push(&mut self, frame: Frame, at: At, report: &mut Report) -> Result<(), Stop> {
        if self.stack.len() >= MAX_DEPTH {
            let what = format!("the file is nested more than {MAX_DEPTH} levels deep");
            unsupported(
                report,
                at,
                &what,
                "check for brackets or dashes that repeat; stack.yaml needs seven levels",
            );
            return Err(Stop);
        }
        self.stack.push(frame);
        Ok(())
    }

    fn put(&mut self, node: Node, report: &mut Report) {
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame::Sequence(_, nodes)) => nodes.push(node),
            Some(Frame::Mapping { entries, pending, seen, .. }) => {
                match std::mem::replace(pending, Pending::Nothing) {
                    Pending::Nothing => *pending = key(node, seen, self.locator, report),
                    Pending::Refused => {}
                    Pending::Key(key, key_at) => {
                        // An empty value has no place of its own.
                        let at = if node.at.start == node.at.end { key_at } else { node.at };
                        let at = At { file: self.file, ..at };
                        entries.push(Entry { key, key_at, value: Node { at, ..node } });
                    }
                }
            }
        }
    }
}

/// Takes a node as the key of a mapping.
fn key(node: Node, seen: &mut HashMap<String, At>, locator: &Locator<'_>, report: &mut Report) -> Pending {
    let at = node.at;
    match node.kind {
        Kind::Scalar(Scalar { text, plain, .. }) => {
            if plain && text == "<<" {
                unsupported(report, at, "YAML merge keys (`<<`) are not supported", "repeat the values here");
                return Pending::Refused;
            }
            if indented_by_tab(locator.line_of(at.start).text) {
                report.add(codes::SYNTAX, at, TAB.0, TAB.1);
            }
            if let Some(first) = seen.get(&text) {
                let line = locator.line_of(first.start).number;
                report.add_pair(
                    codes::DUPLICATE,
                    at,
                    *first,
                    format!("{} is here a second time; the first is on line {line}", quoted(&text)),
                    "keep one of the two, or rename one",
                );
                return Pending::Refused;
            }
            seen.insert(text.clone(), at);
            Pending::Key(text, at)
        }
        Kind::Broken => Pending::Refused,
        Kind::Sequence(_) | Kind::Mapping(_) => {
            let help =
                "write `key: value`; if this is a `${VARIABLE}` or begins with a bracket, put it in quotes";
            unsupported(report, at, "a key must be a text, not a list or a mapping", help);
            Pending::Refused
        }
    }
}

fn unsupported(report: &mut Report, at: At, message: &str, help: &str) {
    report.add(codes::UNSUPPORTED, at, message, help);
}

const TAB: (&str, &str) = (
    "a tab is used for indentation, which YAML does not allow",
    "indent with spaces; most editors can convert tabs",
);

fn indented_by_tab(line: &str) -> bool {
    line.trim_start_matches(' ').starts_with('\t')
}

/// What the parser's complaints usually come from. The first that fits is taken.
const HINTS: &[(&str, &str, &str)] = &[
    (
        "mapping values are not allowed",
        "a `:` stands where none can",
        "if it is part of a text, put the text in quotes; otherwise align this line with its neighbours",
    ),
    (
        "':' indicator",
        "a `:` stands where none can",
        "close the `[` or `{` above, or put the text that it is part of in quotes",
    ),
    (
        "simple key",
        "this is not a `key: value` line",
        "add the `:`, or align this line with its neighbours; a text of several lines needs `|` or quotes",
    ),
    (
        "unknown anchor",
        "YAML aliases (`*name`) are not supported",
        "if the text itself begins with `*`, put it in quotes",
    ),
    ("unexpected end of stream", "a quoted text is never closed", "add the missing quote"),
    (
        "quoted scalar",
        "a quoted text is not right",
        "close it with the quote it began with; inside '…' write a quote twice",
    ),
    (
        "trailing content",
        "something stands behind the end of a quoted text",
        "put all of the text inside the quotes",
    ),
    (
        "flow",
        "a list `[…]` or a mapping `{…}` is not right",
        "close it with its bracket, with a comma between its members",
    ),
    ("bracket", "a bracket stands where none can", "close what was opened, or put the text in quotes"),
    ("',' or", "a list `[…]` or a mapping `{…}` is not closed", "add the missing comma or bracket"),
    (
        "node content",
        "a value is missing, or a bracket is not closed",
        "add the value, or close the bracket above",
    ),
    (
        "expected key",
        "this line is not indented like its neighbours",
        "align it with the keys that it stands beside",
    ),
    (
        "expected '-'",
        "this line is not indented like its neighbours",
        "align it with the `-` of the list, or with the list's key",
    ),
    ("unprintable", "the file has a character that cannot be printed", "remove it; it may come from copying"),
    (
        "document",
        "something stands between two documents",
        "keep one document: remove lines of `---` and `...`",
    ),
    (
        "block scalar",
        "a text of several lines is not right",
        "indent its lines alike, deeper than its key, with spaces",
    ),
    ("recursion", "the file is nested too deep", "check for brackets that repeat"),
];

fn syntax(locator: &Locator<'_>, file: u8, error: &ScanError, report: &mut Report) {
    let start = locator.byte_of(error.marker().index());
    let at = At { file, start, end: start };
    let info = error.info();
    // A tab can upset the parser a little later than where it stands.
    let line = locator.line_of(start);
    let before = locator.line_of(line.start.saturating_sub(1));
    if info.starts_with("tab")
        || info.contains(" tab")
        || indented_by_tab(line.text)
        || indented_by_tab(before.text)
    {
        return report.add(codes::SYNTAX, at, TAB.0, TAB.1);
    }
    if let Some(special) = special_beginning(line.text) {
        let start = line.start + special;
        let help = "put all of the text in quotes, for example `when: '!resource.shared'`";
        let message = "a text begins with a character that means something in YAML";
        return report.add(codes::SYNTAX, At { file, start, end: start + 1 }, message, help);
    }
    let variable = line.text.contains("${") && line.text.replace("${", "").contains(['{', '[']);
    let (message, help) = match HINTS.iter().find(|(part, ..)| info.contains(part)) {
        _ if variable => (
            "a `${…}` stands unquoted inside `{…}` or `[…]`, where YAML takes its braces for its own",
            "put it in quotes: `\"${NAME}\"`",
        ),
        Some((_, message, help)) => (*message, *help),
        None => (info, "check the indentation, quotes and brackets at and above this place"),
    };
    report.add(codes::SYNTAX, at, message, help);
}

/// Where the value on this line begins, if it does with a character that YAML gives a meaning to.
fn special_beginning(line: &str) -> Option<usize> {
    line.match_indices(": ").find_map(|(at, _)| {
        let value = line.get(at + 2..)?.trim_start();
        value.starts_with(['!', '&', '*', '@', '%', '`']).then_some(line.len() - value.len())
    })
}
