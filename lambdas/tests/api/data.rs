use serde_json::{Value as Json, json};

use crate::world::{World, text};

const TIME: &str = "2014-02-03T03:42:12Z";

#[tokio::test]
async fn an_item_is_created_read_changed_and_deleted() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let fields = json!({"takenAt": "2014-02-03T05:42:12+02:00", "mgdl": 93, "note": "fasting"});
    let reply = ann.post("/user/data", json!({"type": "glucose", "fields": fields})).await;
    assert_eq!(reply.headers["etag"], "\"1\"");
    let location = reply.headers["location"].clone();
    let made = reply.expect(201);
    assert_eq!(location, format!("/user/data/{}", text(&made["id"])));
    assert_eq!(made["time"], TIME);
    assert_eq!(made["fields"], json!({"takenAt": TIME, "mgdl": 93, "note": "fasting"}));
    assert_eq!(ann.get(&location).await.expect(200), made);

    let patch = json!({"fields": {"mgdl": 94, "note": null}});
    let reply = ann.patch(&location, patch).await;
    assert_eq!(reply.headers["etag"], "\"2\"");
    let changed = reply.expect(200);
    assert_eq!((&changed["version"], &changed["fields"]), (&json!(2), &json!({"takenAt": TIME, "mgdl": 94})));
    assert_eq!(ann.get(&location).await.expect(200), changed);

    ann.delete(&location).await.expect(204);
    ann.get(&location).await.problem(404, "not-found");
    ann.delete(&location).await.problem(404, "not-found");
    ann.patch(&location, json!({"fields": {"mgdl": 95}})).await.problem(404, "not-found");
}

#[tokio::test]
async fn every_mistake_of_an_item_is_told_at_once() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let sent = json!({"type": "glucose", "fields": {"mgdl": 2000, "colour": "red"}});
    let problem = ann.post("/user/data", sent).await.problem(422, "invalid");
    let mut fields: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|e| text(&e["field"])).collect();
    fields.sort();
    assert_eq!(fields, ["colour", "mgdl", "takenAt"]);
    let problem =
        ann.post("/user/data", json!({"type": "weight", "fields": {}})).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["field"], "type");
}

#[tokio::test]
async fn a_body_that_is_no_item_is_refused() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for body in [json!([]), json!({"type": "glucose"}), json!({"type": "glucose", "fields": {}, "id": "x"})] {
        ann.post("/user/data", body).await.problem(400, "bad-request");
    }
    let mut request = ann.request("POST", "/user/data", json!({}));
    request.body = b"{".to_vec();
    ann.send(request.clone()).await.problem(400, "bad-request");
    request.headers.insert("content-type".into(), "text/plain".into());
    ann.send(request).await.problem(415, "unsupported-media-type");
    let long = "x".repeat(350_000);
    let sent = json!({"type": "memo", "fields": {"at": "2025-12-31T00:00:00Z", "text": long}});
    ann.post("/user/data", sent).await.problem(413, "too-large");
}

#[tokio::test]
async fn nobody_touches_what_is_somebody_elses() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let path = format!("/user/data/{}", ann.reading(TIME, 93).await);
    bob.get(&path).await.problem(404, "not-found");
    bob.patch(&path, json!({"fields": {"mgdl": 1}})).await.problem(404, "not-found");
    bob.delete(&path).await.problem(404, "not-found");
    assert_eq!(ann.get(&path).await.expect(200)["version"], 1);
    ann.get("/user/data/not-an-id").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_change_of_another_version_than_thought_is_refused() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let path = format!("/user/data/{}", ann.reading(TIME, 93).await);
    let with = |method: &str, tag: &str, body: Json| {
        let mut request = ann.request(method, &path, body);
        request.headers.insert("if-match".into(), tag.into());
        request
    };
    let patch = json!({"fields": {"mgdl": 94}});
    let mut request = with("PATCH", "\"1\"", patch.clone());
    request.headers.insert("content-type".into(), "application/merge-patch+json".into());
    ann.send(request).await.expect(200);
    let reply = ann.send(with("PATCH", "\"1\"", patch.clone())).await;
    assert_eq!(reply.headers["etag"], "\"2\"");
    assert_eq!(reply.problem(412, "version-mismatch")["version"], 2);
    ann.send(with("DELETE", "\"1\"", Json::Null)).await.problem(412, "version-mismatch");
    ann.send(with("PATCH", "two", patch)).await.problem(400, "bad-request");
    ann.send(with("DELETE", "\"2\"", Json::Null)).await.expect(204);
}

