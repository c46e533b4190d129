//! One seed, one history.

use domain::replication::Order;

use crate::actors::{Actor, Owner, Reader, Replicator, Step, Wish, Worker};
use crate::check::{Memory, settled};
use crate::world::{self, DRIVES, GROUPS, THRESHOLDS, World};

/// The protocol, or one of those that design §6 calls failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// As it is.
    Protocol,
    /// Without membership epochs.
    NoEpoch,
    /// Without rule revisions in the order.
    NoRuleRevision,
    /// Copies are deleted, not buried.
    NoTombstone,
    /// Memberships are remembered from before the batch.
    StaleMemberships,
    /// Readers do not check rows.
    NoGuard,
    /// What takes away is left to the stream.
    StreamOnly,
    /// Records from before a join are believed.
    TrustRecords,
    /// Versions start over.
    NoVersion,
}

impl Variant {
    /// Those that must fail.
    pub const FAILED: [Self; 8] = [
        Self::NoEpoch,
        Self::NoRuleRevision,
        Self::NoTombstone,
        Self::StaleMemberships,
        Self::NoGuard,
        Self::StreamOnly,
        Self::TrustRecords,
        Self::NoVersion,
    ];

    /// An order as this variant would write it.
    pub(crate) fn weaken(self, order: Order) -> Order {
        match self {
            Self::NoRuleRevision => Order { rule_revision: 0, ..order },
            Self::NoVersion => Order { version: 1, ..order },
            _ => order,
        }
    }
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: &'static str,
    /// How.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(invariant: &'static str, what: &str) -> Self {
        Self { invariant, what: what.to_owned() }
    }
}

/// How often each fault really happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Batches delivered again after they were acknowledged.
    pub duplicates: u64,
    /// Batches that two invocations worked on at once.
    pub overlaps: u64,
    /// Invocations that were frozen and went on much later.
    pub frozen: u64,
    /// Invocations that died between two calls.
    pub crashes: u64,
    /// Requests that died between two calls.
    pub broken_requests: u64,
    /// Jobs delivered twice.
    pub double_jobs: u64,
    /// Leaves or joins while a backfill was under way.
    pub roster_during_backfill: u64,
    /// Rule changes while a backfill was under way.
    pub rules_during_backfill: u64,
    /// Groups deleted while a backfill was under way.
    pub deleted_during_backfill: u64,
    /// Two requests for one item at once.
    pub two_devices: u64,
    /// Joins by a machine whose clock is off.
    pub clock_jumps: u64,
    /// Times the source was asked instead of believing a record.
    pub asked: u64,
    /// Writes that came too late.
    pub superseded: u64,
}

impl Faults {
    /// Adds another history's counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.each_mut().into_iter().zip(other.each()) {
            *mine += theirs.1;
        }
    }
    /// Every count with its name.
    pub fn each(&self) -> [(&'static str, u64); 13] {
        [
            ("duplicate batches", self.duplicates),
            ("overlapping invocations", self.overlaps),
            ("frozen invocations", self.frozen),
            ("crashed invocations", self.crashes),
            ("broken requests", self.broken_requests),
            ("jobs delivered twice", self.double_jobs),
            ("roster changes during backfill", self.roster_during_backfill),
            ("rule changes during backfill", self.rules_during_backfill),
            ("group deletions during backfill", self.deleted_during_backfill),
            ("two devices at once", self.two_devices),
            ("clock jumps", self.clock_jumps),
            ("sources asked", self.asked),
            ("writes superseded", self.superseded),
        ]
    }
    fn each_mut(&mut self) -> [&mut u64; 13] {
        [
            &mut self.duplicates,
            &mut self.overlaps,
            &mut self.frozen,
            &mut self.crashes,
            &mut self.broken_requests,
            &mut self.double_jobs,
            &mut self.roster_during_backfill,
            &mut self.rules_during_backfill,
            &mut self.deleted_during_backfill,
            &mut self.two_devices,
            &mut self.clock_jumps,
            &mut self.asked,
            &mut self.superseded,
        ]
    }
}

/// What one history did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Faults that happened.
    pub faults: Faults,
    /// Rows that lists returned and that were checked.
    pub rows: u64,
    /// Copies that nobody sees and that are left for the scrubber.
    pub orphans: u64,
}

/// Steps of a history before everything is let come to rest.
const STEPS: usize = 220;
/// Actors at once.
const CROWD: usize = 7;

