//! Evaluating the rules of others within a budget.
//!
//! How long a condition takes is up to whoever wrote it and to whoever wrote the item. So rules are evaluated on a
//! thread of their own, where they hold up nobody's requests, and what is counted is the thread's processor time. The
//! time on the clock would also count other threads, and how long the process was frozen between two invocations.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::replication::{Decision, decide, must_ask_source};
use rustix::time::{ClockId, clock_gettime};
use store::sharing::Outlet;

use crate::replicator::Record;

/// How much processor time the evaluation of one drive's part of a batch may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// By the rules of one group.
    pub group: Duration,
    /// By the rules of all groups together.
    pub drive: Duration,
}

impl Default for Budget {
    /// A condition takes some microseconds: the usual budget is enough for thousands of evaluations.
    fn default() -> Self {
        Self { group: Duration::from_millis(50), drive: Duration::from_millis(100) }
    }
}

/// The processor time that this thread has used so far.
pub(crate) fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// What one drive's part of a batch means for the groups that the drive shares into.
pub(crate) struct Evaluation {
    records: Vec<Record>,
    outlets: Vec<Outlet>,
    budget: Budget,
    /// Processor time spent, for each of the outlets.
    spent: Vec<Duration>,
    /// What is decided so far.
    decisions: Vec<Decision>,
    /// Which records (by their position) at which outlets have to be decided from the source.
    doubtful: Vec<(usize, Vec<usize>)>,
    /// Positions of the records that some group's rules had no time left for.
    unevaluated: BTreeSet<usize>,
}

impl Evaluation {
    pub(crate) fn new(records: &[Record], outlets: Vec<Outlet>, budget: Budget) -> Self {
        Self {
            records: records.to_vec(),
            spent: vec![Duration::ZERO; outlets.len()],
            outlets,
            budget,
            decisions: Vec::new(),
            doubtful: Vec::new(),
            unevaluated: BTreeSet::new(),
        }
    }

    /// Decides about every record at every outlet, as far as the budget allows. What cannot be decided from the records
    /// alone is left to [`Evaluation::decide_from_sources`].
    pub(crate) fn decide(mut self) -> Self {
        for at in 0..self.records.len() {
            let everywhere: Vec<usize> = (0..self.outlets.len()).collect();
            let doubtful = self.decide_at(at, &everywhere, true);
            if !doubtful.is_empty() {
                self.doubtful.push((at, doubtful));
            }
        }
        self
    }

    /// The records whose sources have to be read.
    pub(crate) fn doubtful(&self) -> Vec<Record> {
        self.doubtful.iter().filter_map(|(at, _)| self.records.get(*at).cloned()).collect()
    }

    /// Decides the rest from the items as their drive has them now.
    pub(crate) fn decide_from_sources(mut self, sources: Vec<Record>) -> Self {
        for source in sources {
            let is_of = |(at, _): &(usize, Vec<usize>)| {
                self.records.get(*at).is_some_and(|record| record.id == source.id)
            };
            let Some(found) = self.doubtful.iter().position(is_of) else { continue };
            let (at, outlets) = self.doubtful.swap_remove(found);
            if let Some(record) = self.records.get_mut(at) {
                *record = source;
            }
            self.decide_at(at, &outlets, false);
        }
        self
    }

    /// Decides about one record at some outlets; those at which it cannot be trusted are returned.
    fn decide_at(&mut self, at: usize, outlets: &[usize], may_doubt: bool) -> Vec<usize> {
        let mut doubtful = Vec::new();
        let Some(record) = self.records.get(at) else { return doubtful };
        for index in outlets {
            let Some(Outlet { membership, book }) = self.outlets.get(*index) else { continue };
            let total: Duration = self.spent.iter().sum();
            let Some(spent) = self.spent.get_mut(*index) else { continue };
            if *spent >= self.budget.group || total >= self.budget.drive {
                self.unevaluated.insert(at);
                continue;
            }
            let begun = thread_time();
            let decision = decide(&record.change(), membership, book);
            *spent += thread_time().saturating_sub(begun);
            // Only what would show something can bring anything back.
            let shows = matches!(decision, Decision::Write { .. });
            if may_doubt && shows && must_ask_source(record.written, &membership.terms, book) {
                doubtful.push(*index);
            } else {
                self.decisions.push(decision);
            }
        }
        doubtful
    }

    /// What is decided, and the records that some group's rules had no time left for.
    pub(crate) fn finish(self) -> (Vec<Decision>, Vec<Record>) {
        let late = self.unevaluated.iter().filter_map(|at| self.records.get(*at).cloned());
        (self.decisions, late.collect())
    }
}
