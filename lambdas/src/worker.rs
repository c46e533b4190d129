//! Data jobs: the past of those who joined, the leavings of those who left, the remains of deleted groups.
//!
//! Guarantee: a job that is delivered until it succeeds finishes, however often it is killed or delivered twice.
//! Every page asks again whether the job still makes sense, does work that may be repeated, and notes how far it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::datatype::DataType;
use domain::id::{DriveId, GroupId, JobId, Name};
use domain::replication::{Change, Rulebook, decide};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;
use store::clock::now;
use store::directory::{Job, JobKind, JobStatus};
use store::document::Document;
use store::page::{Direction, Window};
use store::{Store, StoreError};

use crate::queue::{Jobs, NotSent};

/// Items looked at between two checkpoints.
const PAGE: usize = 200;
/// Time left aside to hand over to the next invocation.
const RESERVE: Duration = Duration::from_secs(20);

/// The job function.
#[derive(Clone)]
pub struct Worker {
    store: Store,
    document: Arc<Document>,
    queue: Arc<dyn Jobs>,
}

/// Why a message could not be worked on.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// It names no job.
    #[error("the message names no job")]
    Message,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rest could not be handed over.
    #[error(transparent)]
    Queue(#[from] NotSent),
}

/// A message of the queue: where a job is found.
#[derive(Debug, Deserialize)]
struct Message {
    job: JobId,
    group: GroupId,
}

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The job is finished, or there is nothing (more) for it to do.
    Done,
    /// Time is up; the job is to be taken up again from its checkpoint.
    Continue,
}

impl Worker {
    /// The function over a store.
    pub fn new(store: Store, document: Arc<Document>, queue: Arc<dyn Jobs>) -> Self {
        Self { store, document, queue }
    }

    /// Handles the messages of one delivery.
    ///
    /// # Errors
    /// If a message could not be worked on; all of them are then to be delivered again, and end in the queue of dead
    /// letters if that never helps.
    pub async fn handle(&self, event: &Json, deadline: Instant) -> Result<(), WorkError> {
        let records = event.get("Records").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        for record in records {
            let body = record.get("body").and_then(Json::as_str).ok_or(WorkError::Message)?;
            let message: Message = serde_json::from_str(body).map_err(|_| WorkError::Message)?;
            let progress = self.run(&message.group, &message.job, deadline).await?;
            tracing::info!(job = %message.job, ?progress, "worked on a job");
            if progress == Progress::Continue {
                let job = self.store.job(&message.group, &message.job).await?;
                self.queue.send(&job).await?;
            }
        }
        Ok(())
    }

    /// Works on a job until it is finished or time is up.
    ///
    /// # Errors
    /// Those of the database; the job is then to be delivered again.
    pub async fn run(&self, group: &GroupId, job: &JobId, deadline: Instant) -> Result<Progress, StoreError> {
        let mut job = match self.store.job(group, job).await {
            Ok(job) => job,
            // Finished and forgotten.
            Err(StoreError::Missing(_)) => return Ok(Progress::Done),
            Err(error) => return Err(error),
        };
        while job.status != JobStatus::Done {
            if Instant::now() + RESERVE > deadline {
                return Ok(Progress::Continue);
            }
            let finished = match job.kind.clone() {
                JobKind::Backfill { drive, epoch } => self.backfill_page(&mut job, &drive, epoch).await?,
                JobKind::Purge { drive, epoch } => self.purge_page(&mut job, &drive, epoch).await?,
                JobKind::Dissolve => self.dissolve_page(&mut job).await?,
            };
            if finished {
                job.status = JobStatus::Done;
            }
            self.store.checkpoint(&job, now()).await?;
        }
        Ok(Progress::Done)
    }

    /// Copies a page of a joined drive's past; whether it was the last one.
    async fn backfill_page(&self, job: &mut Job, drive: &DriveId, epoch: u64) -> Result<bool, StoreError> {
        // Asked again on every page: a drive that left, or left and came back, has no use for this job any more.
        let Some(membership) = self.store.provider(&job.group, drive).await?.filter(|m| m.epoch == epoch)
        else {
            return Ok(true);
        };
        let group = self.store.group(&job.group).await?;
        if !group.active {
            return Ok(true);
        }
        let rules = self.store.rules(&job.group, group.rule_revision, &self.document).await?;
        let book = Rulebook { revision: group.rule_revision, era: self.document.era, rules };
        let types: Vec<&DataType> =
            self.document.data_types.values().filter(|t| book.rules.covers(&t.name)).collect();
        let Some((data_type, after)) = next_type(&types, job.checkpoint.as_ref()) else { return Ok(true) };
        let from = book.rules.reaches_back_to(&data_type.name, membership.terms);
        let window = Window { from, to: None, limit: PAGE, direction: Direction::Asc, after };
        let page = self.store.items(drive, &[data_type], &window, &self.document, now()).await?;
        let decisions: Vec<_> =
            page.items.iter().map(|item| decide(&Change::Present(item), &membership, &book)).collect();
        self.store.apply(&decisions, now()).await?;
        job.done += page.items.len() as u64;
        Ok(advance(job, &types, data_type, page.next))
    }

