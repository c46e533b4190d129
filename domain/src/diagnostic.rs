//! What is wrong with a configuration: a stable code, where it is, and what to do.

use serde::Serialize;

/// A stretch of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Span {
    /// Which file: 0 is `stack.yaml`, 1 the overlay of the environment.
    pub file: u8,
    /// Byte offset of its beginning.
    pub start: usize,
    /// Byte offset just behind its end.
    pub end: usize,
    /// Line of its beginning, from 1.
    pub line: usize,
    /// Column of its beginning in characters, from 1.
    pub column: usize,
}

/// A stable error code such as `FH0103`, with a page of its own under `docs/errors/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Code(pub &'static str);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// One mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Its code.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub span: Span,
    /// The other place it is about, such as the first of two equal keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<Span>,
    /// What to do about it.
    pub help: String,
}

/// Words longer than this are not compared: nobody means a known word by them, and comparing is quadratic.
const LONGEST_COMPARED: usize = 64;

/// The nearest of the known words, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST_COMPARED {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 1 + LONGEST_COMPARED / 4)
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().max(word.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
