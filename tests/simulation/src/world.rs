//! The database, the clocks, and what they refuse.

use std::collections::BTreeMap;

use domain::id::{DriveId, GroupId, ItemId};
use domain::item::Item;
use domain::replication::{Decision, ReplicaKey, Roster, Shard};
use domain::rules::Carried;
use domain::time::Timestamp;

use crate::copies::Copies;
use crate::directory::{Group, Job, Member, Outlet};
use crate::faults::{Fault, Faults};
use crate::source::{EventSource, Record, Settings};
use crate::terms::{self, Reading};
use crate::variant::Variant;

/// Drives in the world.
pub const DRIVES: usize = 3;
/// Groups in the world.
pub const GROUPS: usize = 2;

/// A drive by its number.
pub fn drive(number: usize) -> DriveId {
    DriveId::from_bits(number as u128 + 1)
}
/// A group by its number.
pub fn group(number: usize) -> GroupId {
    GroupId::from_bits(number as u128 + 100)
}

/// A part of the database that can be throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What people own.
    Data,
    /// Who is who, and repairs.
    Directory,
    /// The copies of one group.
    Copies(usize),
}

/// Why the database did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It asks to slow down.
    Busy,
    /// It never takes such a row.
    TooLarge,
}

/// An item that needs repair.
#[derive(Debug, Clone)]
pub struct Repair {
    /// Since when; another time if it was parked again.
    pub since: i64,
    /// The record that was parked: only a failed variant keeps it.
    pub record: Option<Record>,
}

/// A finished purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The group.
    pub group: usize,
    /// The drive that left.
    pub drive: usize,
    /// The membership that ended.
    pub epoch: u64,
    /// What it says is left.
    pub remaining: usize,
}

/// Everything there is.
#[derive(Debug, Clone)]
pub struct World {
    /// What is random in it.
    pub rng: fastrand::Rng,
    /// The database's clock, in milliseconds.
    pub now: i64,
    /// Items that exist, by drive.
    pub items: Vec<BTreeMap<ItemId, Item>>,
    /// What every version of every item said.
    pub past: BTreeMap<ItemId, Vec<Reading>>,
    /// The stream.
    pub source: EventSource,
    /// Groups.
    pub groups: Vec<Group>,
    /// Memberships by group and drive.
    pub members: BTreeMap<(usize, usize), Member>,
    /// The contracts of every membership there ever was, by group, drive and epoch: index is revision.
    pub contracts: BTreeMap<(usize, usize, u64), Vec<usize>>,
    /// Copies.
    pub copies: Copies,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// Items that need repair.
    pub repairs: BTreeMap<(usize, ItemId), Repair>,
    /// When a partition of a group was last cleared, by the count of the table's writes.
    pub cleared: BTreeMap<(usize, Shard), u64>,
    /// Finished purges.
    pub receipts: Vec<Receipt>,
    /// Rosters as the API remembers them, by group.
    pub rosters: BTreeMap<usize, Roster>,
    /// Memberships as a cache would remember them, by drive; only a failed variant uses it.
    pub remembered: Vec<Vec<Outlet>>,
    /// What is throttled, and until when.
    pub throttled: Option<(Part, i64)>,
    /// What is left out of the protocol.
    pub variant: Variant,
    /// What went wrong.
    pub faults: Faults,
}

