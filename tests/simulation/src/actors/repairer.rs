//! One repair: the source of now, for every group; then the note goes, unless the item was parked again.

use domain::id::ItemId;
use domain::replication::Decision;

use super::{ATTEMPTS, Outlets, Step};
use crate::directory::Outlet;
use crate::faults::Fault;
use crate::judge::decide;
use crate::world::{Part, Refused, Repair, World};

/// A repair.
#[derive(Debug, Clone)]
pub struct Repairer {
    on: usize,
    id: ItemId,
    row: Repair,
    pub(super) reading: Outlets,
    outlets: Option<Vec<Outlet>>,
    left: Option<Vec<Decision>>,
    attempts: u32,
}

impl Repairer {
    /// A repair of an item that was parked.
    pub fn new(world: &World, on: usize, id: ItemId) -> Option<Self> {
        let row = world.repairs.get(&(on, id.clone()))?.clone();
        Some(Self { on, id, row, reading: Outlets::default(), outlets: None, left: None, attempts: 0 })
    }

    pub(super) fn step(&mut self, world: &mut World) -> Step {
        match self.go_on(world) {
            Ok(step) => step,
            Err(refused) => {
                self.attempts += 1;
                if refused == Refused::Busy && self.attempts < ATTEMPTS {
                    return Step::More;
                }
                // It stays noted.
                world.faults.note(Fault::RepairFailed);
                Step::Done
            }
        }
    }

    fn go_on(&mut self, world: &mut World) -> Result<Step, Refused> {
        let Some(outlets) = &self.outlets else {
            self.outlets = self.reading.step(world, self.on)?;
            return Ok(Step::More);
        };
        let Some(left) = &mut self.left else {
            world.ask(Part::Data)?;
            let record = self.row.record.as_ref();
            let source = world.items.get(self.on).and_then(|items| items.get(&self.id));
            let present = record.map_or(source, |record| record.present.as_ref());
            let version = record.map_or(u64::MAX, |record| record.version);
            let each = outlets.iter().map(|outlet| decide((&self.id, present, version), outlet));
            self.left = Some(each.filter(|decision| *decision != Decision::Nothing).collect());
            return Ok(Step::More);
        };
        // One that is refused fails the repair, but keeps none of the others from being written.
        if let Some(decision) = left.pop() {
            if let Err(refused) = world.write(&decision) {
                self.attempts = ATTEMPTS;
                if left.is_empty() {
                    return Err(refused);
                }
            }
            return Ok(Step::More);
        }
        if self.attempts >= ATTEMPTS {
            return Err(Refused::Busy);
        }
        world.ask(Part::Directory)?;
        let key = (self.on, self.id.clone());
        if world.repairs.get(&key).is_some_and(|row| row.since == self.row.since) {
            world.repairs.remove(&key);
        }
        Ok(Step::Done)
    }
}
