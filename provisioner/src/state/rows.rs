//! The rows of the control table.
//!
//! | pk | sk | holds |
//! |---|---|---|
//! | `STATE` | the resource's address | [`Entry`] |
//! | `JOURNAL` | fencing token and address | [`JournalLine`] |
//! | `RUN` | fencing token | [`Run`] |
//! | `LOCK` | `LOCK` | [`Lock`] |
//!
//! Documents are kept as JSON text: DynamoDB's own numbers would not come back as they were written. What conditions
//! look at, and what a person at the console wants to see, stands beside it in attributes of its own.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Entry, JournalLine, Lock, Run, StateError, VERSION};
use crate::resource::Address;

pub(super) type Row = HashMap<String, AttributeValue>;

pub(super) const STATE: &str = "STATE";
pub(super) const JOURNAL: &str = "JOURNAL";
pub(super) const RUN: &str = "RUN";
pub(super) const LOCK: &str = "LOCK";

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn key(pk: &str, sk: impl Into<String>) -> Row {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// Tokens as sort keys: their order as text is their order as numbers.
fn padded(token: u64) -> String {
    format!("{token:012}")
}

fn row(pk: &str, sk: String, document: &impl Serialize) -> Result<Row, StateError> {
    let json = serde_json::to_string(document)
        .map_err(|error| StateError::Unreadable { row: format!("{pk} {sk}"), why: error.to_string() })?;
    let mut row = key(pk, sk);
    row.insert("v".to_owned(), number(VERSION));
    row.insert("document".to_owned(), text(json));
    Ok(row)
}

pub(super) fn entry_row(entry: &Entry, token: u64) -> Result<Row, StateError> {
    let recorded = &entry.recorded;
    let mut row = row(STATE, recorded.address.to_string(), entry)?;
    let outputs = recorded.outputs.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let status =
        serde_json::to_value(entry.status).ok().and_then(|status| status.as_str().map(str::to_owned));
    row.insert("token".to_owned(), number(token));
    row.insert("physicalId".to_owned(), text(&recorded.physical_id));
    row.insert("outputs".to_owned(), AttributeValue::M(outputs));
    row.insert("status".to_owned(), text(status.unwrap_or_default()));
    row.insert("updated".to_owned(), text(entry.updated.to_string()));
    Ok(row)
}

pub(super) fn journal_row(line: &JournalLine) -> Result<Row, StateError> {
    row(JOURNAL, format!("{}{}", of_run(line.token), line.address), line)
}

/// What the keys of a run's journal begin with.
pub(super) fn of_run(token: u64) -> String {
    format!("{}#", padded(token))
}

pub(super) fn run_row(run: &Run) -> Result<Row, StateError> {
    row(RUN, padded(run.token), run)
}

pub(super) fn lock_row(lock: &Lock) -> Result<Row, StateError> {
    let mut row = row(LOCK, LOCK.to_owned(), lock)?;
    row.insert("token".to_owned(), number(lock.token));
    row.insert("heartbeat".to_owned(), number(lock.heartbeat.millis()));
    row.insert("released".to_owned(), AttributeValue::Bool(lock.released));
    row.insert("ownerId".to_owned(), text(&lock.owner.id));
    Ok(row)
}

/// How a document of one version becomes one of the next.
type Upgrade = fn(Value) -> Result<Value, String>;

/// The step from version 1 to 2 comes first, and so on. A new version is a step here and a golden file beside this one.
pub(super) const UPGRADES: &[Upgrade] = &[];

/// A document as the newest version has it.
pub(super) fn upgraded(steps: &[Upgrade], version: u32, document: Value) -> Result<Value, String> {
    let done = usize::try_from(version.saturating_sub(1)).unwrap_or(usize::MAX);
    steps.iter().skip(done).try_fold(document, |document, step| step(document))
}

/// Reads a row's document, whatever version wrote it.
pub(super) fn document<T: DeserializeOwned>(row: &Row) -> Result<T, StateError> {
    let part = |name: &str| row.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
    let unreadable =
        |why: String| StateError::Unreadable { row: format!("{} {}", part("pk"), part("sk")), why };
    let version = row.get("v").and_then(|value| value.as_n().ok()).and_then(|n| n.parse::<u32>().ok());
    match version {
        Some(VERSION) => {
            serde_json::from_str(part("document")).map_err(|error| unreadable(error.to_string()))
        }
        Some(version) if (1..VERSION).contains(&version) => {
            let old =
                serde_json::from_str(part("document")).map_err(|error| unreadable(error.to_string()))?;
            let new = upgraded(UPGRADES, version, old).map_err(unreadable)?;
            serde_json::from_value(new).map_err(|error| unreadable(error.to_string()))
        }
        Some(version) => {
            Err(unreadable(format!("it has version {version}, and this program knows version {VERSION}")))
        }
        None => Err(unreadable("it has no version".to_owned())),
    }
}

pub(super) fn entries(rows: &[Row]) -> Result<BTreeMap<Address, Entry>, StateError> {
    rows.iter()
        .map(|row| document::<Entry>(row).map(|entry| (entry.recorded.address.clone(), entry)))
        .collect()
}
