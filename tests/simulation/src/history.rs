//! One seed, one history.

use crate::actors::{
    Actor, Admin, Change, Owner, Reader, Repairer, Replicator, Scrubber, Step, Wish, Worker,
};
use crate::check::Memory;
use crate::faults::{Fault, Faults};
use crate::terms::{CONTRACTS, NOTES, RULES, Reading, VALUES, narrows};
use crate::variant::{Variant, Violation};
use crate::world::{DRIVES, GROUPS, Part, World};

/// What one history did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Faults that happened.
    pub faults: Faults,
    /// Rows that lists returned and that were checked.
    pub rows: u64,
    /// Copies that nobody sees and that were left for the scrubber.
    pub orphans: u64,
}

/// Steps of a history before everything is let come to rest.
const STEPS: usize = 260;
/// Actors at once.
const CROWD: usize = 8;
/// How long an invocation can be frozen and still go on, in milliseconds: environments are not kept for days.
const LATEST: i64 = 2 * 86_400_000;

/// A history under way.
pub struct History {
    pub(crate) world: World,
    pub(crate) memory: Memory,
    pub(crate) actors: Vec<Actor>,
    pub(crate) frozen: Vec<(i64, Actor)>,
    /// Whether this history has a scrubber at work from the beginning.
    scrubbed: bool,
    /// Whether days pass in it.
    long: bool,
    /// How often nobody changes a group, a membership or a contract although it would be their turn, of 256.
    calm: u8,
}

/// Runs one history.
///
/// # Errors
/// The first invariant that it breaks.
pub fn run(seed: u64, variant: Variant) -> Result<Report, Violation> {
    let mut world = World::new(seed, variant);
    let calm = *world.rng.choice(&[0, 128, 200, 236]).unwrap_or(&0);
    let (scrubbed, long) = (world.rng.u8(..) < 64, world.rng.u8(..) < 64);
    let mut history = History {
        world,
        memory: Memory::default(),
        actors: Vec::new(),
        frozen: Vec::new(),
        scrubbed: scrubbed && variant != Variant::NoScrubber,
        long,
        calm,
    };
    for at in 0..GROUPS {
        let on = history.world.rng.usize(..DRIVES);
        history.actors.push(Actor::Admin(Box::new(Admin::new(at, Change::Join(on, 0, false)))));
    }
    for _ in 0..STEPS {
        history.tick()?;
    }
    let orphans = history.rest()?;
    Ok(Report { faults: history.world.faults, rows: history.memory.returned, orphans })
}

impl History {
    fn tick(&mut self) -> Result<(), Violation> {
        self.pass_time();
        if self.world.variant == Variant::StaleMemberships && self.world.rng.u8(..) < 8 {
            self.world.remembered =
                (0..DRIVES).map(|on| self.world.with_rules(&self.world.provides(on))).collect();
        }
        if self.actors.len() < CROWD && self.world.rng.u8(..) < 150 {
            self.enter();
        }
        if self.world.rng.u8(..) < 10 && !self.frozen.is_empty() {
            let (_, thawed) = self.frozen.swap_remove(self.world.rng.usize(..self.frozen.len()));
            self.actors.push(thawed);
        }
        if self.actors.is_empty() {
            return Ok(());
        }
        let chosen = self.world.rng.usize(..self.actors.len());
        if self.misfortune(chosen) {
            return Ok(());
        }
        self.step(chosen)
    }

    pub(crate) fn step(&mut self, chosen: usize) -> Result<(), Violation> {
        let Some(actor) = self.actors.get_mut(chosen) else { return Ok(()) };
        if actor.step(&mut self.world, &mut self.memory)? == Step::Done {
            self.actors.swap_remove(chosen);
        }
        Ok(())
    }

