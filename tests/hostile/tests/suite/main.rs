//! `provision` against AWS on its bad days. One file for each group of the list of gotchas, whose numbers the tests'
//! names begin with; then what can happen to any call, crashes, locks, stops, and the order of work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod any_call;
mod calls;
mod crashes;
mod documents;
mod functions;
mod identity_and_api;
mod locks;
mod quotas;
mod regions;
mod roles;
mod schedule;
mod smaller;
mod stopping;
mod tables;

use std::time::Duration;

use hostile::world::NAME;
use hostile::{Aws, Record, World};
use provision::aws::{Clients, ConnectOptions};
use store::{Store, Tables};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The calls of an operation.
fn of(calls: &[Record], operation: &str) -> Vec<Record> {
    calls.iter().filter(|record| record.call.operation == operation).cloned().collect()
}

/// How many calls of an operation were refused with something that has this in it.
fn refused(calls: &[Record], operation: &str, with: &str) -> usize {
    let refused = |record: &Record| record.refused.as_ref().is_some_and(|why| why.contains(with));
    of(calls, operation).into_iter().filter(refused).count()
}

/// A stack that is deployed, in an account that is hostile only from now on.
async fn deployed() -> World {
    let world = World::new(hostile::Switches::default());
    world.settle().await;
    world.aws.take_calls();
    world
}

/// The name of the role of a function of `acme`.
fn role_of(function: &str) -> String {
    function.replace("acme-", &format!("acme-{}-", hostile::REGION))
}

/// What a function's mapping says.
fn mapping(aws: &Aws, function: &str) -> hostile::services::mappings::Mapping {
    let state = aws.state();
    let mut of = state.mappings.values().filter(|mapping| mapping.function == function);
    let found = of.next().expect("a mapping").clone();
    assert!(of.next().is_none(), "{function} has one mapping");
    found
}

/// The stack's data plane.
async fn store(world: &World) -> Store {
    let (network, region) = (world.options().network, hostile::REGION.to_owned());
    let options = ConnectOptions { network, region, ..ConnectOptions::default() };
    Store::new(Clients::new(options).await.unwrap().dynamodb().clone(), Tables::of_stack(NAME))
}

/// A stack that somebody else made most of: what holds data has our names and no tags, and the state is gone.
async fn by_hand() -> World {
    let world = lost().await;
    {
        let mut state = world.aws.state();
        state.tables.values_mut().for_each(|table| table.tags.clear());
        state.queues.values_mut().for_each(|queue| queue.tags.clear());
        state.log_groups.values_mut().for_each(|group| group.tags.clear());
        state.functions.clear();
        state.mappings.clear();
        state.roles.clear();
        state.rules.clear();
        state.pools.clear();
        state.domains.clear();
        state.apis.clear();
    }
    world
}

/// A stack whose state is gone.
async fn lost() -> World {
    let world = deployed().await;
    world.aws.lose_table("acme-control");
    world
}
