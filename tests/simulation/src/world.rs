//! The database, the stream and the clocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use domain::datatype::DataType;
use domain::id::{DriveId, GroupId, ItemId, Name};
use domain::item::Item;
use domain::replication::{Decision, Order, ProviderMembership, ReplicaKey, ReplicaRow, Rulebook, Spread};
use domain::rules::{CompiledRules, Terms, compile};
use domain::stack::RuleSet;
use domain::time::Timestamp;
use domain::value::{Fields, Value};

use crate::history::Variant;

/// Drives in the world.
pub const DRIVES: usize = 2;
/// Groups in the world.
pub const GROUPS: usize = 2;
/// What the rules ask for: readings above one of these.
pub const THRESHOLDS: [i64; 3] = [100, 150, 200];

/// The only data type.
pub fn data_type() -> &'static DataType {
    static TYPE: OnceLock<DataType> = OnceLock::new();
    TYPE.get_or_init(|| {
        let json = serde_json::json!({
            "name": "glucose", "time": "takenAt",
            "fields": {"takenAt": {"type": "datetime", "required": true}, "mgdl": {"type": "integer", "required": true}}
        });
        serde_json::from_value(json).unwrap_or_else(|error| unreachable!("{error}"))
    })
}

/// The compiled rules of a threshold.
pub fn rules(threshold: usize) -> Arc<CompiledRules> {
    static RULES: OnceLock<Vec<Arc<CompiledRules>>> = OnceLock::new();
    let all = RULES.get_or_init(|| {
        let types = BTreeMap::from([(data_type().name.clone(), data_type().clone())]);
        let compiled = |limit: &i64| {
            let json =
                serde_json::json!([{"types": ["glucose"], "when": format!("resource.mgdl > {limit}")}]);
            let set: RuleSet = serde_json::from_value(json).unwrap_or_default();
            Arc::new(compile(&types, &set).unwrap_or_default())
        };
        THRESHOLDS.iter().map(compiled).collect()
    });
    all.get(threshold).cloned().unwrap_or_default()
}

/// A drive by its number.
pub fn drive(number: usize) -> DriveId {
    DriveId::from_bits(number as u128 + 1)
}
/// A group by its number.
pub fn group(number: usize) -> GroupId {
    GroupId::from_bits(number as u128 + 100)
}

/// How all groups of the world spread their copies.
pub fn spread() -> Spread {
    Spread { revision: 1, shards: 1 }
}

/// A group's own row.
#[derive(Debug, Clone)]
pub struct GroupState {
    /// Whether it exists.
    pub active: bool,
    /// Grows with every change of the roster.
    pub roster_rev: u64,
    /// Grows with every change of the rules.
    pub rule_revision: u32,
    /// Which threshold counts, by revision (from 1).
    pub thresholds: Vec<usize>,
}

impl GroupState {
    /// The threshold that counts.
    pub fn threshold(&self) -> usize {
        self.thresholds.last().copied().unwrap_or_default()
    }
    /// The rules that count.
    pub fn book(&self) -> Rulebook {
        Rulebook {
            revision: self.rule_revision,
            era: 0,
            since: Timestamp::from_millis(0),
            spread: spread(),
            rules: rules(self.threshold()),
        }
    }
}

/// A record of the stream.
#[derive(Debug, Clone)]
pub struct Record {
    /// The item.
    pub id: ItemId,
    /// How it reads now; none if it was deleted.
    pub present: Option<Item>,
    /// Its version, or its last one.
    pub version: u64,
    /// When it was written, by the database's clock.
    pub written: Timestamp,
}

/// What a data job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobKind {
    /// Copies the past of a provider, or what a wider rule now selects.
    Backfill,
    /// Removes the copies of a provider who left.
    Purge,
    /// Removes the copies of a deleted group.
    Dissolve,
}

/// A job's row.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it does.
    pub kind: JobKind,
    /// In which group.
    pub group: usize,
    /// For which drive.
    pub drive: usize,
    /// For which membership.
    pub epoch: u64,
    /// Behind which item it goes on.
    pub checkpoint: Option<ItemId>,
    /// Whether it is finished.
    pub done: bool,
}

/// A stored copy.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// Its order.
    pub order: Order,
    /// What it carries; none if it is dead.
    pub fields: Option<Fields>,
}

