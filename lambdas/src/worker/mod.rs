//! Data jobs: the past of those who joined, the leavings of those who left, the remains of deleted groups, and the
//! copies of those whose terms have changed.
//!
//! Guarantee: a job that is delivered until it succeeds finishes, however often it is killed or delivered twice.
//! Every page asks again whether the job still makes sense, does work that may be repeated, and notes how far it is.

mod copying;
mod erasing;
mod pace;
mod purging;
mod sifting;
mod spreading;
mod walk;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use store::clock::now;
use store::directory::{GroupRow, Job, JobKind, JobStatus};
use store::document::Document;
use store::receipts::Receipt;
use store::{Store, StoreError};

pub use pace::Pace;

use crate::evaluation::thread_time;
use crate::queue::{Jobs, Message, NotSent};

/// Time left aside to hand over to the next invocation.
const RESERVE: Duration = Duration::from_secs(20);

/// Processor time that rules may take between two looks at the deadline. Rules may be as slow as their authors could make
/// them, and an invocation that does not get to a checkpoint never gets further.
const SLICE: Duration = Duration::from_secs(2);

/// What is decided of some things, the first at least, for as long as a slice lasts.
fn slice_of<'a, T, D>(things: &'a [T], decide: impl Fn(&'a T) -> D) -> impl Iterator<Item = D> {
    let begun = thread_time();
    things.iter().enumerate().map_while(move |(at, thing)| {
        (at == 0 || thread_time().saturating_sub(begun) < SLICE).then(|| decide(thing))
    })
}

/// The job function.
#[derive(Clone)]
pub struct Worker {
    store: Store,
    document: Arc<Document>,
    queue: Arc<dyn Jobs>,
    pace: Pace,
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

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The job is finished, or there is nothing (more) for it to do.
    Done,
    /// Time is up; the job is to be taken up again from its checkpoint.
    Continue,
    /// Other jobs have to be finished first; this one is to be looked at again after a while.
    Wait(Duration),
}

/// What a page came to.
enum Step {
    /// There is more.
    More,
    /// It was the last one.
    Finished,
    /// It was the last one of a purge, which leaves this behind.
    Purged(Receipt),
    /// Nothing can be done before other jobs are finished.
    Blocked,
}

impl Worker {
    /// The function over a store.
    pub fn new(store: Store, document: Arc<Document>, queue: Arc<dyn Jobs>, pace: Pace) -> Self {
        Self { store, document, queue, pace }
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
            let progress = self.run(&message, deadline).await?;
            tracing::info!(job = %message.job, ?progress, "worked on a job");
            let after = match progress {
                Progress::Done => continue,
                Progress::Continue => Duration::ZERO,
                Progress::Wait(pause) => pause,
            };
            let job = self.store.job(&message.group, &message.job).await?;
            self.queue.send_after(&job, after).await?;
        }
        Ok(())
    }

    /// Works on a job until it is finished, has to wait for others, or time is up.
    ///
    /// # Errors
    /// Those of the database; the job is then to be delivered again.
    pub async fn run(&self, message: &Message, deadline: Instant) -> Result<Progress, StoreError> {
        let Message { job, group, rules } = message;
        let (mut job, mut group) = match self.store.job_and_group(group, job, *rules, &self.document).await {
            Ok(found) => found,
            // Finished and forgotten.
            Err(StoreError::Missing(_)) => return Ok(Progress::Done),
            Err(error) => return Err(error),
        };
        while job.status != JobStatus::Done {
            if is_late(deadline) {
                return Ok(Progress::Continue);
            }
            let (begun, before) = (Instant::now(), job.changed);
            // Only for the first page: later ones ask again.
            let step = self.page(&mut job, group.take(), deadline).await?;
            if matches!(step, Step::Finished | Step::Purged(_)) {
                job.status = JobStatus::Done;
                job.total = Some(job.done);
            }
            match &step {
                Step::Purged(receipt) => self.store.checkpoint_with_receipt(&job, receipt, now()).await?,
                _ => self.store.checkpoint(&job, now()).await?,
            }
            if matches!(step, Step::Blocked) {
                return Ok(Progress::Wait(patience(&job)));
            }
            self.pace.keep(job.changed.saturating_sub(before), begun).await;
        }
        Ok(Progress::Done)
    }

    /// Does a page of a job. `group` is the job's group as of now, if it was read already.
    async fn page(
        &self,
        job: &mut Job,
        group: Option<GroupRow>,
        deadline: Instant,
    ) -> Result<Step, StoreError> {
        let rules = group.as_ref().map(|group| group.rule_revision);
        match job.kind.clone() {
            JobKind::Backfill { drive, epoch } => {
                self.backfill_page(job, (&drive, epoch), rules, deadline).await
            }
            JobKind::Purge(departure) => self.purge_page(job, &departure, group, deadline).await,
            JobKind::Revise { drive, epoch, rules_from, consents } => {
                let former = (rules_from, consents.as_slice());
                self.revise_page(job, (&drive, epoch), former, rules, deadline).await
            }
            JobKind::Spread { rules_from, revision } => self.spread_page(job, rules_from, revision).await,
            JobKind::Sift { revision, .. } => self.sift_page(job, revision).await,
            JobKind::Dissolve => self.dissolve_page(job).await,
            JobKind::Erase { whom } => self.erase_page(job, whom.as_ref()).await,
        }
    }

    /// Announces a job that another one has made.
    async fn hand_out(&self, job: &Job) -> Result<(), StoreError> {
        let sent = self.queue.send_after(job, Duration::ZERO).await;
        sent.map_err(|error| StoreError::Busy(error.to_string()))
    }
}

/// Whether what is left of an invocation is needed to hand over.
fn is_late(deadline: Instant) -> bool {
    Instant::now() + RESERVE > deadline
}

/// How long a job waits for others before it looks again: the longer it has waited already, the longer.
fn patience(job: &Job) -> Duration {
    let age = now().seconds().saturating_sub(job.created.seconds());
    Duration::from_secs(u64::try_from(age / 4).unwrap_or_default().clamp(1, 900))
}
