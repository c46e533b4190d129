//! 13: calls are made no faster than AWS takes them.

use std::time::Duration;

use futures::stream::{StreamExt, iter};
use hostile::quotas::documented;
use hostile::{Aws, REGION, Record, Switches, World};
use provision::aws::{Clients, ConnectOptions, Network};
use provision::engine::CONCURRENCY;
use tokio::time::Instant;

fn counting() -> Switches {
    Switches { quotas: documented(), ..Switches::default() }
}

/// The calls that were too many.
fn throttled(calls: &[Record]) -> Vec<String> {
    let words = ["Too Many Requests", "Rate exceeded", "is throttled"];
    let too_many = |why: &String| words.iter().any(|word| why.contains(word));
    let calls = calls.iter().filter(|record| record.refused.as_ref().is_some_and(too_many));
    calls.map(|record| format!("{:?} {}", record.call.service, record.call.operation)).collect()
}

#[tokio::test(start_paused = true)]
async fn gotcha_13_no_call_of_an_apply_or_a_destroy_is_one_too_many() {
    let world = World::new(counting());
    world.settle().await;
    world.rewrite("\ntags:\n", "\ntags:\n  more: than before\n");
    world.settle().await;
    world.destroy().await;
    let calls = world.aws.take_calls();
    assert!(calls.len() > 500, "{}", calls.len());
    assert_eq!(throttled(&calls), Vec::<String>::new());
}

/// Makes hundreds of calls, as many at once as the engine does, and says which were throttled and how long it took.
async fn hundreds(local: bool) -> (Vec<String>, Duration) {
    let aws = Aws::new(counting());
    let options = ConnectOptions {
        region: REGION.to_owned(),
        network: Some(Network(aws.network())),
        endpoint: local.then(|| "http://127.0.0.1:1".to_owned()),
        ..ConnectOptions::default()
    };
    let clients = Clients::new(options).await.unwrap();
    let start = Instant::now();
    let clients = &clients;
    let call = |number: usize| async move {
        match number % 4 {
            0 => drop(clients.apigateway().get_apis().send().await),
            1 => drop(clients.logs().describe_log_groups().send().await),
            2 => drop(clients.lambda().list_event_source_mappings().send().await),
            _ => drop(clients.cognito().list_user_pools().max_results(1).send().await),
        }
    };
    iter((0..400).map(call)).buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await;
    (throttled(&aws.take_calls()), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn gotcha_13_of_hundreds_of_calls_none_is_throttled_where_there_are_quotas_and_none_is_held_back_elsewhere()
 {
    let (too_many, took) = hundreds(false).await;
    assert_eq!(too_many, Vec::<String>::new());
    assert!((10..40).contains(&took.as_secs()), "100 calls of 5 in a second: {took:?}");
    // The local target has no quotas, so its clients keep to none: an AWS behind its address is overrun.
    let (too_many, _) = hundreds(true).await;
    assert!(too_many.len() > 100, "{}", too_many.len());
}
