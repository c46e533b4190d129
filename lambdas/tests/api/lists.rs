//! What all lists have in common, seen on the caller's own items.

use domain::id::{DriveId, GroupId, ItemId, Name};
use domain::replication::{Decision, Order, ReplicaKey};
use domain::time::Timestamp;
use serde_json::{Value as Json, json};

use crate::world::{World, numbers, text};

#[tokio::test]
async fn pages_lose_and_repeat_nothing_whatever_the_types() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for day in 1..=9 {
        ann.reading(&format!("2025-12-2{day}T00:00:00Z"), day).await;
        let memo = json!({"type": "memo", "fields": {"at": format!("2025-12-2{day}T12:00:00Z")}});
        ann.post("/user/data", memo).await.expect(201);
    }
    for limit in [1, 2, 5, 17, 18, 100] {
        let mut times: Vec<String> = ann
            .all(&format!("/user/data?limit={limit}"))
            .await
            .iter()
            .map(|item| text(&item["time"]))
            .collect();
        assert_eq!(times.len(), 18, "limit {limit}");
        assert!(times.is_sorted_by(|a, b| a > b), "latest first");
        times.reverse();
        let ascending = ann.all(&format!("/user/data?limit={limit}&order=asc")).await;
        assert_eq!(ascending.iter().map(|item| text(&item["time"])).collect::<Vec<_>>(), times);
    }
    assert_eq!(numbers(&ann.all("/user/data/types/glucose?limit=4").await), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_stretch_of_time_begins_at_from_and_ends_before_to() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for day in 1..=5 {
        ann.reading(&format!("2014-01-0{day}T00:00:00Z"), day).await;
    }
    let stretch = "/user/data?from=2014-01-02T00:00:00Z&to=2014-01-04T01:00:00%2B01:00&order=asc";
    assert_eq!(numbers(&ann.all(stretch).await), [2, 3]);
    assert_eq!(numbers(&ann.all(&format!("{stretch}&limit=1")).await), [2, 3]);
    assert!(ann.all("/user/data?from=2015-01-01T00:00:00Z&to=2014-01-01T00:00:00Z").await.is_empty());
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for (query, name) in [
        ("from=2014-01-01", "from"),
        ("to=yesterday", "to"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("order=up", "order"),
        ("cursor=AAAA", "cursor"),
        ("until=2014-01-01T00:00:00Z", "until"),
        ("limit=1&limit=2", "limit"),
    ] {
        let problem = ann.get(&format!("/user/data?{query}")).await.problem(400, "invalid-parameter");
        assert_eq!(problem["parameter"], name, "{query}");
    }
    ann.get("/user/data/types/weight").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_cursor_serves_only_the_list_and_the_caller_it_was_made_for() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    for day in 1..=3 {
        ann.reading(&format!("2014-01-0{day}T00:00:00Z"), day).await;
    }
    let page = ann.get("/user/data?limit=1").await.expect(200);
    let cursor = text(&page["next"]);
    let next = ann.get(&format!("/user/data?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(numbers(next["items"].as_array().unwrap()), [2, 1], "another limit is fine");
    bob.get(&format!("/user/data?limit=1&cursor={cursor}")).await.problem(400, "invalid-parameter");
    for other in [
        format!("/user/data?order=asc&cursor={cursor}"),
        format!("/user/data?from=2014-01-01T00:00:00Z&cursor={cursor}"),
        format!("/user/data/types/glucose?cursor={cursor}"),
        format!("/user/data?cursor={cursor}x"),
        format!("/user/members?cursor={cursor}"),
    ] {
        ann.get(&other).await.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn a_page_of_large_items_ends_before_it_is_too_large_to_be_answered() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let long = "x".repeat(300_000);
    for minute in 10..30 {
        let fields = json!({"at": format!("2025-12-31T00:{minute}:00Z"), "text": long});
        ann.post("/user/data", json!({"type": "memo", "fields": fields})).await.expect(201);
    }
    let page = ann.get("/user/data?limit=500").await.expect(200);
    assert!(page["items"].as_array().unwrap().len() < 20);
    assert!(page.to_string().len() < 5_000_000);
    assert_eq!(ann.all("/user/data?limit=500").await.len(), 20);
}

#[tokio::test]
async fn a_page_of_large_items_is_read_no_further_than_it_is_answered() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &ann).await;
    ann.admit(&group, "provider", &ann).await;
    let long = "x".repeat(260_000);
    let mut all = Vec::new();
    for minute in 10..50 {
        let fields = json!({"at": format!("2025-12-31T00:{minute}:00Z"), "text": long});
        let made = ann.post("/user/data", json!({"type": "memo", "fields": fields})).await.expect(201);
        all.push(text(&made["id"]));
        world.replicate(&ann, all.last().unwrap()).await;
    }
    let lists = ["/user/data?", "/user/data/types/memo?", "/user/data/export?"].map(str::to_owned);
    let shared = [format!("/groups/{group}/data?"), format!("/groups/{group}/data?order=asc&")];
    for list in lists.into_iter().chain(shared) {
        world.calls.lock().unwrap().clear();
        let page = ann.get(&format!("{list}limit=500")).await.expect(200);
        let queries = world.calls.lock().unwrap().iter().filter(|call| *call == "Query").count();
        // 40 items are 10 MB, which is eleven answers of the database; a page is made of four. One or two more are of
        // other rows.
        assert!(queries <= 6, "{list}: {queries} queries");
        assert!(page["next"].is_string(), "{list}");
        let found = ann.all(&format!("{list}limit=500")).await;
        let id = |entry: &Json| entry["id"].as_str().or(entry["item"]["id"].as_str()).map(str::to_owned);
        let mut found: Vec<String> = found.iter().filter_map(id).filter(|id| all.contains(id)).collect();
        found.sort();
        found.dedup();
        assert_eq!(found.len(), all.len(), "{list}");
    }
}

#[tokio::test]
async fn readers_see_no_pages_of_what_was_deleted_until_four_thousand_of_it() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &ann).await;
    ann.admit(&group, "provider", &ann).await;
    let first = ann.reading("2025-01-01T00:00:00Z", 250).await;
    world.replicate(&ann, &first).await;
    let (group_id, drive) = (GroupId::parse(&group).unwrap(), DriveId::parse(&ann.drive().await).unwrap());
    let row = world.store.group(&group_id).await.unwrap();
    let glucose = Name::parse("glucose").unwrap();
    let tombstones: Vec<Decision> = (0..2_500_u64)
        .map(|n| {
            let time = Timestamp::parse("2025-06-01T00:00:00Z").unwrap().plus_millis(n as i64 * 1_000);
            let id = ItemId::new(time, &glucose, n);
            let shard = row.layout.current().shard_of(&id);
            let key = ReplicaKey {
                group: group_id.clone(),
                data_type: glucose.clone(),
                shard,
                id,
                drive: drive.clone(),
            };
            let order =
                Order { era: 0, epoch: 9, version: 2, rule_revision: 1, contract_revision: 0, dead: true };
            Decision::Bury { key, order }
        })
        .collect();
    world.store.apply(&tombstones, world.now()).await.unwrap();
    let page = ann.get(&format!("/groups/{group}/data")).await.expect(200);
    assert_eq!(numbers(page["items"].as_array().unwrap()), [250]);
    assert!(page["next"].is_null());
}