/// Everything there is.
#[derive(Debug, Clone)]
pub struct World {
    /// The database's clock, in milliseconds.
    pub now: i64,
    /// Items that exist, by drive.
    pub items: Vec<BTreeMap<ItemId, Item>>,
    /// Identifiers that were ever used.
    pub ids: Vec<(usize, ItemId)>,
    /// One ordered stream for each drive.
    pub streams: Vec<Vec<Record>>,
    /// How far each stream has been acknowledged.
    pub acknowledged: Vec<usize>,
    /// Groups.
    pub groups: Vec<GroupState>,
    /// Memberships by group and drive.
    pub members: BTreeMap<(usize, usize), ProviderMembership>,
    /// Copies.
    pub copies: BTreeMap<ReplicaKey, Copy>,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// Memberships as a cache would remember them, by drive; only a failed variant uses it.
    pub remembered: Vec<Vec<Outlet>>,
    /// What is left out of the protocol.
    pub variant: Variant,
}

/// A group that a drive shares into, with its rules.
pub type Outlet = (usize, ProviderMembership, Rulebook);

impl World {
    /// A world with groups and nothing in them.
    pub fn new(variant: Variant) -> Self {
        let group = GroupState { active: true, roster_rev: 1, rule_revision: 1, thresholds: vec![1] };
        Self {
            now: 1_000_000_000,
            items: vec![BTreeMap::new(); DRIVES],
            ids: Vec::new(),
            streams: vec![Vec::new(); DRIVES],
            acknowledged: vec![0; DRIVES],
            groups: vec![group; GROUPS],
            members: BTreeMap::new(),
            copies: BTreeMap::new(),
            jobs: Vec::new(),
            remembered: vec![Vec::new(); DRIVES],
            variant,
        }
    }

    /// Writes a new item; the stream tells of it.
    pub fn create(&mut self, on: usize, mgdl: i64) -> ItemId {
        let time = Timestamp::from_millis(self.ids.len() as i64 * 1000);
        let id = ItemId::new(time, &data_type().name, self.ids.len() as u64);
        self.ids.push((on, id.clone()));
        let item = Item {
            drive: drive(on),
            data_type: data_type().name.clone(),
            id: id.clone(),
            version: 1,
            fields: fields(time, mgdl),
            updated: time,
            expires: None,
        };
        self.put(on, item);
        id
    }

    /// Writes the next version of an item, if it is still there at the version that was read.
    pub fn update(&mut self, on: usize, before: &Item, mgdl: i64) -> Option<Item> {
        let held = self.items.get(on)?.get(&before.id)?;
        if held.version != before.version {
            return None;
        }
        let next =
            Item { version: before.version + 1, fields: fields(before.time(), mgdl), ..before.clone() };
        self.put(on, next.clone());
        Some(next)
    }

    fn put(&mut self, on: usize, item: Item) {
        let written = Timestamp::from_millis(self.now);
        if let Some(stream) = self.streams.get_mut(on) {
            stream.push(Record {
                id: item.id.clone(),
                version: item.version,
                present: Some(item.clone()),
                written,
            });
        }
        if let Some(items) = self.items.get_mut(on) {
            items.insert(item.id.clone(), item);
        }
    }

    /// Deletes an item and tells which version it had.
    pub fn delete(&mut self, on: usize, id: &ItemId) -> Option<u64> {
        let item = self.items.get_mut(on)?.remove(id)?;
        let written = Timestamp::from_millis(self.now);
        let record = Record { id: id.clone(), present: None, version: item.version, written };
        self.streams.get_mut(on)?.push(record);
        Some(item.version)
    }

    /// The memberships of a drive, each with the rules of its group: what `Store::outlets` reads.
    pub fn outlets(&self, on: usize) -> Vec<Outlet> {
        let mine = self.members.iter().filter(|((_, drive), _)| *drive == on);
        mine.filter_map(|((group, _), membership)| {
            let state = self.groups.get(*group).filter(|state| state.active)?;
            Some((*group, membership.clone(), state.book()))
        })
        .collect()
    }

    /// A join: one transaction.
    pub fn join(&mut self, at: usize, on: usize, clock_skew: i64) -> bool {
        let Some(state) = self.groups.get_mut(at).filter(|state| state.active) else { return false };
        if self.members.contains_key(&(at, on)) {
            return false;
        }
        state.roster_rev += 1;
        let epoch = if self.variant == Variant::NoEpoch { 1 } else { state.roster_rev };
        let joined = Timestamp::from_millis(self.now + clock_skew);
        let membership = ProviderMembership {
            group: group(at),
            drive: drive(on),
            epoch,
            terms: Terms::of_everything(joined),
        };
        self.members.insert((at, on), membership);
        self.jobs.push(Job {
            kind: JobKind::Backfill,
            group: at,
            drive: on,
            epoch,
            checkpoint: None,
            done: false,
        });
        true
    }