    /// Most steps take milliseconds; now and then more time passes than clocks are ever apart, and sometimes days.
    fn pass_time(&mut self) {
        let world = &mut self.world;
        let before = world.now;
        let moved = world.groups.iter().all(|group| group.layout.len() == 1);
        world.now += match world.rng.u8(..) {
            0..=11 => 90_000,
            12 if self.long => 13 * 3_600_000,
            13 if self.long && world.rng.bool() => 26 * 3_600_000,
            // Tombstones expire. Copies that were to move have moved by then: a scrubber's walk takes hours, not days.
            14 if self.long && moved && world.rng.u8(..) < 64 => LATEST * 4,
            _ => world.rng.i64(1..400),
        };
        let now = world.now;
        if now - before > LATEST {
            // No invocation outlives that.
            for actor in self.actors.drain(..) {
                if let Actor::Replicator(replicator) = actor {
                    world.source.time_out(replicator.batch.delivery, &mut world.faults);
                }
            }
        }
        self.frozen.retain(|(since, _)| now - since < LATEST);
        world.source.trim(now, &mut world.faults);
        if world.rng.u8(..) < 3 {
            world.source.split(world.rng.usize(..DRIVES), &mut world.faults);
        }
        for _ in 0..world.copies.expire(domain::time::Timestamp::from_millis(now)) {
            world.faults.note(Fault::Expired);
        }
        if world.rng.u8(..) < 5 {
            let part = match world.rng.usize(..GROUPS + 2) {
                0 => Part::Data,
                1 => Part::Directory,
                at => Part::Copies(at - 2),
            };
            world.throttled = Some((part, now + world.rng.i64(100..6_000)));
        }
    }

    /// Lets an actor die or freeze; whether it did.
    fn misfortune(&mut self, chosen: usize) -> bool {
        let mut fate = self.world.rng.u8(..);
        let Some(actor) = self.actors.get(chosen) else { return false };
        let between = actor.is_between_writes();
        if actor.is_between_reads() && self.world.rng.u8(..) < 10 {
            // What it has read is out of date when it goes on.
            fate = 9;
        }
        let frozen = match actor {
            Actor::Reader(_) | Actor::Admin(_) => return false,
            // A request that dies was never acknowledged; the stream does what it left undone.
            Actor::Owner(_) if fate < 6 => {
                self.repeat(chosen);
                false
            }
            Actor::Owner(_) if fate >= 10 => return false,
            _ if fate < 8 => false,
            _ if fate < 16 => true,
            _ => return false,
        };
        let actor = self.actors.swap_remove(chosen);
        if let Actor::Replicator(replicator) = &actor {
            // Its answer never comes.
            self.world.source.time_out(replicator.batch.delivery, &mut self.world.faults);
        }
        if frozen {
            if actor.is_between_reads() {
                self.world.faults.note(Fault::TornRead);
            }
            self.world.faults.note(Fault::Late);
            self.frozen.push((self.world.now, actor));
            return true;
        }
        self.world.faults.note(Fault::Crash);
        if between {
            self.world.faults.note(Fault::CrashBetweenWrites);
        }
        true
    }

    /// Half of the people whose request was cut off send it again.
    fn repeat(&mut self, chosen: usize) {
        if let Some(Actor::Owner(owner)) = self.actors.get(chosen)
            && owner.is_under_way()
            && self.world.rng.bool()
        {
            let again = Owner::new(owner.drive, owner.wish.clone(), self.world.now);
            self.world.faults.note(Fault::Repeated);
            self.actors.push(Actor::Owner(Box::new(again)));
        }
    }

    /// Somebody begins something.
    fn enter(&mut self) {
        let (on, at) = (self.world.rng.usize(..DRIVES), self.world.rng.usize(..GROUPS));
        match self.world.rng.u8(..100) {
            0..=11 => {
                let reading = self.reading();
                if reading.note == Some(crate::terms::HUGE) {
                    self.world.faults.note(Fault::Oversize);
                } else {
                    self.world.create(on, &reading);
                }
            }
            12..=25 => self.enter_owner(on),
            26..=43 => self.deliver(),
            44..=58 => self.enter_worker(),
            59..=76 => {
                let (who, first) = (self.world.rng.usize(..2), self.world.rng.bool());
                let reader = Reader::new(&self.world, &self.memory, who, at, first);
                // One list at a time for each reader: that is what "never goes back" is about.
                if !self.actors.iter().any(|actor| matches!(actor, Actor::Reader(_))) {
                    self.actors.push(Actor::Reader(Box::new(reader)));
                }
            }
            77..=78 => self.enter_repairer(),
            79..=80 if self.scrubbed => {
                let slice = Scrubber::new(&mut self.world, false);
                self.actors.push(Actor::Scrubber(Box::new(slice)));
            }
            _ if self.world.rng.u8(..) >= self.calm => self.enter_admin(at, on),
            _ => {}
        }
    }

    fn reading(&mut self) -> Reading {
        let rng = &mut self.world.rng;
        Reading { mgdl: rng.choice(VALUES).unwrap_or(90), note: rng.choice(NOTES).flatten() }
    }

