//! The invariants: what a list may return, and what must be there in the end.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::ItemId;
use domain::replication::{ReplicaRow, shown};
use domain::rules::Question;
use domain::time::Timestamp;
use domain::value::Fields;

use crate::actors::roster;
use crate::history::Violation;
use crate::world::{self, World};

/// An acknowledged state of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Acknowledged {
    /// Its version.
    pub version: u64,
    /// What it says.
    pub fields: Fields,
    /// Groups whose rules selected it when it was written. There the change gave something, and what gives comes by the
    /// stream: until then the version before it may be shown, even if a later rule would select only that one.
    pub gave: BTreeSet<usize>,
}

/// What was acknowledged to owners, and what readers have seen.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The last acknowledged state of each item, or none if it was deleted.
    acknowledged: BTreeMap<ItemId, Option<Acknowledged>>,
    /// Joins so far: group and drive.
    pub joins: Vec<(usize, usize)>,
    /// The greatest version that a reader has seen of an item in a group.
    seen: BTreeMap<(usize, usize, ItemId), u64>,
    /// Rows that lists returned.
    pub returned: u64,
}

impl Memory {
    /// Notes an acknowledged change.
    pub fn acknowledge(&mut self, id: ItemId, state: Option<Acknowledged>) {
        let newer = match (self.acknowledged.get(&id), &state) {
            (Some(None), _) => false,
            (Some(Some(held)), Some(state)) => state.version > held.version,
            _ => true,
        };
        if newer {
            self.acknowledged.insert(id, state);
        }
    }
}

/// What was promised when a list began.
#[derive(Debug, Clone)]
pub struct Promise {
    active: bool,
    revision: u32,
    providers: BTreeSet<usize>,
    joins: usize,
    acknowledged: BTreeMap<ItemId, Option<Acknowledged>>,
}

impl Promise {
    /// What holds now.
    pub fn now(world: &World, memory: &Memory, at: usize) -> Self {
        let group = world.groups.get(at);
        Self {
            active: group.is_some_and(|group| group.active),
            revision: group.map_or(0, |group| group.rule_revision),
            providers: world.providers(at),
            joins: memory.joins.len(),
            acknowledged: memory.acknowledged.clone(),
        }
    }

    /// Checks a row that a list is about to return.
    ///
    /// # Errors
    /// The invariant that it breaks.
    pub fn check(
        &self,
        world: &World,
        memory: &mut Memory,
        who: usize,
        at: usize,
        row: &ReplicaRow,
    ) -> Result<(), Violation> {
        memory.returned += 1;
        if !self.active {
            return Err(Violation::new("I1", "a deleted group still shows a copy"));
        }
        let joined_since =
            || memory.joins.iter().skip(self.joins).any(|(g, d)| *g == at && world::drive(*d) == row.drive);
        if !self.providers.iter().any(|d| world::drive(*d) == row.drive) && !joined_since() {
            return Err(Violation::new("I1", "a provider who left is still shown"));
        }
        // Any rule that counted between the list's beginning and now may explain the row.
        let thresholds = world.groups.get(at).map(|group| group.thresholds.as_slice()).unwrap_or_default();
        let counted = thresholds.get(self.revision.saturating_sub(1) as usize..).unwrap_or_default();
        let selected = |fields: &Fields| counted.iter().any(|threshold| selects(*threshold, row, fields));
        if !selected(&row.fields) {
            return Err(Violation::new("I1", "a rule that was narrowed still shows what it took away"));
        }
        match self.acknowledged.get(&row.id) {
            Some(None) => return Err(Violation::new("I1/I3", "a deleted item is shown")),
            Some(Some(state))
                if row.order.version < state.version
                    && !state.gave.contains(&at)
                    && !selected(&state.fields) =>
            {
                return Err(Violation::new("I1", "an item that no longer matches is shown as it was"));
            }
            _ => {}
        }
        let seen = memory.seen.entry((who, at, row.id.clone())).or_default();
        if row.order.version < *seen {
            return Err(Violation::new("I4", "an item went back to an older version"));
        }
        *seen = row.order.version;
        Ok(())
    }
}

fn selects(threshold: usize, row: &ReplicaRow, fields: &Fields) -> bool {
    let mgdl = world::mgdl(fields);
    let limit = world::THRESHOLDS.get(threshold).copied();
    debug_assert!(row.id.time() >= Timestamp::from_millis(0));
    matches!((mgdl, limit), (Some(mgdl), Some(limit)) if mgdl > limit)
}

/// I2: when everything has come to rest, groups show exactly what their rules select of their members' items.
///
/// # Errors
/// If a copy is missing, out of date, or one too many.
pub fn settled(world: &World) -> Result<u64, Violation> {
    let mut orphans = 0;
    for (at, group) in world.groups.iter().enumerate() {
        let (roster, book) = (roster(world, at), group.book());
        let mut actual: BTreeMap<ItemId, (u64, Fields)> = BTreeMap::new();
        for row in world.page(at) {
            match shown(&row, &roster, &book, Timestamp::from_millis(0)).filter(|_| group.active) {
                Some(fields) => {
                    actual.insert(row.id.clone(), (row.order.version, fields));
                }
                None if !row.order.dead => orphans += 1,
                None => {}
            }
        }
        let mut expected: BTreeMap<ItemId, (u64, Fields)> = BTreeMap::new();
        for ((_, drive), membership) in world.members.iter().filter(|((g, _), _)| *g == at && group.active) {
            for item in world.items.get(*drive).into_iter().flat_map(BTreeMap::values) {
                let question = Question {
                    data_type: &item.data_type,
                    time: item.time(),
                    fields: &item.fields,
                    terms: &membership.terms,
                };
                if let Some(fields) = book.rules.visible(question) {
                    expected.insert(item.id.clone(), (item.version, fields));
                }
            }
        }
        if actual != expected {
            let missing = expected.keys().filter(|id| !actual.contains_key(*id)).count();
            let surplus = actual.keys().filter(|id| !expected.contains_key(*id)).count();
            let stale =
                expected.iter().filter(|(id, state)| actual.get(*id).is_some_and(|a| a != *state)).count();
            let text =
                format!("at rest, {missing} copies are missing, {surplus} too many, {stale} out of date");
            return Err(Violation { invariant: "I2", what: text });
        }
    }
    Ok(orphans)
}