    /// A leave: one transaction.
    pub fn leave(&mut self, at: usize, on: usize) -> bool {
        let Some(state) = self.groups.get_mut(at).filter(|state| state.active) else { return false };
        let Some(membership) = self.members.remove(&(at, on)) else { return false };
        state.roster_rev += 1;
        let epoch = membership.epoch;
        self.jobs.push(Job {
            kind: JobKind::Purge,
            group: at,
            drive: on,
            epoch,
            checkpoint: None,
            done: false,
        });
        true
    }

    /// A change of a group's rules, and the jobs that bring its copies in line.
    pub fn change_rules(&mut self, at: usize, threshold: usize) -> bool {
        let Some(state) = self.groups.get_mut(at).filter(|state| state.active) else { return false };
        state.rule_revision += 1;
        state.thresholds.push(threshold);
        let members: Vec<(usize, u64)> =
            self.members.iter().filter(|((g, _), _)| *g == at).map(|((_, d), m)| (*d, m.epoch)).collect();
        for (drive, epoch) in members {
            self.jobs.push(Job {
                kind: JobKind::Backfill,
                group: at,
                drive,
                epoch,
                checkpoint: None,
                done: false,
            });
        }
        true
    }

    /// The deletion of a group.
    pub fn delete_group(&mut self, at: usize) -> bool {
        let Some(state) = self.groups.get_mut(at).filter(|state| state.active) else { return false };
        state.active = false;
        state.roster_rev += 1;
        self.jobs.push(Job {
            kind: JobKind::Dissolve,
            group: at,
            drive: 0,
            epoch: 0,
            checkpoint: None,
            done: false,
        });
        true
    }

    /// One conditional write of a copy; whether it took effect.
    pub fn apply(&mut self, decision: &Decision) -> bool {
        let (key, order, fields) = match decision {
            Decision::Nothing => return false,
            Decision::Write { key, order, fields, .. } => (key, *order, Some(fields.clone())),
            Decision::Bury { key, order } => (key, *order, None),
        };
        let order = self.variant.weaken(order);
        if fields.is_none() && self.variant == Variant::NoTombstone {
            return self.copies.remove(key).is_some();
        }
        match self.copies.get(key) {
            Some(held) if held.order >= order => false,
            _ => {
                self.copies.insert(key.clone(), Copy { order, fields });
                true
            }
        }
    }

    /// Deletes a copy of a membership at most this old.
    pub fn purge(&mut self, key: &ReplicaKey, epoch: u64) {
        if self.copies.get(key).is_some_and(|held| held.order.epoch <= epoch) {
            self.copies.remove(key);
        }
    }

    /// A group's copies as a reader's query returns them.
    pub fn page(&self, at: usize) -> Vec<ReplicaRow> {
        let id = group(at);
        self.copies
            .iter()
            .filter(|(key, _)| key.group == id)
            .map(|(key, copy)| ReplicaRow {
                data_type: key.data_type.clone(),
                id: key.id.clone(),
                drive: key.drive.clone(),
                order: copy.order,
                fields: copy.fields.clone().unwrap_or_default(),
                expires: None,
            })
            .collect()
    }

    /// The drives that are members of a group, by their numbers.
    pub fn providers(&self, at: usize) -> BTreeSet<usize> {
        self.members.keys().filter(|(group, _)| *group == at).map(|(_, drive)| *drive).collect()
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap_or_else(|error| unreachable!("{error}"))
}

/// The fields of a reading.
pub fn fields(time: Timestamp, mgdl: i64) -> Fields {
    static NAMES: OnceLock<(Name, Name)> = OnceLock::new();
    let (taken, value) = NAMES.get_or_init(|| (name("takenAt"), name("mgdl")));
    Fields::from([(taken.clone(), Value::Datetime(time)), (value.clone(), Value::Integer(mgdl))])
}

/// The value of a reading.
pub fn mgdl(fields: &Fields) -> Option<i64> {
    fields.values().find_map(|value| if let Value::Integer(number) = value { Some(*number) } else { None })
}
