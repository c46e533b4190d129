//! Histories too rare to wait for: told step by step.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops")]

use domain::time::Timestamp;
use simulation::actors::{Actor, Owner, Replicator, Step, Wish, Worker};
use simulation::check::{Memory, settled};
use simulation::directory::Group;
use simulation::source::{Batch, Record};
use simulation::terms::Reading;
use simulation::world::World;
use simulation::{Variant, Violation};

fn finish(world: &mut World, mut actor: Actor) {
    while actor.step(world, &mut Memory::default()).unwrap() == Step::More {}
}

fn work_off(world: &mut World) {
    while let Some(at) = world.jobs.iter().position(|job| job.open) {
        finish(world, Actor::Worker(Box::new(Worker::new(at))));
        let waiting: Vec<usize> =
            world.jobs.iter().enumerate().filter(|(_, job)| job.open).map(|(at, _)| at).collect();
        for at in waiting.into_iter().rev() {
            finish(world, Actor::Worker(Box::new(Worker::new(at))));
        }
    }
}

/// Changes of rules both of which select the item before and after.
const NARROWER: (usize, usize) = (0, 1);
const WIDER: (usize, usize) = (1, 0);

/// A function reads a membership; its contract is widened and the job for that is done; the rules change; and only then
/// the function reads the rules. It acts upon a pair of terms that never counted together, whose order is greater than
/// that of the copy that the first job wrote.
fn torn_read(variant: Variant, (before, after): (usize, usize)) -> Result<(), Violation> {
    let mut world = World::new(1, variant);
    world.groups[0] = Group::new(before);
    world.join(0, 0, 1, 1).unwrap();
    world.now += 600_000;
    let said = Reading { mgdl: 180, note: Some("share") };
    let id = world.create(0, &said);
    let first = world.items[0][&id].clone();
    let item = world.update(0, &first, &Reading { mgdl: 220, ..said }).unwrap();
    work_off(&mut world);
    let (present, written) = (Some(item.clone()), Timestamp::from_millis(world.now));
    let record = Record { seq: 1, drive: 0, id, present, version: item.version, written, poison: false };
    let batch = Batch { delivery: None, records: vec![record] };
    let mut late = Actor::Replicator(Box::new(Replicator::new(&world, batch)));
    late.step(&mut world, &mut Memory::default())?; // the memberships
    let read = world.members[&(0, 0)].clone();
    let former = world.former_of(0, 0, &read, 1);
    assert!(world.change_contract((0, 0), 0, &read, former));
    work_off(&mut world);
    settled(&world, 0)?;
    let (group, from) = (world.groups[0].clone(), world.settled_revision(0, &world.groups[0]));
    assert!(world.change_rules(0, (after, 1), &group, from));
    late.step(&mut world, &mut Memory::default())?; // the rules
    world.now += 600_000;
    work_off(&mut world);
    finish(&mut world, late);
    settled(&world, 0)
}

#[test]
fn terms_that_never_counted_together_hide_nothing_for_good() {
    for (change, forgetful) in [(WIDER, Variant::FormerOfOpenJobs), (NARROWER, Variant::SiftForgetful)] {
        assert_eq!(torn_read(Variant::Protocol, change), Ok(()));
        assert_eq!(torn_read(forgetful, change).unwrap_err().invariant, "I2");
    }
}

/// A request takes a field away and stalls before it reads the memberships; another device deletes the item; and only
/// then the drive joins the group, where nothing was ever buried.
fn stalled_request(variant: Variant) -> Result<(), Violation> {
    let mut world = World::new(1, variant);
    world.groups[0] = Group::new(0);
    let said = Reading { mgdl: 180, note: Some("share") };
    let id = world.create(0, &said);
    let wish = Wish::Update(id.clone(), Reading { note: None, ..said });
    let mut stalled = Actor::Owner(Box::new(Owner::new(0, wish, world.now)));
    stalled.step(&mut world, &mut Memory::default())?; // the item
    stalled.step(&mut world, &mut Memory::default())?; // its next version
    assert_eq!(world.delete(0, &id), Some(2));
    world.now += 5_000;
    world.join(0, 0, 0, 1).unwrap();
    work_off(&mut world);
    finish(&mut world, stalled);
    settled(&world, 0)
}

#[test]
fn a_request_that_stalls_brings_no_deleted_item_into_a_group_that_was_joined_since() {
    assert_eq!(stalled_request(Variant::Protocol), Ok(()));
    assert_eq!(stalled_request(Variant::TrustRequests).unwrap_err().invariant, "I2");
}
