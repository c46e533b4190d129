//! One works at a time.

use std::sync::Arc;
use std::time::Duration;

use hostile::world::Timed;
use hostile::{Aws, Latency, When};
use provision::error::Exit;
use provision::state::LeaseTimes;
use provision::{Approval, Options};
use serde_json::{Value, json};

use crate::deployed;

#[tokio::test(start_paused = true)]
async fn of_two_applies_at_once_one_works_and_the_other_says_who_does() {
    let origin = deployed().await.aws.snapshot("everything");
    let file = deployed().await;
    for turn in 0..50 {
        let mut world = file.elsewhere(Aws::restored(&origin));
        world.lease = LeaseTimes::default();
        let (least, most) = (Duration::from_millis(20), Duration::from_millis(60));
        world.aws.switches().latency = Latency::Between(least, most, turn);
        world.recode("worker", &format!("code of turn {turn}"));
        let (one, other) = tokio::join!(world.try_apply(), world.try_apply());
        let (works, refused) = match (one, other) {
            (Ok(works), Err(refused)) | (Err(refused), Ok(works)) => (works, refused),
            both => panic!("turn {turn}: {:?}", (both.0.map(|a| a.summary), both.1.map(|a| a.summary))),
        };
        assert_eq!(works.summary.updated, 1);
        let who = format!("process {}", std::process::id());
        assert_eq!((refused.code(), refused.exit()), ("FH0301", Exit::Locked), "{refused}");
        assert!(
            refused.to_string().contains(&who)
                || refused.to_string().contains(&std::process::id().to_string()),
            "{refused}"
        );
        let calls = world.aws.take_calls();
        assert_eq!(crate::of(&calls, "UpdateFunctionCode").len(), 1, "the other changed nothing");
    }
}

/// Makes the lock's last sign of life an old one: leases are of the world's time, not of the tests' clock.
fn age(aws: &Aws) {
    let key = json!({"pk": {"S": "LOCK"}, "sk": {"S": "LOCK"}});
    let found = aws.items("GetItem", &json!({"TableName": "acme-control", "Key": key})).unwrap();
    let mut row = found["Item"].clone();
    let mut lock: Value = serde_json::from_str(row["document"]["S"].as_str().unwrap()).unwrap();
    lock["heartbeat"] = "2020-01-01T00:00:00Z".into();
    row["document"] = json!({"S": lock.to_string()});
    row["heartbeat"] = json!({"N": "1577836800000"});
    aws.items("PutItem", &json!({"TableName": "acme-control", "Item": row})).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lock_whose_holder_died_is_taken_over_when_its_lease_is_over() {
    let mut world = deployed().await;
    world.lease = LeaseTimes { lease: Duration::from_secs(3600), ..LeaseTimes::default() };
    world.recode("worker", "other code");
    let mut dead = world.aws.kill_at(3, When::After);
    tokio::select! {
        ended = world.try_apply() => panic!("it ended: {:?}", ended.map(|applied| applied.summary)),
        died = dead.wait_for(|dead| *dead) => drop(died.unwrap()),
    }
    let held = world.try_apply().await.unwrap_err();
    assert_eq!(held.code(), "FH0301", "{held}");
    age(&world.aws);
    let events = Arc::new(Timed::default());
    let options = Options { events: events.clone(), ..world.options() };
    let applied = provision::apply(&options, &Approval::Given).await.unwrap();
    assert_eq!(applied.summary.updated, 1);
    let warnings = events.warnings();
    assert!(warnings.iter().any(|text| text.starts_with("took over the lock of")), "{warnings:?}");
    assert_eq!(world.apply().await.mutating_calls, 0);
}
