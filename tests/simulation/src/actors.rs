//! Who acts in the world: each a machine that makes one call of the database at a time.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::ItemId;
use domain::item::Item;
use domain::replication::{
    Change, Decision, ProviderMembership, ProviderTerms, ReplicaKey, Roster, Rulebook, decide,
    must_ask_source, shown,
};
use domain::time::Timestamp;

use crate::check::{Acknowledged, Memory, Promise};
use crate::history::{Faults, Variant, Violation};
use crate::world::{self, Job, JobKind, Outlet, Record, World};

/// Where an actor stands after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It has more to do.
    More,
    /// It is finished.
    Done,
}

/// An actor.
#[derive(Debug, Clone)]
pub enum Actor {
    /// An owner's request that changes or deletes an item.
    Owner(Box<Owner>),
    /// One invocation of the stream function.
    Replicator(Replicator),
    /// One invocation of the job function.
    Worker(Worker),
    /// One list by a consumer.
    Reader(Box<Reader>),
}

impl Actor {
    /// Makes one call.
    ///
    /// # Errors
    /// If what it did breaks an invariant.
    pub fn step(
        &mut self,
        world: &mut World,
        memory: &mut Memory,
        faults: &mut Faults,
    ) -> Result<Step, Violation> {
        match self {
            Self::Owner(owner) => Ok(owner.step(world, memory)),
            Self::Replicator(replicator) => Ok(replicator.step(world, faults)),
            Self::Worker(worker) => Ok(worker.step(world)),
            Self::Reader(reader) => reader.step(world, memory),
        }
    }
}

/// What an owner asks for.
#[derive(Debug, Clone)]
pub enum Wish {
    /// The item shall say this.
    Update(Item, i64),
    /// The item shall be gone.
    Delete(ItemId),
}

/// A request: the source first, then what it takes away from the copies, then the answer.
#[derive(Debug, Clone)]
pub struct Owner {
    drive: usize,
    wish: Wish,
    written: Option<(ItemId, Option<Item>, u64)>,
    left: Option<Vec<Decision>>,
    gave: BTreeSet<usize>,
}

impl Owner {
    /// A request.
    pub fn new(drive: usize, wish: Wish) -> Self {
        Self { drive, wish, written: None, left: None, gave: BTreeSet::new() }
    }

    fn step(&mut self, world: &mut World, memory: &mut Memory) -> Step {
        let Some((id, present, version)) = &self.written else {
            self.written = match &self.wish {
                Wish::Update(before, mgdl) => world
                    .update(self.drive, before, *mgdl)
                    .map(|item| (item.id.clone(), Some(item.clone()), item.version)),
                Wish::Delete(id) => world.delete(self.drive, id).map(|version| (id.clone(), None, version)),
            };
            // Refused: somebody else was first, and nothing was promised.
            return if self.written.is_some() { Step::More } else { Step::Done };
        };
        if self.left.is_none() {
            let outlets = world.outlets(self.drive);
            let data_type = &world::data_type().name;
            let change = match present {
                Some(item) => Change::Present(item),
                None => Change::Deleted { id, data_type, version: *version },
            };
            let mut restrictive = Vec::new();
            for (group, membership, book) in &outlets {
                match decide(&change, membership, book) {
                    // Only what takes away is done here; what gives comes by the stream.
                    bury @ Decision::Bury { .. } if world.variant != Variant::StreamOnly => {
                        restrictive.push(bury)
                    }
                    Decision::Write { .. } => {
                        self.gave.insert(*group);
                    }
                    _ => {}
                }
            }
            self.left = Some(restrictive);
            return Step::More;
        }
        if let Some(decision) = self.left.as_mut().and_then(Vec::pop) {
            world.apply(&decision);
            return Step::More;
        }
        let state = present.as_ref().map(|item| Acknowledged {
            version: item.version,
            fields: item.fields.clone(),
            gave: std::mem::take(&mut self.gave),
        });
        memory.acknowledge(id.clone(), state);
        Step::Done
    }
}

