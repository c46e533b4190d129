//! The scheduled function: a heartbeat, jobs that nobody was told of, repairs, and a slice of the comparison between
//! what groups see and what they should see.
//!
//! Guarantee: whatever is wrong with a copy is found and repaired within one walk over all of them, however it came
//! about; and one part that fails keeps none of the others from being done. Where a walk stands is one row of the
//! directory, so any invocation goes on where the last one ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use store::document::Document;
use store::repairs::RepairCounts;
use store::scrub::{Counts, GRACE, Health, Limits, Scrub, State};
use store::{Store, StoreError};

use crate::queue::Jobs;

/// Rows that one scheduled run looks at, about.
const ROWS: u64 = 10_000;
/// Rows that are looked at between two writings of the cursor.
const STRETCH: u64 = 1_000;
/// Pages of the directory that are looked through for jobs in one run.
const JOB_PAGES: usize = 8;
/// Repairs tried in one run.
const REPAIRS: usize = 200;
/// How long the repairs of one run may take: a comparison is due in the same run.
const REPAIRING: Duration = Duration::from_secs(60);
/// Time left aside at the end of an invocation.
const RESERVE: Duration = Duration::from_secs(10);

/// The scheduled function.
#[derive(Clone)]
pub struct Scrubber {
    store: Store,
    document: Arc<Document>,
    queue: Arc<dyn Jobs>,
}

/// What an invocation is asked to do; a schedule's event asks for nothing in particular.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Order {
    /// Begin a walk from the start, and go on until time is up or everything was compared.
    pub full: bool,
    /// Compare also what was written a moment ago, which the stream has not had its time for.
    pub fresh: bool,
}

/// What an invocation did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What the comparison found.
    pub found: Counts,
    /// Whether the walk is at its end.
    pub complete: bool,
    /// What became of parked records.
    pub repairs: RepairCounts,
    /// Jobs that were announced again.
    pub announced: usize,
    /// How long the last heartbeat that came through took, in milliseconds.
    pub stream_lag_ms: Option<i64>,
    /// For how long nothing came through the stream that should have, in milliseconds.
    pub stream_gap_ms: i64,
}

impl Scrubber {
    /// The function over a store.
    pub fn new(store: Store, document: Arc<Document>, queue: Arc<dyn Jobs>) -> Self {
        Self { store, document, queue }
    }

    /// What an event asks for.
    pub fn order(event: &Json) -> Order {
        Order::deserialize(event).unwrap_or_default()
    }

    /// Runs once.
    ///
    /// # Errors
    /// The first that kept a part from being done; the other parts were done.
    pub async fn run(&self, order: Order, deadline: Instant, now: Timestamp) -> Result<Report, StoreError> {
        let (mut state, read) = self.store.scrub_state().await?;
        let mut report = Report::default();
        let mut failed = None;
        let parts = [
            self.heartbeat(&mut state, &mut report, now).await,
            self.announce(&mut state, &mut report, now).await,
            self.repair(&mut state, &mut report, now).await,
            self.compare(&mut state, read, &mut report, order, deadline, now).await,
        ];
        for error in parts.into_iter().filter_map(Result::err) {
            tracing::error!(metric = "scrub_failed", %error, "a part of the run could not be done");
            failed.get_or_insert(error);
        }
        tell(&report);
        failed.map_or(Ok(report), Err)
    }

    async fn heartbeat(
        &self,
        state: &mut State,
        report: &mut Report,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Health { lag, gap, start_over } = state.pulse.check(self.store.last_beat().await?, now);
        (report.stream_lag_ms, report.stream_gap_ms) = (lag, gap);
        if start_over {
            tracing::warn!(
                metric = "stream_behind",
                stream_gap_ms = gap,
                "the stream was so far behind that it may have dropped records: everything is compared from the start"
            );
            state.start_over(now);
        }
        self.store.beat(now).await?;
        state.pulse.sent(now);
        Ok(())
    }

    /// Announces open jobs that have not moved: their message may never have been sent, or be lost.
    async fn announce(
        &self,
        state: &mut State,
        report: &mut Report,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (silent, next) = self.store.silent_jobs(state.jobs_after.clone(), JOB_PAGES, now).await?;
        for found in silent {
            let job = match self.store.job(&found.group, &found.job).await {
                Ok(job) if job.is_open() => job,
                Ok(_) | Err(StoreError::Missing(_)) => continue,
                // One that cannot be read keeps no other from being announced.
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(job = %found.job, %error, "a job cannot be announced");
                    continue;
                }
                Err(error) => return Err(error),
            };
            if self.queue.send(&job).await.is_err() {
                // It stays silent and is found again.
                tracing::warn!(metric = "jobs_not_announced", job = %job.id, "a job could not be announced");
                continue;
            }
            self.store.note_announced(&found, now).await?;
            report.announced += 1;
        }
        state.jobs_after = next;
        Ok(())
    }

    async fn repair(&self, state: &mut State, report: &mut Report, now: Timestamp) -> Result<(), StoreError> {
        let after = state.repairs_after.take();
        let until = Instant::now() + REPAIRING;
        let (counts, next) =
            self.store.repair_page(after, (REPAIRS, Some(until)), &self.document, now).await?;
        report.repairs = counts;
        state.repairs_after = next;
        Ok(())
    }

    /// Goes on comparing, and writes down where it is after every stretch.
    async fn compare(
        &self,
        state: &mut State,
        mut read: u64,
        report: &mut Report,
        order: Order,
        deadline: Instant,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if order.full {
            state.start_over(now);
        }
        let until = deadline.checked_sub(RESERVE).unwrap_or(deadline);
        let limits = Limits { rows: STRETCH, until, grace: if order.fresh { 0 } else { GRACE } };
        let scrub = Scrub::new(self.store.clone(), self.document.clone());
        let mut left = if order.full { u64::MAX } else { ROWS };
        loop {
            let walked = match state.walk(now) {
                Some(walk) => scrub.slice(walk, limits, now).await.map(Some),
                None => Ok(None),
            };
            // Written down also after an error: what was done until then is done.
            if !self.store.put_scrub_state(state, read).await? {
                tracing::warn!("another run is under way; this one leaves the walk to it");
                return walked.map(|_| ());
            }
            read += 1;
            let walk = state.walk.as_ref().filter(|walk| walk.is_done());
            report.complete = walk.is_some();
            match walked? {
                Some(found) => report.found.add(&found),
                None => return Ok(()),
            }
            if let Some(walk) = walk {
                tell_of(&walk.counts);
                return Ok(());
            }
            left = left.saturating_sub(STRETCH);
            if left == 0 || Instant::now() >= until {
                return Ok(());
            }
        }
    }
}

/// One line a run, from which metrics are made. No ids: only numbers.
fn tell(report: &Report) {
    let Counts { pairs, items, copies, missing, outdated, altered, orphans, failed } = report.found;
    tracing::info!(
        metric = "scrub",
        pairs,
        items,
        copies,
        missing,
        outdated,
        altered,
        orphans,
        failed,
        repaired = report.repairs.repaired,
        unrepaired = report.repairs.failed,
        announced = report.announced,
        stream_lag_ms = report.stream_lag_ms,
        stream_gap_ms = report.stream_gap_ms,
        "compared"
    );
}

/// One line a walk.
fn tell_of(counts: &Counts) {
    let Counts { pairs, items, copies, missing, outdated, altered, orphans, failed } = *counts;
    tracing::info!(
        metric = "scrub_walk",
        pairs,
        items,
        copies,
        missing,
        outdated,
        altered,
        orphans,
        failed,
        "everything was compared"
    );
}
