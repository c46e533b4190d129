//! Which calls are made: none that is not needed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hostile::{Record, Switches, World};

use crate::deployed;

/// Calls by service and operation, those of the stack's own state apart.
fn counted(calls: &[Record]) -> String {
    let mut counts: BTreeMap<(bool, String), usize> = BTreeMap::new();
    for record in calls {
        let name = format!("{:?} {}", record.call.service, record.call.operation);
        *counts.entry((record.is_bookkeeping(), name)).or_default() += 1;
    }
    counts.into_iter().fold(String::new(), |mut text, ((own, name), count)| {
        writeln!(text, "{count:3} {name}{}", if own { " (the stack's state)" } else { "" }).unwrap();
        text
    })
}

#[tokio::test(start_paused = true)]
async fn an_apply_from_nothing_changes_only_what_it_must() {
    let world = World::new(Switches::default());
    world.apply().await;
    let calls = world.aws.take_calls();
    let (changing, reading): (Vec<_>, Vec<_>) =
        calls.into_iter().partition(|record| record.call.is_mutating());
    insta::assert_snapshot!("from_nothing_changing", counted(&changing));
    insta::assert_snapshot!("from_nothing_reading", counted(&reading));
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_stack_is_only_read() {
    let world = deployed().await;
    assert_eq!(world.apply().await.mutating_calls, 0);
    let calls = world.aws.take_calls();
    assert!(calls.iter().all(|record| !record.call.is_mutating()));
    insta::assert_snapshot!("unchanged", counted(&calls));
}
