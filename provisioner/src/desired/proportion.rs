//! Planning takes time in proportion to the stack, not to its square.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::json;

use super::tests::example;
use crate::engine::fake::Fake;
use crate::engine::{Wanted, World, read_all};
use crate::kinds::Recorded;
use crate::plan::{Plan, plan};
use crate::resource::{Address, Resource, resolve};
use crate::state::{Entry, Status, now};

/// A small stack with so many declared groups.
fn with_groups(count: usize) -> Vec<Resource> {
    let mut resources = example();
    let after: Vec<_> =
        super::FUNCTIONS.iter().map(|(name, _)| json!({ "$ref": format!("function.{name}#id") })).collect();
    resources.extend((0..count).map(|n| Resource {
        address: Address::new("group", format!("g{n}")),
        attributes: json!({
            "table": { "$ref": "table.directory#id" },
            "name": format!("g{n}"),
            "rules": [{ "types": ["glucose"], "when": format!("resource.mgdl > {n}") }],
            "shards": 1,
            "after": after,
        }),
    }));
    resources
}

/// Reads and plans; `entries` is what is remembered.
fn planned(world: &Fake, resources: &[Resource], entries: &BTreeMap<Address, Entry>) -> (Plan, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let begun = spent();
    let observed = runtime.block_on(read_all(world, Wanted::all(resources, entries))).unwrap();
    let plan = plan("study", resources, &observed, entries, world).unwrap();
    (plan, spent().saturating_sub(begun))
}

/// The processor time of this thread, which does not depend on what else the machine does; where the system does not
/// tell, the time that has passed.
fn spent() -> Duration {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| BEGUN.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

/// What is remembered once everything was made.
fn made(world: &Fake, resources: &[Resource]) -> BTreeMap<Address, Entry> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut entries = BTreeMap::new();
    for resource in resources {
        let attributes = resolve(&resource.attributes, &|_| None).attributes;
        let observed = runtime.block_on(world.converge(&resource.address, &attributes, None)).unwrap();
        let recorded = Recorded {
            address: resource.address.clone(),
            physical_id: observed.physical_id,
            attributes,
            outputs: observed.outputs,
        };
        let depends_on = crate::resource::dependencies(&resource.attributes).into_iter().collect();
        entries.insert(
            resource.address.clone(),
            Entry { recorded, depends_on, status: Status::Ready, updated: now() },
        );
    }
    entries
}

/// The least times of a first plan, of one with everything there, and of one after which every group is gone.
fn times(groups: usize) -> [Duration; 3] {
    let (all, none) = (with_groups(groups), with_groups(0));
    let (empty, world) = (Fake::default(), Fake::default());
    let entries = made(&world, &all);
    let nothing = BTreeMap::new();
    let least = |run: &dyn Fn() -> (Plan, Duration), nodes: usize| {
        let time = |_| {
            let (plan, time) = run();
            assert_eq!(plan.nodes.len(), nodes);
            time
        };
        (0..3).map(time).min().unwrap()
    };
    [
        least(&|| planned(&empty, &all, &nothing), all.len()),
        least(&|| planned(&world, &all, &entries), all.len()),
        least(&|| planned(&world, &none, &entries), all.len()),
    ]
}

/// Eight times the groups may take twenty times as long, where a square would take sixty-four times.
#[test]
fn planning_takes_time_in_proportion_to_the_groups() {
    let sizes = [500, 1_000, 2_000, 4_000];
    let times = sizes.map(times);
    for way in 0..3 {
        let of_way = times.map(|all| all[way]);
        println!("{way}: {of_way:?}");
        assert!(of_way[3] < of_way[0] * 20, "{of_way:?} for {sizes:?} groups");
    }
}