/// One invocation of the stream function over a batch.
#[derive(Debug, Clone)]
pub struct Replicator {
    drive: usize,
    records: Vec<Record>,
    upto: usize,
    outlets: Option<Vec<Outlet>>,
    left: Vec<Decision>,
}

impl Replicator {
    /// An invocation with the records from one position of a drive's stream to another.
    pub fn new(world: &World, drive: usize, from: usize, upto: usize) -> Self {
        let stream = world.streams.get(drive).map(Vec::as_slice).unwrap_or_default();
        let mut last: BTreeMap<ItemId, Record> = BTreeMap::new();
        for record in stream.get(from..upto).unwrap_or_default() {
            last.insert(record.id.clone(), record.clone());
        }
        // Stale reads: the variant that remembers memberships from before the batch arrived.
        let remembered = world.remembered.get(drive).cloned();
        let outlets = remembered.filter(|_| world.variant == Variant::StaleMemberships);
        Self { drive, records: last.into_values().collect(), upto, outlets, left: Vec::new() }
    }

    fn step(&mut self, world: &mut World, faults: &mut Faults) -> Step {
        if self.outlets.is_none() {
            self.outlets = Some(world.outlets(self.drive));
            return Step::More;
        }
        if let Some(decision) = self.left.pop() {
            if !world.apply(&decision) {
                faults.superseded += 1;
            }
            return Step::More;
        }
        let Some(record) = self.records.pop() else {
            if let Some(acknowledged) = world.acknowledged.get_mut(self.drive) {
                *acknowledged = (*acknowledged).max(self.upto);
            }
            return Step::Done;
        };
        for (_, membership, book) in self.outlets.iter().flatten() {
            self.left.push(Self::decide(world, self.drive, &record, membership, book, faults));
        }
        Step::More
    }

    fn decide(
        world: &World,
        drive: usize,
        record: &Record,
        membership: &ProviderMembership,
        book: &Rulebook,
        faults: &mut Faults,
    ) -> Decision {
        let data_type = &world::data_type().name;
        let change = |present: Option<&Item>| match present {
            Some(item) => decide(&Change::Present(item), membership, book),
            None => decide(
                &Change::Deleted { id: &record.id, data_type, version: record.version },
                membership,
                book,
            ),
        };
        let decision = change(record.present.as_ref());
        let shows = matches!(decision, Decision::Write { .. });
        if !shows
            || world.variant == Variant::TrustRecords
            || !must_ask_source(Some(record.written), &membership.terms, book)
        {
            return decision;
        }
        faults.asked += 1;
        change(world.items.get(drive).and_then(|items| items.get(&record.id)))
    }
}

/// One invocation of the job function.
#[derive(Debug, Clone)]
pub struct Worker {
    job: usize,
    page: Option<Vec<Decision>>,
    purges: Vec<(ReplicaKey, u64)>,
    next: Option<ItemId>,
}

/// Items on a page.
const PAGE: usize = 2;

impl Worker {
    /// An invocation for a job.
    pub fn new(job: usize) -> Self {
        Self { job, page: None, purges: Vec::new(), next: None }
    }

    fn step(&mut self, world: &mut World) -> Step {
        let Some(job) = world.jobs.get(self.job).cloned().filter(|job| !job.done) else { return Step::Done };
        if let Some(decision) = self.page.as_mut().and_then(Vec::pop) {
            world.apply(&decision);
            return Step::More;
        }
        if let Some((key, epoch)) = self.purges.pop() {
            world.purge(&key, epoch);
            return Step::More;
        }
        if self.page.take().is_some() {
            // The page is done: note how far the job is.
            if let Some(row) = world.jobs.get_mut(self.job) {
                match self.next.take() {
                    Some(next) => row.checkpoint = Some(next),
                    None => row.done = true,
                }
            }
            return Step::More;
        }
        self.begin_page(world, &job)
    }

