//! Comparing what groups see with what they should see, and repairing the difference.
//!
//! Desired is what [`domain::replication::decide`] says of the source of now, for each provider and group; actual is
//! the row in *replicas*. Two walks find what may be wrong, each in bounded slices with a cursor:
//!
//! - *from the source*: for each provider in each group, its items and the copies they should have: what is missing,
//!   outdated, or says something else;
//! - *from the copies*: every row of *replicas*: what has no provider, no item, or no rule that selects it.
//!
//! A walk reads cheaply and may be wrong about a copy, because backfills, purges and the stream go on meanwhile. What
//! it suspects is looked at a second time, in [`settle`]: the copy first, then its source, both consistently; and what
//! is written then is conditional on the very copy that was read. Whoever writes in between wins, so a walk cannot undo
//! what anybody else does. What is merely missing or outdated needs no second look: it is written with the ordinary
//! condition on its order, as a backfill would.
//!
//! Expired copies and tombstones are left to TTL. What a job is at work on is left to the job, and what was written a
//! moment ago to the stream.

mod actual;
mod busy;
mod compare;
mod copies;
mod members;
mod settle;
mod state;

use std::sync::Arc;
use std::time::Instant;

use domain::id::{DriveId, GroupId, Name};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

pub use busy::SilentJob;
pub use state::{Health, LONGEST_GAP, Pulse, State};

use crate::Store;
use crate::attr::{self, Row};
use crate::document::Document;
use crate::error::{Result, StoreError};
use crate::keys::{self, Key};

/// A row's partition and sort key, written down between slices.
pub type Position = (String, String);

/// What a comparison found, and did about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Counts {
    /// Providers in groups, looked at from the source.
    pub pairs: u64,
    /// Items compared with their copies.
    pub items: u64,
    /// Copies looked at, dead ones included.
    pub copies: u64,
    /// Copies that were not there, and were written.
    pub missing: u64,
    /// Copies of an earlier version or rule, and were written anew.
    pub outdated: u64,
    /// Copies that said something else than their source at the same or a greater order, and were replaced.
    pub altered: u64,
    /// Copies that should not be, and were removed.
    pub orphans: u64,
    /// What could not be compared or repaired; it stops nothing else.
    pub failed: u64,
}

impl Counts {
    /// How many copies were not as they should be, and are now.
    pub fn repaired(&self) -> u64 {
        self.missing + self.outdated + self.altered + self.orphans
    }

    /// Adds what another stretch found.
    pub fn add(&mut self, other: &Self) {
        self.pairs += other.pairs;
        self.items += other.items;
        self.copies += other.copies;
        self.missing += other.missing;
        self.outdated += other.outdated;
        self.altered += other.altered;
        self.orphans += other.orphans;
        self.failed += other.failed;
    }

    fn note(&mut self, finding: Finding) {
        match finding {
            Finding::Missing => self.missing += 1,
            Finding::Outdated => self.outdated += 1,
            Finding::Altered => self.altered += 1,
            Finding::Orphan => self.orphans += 1,
        }
    }
}

/// What is wrong with a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It is not there.
    Missing,
    /// It is of an earlier version, rule, contract or era.
    Outdated,
    /// It says something else than its source at the same order, or has an order that nobody gave it.
    Altered,
    /// It should not be there.
    Orphan,
}

/// Where a walk is. Written down between slices, so it must stay readable: a field that is added has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Walk {
    /// When it began.
    pub began: Timestamp,
    /// How far it is.
    pub stage: Stage,
    /// What it found so far.
    #[serde(default)]
    pub counts: Counts,
}

/// How far a walk is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "stage")]
pub enum Stage {
    /// Comparing from the source.
    Members {
        /// Behind which row of the roster.
        after: Option<Position>,
        /// And where within a provider behind it.
        at: Option<At>,
    },
    /// Comparing from the copies.
    Copies {
        /// Behind which copy.
        after: Option<Position>,
    },
    /// At the end.
    Done,
}

