//! Who is in the middle of what.

use crate::state::Member;
use crate::terms::{Op, Reading, View};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// Copies the past of who joined.
    Backfill,
    /// After a change of the rules: makes a revision for the member, and waits until all revisions are done.
    Spread {
        /// The first revision of the rules that copies may still be of.
        rules_from: u8,
        /// The revisions of the contract that copies or writers were of when the rules changed: one bit for each.
        contracts: u8,
    },
    /// Brings copies after a change of terms.
    Revise {
        /// The first revision of the rules that copies may still be of.
        rules_from: u8,
        /// The revisions of the contract, besides the one of now, that copies may still be of: one bit for each.
        contracts: u8,
    },
    /// Removes the copies of who left.
    Purge,
    /// Removes the copies and members of a deleted group.
    Dissolve,
    /// Compares copies and source after a restore.
    Reconcile,
}

/// Which job it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId {
    /// What it does.
    pub kind: JobKind,
    /// For which membership.
    pub epoch: u8,
    /// Made at these revisions of rules and contract, and in this era: no two jobs are made at the same.
    pub made: (u8, u8, u8),
}

/// A job's row; it is there until the job is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Job {
    /// Which job it is.
    pub id: JobId,
    /// The item to go on with.
    pub next: u8,
}

/// What follows when a writer's last write is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Then {
    /// Nothing: a repeat, or an invocation that was given up for lost.
    Nothing,
    /// The stream is told that the item's records up to here are done.
    Acknowledge {
        /// The item.
        item: u8,
        /// How many of its records.
        upto: u8,
    },
    /// The caller is told that it is done.
    Answer {
        /// The item.
        item: u8,
        /// Versions before this were taken away.
        floor: u8,
    },
    /// The job goes on with another item, or is done.
    Checkpoint {
        /// The job.
        job: JobId,
        /// Where it goes on; none if it is done.
        next: Option<u8>,
    },
}

/// Somebody in the middle of something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// Has read the membership, not yet the group.
    Half {
        /// The membership as it was.
        member: Member,
        /// Who reads.
        who: Who,
    },
    /// Cannot believe its record, and is about to ask the source.
    Asking {
        /// What it knows.
        view: View,
        /// The item.
        item: u8,
        /// Its record.
        record: u8,
        /// What follows.
        then: Then,
    },
    /// Has written the source, and not yet looked whom that concerns.
    Request {
        /// The item.
        item: u8,
        /// The version that it wrote, or deleted.
        version: u8,
        /// What it wrote; none if it deleted.
        reading: Option<Reading>,
    },
    /// Has checked its job, and not yet read the items.
    Scanning {
        /// What it knows; nothing if it needs to know nothing.
        known: Option<(View, Member)>,
        /// The job.
        job: JobId,
        /// The item to go on with.
        next: u8,
    },
    /// Has decided, and not yet written all.
    Writing {
        /// What is left to write, last first.
        ops: Vec<Op>,
        /// What follows.
        then: Then,
    },
}

impl Actor {
    /// The revision of the membership's contract that it acts upon, if it has read one.
    pub fn contract_revision(&self, epoch: u8) -> Option<u8> {
        let of = |view: &View| (view.epoch == epoch).then_some(view.contract_revision);
        match self {
            Self::Half { member, .. } => (member.epoch == epoch).then(|| member.revision()),
            Self::Asking { view, .. } => of(view),
            Self::Scanning { known, .. } => known.as_ref().and_then(|(view, _)| of(view)),
            Self::Writing { ops, .. } => ops.iter().find_map(|op| match op {
                Op::Put(_, row) if row.order.epoch == u64::from(epoch) => {
                    u8::try_from(row.order.contract_revision).ok()
                }
                _ => None,
            }),
            Self::Request { .. } => None,
        }
    }
}

/// Who reads the terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// A writer for the stream.
    Stream {
        /// The item.
        item: u8,
        /// Its record.
        record: u8,
        /// What follows.
        then: Then,
    },
    /// A request.
    Request {
        /// The item.
        item: u8,
        /// The version that it wrote, or deleted.
        version: u8,
        /// What it wrote; none if it deleted.
        reading: Option<Reading>,
    },
    /// A job.
    Job {
        /// The job.
        job: JobId,
        /// The item to go on with.
        next: u8,
    },
}
