use serde_json::{Value as Json, json};
use store::directory::JobKind;

use crate::world::{World, text};

#[tokio::test]
async fn whoever_makes_a_group_owns_it() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let reply = ann.post("/groups", json!({"name": " Diabetes "})).await;
    let location = reply.headers["location"].clone();
    let made = reply.expect(201);
    assert_eq!((&made["name"], &made["roles"]), (&json!("Diabetes"), &json!(["owner"])));
    assert_eq!(location, format!("/groups/{}", text(&made["id"])));
    assert_eq!(ann.get(&location).await.expect(200), made);
    assert_eq!(made["rules"][0]["fields"], json!(["takenAt", "mgdl"]));
}

#[tokio::test]
async fn a_group_needs_a_name_that_people_can_read() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for name in ["", "  ", "a\u{7}b", &"x".repeat(101)] {
        ann.post("/groups", json!({"name": name})).await.problem(422, "invalid");
    }
    ann.post("/groups", json!({"name": "a", "rules": []})).await.problem(400, "bad-request");
}

#[tokio::test]
async fn every_member_sees_the_group_and_their_own_roles() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person("ann").await, world.person("bob").await, world.person("eve").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "provider", &bob).await;
    ann.admit(&group, "consumer", &bob).await;
    ann.admit(&group, "provider", &eve).await;
    let path = format!("/groups/{group}");
    let seen = bob.get(&path).await.expect(200);
    assert_eq!(seen["roles"], json!(["provider", "consumer"]));
    assert_eq!(seen["members"], json!({"owners": 1, "providers": 2, "consumers": 1}));
    assert_eq!(eve.get(&path).await.expect(200)["roles"], json!(["provider"]));
}

#[tokio::test]
async fn a_deleted_group_is_gone_for_everybody_at_once() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &bob).await;
    let open = ann.invite(&group, "provider", "bob").await;
    let path = format!("/groups/{group}");
    bob.delete(&path).await.problem(403, "forbidden");
    ann.delete(&path).await.expect(204);
    assert_eq!(world.queue.lock().unwrap().sent.last().unwrap().kind, JobKind::Dissolve);
    for person in [&ann, &bob] {
        person.get(&path).await.problem(404, "not-found");
        person.get(&format!("{path}/data")).await.problem(404, "not-found");
        person.delete(&path).await.problem(404, "not-found");
        assert!(person.all("/user/members").await.is_empty());
    }
    bob.post(&format!("{open}/accept"), Json::Null).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_group_is_deleted_even_while_the_queue_is_out_of_reach() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let group = ann.group("Diabetes").await;
    world.queue.lock().unwrap().broken = true;
    ann.delete(&format!("/groups/{group}")).await.expect(204);
    let jobs = world.store.jobs(&domain::id::GroupId::parse(&group).unwrap()).await.unwrap();
    assert_eq!(jobs.len(), 1, "the job waits in the directory");
}

#[tokio::test]
async fn a_name_is_trimmed_of_spaces_and_refused_if_it_cannot_be_seen() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let made = ann.post("/groups", json!({"name": "  Diabetes clinic "})).await.expect(201);
    assert_eq!(made["name"], "Diabetes clinic");
    for name in ["", "  ", "\u{feff}", "clinic\u{b}", "\tclinic", "cli\nnic", &"x".repeat(101)] {
        ann.post("/groups", json!({"name": name})).await.problem(422, "invalid");
    }
}