struct History {
    rng: fastrand::Rng,
    world: World,
    memory: Memory,
    faults: Faults,
    actors: Vec<Actor>,
    frozen: Vec<Actor>,
}

/// Runs one history.
///
/// # Errors
/// The first invariant that it breaks.
pub fn run(seed: u64, variant: Variant) -> Result<Report, Violation> {
    let mut history = History {
        rng: fastrand::Rng::with_seed(seed),
        world: World::new(variant),
        memory: Memory::default(),
        faults: Faults::default(),
        actors: Vec::new(),
        frozen: Vec::new(),
    };
    for _ in 0..STEPS {
        history.tick()?;
    }
    history.rest()?;
    let orphans = settled(&history.world)?;
    Ok(Report { faults: history.faults, rows: history.memory.returned, orphans })
}

impl History {
    fn tick(&mut self) -> Result<(), Violation> {
        // Most steps take milliseconds; now and then more time passes than clocks are ever apart.
        self.world.now += if self.rng.u8(..) < 12 { 90_000 } else { self.rng.i64(1..400) };
        if self.world.variant == Variant::StaleMemberships && self.rng.u8(..) < 8 {
            self.world.remembered = (0..DRIVES).map(|on| self.world.outlets(on)).collect();
        }
        if self.actors.len() < CROWD && self.rng.u8(..) < 150 {
            self.enter();
        }
        if self.rng.u8(..) < 10 && !self.frozen.is_empty() {
            let thawed = self.frozen.swap_remove(self.rng.usize(..self.frozen.len()));
            self.actors.push(thawed);
        }
        if self.actors.is_empty() {
            return Ok(());
        }
        let chosen = self.rng.usize(..self.actors.len());
        if self.misfortune(chosen) {
            return Ok(());
        }
        let Some(actor) = self.actors.get_mut(chosen) else { return Ok(()) };
        if actor.step(&mut self.world, &mut self.memory, &mut self.faults)? == Step::Done {
            self.actors.swap_remove(chosen);
        }
        Ok(())
    }

    /// Lets an actor die or freeze; whether it did.
    fn misfortune(&mut self, chosen: usize) -> bool {
        let fate = self.rng.u8(..);
        match self.actors.get(chosen) {
            Some(Actor::Replicator(_) | Actor::Worker(_)) if fate < 8 => {
                self.faults.crashes += 1;
                self.actors.swap_remove(chosen);
                true
            }
            Some(Actor::Replicator(_) | Actor::Worker(_)) if fate < 16 => {
                self.faults.frozen += 1;
                let actor = self.actors.swap_remove(chosen);
                self.frozen.push(actor);
                true
            }
            // A request that dies was never acknowledged; the stream does what it left undone.
            Some(Actor::Owner(_)) if fate < 6 => {
                self.faults.broken_requests += 1;
                self.actors.swap_remove(chosen);
                true
            }
            _ => false,
        }
    }

    /// Somebody begins something.
    fn enter(&mut self) {
        let (on, at) = (self.rng.usize(..DRIVES), self.rng.usize(..GROUPS));
        match self.rng.u8(..100) {
            0..=14 => {
                let mgdl = self.reading();
                self.world.create(on, mgdl);
            }
            15..=29 => self.enter_owner(on),
            30..=49 => self.enter_replicator(on),
            50..=61 => self.enter_worker(),
            62..=80 => {
                let (who, first) = (self.rng.usize(..2), self.rng.bool());
                // One list at a time for each reader: that is what "never goes back" is about.
                let reader = Reader::new(&self.world, &self.memory, who, at, first);
                if !self.actors.iter().any(|actor| matches!(actor, Actor::Reader(_))) {
                    self.actors.push(Actor::Reader(Box::new(reader)));
                }
            }
            81..=89 => self.join_or_leave(at, on),
            90..=97 => {
                let threshold = self.rng.usize(..THRESHOLDS.len());
                if self.world.change_rules(at, threshold) && self.backfilling() {
                    self.faults.rules_during_backfill += 1;
                }
            }
            _ => {
                if self.rng.u8(..) < 40 && self.world.delete_group(at) && self.backfilling() {
                    self.faults.deleted_during_backfill += 1;
                }
            }
        }
    }

    fn reading(&mut self) -> i64 {
        *self.rng.choice([90, 120, 180, 220].iter()).unwrap_or(&90)
    }

