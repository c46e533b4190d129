//! The table of copies, as the store's conditional calls leave it.
//!
//! Checked against the real store over an embedded DynamoDB in `tests/database.rs`.

use std::collections::BTreeMap;

use domain::id::{DriveId, GroupId, ItemId, Name};
use domain::replication::{Decision, Order, ReplicaKey, ReplicaRow, Shard, Spread};
use domain::rules::Carried;
use domain::time::Timestamp;

/// How long a tombstone stays.
pub const TOMBSTONE_DAYS: i64 = 7;

/// A stored copy.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// Its order.
    pub order: Order,
    /// What it carries; none if it is dead.
    pub carried: Option<Carried>,
    /// When it may be removed, in seconds.
    pub expires: Option<i64>,
    /// Which write of the table it is, counted from 1; the database knows nothing of it.
    pub stamp: u64,
}

/// All copies.
#[derive(Debug, Clone, Default)]
pub struct Copies {
    rows: BTreeMap<ReplicaKey, Copy>,
    stamp: u64,
}

/// A stretch of one partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// What lies there.
    pub rows: Vec<(ReplicaKey, Copy)>,
    /// Behind which copy the next stretch begins.
    pub next: Option<(ItemId, DriveId)>,
}

fn copy_of(decision: &Decision, now: Timestamp) -> Option<(&ReplicaKey, Copy)> {
    match decision {
        Decision::Nothing => None,
        Decision::Write { key, order, carried, expires } => {
            let expires = expires.map(Timestamp::seconds);
            Some((key, Copy { order: *order, carried: Some(carried.clone()), expires, stamp: 0 }))
        }
        Decision::Bury { key, order } => {
            let expires = Some(now.seconds() + TOMBSTONE_DAYS * 86_400);
            Some((key, Copy { order: *order, carried: None, expires, stamp: 0 }))
        }
    }
}

impl Copies {
    /// How many writes there were.
    pub fn stamp(&self) -> u64 {
        self.stamp
    }

    /// Every copy, with its place.
    pub fn rows(&self) -> impl Iterator<Item = (&ReplicaKey, &Copy)> {
        self.rows.iter()
    }

    /// One copy.
    pub fn get(&self, key: &ReplicaKey) -> Option<&Copy> {
        self.rows.get(key)
    }

    /// Writes a copy without any condition.
    pub fn put(&mut self, key: &ReplicaKey, copy: Copy) {
        self.stamp += 1;
        self.rows.insert(key.clone(), Copy { stamp: self.stamp, ..copy });
    }

    /// Carries a decision out over a copy of a lesser order; whether it took effect.
    pub fn apply(&mut self, decision: &Decision, now: Timestamp) -> bool {
        let Some((key, copy)) = copy_of(decision, now) else { return false };
        if self.rows.get(key).is_some_and(|held| held.order >= copy.order) {
            return false;
        }
        self.put(key, copy);
        true
    }

    /// Writes a copy over the very one that was read; whether it was still there.
    pub fn replace(&mut self, decision: &Decision, read: Order, now: Timestamp) -> bool {
        let Some((key, copy)) = copy_of(decision, now) else { return false };
        let same = self.rows.get(key).is_some_and(|held| held.order == read);
        if same {
            self.put(key, copy);
        }
        same
    }

    /// Removes a copy whatever it is.
    pub fn delete(&mut self, key: &ReplicaKey) -> Option<Copy> {
        self.rows.remove(key)
    }

    /// Removes the very copy that was read.
    pub fn remove(&mut self, key: &ReplicaKey, read: Order) -> bool {
        let same = self.rows.get(key).is_some_and(|held| held.order == read);
        same && self.rows.remove(key).is_some()
    }

    /// Buries a copy of this membership or an earlier one; whether it was alive.
    pub fn end(&mut self, key: &ReplicaKey, (era, epoch): (u16, u64), now: Timestamp) -> bool {
        let last = Order::last(era, epoch);
        let Some(before) = self.rows.get(key).map(|held| held.order).filter(|held| *held < last) else {
            return false;
        };
        self.apply(&Decision::Bury { key: key.clone(), order: last }, now);
        !before.dead
    }

    /// A stretch of one partition, in order.
    pub fn stretch(
        &self,
        (group, data_type, shard): (&GroupId, &Name, Shard),
        after: Option<&(ItemId, DriveId)>,
        limit: usize,
    ) -> Stretch {
        let here = self
            .rows
            .iter()
            .filter(|(key, _)| key.group == *group && key.data_type == *data_type && key.shard == shard);
        let behind =
            here.filter(|(key, _)| after.is_none_or(|(id, drive)| (&key.id, &key.drive) > (id, drive)));
        let mut rows: Vec<_> =
            behind.take(limit + 1).map(|(key, copy)| (key.clone(), copy.clone())).collect();
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(|(key, _)| (key.id.clone(), key.drive.clone()));
        Stretch { rows, next: last.filter(|_| more) }
    }

    /// A group's copies of one type that are spread in one way.
    pub fn spread(&self, group: &GroupId, data_type: &Name, spread: Spread) -> Vec<ReplicaRow> {
        let all: Vec<Shard> = spread.shards().collect();
        let here = self.rows.iter().filter(|(key, _)| {
            key.group == *group && key.data_type == *data_type && all.contains(&key.shard)
        });
        here.map(|(key, copy)| row(key, copy)).collect()
    }

    /// Removes what has expired, and tells how much that was.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        let before = self.rows.len();
        self.rows.retain(|_, copy| copy.expires.is_none_or(|end| end > now.seconds()));
        before - self.rows.len()
    }
}

fn row(key: &ReplicaKey, copy: &Copy) -> ReplicaRow {
    ReplicaRow {
        data_type: key.data_type.clone(),
        id: key.id.clone(),
        drive: key.drive.clone(),
        order: copy.order,
        carried: copy.carried.clone().unwrap_or_default(),
        expires: copy.expires.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000))),
    }
}

/// Merges what was read of several layouts: of two copies of an item the later one.
pub fn merge(lists: impl IntoIterator<Item = ReplicaRow>, first: bool) -> Vec<ReplicaRow> {
    let mut merged: BTreeMap<(ItemId, DriveId), ReplicaRow> = BTreeMap::new();
    for row in lists {
        let key = (row.id.clone(), row.drive.clone());
        match merged.get(&key) {
            Some(held) if first || held.order >= row.order => {}
            _ => {
                merged.insert(key, row);
            }
        }
    }
    merged.into_values().collect()
}

/// A decision's effect among others on the same key: of several only the greatest is written.
pub fn apply_all(copies: &mut Copies, decisions: &[Decision], now: Timestamp) -> (usize, usize) {
    let mut greatest: BTreeMap<&ReplicaKey, (&Decision, Order)> = BTreeMap::new();
    for decision in decisions {
        let (Decision::Write { key, order, .. } | Decision::Bury { key, order }) = decision else { continue };
        match greatest.get(key) {
            Some((_, held)) if held >= order => {}
            _ => {
                greatest.insert(key, (decision, *order));
            }
        }
    }
    let written = greatest.values().filter(|(decision, _)| copies.apply(decision, now)).count();
    (written, greatest.len() - written)
}
