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

#[tokio::test]
async fn a_group_s_purpose_is_shown_to_its_members_and_to_those_who_are_invited() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person("ann").await, world.person("bob").await, world.person("eve").await);
    let sent = json!({"name": "Diabetes", "description": " For the clinic.\r\nAsk Ann. "});
    let made = ann.post("/groups", sent).await.expect(201);
    let purpose = json!("For the clinic.\nAsk Ann.");
    assert_eq!(made["description"], purpose);
    let group = text(&made["id"]);
    let path = format!("/groups/{group}");
    assert_eq!(ann.get(&path).await.expect(200), made);
    assert_eq!(ann.all("/groups").await[0]["description"], purpose);
    let invitation = ann.invite(&group, "provider", "bob").await;
    let preview = format!("{invitation}/preview");
    let shown = async |person: &crate::world::Person<'_>| {
        let listed = person.all("/user/invitations").await;
        listed.iter().map(|invitation| invitation["groupDescription"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(bob.get(&preview).await.expect(200)["groupDescription"], purpose);
    assert_eq!(shown(&bob).await, std::slice::from_ref(&purpose));
    for target in [&path, &preview] {
        eve.get(target).await.problem(404, "not-found");
    }
    assert!(shown(&eve).await.is_empty());
    // Who has an invitation sees the purpose as it is now.
    ann.patch(&path, json!({"description": "For research"})).await.expect(200);
    assert_eq!(shown(&bob).await, [json!("For research")]);
    bob.post(&format!("{invitation}/accept"), Json::Null).await.expect(200);
    assert_eq!(bob.get(&path).await.expect(200)["description"], "For research");
    bob.post(&format!("{path}/leave"), Json::Null).await.expect(204);
    bob.get(&path).await.problem(404, "not-found");
    bob.get(&preview).await.problem(409, "not-acceptable");
}

#[tokio::test]
async fn owners_change_name_and_purpose_apart_or_together_and_remove_the_purpose_with_null() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &bob).await;
    let path = format!("/groups/{group}");
    let patch = async |body: Json| {
        let changed = ann.patch(&path, body).await.expect(200);
        assert_eq!(ann.get(&path).await.expect(200), changed);
        (changed["name"].clone(), changed.get("description").cloned())
    };
    let (diabetes, clinic) = (json!("Diabetes"), json!("Clinic"));
    assert_eq!(patch(json!({"description": "care"})).await, (diabetes.clone(), Some("care".into())));
    assert_eq!(patch(json!({"name": "Clinic"})).await, (clinic.clone(), Some("care".into())));
    assert_eq!(patch(json!({})).await, (clinic.clone(), Some("care".into())));
    assert_eq!(patch(json!({"description": null})).await, (clinic.clone(), None));
    assert_eq!(
        patch(json!({"name": "Diabetes", "description": "a"})).await,
        (diabetes.clone(), Some("a".into()))
    );
    assert_eq!(patch(json!({"name": "Clinic", "description": null})).await, (clinic, None));
    bob.patch(&path, json!({"description": "mine"})).await.problem(403, "forbidden");
    ann.patch(&path, json!({"name": null})).await.problem(400, "bad-request");
}

#[tokio::test]
async fn a_purpose_is_plain_text_of_bounded_length_that_can_be_seen() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let path = format!("/groups/{}", ann.group("Diabetes").await);
    for purpose in ["", " \n ", "a\u{200b}b", "a\u{202e}b", "a\tb", "\u{feff}care", &"x".repeat(1001)] {
        for reply in [
            ann.post("/groups", json!({"name": "a", "description": purpose})).await,
            ann.patch(&path, json!({"description": purpose})).await,
        ] {
            let problem = reply.problem(422, "invalid");
            assert_eq!(problem["errors"][0]["field"], "description", "{purpose:?}");
        }
    }
    ann.patch(&path, json!({"description": "ä\n".repeat(500)})).await.expect(200);
    ann.post("/groups", json!({"name": "a", "description": null})).await.problem(400, "bad-request");
}
