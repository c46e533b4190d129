//! What a change of an item costs in requests: no transaction, no index, one batch for 25 groups.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use lambdas::replicator::Replicator;
use serde_json::{Map, Value as Json, json};

use crate::world::World;

fn image(row: &std::collections::HashMap<String, AttributeValue>) -> Json {
    let value = |value: &AttributeValue| -> Json {
        match value {
            AttributeValue::S(text) => json!({ "S": text }),
            AttributeValue::N(number) => json!({ "N": number }),
            AttributeValue::M(map) => json!({ "M": image(map) }),
            other => panic!("an item of this test has no {other:?}"),
        }
    };
    row.iter().map(|(name, held)| (name.clone(), value(held))).collect::<Map<_, _>>().into()
}

/// The event of the stream for an item that was just created.
async fn created(world: &World, drive: &str) -> Json {
    let rows = world.store.client().query().table_name("t-data").key_condition_expression("pk = :pk");
    let rows =
        rows.expression_attribute_values(":pk", AttributeValue::S(drive.to_owned())).send().await.unwrap();
    let row = &rows.items()[0];
    let keys = json!({ "pk": image(row)["pk"], "sk": image(row)["sk"] });
    json!({"Records": [{
        "eventName": "INSERT",
        "dynamodb": {"Keys": keys, "NewImage": image(row), "ApproximateCreationDateTime": 4_000_000_000.0_f64},
    }]})
}

#[tokio::test]
async fn copying_an_item_takes_two_reads_and_a_write_for_each_25_groups_and_no_transaction() {
    // A batch of one is a plain put.
    for (groups, batches, puts) in [(0, 0, 0), (2, 1, 0), (25, 1, 0), (26, 1, 1)] {
        let world = World::new().await;
        let (ann, bob) = (world.person("ann").await, world.person("bob").await);
        for at in 0..groups {
            let group = ann.group(&format!("Group {at}")).await;
            ann.admit(&group, "provider", &bob).await;
        }
        bob.reading("2014-01-01T00:00:00Z", 250).await;
        let event = created(&world, &bob.drive().await).await;
        let replicator = Replicator::new(world.store.clone(), world.document.clone());
        let deadline = Instant::now() + Duration::from_secs(600);
        world.calls.lock().unwrap().clear();
        assert_eq!(replicator.handle(&event, deadline).await.unwrap().written, groups);
        let mut calls: BTreeMap<String, usize> = BTreeMap::new();
        for call in world.calls.lock().unwrap().drain(..) {
            *calls.entry(call).or_default() += 1;
        }
        // The rules of each group, once for the life of the function: a revision never changes.
        calls.remove("GetItem");
        let expected = [
            ("Query", 1),
            ("BatchGetItem", usize::from(groups > 0)),
            ("BatchExecuteStatement", batches),
            ("PutItem", puts),
        ];
        let expected = expected.into_iter().filter(|(_, count)| *count > 0);
        let expected: BTreeMap<String, usize> =
            expected.map(|(name, count)| (name.to_owned(), count)).collect();
        assert_eq!(calls, expected, "{groups} groups");
        assert_eq!(
            replicator.handle(&event, deadline).await.unwrap().written,
            0,
            "a repetition changes nothing"
        );
    }
}

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_come_back_and_nobody_else_notices() {
    let world = World::with_pace(2).await;
    let (ann, bob) = (world.visitor("ann"), world.visitor("bob"));
    for _ in 0..8 {
        ann.get("/user").await.problem(404, "no-profile");
    }
    let reply = ann.get("/user").await;
    assert_eq!(reply.headers["retry-after"], "1");
    reply.problem(429, "too-many-requests");
    bob.get("/user").await.problem(404, "no-profile");
    *world.now.lock().unwrap() = world.now().plus_millis(1_000);
    ann.get("/user").await.problem(404, "no-profile");
}