impl World {
    /// A world with groups and nothing in them.
    pub fn new(seed: u64, variant: Variant) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let settings = Settings {
            batch: rng.usize(1..=5),
            window: if rng.bool() { 0 } else { 600 },
            factor: rng.usize(1..=2),
            retries: rng.u32(1..=30),
            partial: variant != Variant::PartialOnly && rng.u8(..) < 200,
        };
        let groups = (0..GROUPS).map(|_| Group::new(rng.usize(..terms::RULES))).collect();
        Self {
            now: 1_000_000_000_000,
            items: vec![BTreeMap::new(); DRIVES],
            past: BTreeMap::new(),
            source: EventSource::new(settings, DRIVES),
            groups,
            members: BTreeMap::new(),
            contracts: BTreeMap::new(),
            copies: Copies::default(),
            jobs: Vec::new(),
            repairs: BTreeMap::new(),
            cleared: BTreeMap::new(),
            receipts: Vec::new(),
            rosters: BTreeMap::new(),
            remembered: vec![Vec::new(); DRIVES],
            throttled: None,
            variant,
            faults: Faults::default(),
            rng,
        }
    }

    /// Whether a call of this part is refused now.
    ///
    /// # Errors
    /// If it is.
    pub fn ask(&mut self, part: Part) -> Result<(), Refused> {
        match self.throttled {
            Some((throttled, until)) if throttled == part && self.now < until => {
                self.faults.note(Fault::Throttle);
                Err(Refused::Busy)
            }
            _ => Ok(()),
        }
    }

    /// The time by the clock of the machine that asks: now and then it is off.
    pub fn clock(&mut self) -> Timestamp {
        let skew = if self.rng.u8(..) < 40 {
            self.faults.note(Fault::ClockJump);
            self.rng.i64(-30_000..30_000)
        } else {
            0
        };
        Timestamp::from_millis(self.now + skew)
    }

    /// Writes a new item; the stream tells of it.
    pub fn create(&mut self, on: usize, reading: &Reading) -> ItemId {
        let number = self.past.len();
        let time = Timestamp::from_millis(number as i64 * 1000);
        let id = ItemId::new(time, terms::glucose(), number as u64);
        let item = Item {
            drive: drive(on),
            data_type: terms::glucose().clone(),
            id: id.clone(),
            version: 1,
            fields: terms::fields(time, reading),
            updated: Timestamp::from_millis(self.now),
            expires: None,
        };
        self.past.insert(id.clone(), vec![*reading]);
        self.put(on, item);
        id
    }

    /// Writes the next version of an item, if it is still there at the version that was read.
    pub fn update(&mut self, on: usize, before: &Item, reading: &Reading) -> Option<Item> {
        let held = self.items.get(on)?.get(&before.id)?;
        if held.version != before.version {
            return None;
        }
        let next = Item {
            version: before.version + 1,
            fields: terms::fields(before.time(), reading),
            updated: Timestamp::from_millis(self.now),
            ..before.clone()
        };
        self.past.entry(before.id.clone()).or_default().push(*reading);
        self.put(on, next.clone());
        Some(next)
    }

    fn put(&mut self, on: usize, item: Item) {
        self.tell(on, &item.id, Some(item.clone()), item.version);
        if let Some(items) = self.items.get_mut(on) {
            items.insert(item.id.clone(), item);
        }
    }

    /// Deletes an item and tells which version it had.
    pub fn delete(&mut self, on: usize, id: &ItemId) -> Option<u64> {
        let item = self.items.get_mut(on)?.remove(id)?;
        self.tell(on, id, None, item.version);
        Some(item.version)
    }

    fn tell(&mut self, drive: usize, id: &ItemId, present: Option<Item>, version: u64) {
        let poison = self.rng.u8(..) < 6;
        if poison {
            self.faults.note(Fault::Poison);
        }
        let written = Timestamp::from_millis(self.now);
        let id = id.clone();
        self.source.put(Record { seq: 0, drive, id, present, version, written, poison });
    }

    /// What an item said at a version.
    pub fn reading(&self, id: &ItemId, version: u64) -> Option<&Reading> {
        let at = usize::try_from(version).ok()?.checked_sub(1)?;
        self.past.get(id)?.get(at)
    }

    /// One conditional write of a copy; whether it took effect.
    ///
    /// # Errors
    /// If the database refuses it.
    pub fn write(&mut self, decision: &Decision) -> Result<bool, Refused> {
        let (Decision::Write { key, .. } | Decision::Bury { key, .. }) = decision else { return Ok(false) };
        self.ask(Part::Copies(number_of(&key.group)))?;
        let decision = match decision {
            Decision::Write { carried, .. } if terms::too_large(&carried.fields) => {
                return Err(Refused::TooLarge);
            }
            Decision::Write { key, order, carried, expires } => Decision::Write {
                key: key.clone(),
                order: self.variant.weaken(*order),
                carried: match self.variant {
                    Variant::NoAbsence => Carried { fields: carried.fields.clone(), ..Carried::default() },
                    _ => carried.clone(),
                },
                expires: *expires,
            },
            Decision::Bury { key, .. } if self.variant == Variant::NoTombstone => {
                return Ok(self.copies.delete(key).is_some());
            }
            Decision::Bury { key, order } => {
                Decision::Bury { key: key.clone(), order: self.variant.weaken(*order) }
            }
            Decision::Nothing => return Ok(false),
        };
        let now = self.clock();
        let written = self.copies.apply(&decision, now);
        if !written {
            self.faults.note(Fault::Superseded);
        }
        Ok(written)
    }

    /// Buries a copy of a membership at most this old; whether it was alive.
    pub fn purge(&mut self, key: &ReplicaKey, epoch: u64) -> bool {
        let epoch = if self.variant == Variant::BlindPurge { u64::from(u32::MAX) } else { epoch };
        let now = self.clock();
        self.copies.end(key, (0, epoch), now)
    }

    /// Notes that an item needs repair.
    pub fn park(&mut self, on: usize, id: &ItemId, record: Option<&Record>) {
        let record = record.filter(|_| self.variant == Variant::ReplayRecord).cloned();
        self.repairs.insert((on, id.clone()), Repair { since: self.now, record });
    }
}

/// The number of a group.
pub fn number_of(id: &GroupId) -> usize {
    (0..GROUPS).find(|number| group(*number) == *id).unwrap_or(GROUPS)
}

/// The number of a drive.
pub fn drive_number(id: &DriveId) -> usize {
    (0..DRIVES).find(|number| drive(*number) == *id).unwrap_or(DRIVES)
}
