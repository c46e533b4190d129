//! Everything there is, as small as it can be said.

use std::collections::BTreeMap;

use crate::reader::List;
use crate::scenario::Scenario;
use crate::terms::{Contract, Edition, Layout, Op, Place, Reading, Row, View};

/// Items at most.
pub const ITEMS: usize = 3;
/// Records of one item at most.
const RECORDS: usize = 5;
/// Revisions of a contract at most.
const CONTRACTS: usize = 4;

/// A record of the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// The item's version, or the last one that it had.
    pub version: u8,
    /// How it reads; none if it was deleted.
    pub reading: Option<Reading>,
    /// The `roster_rev` when it was written: the only clock there is.
    pub written: u8,
}

/// What happened to an item, in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct History {
    len: u8,
    records: [Record; RECORDS],
}

impl History {
    /// The records.
    pub fn records(&self) -> &[Record] {
        &self.records[..usize::from(self.len)]
    }
    /// How many there are.
    pub fn len(&self) -> u8 {
        self.len
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Adds one, if there is room.
    pub fn push(&mut self, record: Record) {
        if let Some(slot) = self.records.get_mut(usize::from(self.len)) {
            *slot = record;
            self.len += 1;
        }
    }
    /// Whether there is room for one more.
    pub fn has_room(&self) -> bool {
        usize::from(self.len) < RECORDS
    }
}

/// An item in its drive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// Its version, or the last one that it had; 0 if it never was.
    pub version: u8,
    /// How it reads; none if it is not there.
    pub reading: Option<Reading>,
}

/// The drive's membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// Its epoch.
    pub epoch: u8,
    /// When it began.
    pub joined: u8,
    /// What the provider allows, at every revision of the contract from 0.
    contracts: [Option<Contract>; CONTRACTS],
}

impl Member {
    /// A membership that begins.
    pub fn new(epoch: u8, joined: u8, contract: Contract) -> Self {
        let mut contracts = [None; CONTRACTS];
        contracts[0] = Some(contract);
        Self { epoch, joined, contracts }
    }
    /// The revision of the contract.
    pub fn revision(&self) -> u8 {
        (self.contracts.iter().flatten().count() - 1) as u8
    }
    /// The contract of now.
    pub fn contract(&self) -> Contract {
        self.contract_at(self.revision()).unwrap()
    }
    /// The contract at a revision.
    pub fn contract_at(&self, revision: u8) -> Option<Contract> {
        self.contracts.get(usize::from(revision)).copied().flatten()
    }
    /// Changes the contract.
    pub fn agree(&mut self, contract: Contract) {
        if let Some(slot) = self.contracts.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(contract);
        }
    }
}

/// The group's own row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// Whether it exists.
    pub active: bool,
    /// Grows with every change of the roster.
    pub roster_rev: u8,
    /// Grows after a restore.
    pub era: u8,
    /// The rules of every revision, from the first.
    pub editions: Vec<Edition>,
    /// The layouts that copies may lie in.
    pub layouts: Vec<Layout>,
}

impl Group {
    /// The revision of the rules.
    pub fn rule_revision(&self) -> u8 {
        self.editions.len() as u8
    }
    /// The rules of now.
    pub fn edition(&self) -> Edition {
        self.editions[self.editions.len() - 1]
    }
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// Copies the past of who joined.
    Backfill,
    /// After a change of the rules: makes a revision for the member, and waits until all revisions are done.
    Spread {
        /// The first revision of the rules that copies may still be of.
        rules_from: u8,
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

/// Which invariants a list has broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Broken {
    /// I1: it returned what was taken away.
    pub revocation: bool,
    /// I3: it returned what was taken away before, and had been gone.
    pub resurrection: bool,
    /// I4: it returned an older version than the one before it.
    pub backwards: bool,
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The drive's items.
    pub sources: [Source; ITEMS],
    /// The stream, by item: items are on different shards of it, and nothing orders them.
    pub histories: [History; ITEMS],
    /// How many records of each item the stream knows to be done.
    pub acknowledged: [u8; ITEMS],
    /// How many records of each item the stream has forgotten.
    pub trimmed: [u8; ITEMS],
    /// The membership, if there is one.
    pub member: Option<Member>,
    /// The group's row.
    pub group: Group,
    /// The copies.
    pub copies: BTreeMap<Place, Row>,
    /// The jobs that are not done.
    pub jobs: Vec<Job>,
    /// Who is in the middle of something, in a fixed order: it does not matter who came first.
    pub actors: Vec<Actor>,
    /// Below which version nothing of an item may ever be shown again.
    pub floors: [u8; ITEMS],
    /// The greatest version of each item that the consumer has seen.
    pub seen: [u8; ITEMS],
    /// The list that is under way.
    pub list: Option<List>,
    /// What lists have broken.
    pub broken: Broken,
    /// The drive as it was backed up.
    pub backup: Option<[Source; ITEMS]>,
    /// What the failed variants need.
    pub folly: Folly,
}

/// What only failed variants have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Folly {
    /// The drive is on the list of those who left.
    pub revoked: bool,
    /// The membership as writers or readers remember it, if they have any memory.
    pub remembered: Option<Option<Member>>,
}

impl State {
    /// The beginning.
    pub fn new(scenario: &Scenario) -> Self {
        let edition =
            Edition { rule: scenario.rule, layout: Layout { shards: scenario.shards[0], since: 1 } };
        let member = Member::new(1, 1, scenario.contracts[0]);
        Self {
            sources: Default::default(),
            histories: Default::default(),
            acknowledged: Default::default(),
            trimmed: Default::default(),
            member: scenario.member.then_some(member),
            group: Group {
                active: true,
                roster_rev: 1,
                era: 0,
                editions: vec![edition],
                layouts: vec![edition.layout],
            },
            copies: BTreeMap::new(),
            jobs: Vec::new(),
            actors: Vec::new(),
            floors: Default::default(),
            seen: Default::default(),
            list: None,
            broken: Broken::default(),
            backup: None,
            folly: Folly::default(),
        }
    }

    /// What a writer knows that has read this membership, and the group now; nothing if the group is gone.
    pub fn view(&self, member: Member) -> Option<View> {
        self.group.active.then(|| View {
            era: self.group.era,
            epoch: member.epoch,
            joined: member.joined,
            edition: self.group.edition(),
            rule_revision: self.group.rule_revision(),
            contract: member.contract(),
            contract_revision: member.revision(),
        })
    }

    /// Adds somebody who is in the middle of something.
    pub fn enter(&mut self, actor: Actor) {
        let at = self.actors.partition_point(|other| *other < actor);
        self.actors.insert(at, actor);
    }

    /// Adds a job.
    pub fn add_job(&mut self, kind: JobKind, epoch: u8) {
        let contract = self.member.map_or(0, |member| member.revision());
        let made = (self.group.rule_revision(), contract, self.group.era);
        let job = Job { id: JobId { kind, epoch, made }, next: 0 };
        let at = self.jobs.partition_point(|other| *other < job);
        self.jobs.insert(at, job);
    }

    /// Whether nothing is left to be done.
    pub fn at_rest(&self) -> bool {
        let delivered = self.histories.iter().zip(self.acknowledged).all(|(h, done)| done >= h.len());
        delivered && self.actors.is_empty() && self.jobs.is_empty()
    }
}
