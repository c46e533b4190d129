//! The invariants: what a list may return, and what must be there in the end.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::ItemId;
use domain::replication::{ReplicaRow, Spread};
use domain::value::Fields;

use crate::actors::list;
use crate::terms::{self, Reading};
use crate::variant::Violation;
use crate::world::{World, drive_number, group, number_of};

/// An acknowledged state of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Acknowledged {
    /// Its version.
    pub version: u64,
    /// Groups to which the change gave something, or nothing that they could miss. What gives comes by the stream:
    /// until then the version before it may be shown.
    pub gave: BTreeSet<usize>,
}

/// What was acknowledged to owners, and what readers have seen.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The last acknowledged state of each item, or none if it was deleted.
    acknowledged: BTreeMap<ItemId, Option<Acknowledged>>,
    /// Joins so far: group, drive and epoch.
    pub joins: Vec<(usize, usize, u64)>,
    /// The greatest version that a reader has seen of an item in a group.
    seen: BTreeMap<(usize, usize, ItemId), u64>,
    /// Layouts as the API last saw them.
    pub layouts: BTreeMap<usize, Vec<Spread>>,
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
    /// The epoch of each member, and the revision of its contract.
    members: BTreeMap<usize, (u64, u32)>,
    joins: usize,
    acknowledged: BTreeMap<ItemId, Option<Acknowledged>>,
}