#[tokio::test]
async fn a_list_can_be_of_some_types_and_its_cursor_is_of_those() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for day in 1..=3 {
        ann.reading(&format!("2025-12-2{day}T00:00:00Z"), day).await;
        let memo = json!({"type": "memo", "fields": {"at": format!("2025-12-2{day}T12:00:00Z")}});
        ann.post("/user/data", memo).await.expect(201);
    }
    assert_eq!(numbers(&ann.all("/user/data?types=glucose&limit=1").await), [3, 2, 1]);
    assert_eq!(ann.all("/user/data?types=memo,glucose").await, ann.all("/user/data").await);
    let problem = ann.get("/user/data?types=glucose,weight").await.problem(400, "invalid-parameter");
    assert_eq!(problem["parameter"], "types");
    ann.get("/user/data/types/memo?types=memo").await.problem(400, "invalid-parameter");
    let cursor = text(&ann.get("/user/data?types=glucose&limit=1").await.expect(200)["next"]);
    ann.get(&format!("/user/data?types=memo&cursor={cursor}")).await.problem(400, "invalid-parameter");
    ann.get(&format!("/user/data?cursor={cursor}")).await.problem(400, "invalid-parameter");

    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &ann).await;
    ann.admit(&group, "provider", &ann).await;
    let high = ann.reading("2027-01-01T00:00:00Z", 250).await;
    let memo = json!({"type": "memo", "fields": {"at": "2027-01-02T00:00:00Z"}});
    let memo = text(&ann.post("/user/data", memo).await.expect(201)["id"]);
    world.replicate(&ann, &high).await;
    world.replicate(&ann, &memo).await;
    assert_eq!(ann.all(&format!("/groups/{group}/data")).await.len(), 2);
    let only = ann.all(&format!("/groups/{group}/data?types=memo")).await;
    assert_eq!(only.iter().map(|item| text(&item["id"])).collect::<Vec<_>>(), [memo]);
}
