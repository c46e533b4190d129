use serde_json::{Value as Json, json};

use crate::world::{World, numbers};

fn reading(minute: usize, mgdl: usize) -> Json {
    let time = format!("2014-02-03T{:02}:{:02}:00Z", minute / 60, minute % 60);
    json!({"type": "glucose", "fields": {"takenAt": time, "mgdl": mgdl}})
}

#[tokio::test]
async fn each_item_of_a_batch_succeeds_or_fails_on_its_own() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let mut items: Vec<Json> = (0..98).map(|n| reading(n, n)).collect();
    items.insert(30, json!({"type": "glucose", "fields": {"mgdl": 1}}));
    items.insert(60, json!("not an item"));
    let answer = ann.post("/user/data/batch", json!({"items": items})).await.expect(200);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 100);
    for (at, result) in results.iter().enumerate() {
        match at {
            30 | 60 => {
                assert_eq!(result["status"], 422);
                assert_eq!(result["problem"]["type"], "urn:freehold:problem:invalid");
            }
            _ => assert_eq!(result["status"], 201),
        }
    }
    let all = ann.all("/user/data/types/glucose?order=asc&limit=40").await;
    assert_eq!(numbers(&all), (0..98).collect::<Vec<_>>());
    assert_eq!(all[0]["id"], results[0]["id"], "results come in the order of the items");
}

#[tokio::test]
async fn a_batch_of_no_or_too_many_items_is_refused() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    ann.post("/user/data/batch", json!({"items": []})).await.problem(422, "invalid");
    let many: Vec<Json> = (0..101).map(|n| reading(n, n)).collect();
    ann.post("/user/data/batch", json!({"items": many})).await.problem(422, "invalid");
    ann.post("/user/data/batch", json!([])).await.problem(400, "bad-request");
}
