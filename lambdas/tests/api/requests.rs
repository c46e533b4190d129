//! What a change of an item costs in requests: no transaction, no index, one batch for 25 groups.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use lambdas::replicator::Replicator;
use serde_json::{Map, Value as Json, json};
use store::{Store, Tables};

use crate::database::CANCELLED;
use crate::world::World;

pub fn image(row: &std::collections::HashMap<String, AttributeValue>) -> Json {
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

/// The event of the stream for the latest of a drive's items, which was just created.
async fn created(world: &World, drive: &str) -> Json {
    let rows = world.store.client().query().table_name("t-data").key_condition_expression("pk = :pk");
    let rows =
        rows.expression_attribute_values(":pk", AttributeValue::S(drive.to_owned())).send().await.unwrap();
    let row = rows.items().last().unwrap();
    let keys = json!({ "pk": image(row)["pk"], "sk": image(row)["sk"] });
    json!({"Records": [{
        "eventName": "INSERT",
        "dynamodb": {"Keys": keys, "NewImage": image(row), "ApproximateCreationDateTime": 4_000_000_000.0_f64},
    }]})
}

type Calls = BTreeMap<String, usize>;

fn counted(calls: &[(&str, usize)]) -> Calls {
    let made = calls.iter().filter(|(_, count)| *count > 0);
    made.map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

/// The calls since this was last asked.
fn taken(world: &World) -> Calls {
    let mut calls = Calls::new();
    for call in world.calls.lock().unwrap().drain(..) {
        *calls.entry(call).or_default() += 1;
    }
    calls
}

#[tokio::test]
async fn an_item_takes_its_put_a_read_and_a_write_for_each_25_groups_and_no_transaction() {
    // A batch of one is a plain put. With 100 groups, no request can name all of them and the drive.
    for (groups, batches, puts) in
        [(0, 0, 0), (1, 0, 1), (2, 1, 0), (25, 1, 0), (26, 1, 1), (99, 4, 0), (100, 4, 0)]
    {
        let world = World::new().await;
        let (ann, bob) = (world.person("ann").await, world.person("bob").await);
        for at in 0..groups {
            let group = ann.group(&format!("Group {at}")).await;
            ann.admit(&group, "provider", &bob).await;
        }
        let drive = bob.drive().await;
        let replicator = Replicator::new(world.store.clone(), world.document.clone());
        let deadline = Instant::now() + Duration::from_secs(600);
        let writes = [("BatchExecuteStatement", batches), ("PutItem", puts)];
        let many = usize::from(groups >= 100);
        // At first the memberships are read, and the groups' rows with what says whether they are the same later; and the
        // rules, once for the life of the function: a revision never changes.
        let first = [
            ("Query", 1),
            ("GetItem", usize::from(groups == 1)),
            ("BatchGetItem", usize::from(groups > 0) + usize::from(groups > 1) - many),
            ("TransactGetItems", 2 * many),
        ];
        let later = match groups {
            0 => [("Query", 1), ("", 0), ("", 0), ("", 0)],
            _ => [("BatchGetItem", 1), ("", 0), ("", 0), ("", 0)],
        };
        for (day, reads) in [(1, first), (2, later), (3, later)] {
            bob.reading(&format!("2014-01-0{day}T00:00:00Z"), 250).await;
            let event = created(&world, &drive).await;
            taken(&world);
            assert_eq!(replicator.handle(&event, deadline).await.unwrap().written, groups);
            let calls = taken(&world);
            assert_eq!(calls, counted(&[reads.as_slice(), &writes].concat()), "{groups} groups");
            if day > 1 {
                let stream: usize = calls.values().sum();
                assert!(stream < 2 + groups.div_ceil(25), "{groups} groups");
            }
            assert_eq!(
                replicator.handle(&event, deadline).await.unwrap().written,
                0,
                "a repetition changes nothing"
            );
        }
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

/// Somebody's join with two readings where two types of data are shared, and their leave: the calls of both jobs, each done by a new function.
async fn jobs_of_few(world: &World) -> [Calls; 2] {
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Group").await;
    bob.reading("2014-01-01T00:00:00Z", 250).await;
    bob.reading("2014-01-02T00:00:00Z", 250).await;
    world
        .work_on(&world.rules(&group, json!([{"types": ["glucose", "memo"], "history": "all"}]), 1).await)
        .await;
    ann.admit(&group, "provider", &bob).await;
    let mut all = [Calls::new(), Calls::new()];
    for (number, calls) in all.iter_mut().enumerate() {
        let job = world.queue.lock().unwrap().sent.pop().unwrap();
        taken(world);
        let fresh = Store::new(world.store.client().clone(), Tables::of_stack("t"));
        assert_eq!(world.work_with(fresh, &job).await, 2);
        *calls = taken(world);
        // Asking whether it is finished is the test's own.
        *calls.get_mut("GetItem").unwrap() -= 1;
        calls.retain(|_, count| *count > 0);
        if number == 0 {
            bob.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
        }
    }
    let receipts = bob.all("/user/receipts").await;
    let told = ["expected", "deleted", "remaining"].map(|name| receipts[0][name].as_u64().unwrap());
    assert_eq!((receipts.len(), told), (1, [2, 2, 0]));
    all
}

#[tokio::test]
async fn a_job_takes_three_requests_besides_those_that_read_and_write_items_and_copies() {
    let [backfill, purge] = jobs_of_few(&World::new().await).await;
    // A query for each type, of items, and for a purge another one, of copies.
    let expected = [("TransactGetItems", 2), ("Query", 2), ("BatchExecuteStatement", 1), ("UpdateItem", 1)];
    assert_eq!(backfill, counted(&expected));
    let expected =
        [("TransactGetItems", 1), ("Query", 4), ("BatchExecuteStatement", 1), ("TransactWriteItems", 1)];
    assert_eq!(purge, counted(&expected));
}

#[tokio::test]
async fn a_job_that_meets_a_transaction_reads_its_rows_one_after_the_other() {
    let world = World::new().await;
    *world.refused.lock().unwrap() = Some(CANCELLED);
    let [backfill, purge] = jobs_of_few(&world).await;
    // Instead of the job with its group; for a backfill also of the membership with the group, and then the rules.
    assert_eq!((backfill["GetItem"], purge["GetItem"]), (4, 3));
}