#[tokio::test]
async fn a_patch_merges_and_is_checked_as_a_whole() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let fields = json!({"takenAt": TIME, "mgdl": 93, "raw": {"a": {"b": 1, "c": 2}}});
    let made = ann.post("/user/data", json!({"type": "glucose", "fields": fields})).await.expect(201);
    let path = format!("/user/data/{}", text(&made["id"]));
    let changed = ann.patch(&path, json!({"fields": {"raw": {"a": {"b": null, "d": 3}}}})).await.expect(200);
    assert_eq!(changed["fields"]["raw"], json!({"a": {"c": 2, "d": 3}}));
    ann.patch(&path, json!({"fields": {"mgdl": null}})).await.problem(422, "invalid");
    ann.patch(&path, json!({"fields": {"takenAt": "2014-02-03T03:42:13Z"}}))
        .await
        .problem(422, "time-immutable");
    ann.patch(&path, json!({"fields": {"takenAt": "2014-02-03T04:42:12+01:00"}})).await.expect(200);
    assert_eq!(ann.get(&path).await.expect(200)["version"], 2, "saying the same again is no change");
}

#[tokio::test]
async fn changes_at_the_same_time_all_take_effect() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let path = format!("/user/data/{}", ann.reading(TIME, 93).await);
    let one = ann.patch(&path, json!({"fields": {"mgdl": 94}}));
    let two = ann.patch(&path, json!({"fields": {"note": "n"}}));
    let three = ann.patch(&path, json!({"fields": {"device": "d"}}));
    let (one, two, three) = futures::join!(one, two, three);
    for reply in [one, two, three] {
        reply.expect(200);
    }
    let item = ann.get(&path).await.expect(200);
    assert_eq!(item["version"], 4);
    assert_eq!(item["fields"], json!({"takenAt": TIME, "mgdl": 94, "note": "n", "device": "d"}));
}

#[tokio::test]
async fn what_is_past_its_retention_is_neither_taken_nor_shown() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let memo = |at: &str| json!({"type": "memo", "fields": {"at": at}});
    ann.post("/user/data", memo("2025-11-30T00:00:00Z")).await.problem(422, "invalid");
    let made = ann.post("/user/data", memo("2025-12-30T00:00:00Z")).await.expect(201);
    let path = format!("/user/data/{}", text(&made["id"]));
    world.pass_days(29);
    assert_eq!(ann.all("/user/data").await, Vec::<Json>::new());
    ann.get(&path).await.problem(404, "not-found");
    ann.patch(&path, json!({"fields": {"text": "x"}})).await.problem(404, "not-found");
}

#[tokio::test]
async fn an_item_that_the_caller_has_already_is_not_sent_again() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let path = format!("/user/data/{}", ann.reading(TIME, 93).await);
    let with = async |tags: &str| {
        let mut request = ann.request("GET", &path, Json::Null);
        request.headers.insert("if-none-match".into(), tags.into());
        ann.send(request).await
    };
    for same in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*"] {
        let reply = with(same).await;
        assert_eq!((reply.status, &reply.json, reply.headers["etag"].as_str()), (304, &Json::Null, "\"1\""));
    }
    ann.patch(&path, json!({"fields": {"mgdl": 94}})).await.expect(200);
    assert_eq!(with("\"1\"").await.expect(200)["version"], 2);
}