    fn enter_owner(&mut self, on: usize) {
        let ids: Vec<_> =
            self.world.items.get(on).into_iter().flat_map(|items| items.keys()).cloned().collect();
        let Some(id) = self.world.rng.choice(ids.iter()).cloned() else { return };
        let now = self.world.now;
        if self.world.rng.u8(..) < 30 {
            self.world.faults.note(Fault::TwoDevices);
            let wish = Wish::Update(id.clone(), self.reading());
            self.actors.push(Actor::Owner(Box::new(Owner::new(on, wish, now))));
        }
        let wish =
            if self.world.rng.u8(..) < 90 { Wish::Delete(id) } else { Wish::Update(id, self.reading()) };
        self.actors.push(Actor::Owner(Box::new(Owner::new(on, wish, now))));
    }

    fn deliver(&mut self) {
        let world = &mut self.world;
        if world.rng.u8(..) < 24 {
            let places = world.source.places();
            let again = world.rng.choice(places).and_then(|place| world.source.repeat(place, world.now));
            if let Some(batch) = again {
                world.faults.note(Fault::Duplicate);
                self.actors.push(Actor::Replicator(Box::new(Replicator::new(world, batch))));
            }
        }
        let ready = world.source.ready(world.now, &mut world.faults);
        let Some(place) = world.rng.choice(ready) else { return };
        if let Some(batch) = world.source.take(place, world.now, &mut world.faults) {
            self.actors.push(Actor::Replicator(Box::new(Replicator::new(world, batch))));
        }
    }

    fn enter_worker(&mut self) {
        let jobs = self.world.jobs.iter().enumerate();
        let open: Vec<usize> = jobs.filter(|(_, job)| job.open).map(|(at, _)| at).collect();
        let Some(job) = self.world.rng.choice(open) else { return };
        self.actors.push(Actor::Worker(Box::new(Worker::new(job))));
        if self.world.rng.u8(..) < 40 {
            self.world.faults.note(Fault::DoubleJob);
            self.actors.push(Actor::Worker(Box::new(Worker::new(job))));
        }
    }

    fn enter_repairer(&mut self) {
        let parked: Vec<_> = self.world.repairs.keys().cloned().collect();
        let Some((on, id)) = self.world.rng.choice(parked) else { return };
        let repairer = Repairer::new(&self.world, on, id);
        self.actors.extend(repairer.map(|repairer| Actor::Repairer(Box::new(repairer))));
    }

    fn enter_admin(&mut self, at: usize, on: usize) {
        let rng = &mut self.world.rng;
        let contract = if rng.bool() { 0 } else { rng.usize(..CONTRACTS) };
        let follows = rng.u8(..4) > 0;
        let change = match rng.u8(..100) {
            0..=39 if self.world.members.contains_key(&(at, on)) => {
                if rng.bool() {
                    Change::Leave(on)
                } else {
                    change_of_terms(rng, on)
                }
            }
            0..=39 => Change::Join(on, contract, follows),
            40..=61 => change_of_terms(rng, on),
            62..=76 => {
                // Less, in the same partitions: what copies alone can tell.
                let state = self.world.groups.get(at);
                let (before, shards) = state.map_or((0, 1), |s| (s.at(s.revision()).0, s.spread().shards));
                let narrower: Vec<usize> =
                    (0..RULES).filter(|to| *to != before && narrows(before, *to)).collect();
                Change::Rules(rng.choice(narrower).unwrap_or(before), shards)
            }
            77..=93 => {
                let now = self.world.groups.get(at).map_or(1, |group| group.spread().shards);
                let shards = if rng.u8(..) < 160 { rng.u16(1..=2) } else { now };
                Change::Rules(rng.usize(..RULES), shards)
            }
            _ => {
                // Somebody joins at the very moment.
                self.actors.push(Actor::Admin(Box::new(Admin::new(at, Change::Join(on, contract, follows)))));
                if rng.bool() { Change::Delete } else { Change::Rules(rng.usize(..RULES), 1) }
            }
        };
        self.actors.push(Actor::Admin(Box::new(Admin::new(at, change))));
    }
}

fn change_of_terms(rng: &mut fastrand::Rng, on: usize) -> Change {
    match rng.u8(..4) {
        0 => Change::Consent(on, rng.bool()),
        _ => Change::Contract(on, rng.usize(..CONTRACTS)),
    }
}
