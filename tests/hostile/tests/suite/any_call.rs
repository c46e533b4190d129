//! What can happen to any call.

use std::collections::BTreeSet;
use std::time::Duration;

use hostile::services::apigateway::Api;
use hostile::services::cognito::Pool;
use hostile::services::logs::LogGroup;
use hostile::{Fault, Latency, Switches, What, World};
use serde_json::json;

use crate::{deployed, of};

#[tokio::test(start_paused = true)]
async fn every_third_call_may_be_one_too_many() {
    let world = World::new(Switches::default());
    world.aws.inflict(Fault::every(3, What::Throttled));
    world.settle().await;
    world.destroy().await;
}

#[tokio::test(start_paused = true)]
async fn every_fourth_call_may_find_aws_broken() {
    let world = World::new(Switches::default());
    world.aws.inflict(Fault::every(4, What::Broken));
    world.settle().await;
    world.destroy().await;
}

/// Operations that change something, as an apply and a destroy make them.
async fn operations() -> BTreeSet<&'static str> {
    let world = deployed().await;
    world.recode("api", "other code");
    world.rewrite("\ntags:\n", "\ntags:\n  more: than before\n");
    world.settle().await;
    let mut calls = world.aws.take_calls();
    world.destroy().await;
    let again = World::new(Switches::default());
    again.settle().await;
    calls.extend(world.aws.take_calls());
    calls.extend(again.aws.take_calls());
    let changing = calls.into_iter().filter(|record| record.call.is_mutating());
    changing.map(|record| &*record.call.operation.leak()).collect()
}

async fn without_answers(what: What) {
    let world = World::new(Switches::default());
    let operations = operations().await;
    assert!(operations.len() > 40, "{operations:?}");
    for operation in &operations {
        world.aws.inflict(Fault::first(1, operation, what));
    }
    world.settle().await;
    world.recode("api", "other code");
    world.rewrite("\ntags:\n", "\ntags:\n  more: than before\n");
    world.settle().await;
    world.destroy().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_answer_is_lost_is_not_made_twice() {
    without_answers(What::LostAnswer).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_answered_by_an_error_although_it_took_effect_is_not_made_twice() {
    without_answers(What::BrokenAfter).await;
}

#[tokio::test(start_paused = true)]
async fn what_aws_keeps_no_names_of_is_made_once_whichever_answers_are_lost() {
    for operation in ["CreateApi", "CreateUserPool", "CreateUserPoolClient", "CreateIntegration"] {
        for what in [What::LostAnswer, What::BrokenAfter] {
            let world = World::new(Switches::default());
            world.aws.inflict(Fault::first(3, operation, what));
            world.settle().await;
            let made = of(&world.aws.take_calls(), operation);
            assert_eq!(made.len(), 1, "{operation} {what:?}");
        }
    }
}

/// Puts things of others beside ours, before them in every list.
fn crowd(world: &World) {
    let mut state = world.aws.state();
    for number in 0..3 {
        let id = format!("a-{number}");
        let doc = json!({"apiId": id, "name": if number == 0 { "acme-api" } else { "another" }});
        state.apis.insert(id.clone(), Api { doc, ..Api::default() });
        let doc = json!({"Id": id, "Name": if number == 0 { "acme-people" } else { "another" }});
        state.pools.insert(id, Pool { doc, clients: Default::default(), servers: Default::default() });
        state.log_groups.insert(format!("/aws/lambda/acme-api-{number}"), LogGroup::default());
    }
}

#[tokio::test(start_paused = true)]
async fn lists_may_come_one_at_a_time() {
    let world = World::new(Switches { pages_of_one: true, ..Switches::default() });
    world.settle().await;
    {
        let mut state = world.aws.state();
        let rule = state.rules.values_mut().next().unwrap();
        rule.targets.insert("a-by-hand".to_owned(), json!({"Id": "a-by-hand", "Arn": "arn:of:another"}));
        let api = state.apis.values_mut().next().unwrap();
        api.authorizers.insert("a".to_owned(), json!({"authorizerId": "a", "name": "of another"}));
        api.routes.insert("a".to_owned(), json!({"routeId": "a", "routeKey": "GET /by-hand"}));
    }
    assert_eq!(world.apply().await.mutating_calls, 0, "what others added beside ours is theirs");
    world.destroy().await;
}

#[tokio::test(start_paused = true)]
async fn things_of_others_are_left_alone_even_if_they_are_called_like_ours() {
    for pages_of_one in [false, true] {
        let world = World::new(Switches { pages_of_one, ..Switches::default() });
        world.settle().await;
        let before = {
            crowd(&world);
            world.aws.state().inventory()
        };
        assert_eq!(world.apply().await.mutating_calls, 0);
        assert_eq!(world.aws.state().inventory(), before);
        world.try_destroy().await.unwrap();
        let left = world.aws.state().inventory();
        assert_eq!(left.len(), 9, "{left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_day_is_survived() {
    for seed in 0..3 {
        let second = Duration::from_secs(1);
        let world = World::new(Switches {
            pages_of_one: true,
            latency: Latency::Between(Duration::from_millis(5), Duration::from_millis(900), seed),
            role_assumable: 9 * second,
            policy_seen_by_mappings: 14 * second,
            mapping_refusal: 1,
            function_settles: 4 * second,
            mapping_settles: 40 * second,
            mapping_deletes: 90 * second,
            table_settles: 8 * second,
            table_deletes: 20 * second,
            tables_at_once: Some(3),
            ttl_cools: 1800 * second,
            recovery_lags: 10 * second,
            tags_lag: 5 * second,
            api_conflicts: true,
            role_malformed: 6 * second,
            queue_name_blocked: 60 * second,
            invoked_at_once: true,
            log_conflicts: 4,
            ..Switches::default()
        });
        world.aws.inflict(Fault::every(11, What::Throttled));
        world.aws.inflict(Fault::every(17, What::Broken));
        world.settle().await;
        world.destroy().await;
        world.settle().await;
    }
}
