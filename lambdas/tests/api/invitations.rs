use serde_json::{Value as Json, json};
use store::directory::JobKind;

use crate::world::{World, text};

#[tokio::test]
async fn an_invited_provider_joins_and_their_past_is_to_be_copied() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let invitation = ann.invite(&group, "provider", "bob").await;
    let mine = bob.all("/user/invitations").await;
    assert_eq!(mine.len(), 1);
    assert_eq!((&mine[0]["groupName"], &mine[0]["role"]), (&json!("Diabetes"), &json!("provider")));
    let accepted = bob.post(&format!("{invitation}/accept"), Json::Null).await.expect(200);
    assert_eq!(accepted["memberId"], bob.drive().await);
    assert_eq!(accepted["job"]["status"], "open");
    let sent = world.queue.lock().unwrap().sent.clone();
    assert!(
        matches!(&sent[..], [job] if matches!(job.kind, JobKind::Backfill { .. }) && accepted["job"]["id"] == job.id.as_str())
    );
    assert!(bob.all("/user/invitations").await.is_empty());
    // Again: the same answer, and since the job is not done, the message too.
    assert_eq!(bob.post(&format!("{invitation}/accept"), Json::Null).await.expect(200), accepted);
    assert_eq!(world.queue.lock().unwrap().sent.len(), 2);
}

#[tokio::test]
async fn consumers_and_owners_join_as_users() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    for role in ["consumer", "owner"] {
        let accepted = ann.admit(&group, role, &bob).await;
        assert_eq!(accepted["memberId"], bob.id().await);
        assert_eq!(accepted.get("job"), None);
    }
    let again = ann.invite(&group, "consumer", "bob").await;
    bob.post(&format!("{again}/accept"), Json::Null).await.problem(409, "not-acceptable");
}

#[tokio::test]
async fn an_invitation_is_for_the_invitee_alone() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person("ann").await, world.person("bob").await, world.person("eve").await);
    let group = ann.group("Diabetes").await;
    let invitation = ann.invite(&group, "consumer", "bob").await;
    // Who has invited knows of it; for everybody else there is no such thing.
    for (person, status, slug) in [(&ann, 403, "forbidden"), (&eve, 404, "not-found")] {
        person.post(&format!("{invitation}/accept"), Json::Null).await.problem(status, slug);
        person.post(&format!("{invitation}/decline"), Json::Null).await.problem(status, slug);
        assert!(person.all("/user/invitations").await.is_empty());
    }
    bob.post(&format!("/groups/{group}/invitations/x/accept"), Json::Null).await.problem(404, "not-found");
}

#[tokio::test]
async fn an_address_can_be_invited_before_it_has_a_profile_and_nobody_learns_whether_it_has() {
    let world = World::new().await;
    let (ann, _bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let list = format!("/groups/{group}/invitations");
    let known = ann.post(&list, json!({"role": "consumer", "email": "bob@example.org"})).await.expect(201);
    let unknown = ann.post(&list, json!({"role": "consumer", "email": "Zoe@example.org"})).await.expect(201);
    let members = |json: &Json| json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&known), members(&unknown));
    let zoe = world.person("zoe").await;
    let path = format!("{list}/{}", text(&unknown["id"]));
    zoe.post(&format!("{path}/accept"), Json::Null).await.expect(200);
    let by_id = json!({"role": "provider", "userId": zoe.id().await});
    let by_id = ann.post(&list, by_id).await.expect(201);
    assert_eq!(zoe.all("/user/invitations").await[0]["id"], by_id["id"]);
}

#[tokio::test]
async fn owners_list_what_became_of_their_invitations() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &bob).await;
    let declined = ann.invite(&group, "provider", "bob").await;
    bob.post(&format!("{declined}/decline"), Json::Null).await.expect(204);
    bob.post(&format!("{declined}/decline"), Json::Null).await.expect(204);
    bob.post(&format!("{declined}/accept"), Json::Null).await.problem(409, "not-acceptable");
    ann.invite(&group, "provider", "zoe").await;
    let list = format!("/groups/{group}/invitations");
    let states = |all: Vec<Json>| {
        let mut states: Vec<_> = all.iter().map(|invitation| text(&invitation["status"])).collect();
        states.sort();
        states
    };
    assert_eq!(states(ann.all(&format!("{list}?limit=1")).await), ["accepted", "declined", "pending"]);
    bob.get(&list).await.problem(403, "forbidden");
    bob.post(&list, json!({"role": "owner", "email": "bob@example.org"})).await.problem(403, "forbidden");
    world.pass_days(15);
    assert_eq!(states(ann.all(&list).await), ["accepted", "declined", "expired"]);
}

#[tokio::test]
async fn an_invitation_ends_after_its_time_and_after_a_leave() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let used = ann.invite(&group, "provider", "bob").await;
    let late = ann.invite(&group, "consumer", "bob").await;
    bob.post(&format!("{used}/accept"), Json::Null).await.expect(200);
    bob.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
    bob.post(&format!("{used}/accept"), Json::Null).await.problem(409, "not-acceptable");
    bob.post(&format!("{used}/decline"), Json::Null).await.problem(409, "not-declinable");
    world.pass_days(15);
    bob.post(&format!("{late}/accept"), Json::Null).await.problem(409, "not-acceptable");
    assert!(bob.all("/user/invitations").await.is_empty());
}

#[tokio::test]
async fn an_acceptance_whose_job_was_not_announced_asks_to_be_repeated() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let accept = format!("{}/accept", ann.invite(&group, "provider", "bob").await);
    world.queue.lock().unwrap().broken = true;
    let reply = bob.post(&accept, Json::Null).await;
    assert!(reply.headers.contains_key("retry-after"));
    reply.problem(503, "unavailable");
    world.queue.lock().unwrap().broken = false;
    bob.post(&accept, Json::Null).await.expect(200);
    assert_eq!(world.queue.lock().unwrap().sent.len(), 1);
}

#[tokio::test]
async fn an_invitation_that_makes_no_sense_is_refused() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let list = format!("/groups/{}/invitations", ann.group("Diabetes").await);
    ann.post(&list, json!({"role": "king", "email": "nobody"})).await.problem(422, "invalid");
    ann.post(&list, json!({"role": "owner"})).await.problem(422, "invalid");
    ann.post(&list, json!({"role": "owner", "mail": "a@example.org"})).await.problem(400, "bad-request");
    ann.post(&list, json!({"email": "a@example.org"})).await.problem(400, "bad-request");
}
