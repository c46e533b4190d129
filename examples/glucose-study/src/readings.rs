//! The readings of `data/glucose.csv`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// What the group's rule asks for: more than so many mg/dL.
pub const HIGH: i64 = 180;
/// The data type.
pub const TYPE: &str = "glucose";

/// One reading.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    /// Who was measured.
    pub subject: String,
    /// When, in UTC.
    pub taken_at: String,
    /// The result in mg/dL.
    pub mgdl: i64,
    /// What the subject was diagnosed with.
    pub diagnosis: String,
}

/// Why the file of readings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadingsError {
    /// It cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not a reading.
    #[error("`{}`, line {line}: expected `subject,takenAt,mgdl,diagnosis`, found `{found}`", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What it says.
        found: String,
    },
}

impl Reading {
    /// The reading as an item of the API.
    pub fn item(&self) -> Value {
        json!({
            "type": TYPE,
            "fields": { "takenAt": self.taken_at, "mgdl": self.mgdl, "diagnosis": self.diagnosis },
        })
    }

    /// Whether the group may see it.
    pub fn is_high(&self) -> bool {
        self.mgdl > HIGH
    }

    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(',');
        let mut next = || parts.next().map(str::to_owned);
        let (subject, taken_at, mgdl, diagnosis) = (next()?, next()?, next()?, next()?);
        let rest = next();
        let mgdl = mgdl.parse().ok()?;
        rest.is_none().then_some(Self { subject, taken_at, mgdl, diagnosis })
    }
}

/// Reads the file: its readings by subject, in the order of time.
///
/// # Errors
/// If it cannot be read or a line is not a reading.
pub fn read(path: &Path) -> Result<BTreeMap<String, Vec<Reading>>, ReadingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ReadingsError::File { path: path.to_owned(), source })?;
    let mut subjects: BTreeMap<String, Vec<Reading>> = BTreeMap::new();
    for (at, line) in text.lines().enumerate().skip(1) {
        let reading = Reading::parse(line).ok_or_else(|| ReadingsError::Line {
            path: path.to_owned(),
            line: at + 1,
            found: line.chars().take(80).collect(),
        })?;
        subjects.entry(reading.subject.clone()).or_default().push(reading);
    }
    for readings in subjects.values_mut() {
        readings.sort_by(|a, b| a.taken_at.cmp(&b.taken_at));
    }
    Ok(subjects)
}

/// What of these readings a group with the rule sees: subject, time, mg/dL.
pub fn high<'r>(readings: impl IntoIterator<Item = &'r Reading>) -> BTreeSet<(String, String, i64)> {
    let high = readings.into_iter().filter(|reading| reading.is_high());
    high.map(|reading| (reading.subject.clone(), reading.taken_at.clone(), reading.mgdl)).collect()
}

/// The example's own file.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/glucose.csv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_what_the_study_promises() {
        let subjects = read(&file()).unwrap();
        let all: Vec<&Reading> = subjects.values().flatten().collect();
        assert_eq!((subjects.len(), all.len()), (19, 34_890));
        assert_eq!(high(all.iter().copied()).len(), 615);
        let times: BTreeSet<_> = all.iter().map(|r| (&r.subject, &r.taken_at)).collect();
        assert_eq!(times.len(), all.len(), "a subject's time tells the reading, which loading relies on");
    }

    #[test]
    fn a_broken_line_is_named() {
        let dir = std::env::temp_dir().join(format!("readings-{}", std::process::id()));
        std::fs::write(&dir, "subject,takenAt,mgdl,diagnosis\na,2014-01-01T00:00:00Z,high,none\n").unwrap();
        let error = read(&dir).unwrap_err().to_string();
        std::fs::remove_file(&dir).unwrap();
        assert!(error.contains("line 2") && error.contains("`a,2014"), "{error}");
    }
}