impl Promise {
    /// What holds now.
    pub fn now(world: &World, memory: &Memory, at: usize) -> Self {
        let group = world.groups.get(at);
        let members = world.members.iter().filter(|((g, _), _)| *g == at);
        let terms =
            members.map(|((_, on), m)| (*on, (m.membership.epoch, m.membership.terms.contract.revision)));
        Self {
            active: group.is_some_and(|group| group.active),
            revision: group.map_or(0, |group| group.revision()),
            members: terms.collect(),
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
        (who, at): (usize, usize),
        row: &ReplicaRow,
        fields: &Fields,
    ) -> Result<(), Violation> {
        memory.returned += 1;
        let tell = |invariant, what: &str| {
            Err(Violation::new(invariant, format!("{what} ({} v{})", row.id, row.order.version)))
        };
        if !self.active {
            return tell("I1", "a deleted group still shows a copy");
        }
        let on = drive_number(&row.drive);
        let (epoch, from) = match self.members.get(&on) {
            Some((epoch, contract)) if *epoch == row.order.epoch => (*epoch, *contract),
            _ => {
                let joined = (at, on, row.order.epoch);
                if !memory.joins.iter().skip(self.joins).any(|join| *join == joined) {
                    return tell("I1", "a provider who left is still shown");
                }
                (row.order.epoch, 0)
            }
        };
        let Some(reading) = world.reading(&row.id, row.order.version) else {
            return tell("I1", "a version is shown that there never was");
        };
        let contracts = world.contracts.get(&(at, on, epoch)).map(Vec::as_slice).unwrap_or_default();
        let contracts = contracts.get(from as usize..).unwrap_or_default();
        if !self.is_explained(world, at, contracts, row, reading, fields) {
            return tell("I1", "a rule or a contract that was narrowed still shows what it took away");
        }
        match self.acknowledged.get(&row.id) {
            Some(None) => return tell("I1/I3", "a deleted item is shown"),
            Some(Some(state)) if row.order.version < state.version && !state.gave.contains(&at) => {
                return tell("I1", "what an update took away is still shown");
            }
            _ => {}
        }
        let seen = memory.seen.entry((who, at, row.id.clone())).or_default();
        if row.order.version < *seen {
            return tell("I4", "an item went back to an older version");
        }
        *seen = row.order.version;
        Ok(())
    }

    /// Whether some rules and some contract that counted between the list's beginning and now explain a row.
    fn is_explained(
        &self,
        world: &World,
        at: usize,
        contracts: &[usize],
        row: &ReplicaRow,
        reading: &Reading,
        fields: &Fields,
    ) -> bool {
        let time = row.id.time();
        let said = terms::fields(time, reading);
        if !fields.iter().all(|(name, value)| said.get(name) == Some(value)) {
            return false;
        }
        let revisions = world.groups.get(at).map(|group| group.revisions.as_slice()).unwrap_or_default();
        let counted = revisions.get(self.revision.saturating_sub(1) as usize..).unwrap_or_default();
        let seen = |contract: usize| fields.keys().all(|name| terms::lets_see(contract, name.as_str()));
        let allowed =
            contracts.iter().any(|contract| terms::allows(*contract, time, reading) && seen(*contract));
        allowed
            && counted.iter().any(|(rules, _)| {
                terms::selects(*rules, reading)
                    && fields.keys().all(|name| terms::shows(*rules, name.as_str()))
            })
    }
}

/// What a group should show: the version of each item that its rules and its providers' contracts select, by what an
/// oracle without Cedar says of them, and what is to be seen of it.
fn expected(world: &World, at: usize) -> BTreeMap<ItemId, (u64, Fields)> {
    let mut all = BTreeMap::new();
    let Some(state) = world.groups.get(at).filter(|state| state.active) else { return all };
    let (rules, _) = state.at(state.revision());
    for ((_, on), member) in world.members.iter().filter(|((g, _), _)| *g == at) {
        for item in world.items.get(*on).into_iter().flat_map(BTreeMap::values) {
            let (time, Some(reading)) = (item.time(), world.reading(&item.id, item.version)) else {
                continue;
            };
            if !terms::selects(rules, reading) || !terms::allows(member.contract, time, reading) {
                continue;
            }
            all.insert(
                item.id.clone(),
                (item.version, terms::visible(rules, member.contract, time, reading)),
            );
        }
    }
    all
}

/// I2: when everything has come to rest, a group shows exactly what its rules select of its members' items.
///
/// # Errors
/// If a copy is missing, out of date, or one too many.
pub fn settled(world: &World, at: usize) -> Result<(), Violation> {
    let mut actual: BTreeMap<ItemId, (u64, Fields)> = BTreeMap::new();
    for (row, fields) in list(world, at) {
        actual.insert(row.id.clone(), (row.order.version, fields));
    }
    let mut expected = expected(world, at);
    // What the database does not take waits for repair, and whoever writes the item next ends that. Until then an
    // earlier copy may be shown: what took something away was written in its request.
    for (on, id) in world.repairs.keys() {
        let item = world.items.get(*on).and_then(|items| items.get(id));
        if item.is_some_and(|item| terms::too_large(&item.fields)) {
            expected.remove(id);
            actual.remove(id);
        }
    }
    if world.source.lost > 0 {
        // Of one whose record was lost, the scrubber says that it cannot be written.
        for item in
            world.items.iter().flat_map(BTreeMap::values).filter(|item| terms::too_large(&item.fields))
        {
            expected.remove(&item.id);
            actual.remove(&item.id);
        }
    }
    if actual == expected {
        return Ok(());
    }
    let missing: Vec<&ItemId> = expected.keys().filter(|id| !actual.contains_key(*id)).collect();
    let surplus: Vec<&ItemId> = actual.keys().filter(|id| !expected.contains_key(*id)).collect();
    let stale: Vec<&ItemId> = expected
        .iter()
        .filter(|(id, s)| actual.get(*id).is_some_and(|a| a != *s))
        .map(|(id, _)| id)
        .collect();
    let what =
        format!("at rest, in group {at}, missing {missing:?}, too many {surplus:?}, out of date {stale:?}");
    Err(Violation::new("I2", what))
}

/// Copies that nobody can come to see: of memberships that ended, and where nobody looks any more.
pub fn orphans(world: &World) -> usize {
    let alive = world.copies.rows().filter(|(_, copy)| !copy.order.dead);
    let orphan = alive.filter(|(key, copy)| {
        let (at, on) = (number_of(&key.group), drive_number(&key.drive));
        let state = world.groups.get(at).filter(|state| state.active);
        let kept = state.is_some_and(|state| {
            state.layout.iter().flat_map(|spread| spread.shards()).any(|shard| shard == key.shard)
        });
        let member = world.members.get(&(at, on));
        debug_assert_eq!(key.group, group(at));
        let item = world.items.get(on).and_then(|items| items.get(&key.id));
        // Where it belongs comes first, and there the database does not take it.
        let stuck = item.is_some_and(|item| terms::too_large(&item.fields)) && member.is_some();
        !stuck && (!kept || member.is_none_or(|member| member.membership.epoch != copy.order.epoch))
    });
    orphan.count()
}
