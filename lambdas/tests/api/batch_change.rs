//! Many items changed or deleted in one call.

use serde_json::{Value as Json, json};

use crate::world::{World, text};

fn statuses(answer: &Json) -> Vec<u64> {
    answer["results"].as_array().unwrap().iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn each_change_of_a_batch_succeeds_or_fails_on_its_own() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let mut ids = Vec::new();
    for day in 1..=4 {
        ids.push(ann.reading(&format!("2014-02-0{day}T00:00:00Z"), 90 + day).await);
    }
    let foreign = bob.reading("2014-02-03T00:00:00Z", 80).await;
    let changes = json!({"items": [
        {"id": ids[0], "fields": {"mgdl": 101}},
        {"id": ids[1], "fields": {"mgdl": 102}, "version": 1},
        {"id": ids[2], "fields": {"mgdl": 103}, "version": 7},
        {"id": ids[3], "fields": {"mgdl": "high"}},
        {"id": foreign, "fields": {"mgdl": 1}},
        {"id": ids[0], "fields": {"note": "again"}},
        {"id": "nonsense", "fields": {}},
        "no change",
    ]});
    let answer = ann.patch("/user/data/batch", changes).await.expect(200);
    assert_eq!(statuses(&answer), [200, 200, 412, 422, 404, 422, 404, 422]);
    assert_eq!(answer["results"][2]["problem"]["version"], 1);
    let values = crate::world::numbers(&ann.all("/user/data?order=asc").await);
    assert_eq!(values, [101, 102, 93, 94]);
    assert_eq!(bob.get(&format!("/user/data/{foreign}")).await.expect(200)["fields"]["mgdl"], 80);
}

#[tokio::test]
async fn each_removal_of_a_batch_succeeds_or_fails_on_its_own_and_takes_the_copies_along() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &ann).await;
    ann.admit(&group, "provider", &bob).await;
    let mut ids = Vec::new();
    for day in 1..=3 {
        let id = bob.reading(&format!("2027-02-0{day}T00:00:00Z"), 250).await;
        world.replicate(&bob, &id).await;
        ids.push(id);
    }
    let path = format!("/groups/{group}/data");
    assert_eq!(ann.all(&path).await.len(), 3);
    let removals =
        json!({"items": [{"id": ids[0]}, {"id": ids[1], "version": 2}, {"id": ids[2], "version": 1}]});
    let answer = bob.post("/user/data/batch/delete", removals).await.expect(200);
    assert_eq!(statuses(&answer), [204, 412, 204]);
    assert_eq!(bob.all("/user/data").await.len(), 1);
    let seen = ann.all(&path).await;
    assert_eq!(seen.iter().map(|item| text(&item["id"])).collect::<Vec<_>>(), [ids[1].clone()]);
}

#[tokio::test]
async fn a_batch_of_no_or_too_many_changes_is_refused() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let many: Vec<Json> = (0..101).map(|n| json!({"id": n.to_string(), "fields": {}})).collect();
    for items in [Vec::new(), many] {
        ann.patch("/user/data/batch", json!({"items": items})).await.problem(422, "invalid");
        ann.post("/user/data/batch/delete", json!({"items": items})).await.problem(422, "invalid");
    }
}
