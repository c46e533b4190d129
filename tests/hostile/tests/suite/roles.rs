//! 1, 2, 15: what a new role is not, yet.

use hostile::services::mappings::REFUSALS;
use hostile::{Switches, World};
use tokio::time::Instant;

use crate::{deployed, of, refused, role_of, secs};

#[tokio::test(start_paused = true)]
async fn gotcha_01_a_role_that_cannot_be_assumed_yet_is_waited_for_when_a_function_is_made() {
    let world = World::new(Switches { role_assumable: secs(10), ..Switches::default() });
    world.settle().await;
    let calls = world.aws.take_calls();
    assert!(refused(&calls, "CreateFunction", "cannot be assumed") >= 4);
    // Dense: nobody sleeps long beyond the moment.
    let state = world.aws.state();
    for made in of(&calls, "CreateFunction").iter().filter(|call| call.refused.is_none()) {
        let late = made.begun - state.roles[&role_of(made.call.text("FunctionName"))].made - secs(10);
        assert!(late <= secs(1), "{} came {late:?} late", made.call.text("FunctionName"));
    }
}

#[tokio::test(start_paused = true)]
async fn gotcha_01_a_role_that_cannot_be_assumed_yet_is_waited_for_when_a_function_is_changed() {
    let world = deployed().await;
    world.aws.switches().role_assumable = secs(10);
    world.aws.state().roles.remove(&role_of("acme-worker"));
    world.settle().await;
    assert!(refused(&world.aws.take_calls(), "UpdateFunctionConfiguration", "cannot be assumed") > 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_01_a_role_that_is_never_assumed_fails_after_a_minute_and_fails_nothing_else() {
    let world = World::new(Switches { role_assumable: secs(3600), ..Switches::default() });
    let start = Instant::now();
    let error = world.try_apply().await.unwrap_err();
    let took = start.elapsed();
    assert!((secs(60)..secs(90)).contains(&took), "it took {took:?}");
    assert_eq!(error.code(), "FH0407", "{error}");
    let there = world.aws.state().inventory();
    for sibling in [
        "table acme-data",
        "queue acme-jobs",
        "api acme-api",
        "authorizer people",
        "domain acme-111122223333",
    ] {
        assert!(there.iter().any(|name| name == sibling), "no {sibling} in {there:?}");
    }
    world.aws.switches().role_assumable = secs(0);
    world.settle().await;
}

#[tokio::test(start_paused = true)]
async fn gotcha_02_a_policy_that_mappings_do_not_see_yet_is_waited_for_whatever_lambda_says() {
    for (shape, said) in REFUSALS.iter().enumerate() {
        let lag =
            Switches { policy_seen_by_mappings: secs(20), mapping_refusal: shape, ..Switches::default() };
        let world = World::new(lag);
        world.settle().await;
        let calls = world.aws.take_calls();
        let refusals = refused(&calls, "CreateEventSourceMapping", "InvalidParameterValueException");
        assert!(refusals > 0, "`{said}` was never said");
    }
}

#[tokio::test(start_paused = true)]
async fn gotcha_02_the_same_holds_for_a_mapping_that_is_changed() {
    let world = deployed().await;
    for (shape, said) in REFUSALS.iter().enumerate() {
        *world.aws.switches() =
            Switches { policy_seen_by_mappings: secs(20), mapping_refusal: shape, ..Switches::default() };
        {
            let (now, mut state) = (world.aws.now(), world.aws.state());
            state.roles.get_mut(&role_of("acme-replicator")).unwrap().changed = now;
            let mapping = state.mappings.values_mut().find(|m| m.function == "acme-replicator").unwrap();
            mapping.doc["BatchSize"] = 7.into();
        }
        world.settle().await;
        let calls = world.aws.take_calls();
        let refusals = refused(&calls, "UpdateEventSourceMapping", "InvalidParameterValue");
        assert!(refusals > 0, "`{said}` was never said");
    }
}

#[tokio::test(start_paused = true)]
async fn gotcha_15_a_policy_that_is_malformed_for_a_while_is_sent_again() {
    let world = World::new(Switches { role_malformed: secs(12), ..Switches::default() });
    world.settle().await;
    assert!(refused(&world.aws.take_calls(), "PutRolePolicy", "Invalid principal") >= 4);
}

#[tokio::test(start_paused = true)]
async fn gotcha_15_a_role_that_was_made_again_under_its_name_gets_its_functions_grants_renewed() {
    let world = deployed().await;
    let before = world.aws.state().functions["acme-api"].role_id.clone();
    world.aws.state().roles.remove(&role_of("acme-api"));
    world.settle().await;
    let state = world.aws.state();
    let (role, function) = (&state.roles[&role_of("acme-api")], &state.functions["acme-api"]);
    assert_ne!(role.id, before);
    assert_eq!(function.role_id, role.id, "the function's grant is for the role of now");
}

#[tokio::test(start_paused = true)]
async fn gotcha_15_policies_are_detached_before_a_role_is_deleted() {
    let world = deployed().await;
    world.aws.switches().pages_of_one = true;
    {
        let mut state = world.aws.state();
        let role = state.roles.get_mut(&role_of("acme-worker")).unwrap();
        role.attached
            .extend(["arn:aws:iam::aws:policy/A".to_owned(), "arn:aws:iam::aws:policy/B".to_owned()]);
        role.policies.insert("by-hand".to_owned(), "{}".to_owned());
    }
    world.destroy().await;
    assert_eq!(refused(&world.aws.take_calls(), "DeleteRole", ""), 0);
}