/// Where in a provider's items a walk is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct At {
    /// The group.
    pub group: GroupId,
    /// The provider's drive.
    pub drive: DriveId,
    /// Among the items of this type.
    pub data_type: Name,
    /// Behind this position.
    pub after: Option<String>,
}

impl Walk {
    /// A walk that is about to begin.
    pub fn new(now: Timestamp) -> Self {
        Self { began: now, stage: Stage::Members { after: None, at: None }, counts: Counts::default() }
    }

    /// Whether everything was compared.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }
}

/// How much a slice may do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rows that it looks at, about.
    pub rows: u64,
    /// When it ends in any case.
    pub until: Instant,
    /// What was written less than so many milliseconds ago is left to the stream.
    pub grace: i64,
}

/// How long the stream and the requests themselves have for their part, in milliseconds.
pub const GRACE: i64 = 120_000;

/// The comparison of one stack.
#[derive(Debug, Clone)]
pub struct Scrub {
    store: Store,
    document: Arc<Document>,
}

/// What one slice needs at hand.
struct Slice<'a> {
    scrub: &'a Scrub,
    limits: Limits,
    now: Timestamp,
    seen: u64,
    counts: Counts,
    busy: busy::Busy,
}

impl Slice<'_> {
    /// Whether there is room for more.
    fn has_room(&self) -> bool {
        self.seen < self.limits.rows && Instant::now() < self.limits.until
    }

    fn is_fresh(&self, updated: Timestamp) -> bool {
        updated > self.now.plus_millis(-self.limits.grace)
    }

    /// Counts what failed on its own and goes on; what concerns everybody ends the slice.
    fn pass_over(&mut self, error: StoreError, group: Option<&GroupId>) -> Result<()> {
        if !is_about_one(&error) {
            return Err(error);
        }
        tracing::warn!(%error, "something could not be compared");
        tracing::debug!(group = group.map(GroupId::as_str), "where it could not be compared");
        self.counts.failed += 1;
        Ok(())
    }
}

impl Scrub {
    /// The comparison over a store.
    pub fn new(store: Store, document: Arc<Document>) -> Self {
        Self { store, document }
    }

    /// Goes on with a walk for a slice, and says what the slice found. The walk is moved in any case: what was done
    /// before an error need not be done again.
    ///
    /// # Errors
    /// Those of the database; what concerns one copy alone is counted instead.
    pub async fn slice(&self, walk: &mut Walk, limits: Limits, now: Timestamp) -> Result<Counts> {
        let (counts, busy) = (Counts::default(), busy::Busy::default());
        let mut slice = Slice { scrub: self, limits, now, seen: 0, counts, busy };
        let done = slice.go_on(&mut walk.stage).await;
        walk.counts.add(&slice.counts);
        done.map(|()| slice.counts)
    }
}

impl Slice<'_> {
    async fn go_on(&mut self, stage: &mut Stage) -> Result<()> {
        while self.has_room() {
            match stage {
                Stage::Members { after, at } => {
                    if self.members(after, at).await? {
                        *stage = Stage::Copies { after: None };
                    }
                }
                Stage::Copies { after } => {
                    if self.copies(after).await? {
                        *stage = Stage::Done;
                    }
                }
                Stage::Done => break,
            }
        }
        Ok(())
    }
}

/// Whether an error is about one row, and says nothing of the others.
fn is_about_one(error: &StoreError) -> bool {
    match error {
        StoreError::Busy(_) | StoreError::Denied(_) => false,
        // A row that the database will not take, for its size say.
        StoreError::Unavailable(text) => text.starts_with("Validation"),
        _ => true,
    }
}

/// The key in a database's answer that the next page begins behind.
fn position_of(row: &Row) -> Option<Position> {
    let text = |name| attr::get_text(row, name).ok().map(str::to_owned);
    Some((text(keys::PK)?, text(keys::SK)?))
}

fn start_at(position: Option<Position>) -> Option<Row> {
    position.map(|(pk, sk)| attr::key_row(&Key { pk, sk }))
}
