use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::engine::fake::{Fake, at, resource};
use crate::kinds::{Observed, Read};
use crate::resource::{Outputs, Resource, resolve};
use crate::state::{Entry, Status, now};

type World = (BTreeMap<Address, Read>, BTreeMap<Address, Entry>);

/// The world right after these resources were applied.
fn applied(desired: &[Resource]) -> World {
    let mut world = World::default();
    let id = |address: &Address| Outputs::from([("id".to_owned(), format!("{address}-id"))]);
    for r in desired {
        let attributes = resolve(&r.attributes, &|a| Some(id(a))).attributes;
        let recorded = Recorded {
            address: r.address.clone(),
            physical_id: format!("{}-id", r.address),
            attributes: attributes.clone(),
            outputs: id(&r.address),
        };
        let observed =
            Observed { physical_id: recorded.physical_id.clone(), attributes, outputs: id(&r.address) };
        let depends_on = crate::resource::dependencies(&r.attributes).into_iter().collect();
        world.0.insert(r.address.clone(), Read::Owned(observed));
        world
            .1
            .insert(r.address.clone(), Entry { recorded, depends_on, status: Status::Ready, updated: now() });
    }
    world
}

fn make(desired: &[Resource], world: &World) -> Plan {
    plan("s", desired, &world.0, &world.1, &Fake::default()).unwrap()
}

fn only(desired: Resource, world: &World) -> Node {
    make(&[desired], world).nodes.into_iter().next().unwrap()
}

#[test]
fn a_change_of_the_file_and_a_change_behind_its_back_are_told_apart() {
    let world = applied(&[resource("x.a", json!({"v": 1, "w": 1}), &[])]);
    let mut drifted = world.clone();
    if let Some(Read::Owned(observed)) = drifted.0.get_mut(&at("x.a")) {
        observed.attributes["w"] = json!(9);
    }
    let node = only(resource("x.a", json!({"v": 2, "w": 1}), &[]), &drifted);
    let seen: Vec<_> = node.changes.iter().map(|c| (c.path.as_str(), c.drift)).collect();
    assert_eq!((node.action, seen), (Action::Update, vec![("v", false), ("w", true)]));
}

#[test]
fn losing_data_is_refused_whether_by_replacing_or_by_leaving_out() {
    let world = applied(&[resource("data.t", json!({"fixed": 1}), &[])]);
    let node = only(resource("data.t", json!({"fixed": 2}), &[]), &world);
    assert_eq!(node.action, Action::Blocked);
    assert!(node.reason.unwrap().contains("`fixed` cannot be changed in place"));
    let plan = make(&[], &world);
    assert_eq!(plan.nodes[0].action, Action::Blocked);
}

#[test]
fn an_output_that_a_change_moves_is_known_after_apply() {
    let with = |moving: u8| {
        [resource("x.a", json!({ "moving": moving }), &[]), resource("x.b", json!({}), &["x.a"])]
    };
    let plan = make(&with(2), &applied(&with(1)));
    let node = plan.node(&at("x.b")).unwrap();
    assert_eq!((node.action, node.changes[0].known_after_apply), (Action::Update, true));
}

#[test]
fn something_of_that_name_that_is_not_ours_is_a_conflict() {
    let mut world = World::default();
    world.0.insert(at("x.a"), Read::Foreign("a table `s-a` without the tag".into()));
    let plan = make(&[resource("x.a", json!({}), &[]), resource("x.b", json!({}), &["x.a"])], &world);
    assert_eq!(plan.refusals().map(|node| node.address.clone()).collect::<Vec<_>>(), [at("x.a")]);
}

#[test]
fn what_an_earlier_run_began_is_finished() {
    let mut world = applied(&[resource("x.a", json!({}), &[])]);
    world.1.get_mut(&at("x.a")).unwrap().status = Status::Creating;
    let node = only(resource("x.a", json!({}), &[]), &world);
    assert_eq!(
        (node.action, node.reason.as_deref()),
        (Action::Update, Some("an earlier run did not finish it"))
    );
}

