//! The text of a configuration file, and how positions in it are found.

use crate::diagnostic::{Diagnostic, Span};
use crate::stack::codes;

/// The most bytes a configuration file may have.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A configuration file as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'t> {
    /// Its name, for people.
    pub name: &'t str,
    /// What it says.
    pub text: &'t str,
}

impl<'t> Source<'t> {
    /// Takes the bytes of a file as text; `file` is its index in spans (see [`Span::file`]).
    ///
    /// # Errors
    /// One mistake, if there are more than [`MAX_BYTES`], or they are not UTF-8.
    pub fn from_bytes(name: &'t str, file: u8, bytes: &'t [u8]) -> Result<Self, Vec<Diagnostic>> {
        check_size(name, file, bytes.len() as u64)?;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let locator = Locator::new(std::str::from_utf8(good).unwrap_or_default());
            let end = locator.text.len();
            vec![Diagnostic {
                code: codes::UNREADABLE,
                message: format!("`{name}` is not UTF-8 text"),
                span: locator.span(At { file, start: end, end }),
                also: None,
                help: "save the file as UTF-8; the first byte that is not is at this place".into(),
            }]
        })?;
        Ok(Self { name, text })
    }
}

/// Refuses a file by its size alone, so that nobody need read it.
///
/// # Errors
/// One mistake, if it has more than [`MAX_BYTES`].
pub fn check_size(name: &str, file: u8, bytes: u64) -> Result<(), Vec<Diagnostic>> {
    const MIB: u64 = 1024 * 1024;
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let (size, most) = (bytes.div_ceil(MIB), MAX_BYTES / MIB);
    Err(vec![Diagnostic {
        code: codes::UNREADABLE,
        message: format!("`{name}` has {size} MiB; a stack file may have at most {most} MiB"),
        span: Span { file, line: 1, column: 1, ..Span::default() },
        also: None,
        help: "check that this is the file you meant; data belongs into the store, not into this file".into(),
    }])
}

/// A stretch of a file in bytes. Lines and columns are worked out only for what is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct At {
    pub file: u8,
    pub start: usize,
    pub end: usize,
}

/// Characters between two entries of a locator's index.
const STEP: usize = 256;

/// Finds bytes, lines and columns in a text without walking all of it each time.
pub(super) struct Locator<'t> {
    /// The text without its byte order mark.
    pub text: &'t str,
    /// Bytes of the byte order mark.
    skipped: usize,
    /// The byte offset of every `STEP`th character.
    marks: Vec<usize>,
    /// The byte offset of every line's beginning.
    lines: Vec<usize>,
}

/// One line of a text.
pub(super) struct Line<'t> {
    /// From 1.
    pub number: usize,
    /// Byte offset of its beginning.
    pub start: usize,
    /// Without what ends it.
    pub text: &'t str,
}

impl<'t> Locator<'t> {
    pub fn new(whole: &'t str) -> Self {
        let text = whole.strip_prefix('\u{feff}').unwrap_or(whole);
        let mut lines = vec![0];
        let mut marks = Vec::new();
        let mut chars = text.char_indices().enumerate().peekable();
        while let Some((index, (offset, char))) = chars.next() {
            if index % STEP == 0 {
                marks.push(offset);
            }
            let paired = char == '\r' && matches!(chars.peek(), Some((_, (_, '\n'))));
            if char == '\n' || (char == '\r' && !paired) {
                lines.push(offset + 1);
            }
        }
        Self { text, skipped: whole.len() - text.len(), marks, lines }
    }

    /// The byte offset of a character; the end of the text for one behind it.
    pub fn byte_of(&self, index: usize) -> usize {
        let Some(mark) = self.marks.get(index / STEP) else { return self.text.len() };
        let rest = self.text.get(*mark..).unwrap_or_default();
        rest.char_indices().nth(index % STEP).map_or(self.text.len(), |(offset, _)| mark + offset)
    }

    fn char_of(&self, byte: usize) -> usize {
        let block = self.marks.partition_point(|mark| *mark <= byte).saturating_sub(1);
        let mark = self.marks.get(block).copied().unwrap_or(0);
        block * STEP + self.text.get(mark..byte).unwrap_or_default().chars().count()
    }

    /// The line that a byte is in.
    pub fn line_of(&self, byte: usize) -> Line<'t> {
        let number = self.lines.partition_point(|start| *start <= byte).max(1);
        let start = self.lines.get(number - 1).copied().unwrap_or(0);
        let end = self.lines.get(number).copied().unwrap_or(self.text.len());
        let text = self.text.get(start..end).unwrap_or_default().trim_end_matches(['\r', '\n']);
        Line { number, start, text }
    }

    /// The place with its line and column.
    pub fn span(&self, at: At) -> Span {
        // A parser may point into the middle of a character.
        let start = self.text.floor_char_boundary(at.start);
        let line = self.line_of(start);
        Span {
            file: at.file,
            start: start + self.skipped,
            end: self.text.ceil_char_boundary(at.end.max(start)).min(self.text.len()) + self.skipped,
            line: line.number,
            column: self.char_of(start) - self.char_of(line.start) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_right_beyond_ascii_and_behind_a_byte_order_mark() {
        let text = format!("\u{feff}{}\r\nä: ß\rx: 😀y\n", "ü".repeat(700));
        let locator = Locator::new(&text);
        for (index, (offset, _)) in locator.text.char_indices().enumerate() {
            assert_eq!(locator.byte_of(index), offset);
            assert_eq!(locator.char_of(offset), index);
        }
        let offset = locator.text.find('y').unwrap();
        let span = locator.span(At { start: offset, end: offset + 1, file: 1 });
        assert_eq!((span.file, span.line, span.column, &text[span.start..span.end]), (1, 3, 5, "y"));
        let offset = locator.text.find('ß').unwrap();
        let span = locator.span(At { start: offset, end: offset + 2, file: 0 });
        assert_eq!((span.line, span.column, &text[span.start..span.end]), (2, 4, "ß"));
        assert_eq!(locator.byte_of(usize::MAX), locator.text.len());
    }

    #[test]
    fn a_file_that_is_too_large_or_not_text_is_refused() {
        assert_eq!(check_size("stack.yaml", 0, 50 << 20).unwrap_err()[0].code, codes::UNREADABLE);
        assert!(check_size("stack.yaml", 0, MAX_BYTES).is_ok());
        let error = Source::from_bytes("stack.yaml", 1, b"version: 1\nna\xffme: x").unwrap_err();
        assert_eq!((error[0].span.file, error[0].span.line, error[0].span.column), (1, 2, 3));
    }
}
