//! What is asked for again under the same key is done once and answered the same.

use futures::future::join_all;
use serde_json::{Value as Json, json};

use crate::world::{Person, Reply, World, text};

async fn keyed(person: &Person<'_>, path: &str, key: &str, body: Json) -> Reply {
    let mut request = person.request("POST", path, body);
    request.headers.insert("idempotency-key".into(), key.into());
    person.send(request).await
}

fn reading(minute: usize) -> Json {
    let time = format!("2014-02-03T{:02}:{:02}:00Z", minute / 60, minute % 60);
    json!({"type": "glucose", "fields": {"takenAt": time, "mgdl": 93}})
}

#[tokio::test]
async fn the_same_key_and_body_make_one_item_and_the_same_answer() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let first = keyed(&ann, "/user/data", "k1", reading(1)).await;
    let (etag, location) = (first.headers["etag"].clone(), first.headers["location"].clone());
    let first = first.expect(201);
    world.calls.lock().unwrap().clear();
    let second = keyed(&ann, "/user/data", "k1", reading(1)).await;
    assert_eq!((&second.headers["etag"], &second.headers["location"]), (&etag, &location));
    assert_eq!(second.expect(201), first);
    assert_eq!(ann.all("/user/data").await.len(), 1);
    // Also when the item has changed or is gone: the answer is the one of then, and nothing comes back.
    ann.delete(&location).await.expect(204);
    assert_eq!(keyed(&ann, "/user/data", "k1", reading(1)).await.expect(201), first);
    assert!(ann.all("/user/data").await.is_empty());
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_caller() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    keyed(&ann, "/user/data", "k1", reading(1)).await.expect(201);
    keyed(&ann, "/user/data", "k1", reading(2)).await.problem(422, "idempotency-mismatch");
    keyed(&ann, "/groups", "k1", json!({"name": "Diabetes"})).await.problem(422, "idempotency-mismatch");
    keyed(&bob, "/user/data", "k1", reading(2)).await.expect(201);
    assert_eq!((ann.all("/user/data").await.len(), bob.all("/user/data").await.len()), (1, 1));
    for bad in ["x".repeat(256), "two words".to_owned()] {
        keyed(&ann, "/user/data", &bad, reading(1)).await.problem(400, "bad-request");
    }
}

#[tokio::test]
async fn of_many_at_once_under_one_key_one_makes_the_item_and_all_tell_of_it() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let all = join_all((0..12).map(|_| keyed(&ann, "/user/data", "k1", reading(1)))).await;
    let made: Vec<Json> = all.into_iter().map(|reply| reply.expect(201)).collect();
    assert!(made.iter().all(|one| *one == made[0]));
    assert_eq!(ann.all("/user/data").await.len(), 1);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    keyed(&ann, "/user/data", "k1", reading(1)).await.expect(201);
    world.pass_days(1);
    keyed(&ann, "/user/data", "k1", reading(2)).await.expect(201);
    assert_eq!(ann.all("/user/data").await.len(), 2);
}

#[tokio::test]
async fn a_batch_under_a_key_is_written_once_with_the_same_results() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let mut items: Vec<Json> = (0..99).map(reading).collect();
    items.insert(70, json!({"type": "glucose", "fields": {"mgdl": 1}}));
    let batch = json!({"items": items});
    let first = keyed(&ann, "/user/data/batch", "k1", batch.clone()).await.expect(200);
    let statuses: Vec<&Json> = first["results"].as_array().unwrap().iter().map(|r| &r["status"]).collect();
    assert_eq!((statuses.len(), statuses[70]), (100, &json!(422)));
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 99);
    assert_eq!(keyed(&ann, "/user/data/batch", "k1", batch).await.expect(200), first);
    assert_eq!(ann.all("/user/data?limit=500").await.len(), 99);
    let other = json!({"items": [reading(1)]});
    keyed(&ann, "/user/data/batch", "k1", other).await.problem(422, "idempotency-mismatch");
}

#[tokio::test]
async fn groups_and_invitations_are_made_once_under_a_key() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let group = keyed(&ann, "/groups", "k1", json!({"name": "Diabetes"})).await.expect(201);
    assert_eq!(keyed(&ann, "/groups", "k1", json!({"name": "Diabetes"})).await.expect(201), group);
    assert_eq!(ann.all("/user/members").await.len(), 1);
    let path = format!("/groups/{}/invitations", text(&group["id"]));
    let sent = json!({"role": "consumer", "email": "bob@example.org"});
    let invitation = keyed(&ann, &path, "k2", sent.clone()).await.expect(201);
    assert_eq!(keyed(&ann, &path, "k2", sent).await.expect(201), invitation);
    assert_eq!(ann.all(&path).await.len(), 1);
}