#[test]
fn what_is_there_but_not_recorded_is_adopted() {
    let (observed, _) = applied(&[resource("x.a", json!({}), &[])]);
    assert_eq!(only(resource("x.a", json!({}), &[]), &(observed, BTreeMap::new())).action, Action::Update);
}

#[test]
fn a_reference_to_nothing_is_a_bug_that_is_named() {
    let error = plan(
        "s",
        &[resource("x.a", json!({}), &["x.b"])],
        &BTreeMap::new(),
        &BTreeMap::new(),
        &Fake::default(),
    );
    assert_eq!(error.unwrap_err().to_string(), "`x.a` refers to `x.b`, which the stack does not have");
}

#[test]
fn the_linter_finds_a_dependency_that_comes_too_late() {
    let mut plan =
        make(&[resource("x.a", json!({}), &[]), resource("x.b", json!({}), &["x.a"])], &World::default());
    assert!(lint(&plan).is_empty());
    plan.nodes.reverse();
    assert_eq!(lint(&plan), ["`x.b` comes before `x.a`, on which it depends"]);
}

#[test]
fn a_plan_survives_being_saved() {
    let world = applied(&[resource("x.a", json!({"v": 1}), &[]), resource("x.gone", json!({}), &[])]);
    let plan = make(&[resource("x.a", json!({"v": 2}), &[]), resource("x.b", json!({}), &["x.a"])], &world);
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}

/// Stacks of up to twelve resources, each using some of those before it.
fn stacks() -> impl Strategy<Value = Vec<Resource>> {
    let one = (prop_oneof![Just("x"), Just("serial"), Just("data")], 0..3_u8, 0..3_u8, any::<u16>());
    proptest::collection::vec(one, 0..12).prop_map(|many| {
        let names: Vec<String> =
            many.iter().enumerate().map(|(i, (kind, ..))| format!("{kind}.n{i:02}")).collect();
        many.iter()
            .enumerate()
            .map(|(i, (_, v, fixed, uses))| {
                let on: Vec<&str> =
                    (0..i).filter(|j| uses >> j & 1 == 1).map(|j| names[j].as_str()).collect();
                resource(&names[i], json!({"v": v, "fixed": fixed}), &on)
            })
            .collect()
    })
}

/// A world between two stacks: what the first made, parts of it missing, changed or half done.
fn disturbed(first: &[Resource], how: &[u8]) -> World {
    let mut world = applied(first);
    for (r, how) in first.iter().zip(how) {
        match how % 6 {
            0 => drop(world.0.insert(r.address.clone(), Read::Missing)),
            1 => drop(world.1.remove(&r.address)),
            2 => world.1.get_mut(&r.address).unwrap().status = Status::Updating,
            3 => {
                if let Some(Read::Owned(observed)) = world.0.get_mut(&r.address) {
                    observed.attributes["v"] = Value::Null;
                }
            }
            _ => {}
        }
    }
    world
}

proptest! {
    #[test]
    fn the_plan_of_what_was_applied_is_empty(stack in stacks()) {
        prop_assert!(make(&stack, &applied(&stack)).is_empty());
    }

    #[test]
    fn a_plan_is_the_same_twice_whatever_the_order_of_the_file(
        first in stacks(), second in stacks(), how in proptest::collection::vec(any::<u8>(), 12)
    ) {
        let world = disturbed(&first, &how);
        let mut turned = second.clone();
        turned.reverse();
        prop_assert_eq!(make(&second, &world), make(&turned, &world));
    }

    #[test]
    fn every_plan_is_sound(first in stacks(), second in stacks(), how in proptest::collection::vec(any::<u8>(), 12)) {
        let world = disturbed(&first, &how);
        // The linter checks, among other things, that every dependency precedes its dependents.
        prop_assert_eq!(lint(&make(&second, &world)), Vec::<String>::new());
        let down = plan_destroy("s", &second, &world.0, &world.1).unwrap();
        prop_assert_eq!(lint(&down), Vec::<String>::new());
    }
}