    /// Removes the copies of a page of the items of a drive that left; whether it was the last one.
    async fn purge_page(&self, job: &mut Job, drive: &DriveId, epoch: u64) -> Result<bool, StoreError> {
        // All types, not only those that today's rules name: earlier rules may have shared others.
        let types: Vec<&DataType> = self.document.data_types.values().collect();
        let Some((data_type, after)) = next_type(&types, job.checkpoint.as_ref()) else { return Ok(true) };
        let window = Window { from: None, to: None, limit: PAGE, direction: Direction::Asc, after };
        let page = self
            .store
            .items(drive, &[data_type], &window, &self.document, Timestamp::from_millis(i64::MIN))
            .await?;
        let keys: Vec<_> = page.items.iter().map(|item| (item.data_type.clone(), item.id.clone())).collect();
        self.store.purge(&job.group, drive, &keys, self.document.era, epoch).await?;
        job.done += keys.len() as u64;
        Ok(advance(job, &types, data_type, page.next))
    }

    /// Removes some of what is left of a deleted group; whether nothing is.
    async fn dissolve_page(&self, job: &mut Job) -> Result<bool, StoreError> {
        let (removed, more) = self.store.purge_group(&job.group, &self.document).await?;
        job.done += removed as u64;
        if more {
            return Ok(false);
        }
        let removed = self.store.dissolve_page(&job.group).await?;
        Ok(removed == 0)
    }
}

/// The type and position to go on from; none if every type is done.
fn next_type<'t>(
    types: &[&'t DataType],
    checkpoint: Option<&(Name, Option<String>)>,
) -> Option<(&'t DataType, Option<String>)> {
    match checkpoint {
        None => types.first().map(|first| (*first, None)),
        Some((at, position)) => {
            // Types are in the order of their names; one that the stack has dropped since is passed over.
            let next = types.iter().find(|data_type| data_type.name >= *at)?;
            Some((*next, position.clone().filter(|_| next.name == *at)))
        }
    }
}

/// Moves the checkpoint behind a page; whether it was the last page of the last type.
fn advance(job: &mut Job, types: &[&DataType], data_type: &DataType, next: Option<String>) -> bool {
    if next.is_some() {
        job.checkpoint = Some((data_type.name.clone(), next));
        return false;
    }
    match types.iter().find(|other| other.name > data_type.name) {
        Some(other) => {
            job.checkpoint = Some((other.name.clone(), None));
            false
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn types() -> Vec<DataType> {
        ["a", "c"]
            .map(|name| serde_json::from_value(json!({"name": name, "time": "at", "fields": {}})).unwrap())
            .to_vec()
    }

    #[test]
    fn a_job_walks_every_page_of_every_type_once() {
        let types = types();
        let types: Vec<&DataType> = types.iter().collect();
        let group = GroupId::from_bits(1);
        let mut job = Job::new(JobId::from_bits(2), group, JobKind::Dissolve, now());
        let mut pages = vec![None, Some("p2"), None, Some("p1")]; // popped from the end
        let mut seen = Vec::new();
        loop {
            let (data_type, after) = next_type(&types, job.checkpoint.as_ref()).unwrap();
            seen.push((data_type.name.to_string(), after));
            let next = pages.pop().unwrap().map(str::to_owned);
            if advance(&mut job, &types, data_type, next) {
                break;
            }
        }
        let expected = [("a", None), ("a", Some("p1")), ("c", None), ("c", Some("p2"))];
        assert_eq!(seen, expected.map(|(name, at)| (name.to_owned(), at.map(str::to_owned))));
    }

    #[test]
    fn a_checkpoint_in_a_type_that_was_dropped_goes_on_with_the_next_one() {
        let types = types();
        let types: Vec<&DataType> = types.iter().collect();
        let at = |name: &str| (Name::parse(name).unwrap(), Some("p".to_owned()));
        assert_eq!(
            next_type(&types, Some(&at("b"))).map(|(t, p)| (t.name.to_string(), p)),
            Some(("c".into(), None))
        );
        assert!(next_type(&types, Some(&at("d"))).is_none());
    }
}