    fn backfilling(&self) -> bool {
        self.actors.iter().chain(&self.frozen).any(|actor| matches!(actor, Actor::Worker(_)))
    }

    fn enter_owner(&mut self, on: usize) {
        let items: Vec<_> =
            self.world.items.get(on).into_iter().flat_map(|items| items.values()).cloned().collect();
        let Some(item) = self.rng.choice(items.iter()).cloned() else { return };
        if self.rng.u8(..) < 30 {
            self.faults.two_devices += 1;
            let mgdl = self.reading();
            self.actors.push(Actor::Owner(Box::new(Owner::new(on, Wish::Update(item.clone(), mgdl)))));
        }
        let wish = if self.rng.u8(..) < 90 {
            Wish::Delete(item.id.clone())
        } else {
            Wish::Update(item, self.reading())
        };
        self.actors.push(Actor::Owner(Box::new(Owner::new(on, wish))));
    }

    fn enter_replicator(&mut self, on: usize) {
        let end = self.world.streams.get(on).map_or(0, Vec::len);
        let mut from = self.world.acknowledged.get(on).copied().unwrap_or_default();
        // The same shard is not handed out twice, but for an invocation that was given up for lost.
        let busy = self.actors.iter().any(|actor| matches!(actor, Actor::Replicator(_)));
        if busy {
            self.faults.overlaps += 1;
        }
        if self.rng.u8(..) < 30 && from > 0 {
            self.faults.duplicates += 1;
            from = self.rng.usize(..from);
        }
        if from < end {
            let upto = (from + self.rng.usize(1..=4)).min(end);
            self.actors.push(Actor::Replicator(Replicator::new(&self.world, on, from, upto)));
        }
    }

    fn enter_worker(&mut self) {
        let open: Vec<usize> =
            self.world.jobs.iter().enumerate().filter(|(_, job)| !job.done).map(|(at, _)| at).collect();
        let Some(job) = self.rng.choice(open.iter()).copied() else { return };
        self.actors.push(Actor::Worker(Worker::new(job)));
        if self.rng.u8(..) < 40 {
            self.faults.double_jobs += 1;
            self.actors.push(Actor::Worker(Worker::new(job)));
        }
    }

    fn join_or_leave(&mut self, at: usize, on: usize) {
        let during = self.backfilling();
        let changed = if self.world.members.contains_key(&(at, on)) {
            self.world.leave(at, on)
        } else {
            let skew = if self.rng.u8(..) < 60 { self.rng.i64(-30_000..30_000) } else { 0 };
            let joined = self.world.join(at, on, skew);
            if joined {
                self.memory.joins.push((at, on));
                self.faults.clock_jumps += u64::from(skew != 0);
            }
            joined
        };
        self.faults.roster_during_backfill += u64::from(changed && during);
    }

    /// Everybody finishes, streams are read to their ends, jobs are done.
    fn rest(&mut self) -> Result<(), Violation> {
        self.actors.append(&mut self.frozen);
        loop {
            while !self.actors.is_empty() {
                let chosen = self.rng.usize(..self.actors.len());
                let Some(actor) = self.actors.get_mut(chosen) else { break };
                if actor.step(&mut self.world, &mut self.memory, &mut self.faults)? == Step::Done {
                    self.actors.swap_remove(chosen);
                }
            }
            for on in 0..DRIVES {
                let from = self.world.acknowledged.get(on).copied().unwrap_or_default();
                let end = self.world.streams.get(on).map_or(0, Vec::len);
                if from < end {
                    self.actors.push(Actor::Replicator(Replicator::new(&self.world, on, from, end)));
                }
            }
            let open = self.world.jobs.iter().enumerate().filter(|(_, job)| !job.done).map(|(at, _)| at);
            let workers: Vec<Actor> = open.map(|job| Actor::Worker(Worker::new(job))).collect();
            self.actors.extend(workers);
            if self.actors.is_empty() {
                break;
            }
        }
        for at in 0..GROUPS {
            self.actors.push(Actor::Reader(Box::new(Reader::new(&self.world, &self.memory, 0, at, false))));
        }
        while let Some(mut reader) = self.actors.pop() {
            while reader.step(&mut self.world, &mut self.memory, &mut self.faults)? == Step::More {}
        }
        debug_assert!(world::data_type().fields.len() == 2);
        Ok(())
    }
}
