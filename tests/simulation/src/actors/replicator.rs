//! One invocation of the stream function over a batch.

use std::collections::BTreeMap;

use domain::id::ItemId;
use domain::replication::Decision;

use super::{ATTEMPTS, Outlets, Step};
use crate::directory::Outlet;
use crate::faults::Fault;
use crate::judge::{ask_source, decide, following};
use crate::source::{Answer, Batch, Record};
use crate::variant::Variant;
use crate::world::{Part, Refused, World};

/// An invocation.
#[derive(Debug, Clone)]
pub struct Replicator {
    /// What it was given.
    pub batch: Batch,
    poison: Vec<Record>,
    drives: Vec<(usize, Vec<Record>)>,
    pub(super) reading: Outlets,
    outlets: Option<Vec<Outlet>>,
    left: Option<Vec<(ItemId, Decision)>>,
    attempts: u32,
    wrote: bool,
}

impl Replicator {
    /// An invocation with a batch.
    pub fn new(world: &World, batch: Batch) -> Self {
        let mut poison = Vec::new();
        let mut drives: BTreeMap<usize, BTreeMap<ItemId, Record>> = BTreeMap::new();
        for record in &batch.records {
            if record.poison {
                poison.push(record.clone());
            } else {
                // The last record of an item overtakes the ones before it.
                drives.entry(record.drive).or_default().insert(record.id.clone(), record.clone());
            }
        }
        let drives = drives.into_iter().map(|(on, records)| (on, records.into_values().collect())).collect();
        let mut new = Self {
            batch,
            poison,
            drives,
            reading: Outlets::default(),
            outlets: None,
            left: None,
            attempts: 0,
            wrote: false,
        };
        new.remember(world);
        new
    }

    /// The variant that remembers memberships from before the batch arrived.
    fn remember(&mut self, world: &World) {
        if world.variant == Variant::StaleMemberships
            && let Some((on, _)) = self.drives.last()
        {
            self.outlets = world.remembered.get(*on).cloned();
        }
    }

    pub(super) fn is_between_writes(&self) -> bool {
        self.wrote && self.left.as_ref().is_some_and(|left| !left.is_empty())
    }

    pub(super) fn step(&mut self, world: &mut World) -> Step {
        match self.go_on(world) {
            Ok(Step::Done) => {
                world.answer(self.batch.delivery, Answer::Done);
                Step::Done
            }
            Ok(Step::More) => Step::More,
            Err(refused) => match self.refused(world, refused) {
                Some(answer) => {
                    world.answer(self.batch.delivery, answer);
                    Step::Done
                }
                None => Step::More,
            },
        }
    }

    fn go_on(&mut self, world: &mut World) -> Result<Step, Refused> {
        if let Some(record) = self.poison.last() {
            if world.variant != Variant::DropPoison {
                world.ask(Part::Directory)?;
                world.park(record.drive, &record.id, Some(record));
            }
            self.poison.pop();
            return Ok(Step::More);
        }
        let Some((on, records)) = self.drives.last() else { return Ok(Step::Done) };
        let on = *on;
        let Some(outlets) = &self.outlets else {
            self.outlets = self.reading.step(world, on)?;
            return Ok(Step::More);
        };
        let Some(left) = &mut self.left else {
            let mut left = Vec::new();
            for record in records {
                for outlet in outlets {
                    let decision = Self::decide(world, record, outlet)?;
                    left.extend((decision != Decision::Nothing).then(|| (record.id.clone(), decision)));
                }
            }
            self.left = Some(left);
            return Ok(Step::More);
        };
        if let Some((_, decision)) = left.last() {
            world.write(decision)?;
            self.wrote = true;
            left.pop();
            return Ok(Step::More);
        }
        self.drives.pop();
        (self.outlets, self.left, self.attempts) = (None, None, 0);
        self.remember(world);
        Ok(Step::More)
    }

    /// What to do about a refused call: try again, park what cannot be written, or give the batch up.
    fn refused(&mut self, world: &mut World, refused: Refused) -> Option<Answer> {
        self.attempts += 1;
        if refused == Refused::Busy && self.attempts < ATTEMPTS {
            return None;
        }
        let on = self.drives.last().map(|(on, _)| *on);
        let parkable = world.variant != Variant::NoParking && world.ask(Part::Directory).is_ok();
        let copy = self.left.as_mut().filter(|_| parkable).and_then(Vec::pop);
        if let (Some(on), Some((id, _))) = (on, copy) {
            world.faults.note(match refused {
                Refused::Busy => Fault::ThrottledParked,
                Refused::TooLarge => Fault::OversizeCopy,
            });
            world.park(on, &id, None);
            return None;
        }
        Some(self.failure(world))
    }

    /// Most answers of a failure name the first record that failed.
    fn failure(&self, world: &mut World) -> Answer {
        let names = world.variant == Variant::PartialOnly || self.batch.delivery.is_some_and(|d| d % 8 != 0);
        // Where partial answers are taken for success, the handler fails its batch instead.
        let honoured = world.source.settings.partial || world.variant == Variant::PartialOnly;
        if !names || !honoured {
            return Answer::Failed;
        }
        let open = |record: &&Record| {
            self.poison.iter().any(|poison| poison.seq == record.seq)
                || (!record.poison && self.drives.iter().any(|(on, _)| *on == record.drive))
        };
        self.batch.records.iter().find(open).map_or(Answer::Failed, |record| Answer::From(record.seq))
    }

    fn decide(world: &mut World, record: &Record, outlet: &Outlet) -> Result<Decision, Refused> {
        let mut outlet = outlet.clone();
        if world.variant == Variant::WriterIgnoresAgreement {
            outlet.membership.terms = following(&outlet.membership.terms);
        }
        let outlet = &outlet;
        let of = |present| decide((&record.id, present, record.version), outlet);
        let decision = of(record.present.as_ref());
        let shows = matches!(decision, Decision::Write { .. });
        if !shows
            || world.variant == Variant::TrustRecords
            || !ask_source(world.variant, record.written, outlet)
        {
            return Ok(decision);
        }
        world.faults.note(Fault::Asked);
        world.ask(Part::Data)?;
        let item = world.items.get(record.drive).and_then(|items| items.get(&record.id));
        Ok(of(item))
    }
}

impl World {
    /// An invocation's answer to the event source.
    pub fn answer(&mut self, delivery: Option<u64>, answer: Answer) {
        self.source.answer(delivery, answer, &mut self.faults);
    }
}