    fn begin_page(&mut self, world: &mut World, job: &Job) -> Step {
        let items: Vec<Item> = world
            .items
            .get(job.drive)
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|item| job.checkpoint.as_ref().is_none_or(|at| item.id > *at))
            .take(PAGE)
            .cloned()
            .collect();
        self.next = if items.len() == PAGE { items.last().map(|item| item.id.clone()) } else { None };
        let mut page = Vec::new();
        match job.kind {
            JobKind::Backfill => {
                let membership = world.members.get(&(job.group, job.drive)).filter(|m| m.epoch == job.epoch);
                let group = world.groups.get(job.group).filter(|group| group.active);
                let (Some(membership), Some(group)) = (membership, group) else {
                    return finish(world, self.job);
                };
                let book = group.book();
                page.extend(items.iter().map(|item| decide(&Change::Present(item), membership, &book)));
            }
            JobKind::Purge => {
                let key = |item: &Item| ReplicaKey {
                    group: world::group(job.group),
                    data_type: item.data_type.clone(),
                    shard: world::spread().shard_of(&item.id),
                    id: item.id.clone(),
                    drive: item.drive.clone(),
                };
                self.purges = items.iter().map(|item| (key(item), job.epoch)).collect();
            }
            JobKind::Dissolve => {
                let group = world::group(job.group);
                self.next = None;
                self.purges =
                    world.copies.keys().filter(|k| k.group == group).map(|k| (k.clone(), u64::MAX)).collect();
                world.members.retain(|(at, _), _| *at != job.group);
            }
        }
        self.page = Some(page);
        Step::More
    }
}

fn finish(world: &mut World, job: usize) -> Step {
    if let Some(row) = world.jobs.get_mut(job) {
        row.done = true;
    }
    Step::Done
}

/// One list by a consumer.
#[derive(Debug, Clone)]
pub struct Reader {
    who: usize,
    at: usize,
    promise: Promise,
    group: Option<world::GroupState>,
    page: Option<Vec<domain::replication::ReplicaRow>>,
    page_first: bool,
}

impl Reader {
    /// A list that starts now.
    pub fn new(world: &World, memory: &Memory, who: usize, at: usize, page_first: bool) -> Self {
        Self { who, at, promise: Promise::now(world, memory, at), group: None, page: None, page_first }
    }

    fn step(&mut self, world: &World, memory: &mut Memory) -> Result<Step, Violation> {
        // The group's row and the page of copies are asked for at once, so either may be answered first.
        if self.page.is_none() && (self.page_first || self.group.is_some()) {
            self.page = Some(world.page(self.at));
            return Ok(Step::More);
        }
        if self.group.is_none() {
            self.group = world.groups.get(self.at).cloned();
            return Ok(Step::More);
        }
        let (Some(group), Some(page)) = (&self.group, &self.page) else { return Ok(Step::Done) };
        if !group.active {
            return Ok(Step::Done);
        }
        let roster = roster(world, self.at);
        let book = group.book();
        let seen: Vec<_> = page
            .iter()
            .filter(|row| {
                world.variant == Variant::NoGuard
                    || shown(row, &roster, &book, Timestamp::from_millis(0)).is_some()
            })
            .filter(|row| !row.order.dead)
            .collect();
        for row in seen {
            self.promise.check(world, memory, self.who, self.at, row)?;
        }
        Ok(Step::Done)
    }
}

/// The roster as it reads now.
pub fn roster(world: &World, at: usize) -> Roster {
    let mine = world.members.iter().filter(|((group, _), _)| *group == at);
    let providers = mine
        .map(|(_, m)| (m.drive.clone(), ProviderTerms { epoch: m.epoch, terms: m.terms.clone() }))
        .collect();
    let revision = world.groups.get(at).map_or(0, |group| group.roster_rev);
    Roster { revision, providers, ..Roster::default() }
}
