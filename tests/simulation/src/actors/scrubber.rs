//! Comparing copies with what they should be, and repairing the difference.

use domain::item::Item;
use domain::replication::{Decision, Order, ReplicaKey};

use super::{Outlets, Step};
use crate::copies::Copy;
use crate::directory::{Group, Outlet, PLAIN};
use crate::faults::Fault;
use crate::judge::decide;
use crate::world::{Part, Refused, World, drive_number, group, number_of};

/// What was written less than so many milliseconds ago is left to the stream.
const GRACE: i64 = 120_000;

/// What is known of a place so far.
#[derive(Debug, Clone)]
enum Look {
    /// From the source: the memberships first.
    Plain(Outlets),
    /// The copy first, then its group.
    Copy,
    Group(Option<Copy>),
    Provider(Option<Copy>, Option<Group>),
    Source(Option<Copy>, Option<Outlet>),
}

/// A slice of the comparison.
#[derive(Debug, Clone)]
pub struct Scrubber {
    places: Vec<ReplicaKey>,
    look: Look,
    grace: i64,
}

impl Scrubber {
    /// A slice over everything that is, and everything that should be.
    pub fn new(world: &mut World, all: bool) -> Self {
        let mut places: Vec<ReplicaKey> = world.copies.rows().map(|(key, _)| key.clone()).collect();
        for ((at, on), member) in &world.members {
            let spread = world.groups.get(*at).map_or(PLAIN, Group::spread);
            let items = world.items.get(*on).into_iter().flat_map(|items| items.values());
            places.extend(items.map(|item| ReplicaKey {
                group: member.membership.group.clone(),
                data_type: item.data_type.clone(),
                shard: spread.shard_of(&item.id),
                id: item.id.clone(),
                drive: item.drive.clone(),
            }));
        }
        places.sort();
        places.dedup();
        world.rng.shuffle(&mut places);
        if !all {
            places.truncate(6);
        }
        let mut new = Self { places, look: Look::Copy, grace: if all { 0 } else { GRACE } };
        new.begin(world);
        new
    }

    fn begin(&mut self, world: &mut World) {
        self.look = if world.rng.bool() { Look::Copy } else { Look::Plain(Outlets::default()) };
    }

    pub(super) fn step(&mut self, world: &mut World) -> Step {
        let Some(key) = self.places.last().cloned() else { return Step::Done };
        match self.go_on(world, &key) {
            Ok(Step::More) => {}
            // What fails on its own is counted, and stops nothing else.
            Ok(Step::Done) | Err(_) => {
                self.places.pop();
                self.begin(world);
            }
        }
        Step::More
    }

    fn go_on(&mut self, world: &mut World, key: &ReplicaKey) -> Result<Step, Refused> {
        let (at, on) = (number_of(&key.group), drive_number(&key.drive));
        match &mut self.look {
            Look::Plain(outlets) => {
                if self.grace > 0 && is_busy(world, at, on) {
                    return Ok(Step::Done);
                }
                let Some(found) = outlets.step(world, on)? else { return Ok(Step::More) };
                let Some(outlet) = found.into_iter().find(|outlet| outlet.at == at) else {
                    self.look = Look::Copy;
                    return Ok(Step::More);
                };
                return self.plain(world, key, on, &outlet);
            }
            Look::Copy => {
                if self.grace > 0 && is_busy(world, at, on) {
                    return Ok(Step::Done);
                }
                world.ask(Part::Copies(at))?;
                self.look = Look::Group(world.copies.get(key).cloned());
            }
            Look::Group(copy) => {
                world.ask(Part::Directory)?;
                let state = world.groups.get(at).filter(|group| group.active).cloned();
                self.look = Look::Provider(copy.take(), state);
            }
            Look::Provider(copy, state) => {
                let member = world.members.get(&(at, on)).filter(|_| state.is_some());
                let outlet = state.take().zip(member).map(|(state, member)| Outlet {
                    at,
                    membership: member.membership.clone(),
                    book: state.book(),
                });
                self.look = Look::Source(copy.take(), outlet);
            }
            Look::Source(copy, outlet) => {
                world.ask(Part::Data)?;
                let (copy, outlet) = (copy.take(), outlet.take());
                let item = source(world, on, key);
                if item
                    .as_ref()
                    .is_some_and(|item| item.updated.millis() > world.now - self.grace && self.grace > 0)
                {
                    return Ok(Step::Done);
                }
                settle(world, key, outlet.as_ref(), item.as_ref(), copy)?;
                return Ok(Step::Done);
            }
        }
        Ok(Step::More)
    }

