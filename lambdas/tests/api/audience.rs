//! Providers who are asked before somebody new reads what they share.

use serde_json::{Value as Json, json};

use crate::world::{Person, World, numbers};

/// Ann owns and reads a group into which Bob and Eve share one reading each.
async fn group<'w>(world: &'w World) -> (Person<'w>, Person<'w>, Person<'w>, String) {
    let (ann, bob, eve) = (world.person("ann").await, world.person("bob").await, world.person("eve").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &ann).await;
    for (person, mgdl) in [(&bob, 250), (&eve, 300)] {
        ann.admit(&group, "provider", person).await;
        world.replicate(person, &person.reading("2027-01-01T00:00:00Z", mgdl).await).await;
    }
    (ann, bob, eve, group)
}

async fn sees(person: &Person<'_>, group: &str) -> Vec<i64> {
    let mut seen = numbers(&person.all(&format!("/groups/{group}/data")).await);
    seen.sort_unstable();
    seen
}

#[tokio::test]
async fn a_new_consumer_sees_nothing_of_a_provider_who_asks_until_they_agree() {
    let world = World::new().await;
    let (ann, bob, _, group) = group(&world).await;
    let audience = format!("/groups/{group}/audience");
    assert_eq!(bob.get(&audience).await.expect(200), json!({"audience": "open"}));
    let asked = bob.put(&audience, json!({"audience": "ask"})).await.expect(200);
    assert_eq!(asked, json!({"audience": "ask", "agreed": [ann.id().await], "waiting": []}));
    assert_eq!(sees(&ann, &group).await, [250, 300], "whoever reads already is agreed to");
    let joe = world.person("joe").await;
    ann.admit(&group, "consumer", &joe).await;
    assert_eq!(sees(&joe, &group).await, [300]);
    assert_eq!(bob.get(&audience).await.expect(200)["waiting"], json!([joe.id().await]));
    assert!(bob.all("/user/ledger").await.iter().all(|entry| entry["reader"] != joe.subject));
    let joes = format!("{audience}/{}", joe.id().await);
    bob.put(&joes, Json::Null).await.expect(200);
    assert_eq!(sees(&joe, &group).await, [250, 300]);
}

#[tokio::test]
async fn what_a_provider_takes_back_from_a_consumer_is_gone_at_once() {
    let world = World::new().await;
    let (ann, bob, _, group) = group(&world).await;
    let audience = format!("/groups/{group}/audience");
    let anns = format!("{audience}/{}", ann.id().await);
    let refused = bob.delete(&anns).await.expect(200);
    assert_eq!(refused, json!({"audience": "ask", "agreed": [], "waiting": [ann.id().await]}));
    assert_eq!(sees(&ann, &group).await, [300]);
    bob.delete(&anns).await.expect(200);
    bob.put(&audience, json!({"audience": "ask"})).await.expect(200);
    assert_eq!(sees(&ann, &group).await, [300], "asking again agrees with nobody");
    bob.put(&audience, json!({"audience": "open"})).await.expect(200);
    assert_eq!(sees(&ann, &group).await, [250, 300]);
    bob.put(&anns, Json::Null).await.expect(200);
    assert_eq!(bob.get(&audience).await.expect(200), json!({"audience": "open"}));
}

#[tokio::test]
async fn who_left_and_came_back_is_asked_about_again() {
    let world = World::new().await;
    let (ann, bob, _, group) = group(&world).await;
    let audience = format!("/groups/{group}/audience");
    bob.put(&audience, json!({"audience": "ask"})).await.expect(200);
    ann.post(&format!("/groups/{group}/leave?role=consumer"), Json::Null).await.expect(204);
    world.pass_days(1);
    ann.admit(&group, "consumer", &ann).await;
    assert_eq!(sees(&ann, &group).await, [300]);
    assert_eq!(bob.get(&audience).await.expect(200)["waiting"], json!([ann.id().await]));
    // Leaving as provider ends the audience, too: joining again begins openly.
    bob.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
    ann.admit(&group, "provider", &bob).await;
    assert_eq!(bob.get(&audience).await.expect(200), json!({"audience": "open"}));
}

#[tokio::test]
async fn only_providers_have_an_audience_and_only_consumers_are_in_it() {
    let world = World::new().await;
    let (ann, bob, eve, group) = group(&world).await;
    let audience = format!("/groups/{group}/audience");
    ann.get(&audience).await.problem(403, "forbidden");
    ann.put(&audience, json!({"audience": "ask"})).await.problem(403, "forbidden");
    bob.put(&audience, json!({"audience": "nobody"})).await.problem(400, "bad-request");
    for nobody in [eve.id().await, "nonsense".to_owned()] {
        bob.put(&format!("{audience}/{nobody}"), Json::Null).await.problem(404, "not-found");
        bob.delete(&format!("{audience}/{nobody}")).await.problem(404, "not-found");
    }
}
