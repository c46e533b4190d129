//! A request that changes or deletes an item: the source first, then what it takes away from the copies, then the answer.

use std::collections::BTreeSet;

use domain::id::ItemId;
use domain::item::Item;
use domain::replication::Decision;
use domain::rules::Question;
use domain::time::Timestamp;
use domain::value::Fields;

use super::{ATTEMPTS, Outlets, Step};
use crate::check::{Acknowledged, Memory};
use crate::directory::Outlet;
use crate::faults::Fault;
use crate::judge::{ask_source, decide};
use crate::terms::{self, HUGE, Reading};
use crate::variant::Variant;
use crate::world::{Part, Refused, World};

/// What an owner asks for.
#[derive(Debug, Clone)]
pub enum Wish {
    /// The item shall say this.
    Update(ItemId, Reading),
    /// The item shall be gone.
    Delete(ItemId),
}

/// What became of the source.
#[derive(Debug, Clone)]
struct Written {
    before: Option<Item>,
    present: Option<Item>,
    version: u64,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Owner {
    /// Whose item.
    pub drive: usize,
    /// What is asked for.
    pub wish: Wish,
    before: Option<Item>,
    written: Option<Written>,
    pub(super) reading: Outlets,
    left: Option<Vec<Decision>>,
    gave: BTreeSet<usize>,
    attempts: u32,
    wrote: bool,
    began: i64,
}

/// How long anybody waits for an answer, in milliseconds.
pub const PATIENCE: i64 = 30_000;

impl Owner {
    /// A request.
    pub fn new(drive: usize, wish: Wish, now: i64) -> Self {
        Self {
            drive,
            wish,
            before: None,
            written: None,
            reading: Outlets::default(),
            left: None,
            gave: BTreeSet::new(),
            attempts: 0,
            wrote: false,
            began: now,
        }
    }

    pub(super) fn is_between_writes(&self) -> bool {
        self.wrote && self.left.as_ref().is_some_and(|left| !left.is_empty())
    }

    /// Whether the source was written, but not everything that follows from it.
    pub fn is_under_way(&self) -> bool {
        self.written.is_some()
    }

    fn id(&self) -> &ItemId {
        match &self.wish {
            Wish::Update(id, _) | Wish::Delete(id) => id,
        }
    }

    pub(super) fn step(&mut self, world: &mut World, memory: &mut Memory) -> Step {
        match self.go_on(world, memory) {
            Ok(step) => step,
            // What the request could not do is left to the stream; nothing was promised.
            Err(Refused::TooLarge) => Step::Done,
            Err(Refused::Busy) => {
                self.attempts += 1;
                if self.attempts < ATTEMPTS { Step::More } else { Step::Done }
            }
        }
    }

    fn go_on(&mut self, world: &mut World, memory: &mut Memory) -> Result<Step, Refused> {
        if self.written.is_none() {
            return self.write_source(world);
        }
        if self.left.is_none() {
            if let Some(outlets) = self.reading.step(world, self.drive)? {
                self.decide(world, &outlets)?;
            }
            return Ok(Step::More);
        }
        if let Some(decision) = self.left.as_ref().and_then(|left| left.last()) {
            world.write(decision)?;
            self.wrote = true;
            self.left.as_mut().and_then(Vec::pop);
            return Ok(Step::More);
        }
        let present = self.written.take().and_then(|written| written.present);
        let state =
            present.map(|item| Acknowledged { version: item.version, gave: std::mem::take(&mut self.gave) });
        // An answer that comes later than that reaches nobody.
        if world.now <= self.began + PATIENCE {
            memory.acknowledge(self.id().clone(), state);
        }
        Ok(Step::Done)
    }

    fn write_source(&mut self, world: &mut World) -> Result<Step, Refused> {
        world.ask(Part::Data)?;
        let (drive, id) = (self.drive, self.id().clone());
        match &self.wish {
            Wish::Delete(_) => {
                // Gone already: an earlier call was cut off, and whoever repeats it finishes it.
                let version = world.delete(drive, &id).unwrap_or(u64::MAX);
                self.written = Some(Written { before: None, present: None, version });
            }
            Wish::Update(_, reading) if reading.note == Some(HUGE) => {
                world.faults.note(Fault::Oversize);
                return Ok(Step::Done);
            }
            Wish::Update(_, reading) => {
                let reading = *reading;
                let Some(before) = self.before.take() else {
                    self.before = world.items.get(drive).and_then(|items| items.get(&id)).cloned();
                    return Ok(if self.before.is_some() { Step::More } else { Step::Done });
                };
                let present = if before.fields == terms::fields(before.time(), &reading) {
                    if before.version <= 1 {
                        return Ok(Step::Done);
                    }
                    // Nothing to write; but an earlier call may have written just this, and been cut off.
                    self.written =
                        Some(Written { before: None, version: before.version, present: Some(before) });
                    return Ok(Step::More);
                } else {
                    world.update(drive, &before, &reading)
                };
                // Somebody else was first: read again.
                let Some(present) = present else { return Ok(Step::More) };
                let version = present.version;
                self.written = Some(Written { before: Some(before), present: Some(present), version });
            }
        }
        Ok(Step::More)
    }

    fn decide(&mut self, world: &mut World, outlets: &[Outlet]) -> Result<(), Refused> {
        let Some(Written { before, present, version }) = &self.written else { return Ok(()) };
        let id = match &self.wish {
            Wish::Update(id, _) | Wish::Delete(id) => id,
        };
        let mut left = Vec::new();
        for outlet in outlets {
            let hides = match (before, present) {
                (Some(before), Some(after)) => hides(outlet, before, after),
                _ => true,
            };
            if !hides {
                // What gives comes by the stream.
                self.gave.insert(outlet.at);
                continue;
            }
            if world.variant != Variant::StreamOnly {
                let decision = decide((id, present.as_ref(), *version), outlet);
                let late = ask_source(world.variant, Timestamp::from_millis(self.began), outlet);
                let shows = matches!(decision, Decision::Write { .. });
                if shows && late && world.variant != Variant::TrustRequests {
                    // Deleted before the membership began, it has no tombstone there.
                    world.ask(Part::Data)?;
                    let item = world.items.get(self.drive).and_then(|items| items.get(id));
                    left.push(decide((id, item, u64::MAX), outlet));
                } else {
                    left.push(decision);
                }
            }
        }
        left.retain(|decision| *decision != Decision::Nothing);
        self.left = Some(left);
        Ok(())
    }
}

/// Whether a group's consumers may lose sight of something.
fn hides(outlet: &Outlet, before: &Item, after: &Item) -> bool {
    match (visible(outlet, before), visible(outlet, after)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(before), Some(after)) => before.keys().any(|name| !after.contains_key(name)),
    }
}

fn visible(outlet: &Outlet, item: &Item) -> Option<Fields> {
    outlet.book.rules.visible(Question {
        data_type: &item.data_type,
        time: item.time(),
        fields: &item.fields,
        terms: &outlet.membership.terms,
    })
}