    /// What is missing or outdated is written with the ordinary condition; the rest is looked at again.
    fn plain(
        &mut self,
        world: &mut World,
        key: &ReplicaKey,
        on: usize,
        outlet: &Outlet,
    ) -> Result<Step, Refused> {
        let item = source(world, on, key);
        if item.as_ref().is_some_and(|item| self.grace > 0 && item.updated.millis() > world.now - self.grace)
        {
            return Ok(Step::Done);
        }
        let decision = decide((&key.id, item.as_ref(), u64::MAX), outlet);
        let held = world.copies.get(key).cloned();
        let wanted = order_of(&decision).filter(|_| lies_at(&decision, key));
        match finding(&decision, held.as_ref()) || !lies_at(&decision, key) {
            true if wanted.is_some_and(|order| held.is_none_or(|held| held.order < order)) => {
                if world.write(&decision)? {
                    world.faults.note(Fault::Scrubbed);
                }
                Ok(Step::Done)
            }
            true => {
                self.look = Look::Copy;
                Ok(Step::More)
            }
            false => Ok(Step::Done),
        }
    }
}

/// Whether a job is at work on the copies of a drive in a group.
fn is_busy(world: &World, at: usize, on: usize) -> bool {
    world.jobs.iter().any(|job| job.open && job.group == at && job.drive.is_none_or(|drive| drive == on))
}

fn source(world: &World, on: usize, key: &ReplicaKey) -> Option<Item> {
    world.items.get(on).and_then(|items| items.get(&key.id)).cloned()
}

fn order_of(decision: &Decision) -> Option<Order> {
    match decision {
        Decision::Nothing => None,
        Decision::Write { order, .. } | Decision::Bury { order, .. } => Some(*order),
    }
}

fn lies_at(decision: &Decision, place: &ReplicaKey) -> bool {
    match decision {
        Decision::Nothing => true,
        Decision::Write { key, .. } | Decision::Bury { key, .. } => key == place,
    }
}

/// Whether a copy is not as it should be.
fn finding(decision: &Decision, actual: Option<&Copy>) -> bool {
    let Decision::Write { order, carried, .. } = decision else {
        return actual.is_some_and(|copy| !copy.order.dead);
    };
    let Some(copy) = actual else { return true };
    let held = copy.carried.clone().unwrap_or_default();
    if copy.order >= *order {
        return copy.order != *order || held != *carried;
    }
    let Order { era, epoch, version, .. } = copy.order;
    let agrees = (era, epoch, version) == (order.era, order.epoch, order.version)
        && (copy.order.rule_revision, copy.order.contract_revision)
            <= (order.rule_revision, order.contract_revision);
    !(agrees && held.fields == carried.fields && held.absent.is_superset(&carried.absent))
}

/// The second look: what is written is conditional on the very copy that was read.
fn settle(
    world: &mut World,
    key: &ReplicaKey,
    outlet: Option<&Outlet>,
    item: Option<&Item>,
    actual: Option<Copy>,
) -> Result<(), Refused> {
    let Some(outlet) = outlet else {
        if let Some(copy) = actual.filter(|copy| !copy.order.dead) {
            note(world, |world| world.copies.remove(key, copy.order));
        }
        return Ok(());
    };
    let decision = decide((&key.id, item, u64::MAX), outlet);
    if !lies_at(&decision, key) {
        // A copy where its group no longer keeps it: where it belongs comes first.
        if let Some(copy) = actual.filter(|copy| !copy.order.dead) {
            world.write(&decision)?;
            note(world, |world| world.copies.remove(key, copy.order));
        }
        return Ok(());
    }
    if !finding(&decision, actual.as_ref()) {
        return Ok(());
    }
    match (order_of(&decision), actual) {
        (Some(order), actual) if actual.as_ref().is_none_or(|copy| copy.order < order) => {
            let written = world.write(&decision)?;
            note(world, |_| written);
        }
        (Some(_), Some(copy)) => {
            let now = world.clock();
            note(world, |world| world.copies.replace(&decision, copy.order, now));
        }
        (None, Some(copy)) => note(world, |world| world.copies.remove(key, copy.order)),
        _ => {}
    }
    debug_assert_eq!(key.group, group(outlet.at));
    Ok(())
}

fn note(world: &mut World, write: impl FnOnce(&mut World) -> bool) {
    if write(world) {
        world.faults.note(Fault::Scrubbed);
    }
}
