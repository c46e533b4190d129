//! What the stack remembers about itself, kept in its own control table: a row for each resource, a journal of what
//! was begun and ended, and the lock.
//!
//! Guarantees: nothing is written without the lock. Each write carries the lock's *fencing token*, which grows with
//! every acquisition; a row that was written under a greater token is never overwritten. So a process that was
//! suspended for an hour and wakes up cannot undo what its successor wrote. The condition is on the row and not on
//! the lock, because transactions that all check one lock row would conflict with each other and with its heartbeat.

mod dynamo;
#[cfg(test)]
mod golden;
mod lease;
mod memory;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use domain::time::Timestamp;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use dynamo::DynamoState;
pub use lease::{Lease, LeaseTimes, take_away};
pub use memory::MemoryState;

use crate::aws::{AwsError, ErrorKind};
use crate::error::{aws_code, aws_help, holder};
use crate::kinds::Recorded;
use crate::plan::Action;
use crate::resource::Address;

/// The version of the state's rows.
pub const VERSION: u32 = 1;

/// What is remembered of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The resource as it was last applied.
    pub recorded: Recorded,
    /// What it used then.
    pub depends_on: Vec<Address>,
    /// How far the last work on it came.
    pub status: Status,
    /// When this was written.
    pub updated: Timestamp,
}

impl Entry {
    /// The resource, unless its creation never ended: then nothing in here can be relied on.
    pub fn known(&self) -> Option<&Recorded> {
        (self.status != Status::Creating).then_some(&self.recorded)
    }
}

/// How far work on a resource came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is as recorded.
    Ready,
    /// Its creation began and did not end.
    Creating,
    /// A change of it began and did not end.
    Updating,
    /// Its deletion began and did not end.
    Deleting,
}

/// A line of the journal: one piece of work on one resource in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalLine {
    /// The run's fencing token.
    pub token: u64,
    /// The resource.
    pub address: Address,
    /// What was done.
    pub action: Action,
    /// When it began.
    pub begun: Timestamp,
    /// When it ended; none while it runs, or for ever if the process died.
    pub ended: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
}

/// One change of the state, written as a whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// What becomes of the resource's row.
    pub row: RowChange,
    /// The journal's line.
    pub journal: JournalLine,
}

/// What becomes of a resource's row.
#[derive(Debug, Clone, PartialEq)]
pub enum RowChange {
    /// It stays as it is.
    Keep,
    /// It is written.
    Put(Entry),
    /// It is removed.
    Remove(Address),
}

/// A run that ended, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its fencing token: runs are numbered by it.
    pub token: u64,
    /// Who ran it.
    pub owner: Owner,
    /// When it began.
    pub begun: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What it came to, in a few words.
    pub outcome: String,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The user.
    pub user: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Tells processes of equal number on machines of equal name apart.
    pub id: String,
    /// The address of the CI run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_url: Option<String>,
}

/// The lock's row. It stays when the lock is released, so that the token only grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    /// Grows with every acquisition.
    pub token: u64,
    /// Who holds or last held it.
    pub owner: Owner,
    /// When it was acquired.
    pub acquired: Timestamp,
    /// When its holder last said that it is alive.
    pub heartbeat: Timestamp,
    /// How long after that others must leave it alone, in milliseconds.
    pub lease_ms: i64,
    /// Whether it was given back.
    pub released: bool,
}

impl Lock {
    /// Whether others must leave it alone at that instant.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        !self.released && now < self.heartbeat.plus_millis(self.lease_ms)
    }
}

/// Everything remembered, as it was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// The resources.
    pub entries: BTreeMap<Address, Entry>,
    /// The last runs, newest first.
    pub runs: Vec<Run>,
    /// The lock, if it was ever taken.
    pub lock: Option<Lock>,
}

/// Where state is kept.
///
/// Assumption that implementations must meet: reads see every write that ended before they began.
pub trait StateStore: Send + Sync {
    /// Reads everything; none if the state does not exist yet.
    fn load(&self) -> BoxFuture<'_, Result<Option<Snapshot>, StateError>>;

    /// Makes one change, unless the row was written under a greater token: then [`StateError::Lost`].
    fn write<'a>(&'a self, token: u64, write: &'a Write) -> BoxFuture<'a, Result<(), StateError>>;

    /// What the journal says of the run of this token, in the order in which it was begun.
    fn run_journal(&self, token: u64) -> BoxFuture<'_, Result<Vec<JournalLine>, StateError>>;

    /// Writes down that a run ended.
    fn end_run<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), StateError>>;

    /// Reads the lock.
    fn lock(&self) -> BoxFuture<'_, Result<Option<Lock>, StateError>>;

    /// Replaces the lock if it is still as `expected`; says whether it was.
    fn swap_lock<'a>(
        &'a self,
        expected: Option<&'a Lock>,
        new: &'a Lock,
    ) -> BoxFuture<'a, Result<bool, StateError>>;
}

/// What can be wrong with the state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Somebody else works on the stack.
    #[error("the stack is locked by {} since {}", holder(&.0.owner), .0.acquired)]
    Held(Box<Lock>),
    /// The lock was taken over while we worked.
    #[error("the stack's lock was taken over while this command was working, so it may not write any more")]
    Lost,
    /// A row that this version cannot read.
    #[error("the row `{row}` of the stack's state cannot be read: {why}")]
    Unreadable {
        /// Which.
        row: String,
        /// Why.
        why: String,
    },
    /// The table cannot be reached.
    #[error("the stack's state cannot be reached: {0}")]
    Aws(#[from] AwsError),
}

impl StateError {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Held(_) => "FH0301",
            Self::Lost => "FH0302",
            Self::Unreadable { .. } => "FH0303",
            Self::Aws(error) => aws_code(error.kind),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Held(lock) => format!(
                "wait until it is done; if its process died, the lock can be taken over after {}",
                lock.heartbeat.plus_millis(lock.lease_ms)
            ),
            Self::Lost => "look at `provision status`, then run it again".into(),
            Self::Unreadable { .. } => "use the version of `provision` that wrote it, or a newer one".into(),
            Self::Aws(error) if error.kind == ErrorKind::NotFound => {
                "the control table is gone: run `provision apply`, which makes it again and adopts what is there".into()
            }
            Self::Aws(error) => aws_help(error.kind).into(),
        }
    }
}

/// The present.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
