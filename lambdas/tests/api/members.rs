use serde_json::{Value as Json, json};
use store::directory::JobKind;

use crate::world::{World, text};

#[tokio::test]
async fn members_see_each_other_page_by_page() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "provider", &bob).await;
    ann.admit(&group, "consumer", &bob).await;
    let list = format!("/groups/{group}/members");
    let members = bob.all(&format!("{list}?limit=1")).await;
    assert_eq!(ann.all(&list).await, members);
    let mut seen: Vec<_> =
        members.iter().map(|m| (text(&m["kind"]), text(&m["id"]), m["roles"].clone())).collect();
    seen.sort_by_key(|(kind, id, _)| (kind.clone(), id.clone()));
    let mut expected = vec![
        ("drive".to_owned(), bob.drive().await, json!(["provider"])),
        ("user".to_owned(), ann.id().await, json!(["owner"])),
        ("user".to_owned(), bob.id().await, json!(["consumer"])),
    ];
    expected.sort_by_key(|(kind, id, _)| (kind.clone(), id.clone()));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_owner_removes_anybody_and_others_only_themselves() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person("ann").await, world.person("bob").await, world.person("eve").await);
    let group = ann.group("Diabetes").await;
    for person in [&bob, &eve] {
        ann.admit(&group, "provider", person).await;
        ann.admit(&group, "consumer", person).await;
    }
    let member = |id: String| format!("/groups/{group}/members/{id}");
    bob.delete(&member(eve.id().await)).await.problem(403, "forbidden");
    bob.delete(&member(eve.drive().await)).await.problem(403, "forbidden");
    bob.delete(&member(bob.drive().await)).await.expect(204);
    assert_eq!(bob.get(&format!("/groups/{group}")).await.expect(200)["roles"], json!(["consumer"]));
    bob.delete(&member(bob.drive().await)).await.problem(404, "not-found");
    ann.delete(&member(eve.drive().await)).await.expect(204);
    ann.delete(&member(eve.id().await)).await.expect(204);
    eve.get(&format!("/groups/{group}")).await.problem(404, "not-found");
    ann.delete(&member(eve.id().await)).await.problem(404, "not-found");
    ann.delete(&member("nobody".into())).await.problem(404, "not-found");
    let purges =
        world.queue.lock().unwrap().sent.iter().filter(|j| matches!(j.kind, JobKind::Purge { .. })).count();
    assert_eq!(purges, 2);
}

#[tokio::test]
async fn the_last_owner_cannot_go() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let leave = format!("/groups/{group}/leave");
    ann.post(&leave, Json::Null).await.problem(409, "last-owner");
    ann.delete(&format!("/groups/{group}/members/{}", ann.id().await)).await.problem(409, "last-owner");
    ann.admit(&group, "owner", &bob).await;
    ann.post(&leave, Json::Null).await.expect(204);
    ann.get(&format!("/groups/{group}")).await.problem(404, "not-found");
    bob.post(&leave, Json::Null).await.problem(409, "last-owner");
}

#[tokio::test]
async fn one_role_can_be_given_up_and_the_others_kept() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &ann).await;
    ann.admit(&group, "provider", &ann).await;
    let path = format!("/groups/{group}");
    let leave = |role: &str| format!("{path}/leave?role={role}");
    ann.post(&leave("king"), Json::Null).await.problem(400, "invalid-parameter");
    ann.post(&leave("owner"), Json::Null).await.problem(409, "last-owner");
    ann.post(&leave("consumer"), Json::Null).await.expect(204);
    assert_eq!(ann.get(&path).await.expect(200)["roles"], json!(["owner", "provider"]));
    assert_eq!(ann.all("/user/members").await.len(), 2);
    ann.post(&leave("consumer"), Json::Null).await.problem(404, "not-found");
    ann.post(&leave("provider"), Json::Null).await.expect(204);
    assert_eq!(ann.get(&path).await.expect(200)["roles"], json!(["owner"]));
    ann.admit(&group, "consumer", &ann).await;
    assert_eq!(ann.get(&path).await.expect(200)["roles"], json!(["owner", "consumer"]));
}

#[tokio::test]
async fn leaving_holds_even_while_the_queue_is_out_of_reach() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "provider", &bob).await;
    world.queue.lock().unwrap().broken = true;
    let leave = format!("/groups/{group}/leave");
    bob.post(&leave, Json::Null).await.expect(204);
    bob.post(&leave, Json::Null).await.problem(404, "not-found");
}

#[tokio::test]
async fn people_see_their_memberships_with_the_groups_names() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let (one, two) = (ann.group("One").await, ann.group("Two").await);
    ann.admit(&one, "provider", &bob).await;
    ann.admit(&two, "consumer", &bob).await;
    let mut seen: Vec<_> = bob.all("/user/members?limit=1").await;
    seen.sort_by_key(|member| text(&member["groupName"]));
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (&seen[0]["groupName"], &seen[0]["kind"], &seen[0]["group"]),
        (&json!("One"), &json!("drive"), &json!(one))
    );
    assert_eq!(
        (&seen[1]["groupName"], &seen[1]["kind"], &seen[1]["roles"]),
        (&json!("Two"), &json!("user"), &json!(["consumer"]))
    );
}

#[tokio::test]
async fn providers_are_told_who_has_come_to_read_since_they_joined() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person("ann").await, world.person("bob").await, world.person("eve").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &ann).await;
    world.pass_days(1);
    ann.admit(&group, "provider", &bob).await;
    let consumers = async || bob.all("/user/members").await[0]["consumers"].clone();
    assert_eq!(consumers().await, json!({"count": 1, "newCount": 0, "new": []}));
    world.pass_days(1);
    let since = world.now().to_string();
    ann.admit(&group, "consumer", &eve).await;
    let new = json!([{"id": eve.id().await, "since": since}]);
    assert_eq!(consumers().await, json!({"count": 2, "newCount": 1, "new": new}));
    // Whoever has read before and comes to own, or the other way round, is told of by when they came to read.
    world.pass_days(1);
    ann.admit(&group, "owner", &eve).await;
    assert_eq!(consumers().await["new"], new);
    let member = format!("/groups/{group}/members/{}", eve.id().await);
    ann.patch(&member, json!({"roles": ["owner"]})).await.expect(200);
    assert_eq!(consumers().await["count"], 1);
    let since = world.now().to_string();
    ann.patch(&member, json!({"roles": ["consumer"]})).await.expect(200);
    assert_eq!(consumers().await["new"][0]["since"], since);
}
