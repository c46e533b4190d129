//! Every action in `policies/iam` is needed, and nothing that is needed is missing.
//!
//! For each file the deployed role's policy is put back without one of its actions, in place, and a walk through
//! everything that the function does must then fail; with the whole policy it succeeds, before and after. What the
//! Lambda service does in the function's name (following the stream, taking messages, writing logs) the emulator does
//! as itself and not as the role: those actions are named in [`BY_LAMBDA`], and are only checked to be there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "all of this is test code, which stops where something is wrong"
)]

mod policy;
mod walks;

use std::time::{Duration, Instant};

use journeys::World;
use policy::{BY_LAMBDA, Granted, Role};

/// How long a walk may take that lacks nothing: generous, since a machine may be busy.
const WHOLE: Duration = Duration::from_secs(240);

/// Takes each action out of a function's policy and asks for the walk to fail.
async fn each_action_is_needed(function: &str, patience: Duration) {
    let world = World::new(&format!("iam-{function}")).await;
    let role = Role::of(&world, function).await;
    let by_lambda: Vec<&str> = BY_LAMBDA
        .iter()
        .filter(|(name, _)| *name == function)
        .flat_map(|(_, actions)| *actions)
        .copied()
        .collect();
    let granted = role.granted();
    for action in &by_lambda {
        assert!(
            granted.iter().any(|granted| granted.action == *action),
            "`{function}` lacks `{action}`, which Lambda needs"
        );
    }
    let mut walk = walks::begin(&world, function).await;
    let whole = Instant::now();
    walk.once(WHOLE).await.unwrap_or_else(|why| panic!("with its whole policy: {why}"));
    eprintln!("{function} with its whole policy: {:.1?}", whole.elapsed());
    let mut needless = Vec::new();
    for Granted { statement, action } in
        granted.iter().filter(|granted| !by_lambda.contains(&granted.action.as_str()))
    {
        role.put_without(*statement, action).await;
        let begun = Instant::now();
        match walk.once(patience).await {
            Ok(()) => needless.push(format!("{action} (statement {statement})")),
            Err(why) => {
                eprintln!("{function} without {action} ({statement}), after {:.1?}: {why}", begun.elapsed())
            }
        }
        role.restore().await;
        walk.recover().await;
    }
    assert!(needless.is_empty(), "policies/iam/{function}.json allows what nothing needs: {needless:?}");
    walk.once(WHOLE).await.unwrap_or_else(|why| panic!("restored: {why}"));
}

#[tokio::test]
async fn the_api_function_needs_each_of_its_actions() {
    each_action_is_needed("api", Duration::from_secs(20)).await;
}

#[tokio::test]
async fn the_replicator_needs_each_of_its_actions() {
    each_action_is_needed("replicator", Duration::from_secs(6)).await;
}

#[tokio::test]
async fn the_worker_needs_each_of_its_actions() {
    each_action_is_needed("worker", Duration::from_secs(6)).await;
}

#[tokio::test]
async fn the_identity_function_needs_each_of_its_actions() {
    each_action_is_needed("identity", Duration::from_secs(10)).await;
}

#[tokio::test]
async fn the_scrubber_needs_each_of_its_actions() {
    each_action_is_needed("scrubber", Duration::from_secs(30)).await;
}
