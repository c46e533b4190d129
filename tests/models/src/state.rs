//! Everything there is, as small as it can be said.

use std::collections::BTreeMap;

use crate::actors::{Actor, Job, JobId, JobKind};
use crate::reader::List;
use crate::scenario::Scenario;
use crate::terms::{Contract, Edition, Layout, Place, Reading, Row, View};

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
    /// When it was written.
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
            Edition { rule: scenario.rule, layout: Layout { shards: scenario.shards[0], since: 1, at: 1 } };
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

    /// The time: it passes with every change of the roster and of the rules, by more than clocks are ever apart.
    pub fn age(&self) -> u8 {
        self.group.roster_rev + self.group.rule_revision() - 1
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
