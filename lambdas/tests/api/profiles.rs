//! Profiles that exist before their first sign-in, and how people take them over.

use futures::future::join_all;
use serde_json::{Value as Json, json};

use crate::world::{Person, World, text};

fn secret(made: &Json) -> String {
    text(&made["invite"]["token"])
}

async fn claim(person: &Person<'_>, invite: &str) -> crate::world::Reply {
    person.post("/user/claim", json!({ "invite": invite })).await
}

/// Everything that is in the tables, as text.
async fn tables(world: &World) -> String {
    let mut all = String::new();
    for table in ["t-data", "t-replicas", "t-directory"] {
        let scan = world.store.client().scan().table_name(table).send().await.unwrap();
        assert!(scan.last_evaluated_key.is_none());
        all += &format!("{:?}", scan.items());
    }
    all
}

#[tokio::test]
async fn a_profile_can_be_invited_before_its_person_has_signed_in() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let made = ann.post("/profiles", json!({})).await.expect(201);
    let group = ann.group("Diabetes").await;
    let invitation = json!({"role": "consumer", "userId": made["id"]});
    ann.post(&format!("/groups/{group}/invitations"), invitation).await.expect(201);
    world.pool.lock().unwrap().insert("zoe".into(), Ok(Some("Zoe@Example.org".into())));
    let zoe = world.visitor("zoe");
    let claimed = claim(&zoe, &secret(&made)).await.expect(200);
    assert_eq!((&claimed["id"], &claimed["drive"]), (&made["id"], &made["drive"]));
    assert_eq!(claimed["email"], "zoe@example.org", "the address that the pool vouches for");
    assert_eq!(zoe.get("/user").await.expect(200), claimed);
    let mine = zoe.all("/user/invitations").await;
    let accept = format!("/groups/{group}/invitations/{}/accept", text(&mine[0]["id"]));
    zoe.post(&accept, Json::Null).await.expect(200);
    assert_eq!(zoe.post("/user", Json::Null).await.expect(200), claimed, "one identity, one profile");
}

#[tokio::test]
async fn what_does_not_count_is_answered_alike_whatever_the_reason() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let (used, replaced, expired) = (
        ann.post("/profiles", json!({})).await.expect(201),
        ann.post("/profiles", json!({})).await.expect(201),
        ann.post("/profiles", json!({})).await.expect(201),
    );
    claim(&world.visitor("zoe"), &secret(&used)).await.expect(200);
    ann.post(&format!("/profiles/{}/invite", text(&replaced["id"])), Json::Null).await.expect(201);
    let eve = world.visitor("eve");
    let mut answers = Vec::new();
    let mut calls = Vec::new();
    for token in [&secret(&used), &secret(&replaced), "guess", "", &"x".repeat(43)] {
        world.calls.lock().unwrap().clear();
        let reply = claim(&eve, token).await;
        answers.push((reply.headers.clone(), reply.problem(404, "no-invite")));
        calls.push(world.calls.lock().unwrap().clone());
    }
    world.pass_days(8);
    world.calls.lock().unwrap().clear();
    let reply = claim(&eve, &secret(&expired)).await;
    answers.push((reply.headers.clone(), reply.problem(404, "no-invite")));
    calls.push(world.calls.lock().unwrap().clone());
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:#?}");
    assert!(calls.windows(2).all(|two| two[0] == two[1]), "the same work for each: {calls:?}");
    eve.get("/user").await.problem(404, "no-profile");
}

#[tokio::test]
async fn another_invite_is_made_by_whoever_made_the_profile_until_it_is_taken() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let made = ann.post("/profiles", json!({})).await.expect(201);
    let again = format!("/profiles/{}/invite", text(&made["id"]));
    bob.post(&again, Json::Null).await.problem(404, "not-found");
    world.pass_days(30);
    let next = ann.post(&again, Json::Null).await.expect(201);
    assert_ne!(secret(&made), secret(&next));
    assert_eq!(claim(&world.visitor("zoe"), &secret(&next)).await.expect(200)["id"], made["id"]);
    ann.post(&again, Json::Null).await.problem(404, "not-found");
    for nobody in [bob.id().await, "nonsense".to_owned()] {
        ann.post(&format!("/profiles/{nobody}/invite"), Json::Null).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn an_identity_with_a_profile_takes_no_other_one() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let made = ann.post("/profiles", json!({})).await.expect(201);
    for invite in [secret(&made), "guess".to_owned()] {
        claim(&bob, &invite).await.problem(409, "has-profile");
    }
    claim(&world.visitor("zoe"), &secret(&made)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_who_use_an_invite_at_once_exactly_one_wins() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let made = ann.post("/profiles", json!({})).await.expect(201);
    let people: Vec<Person<'_>> = (0..50).map(|n| world.visitor(&format!("visitor-{n}"))).collect();
    let invite = secret(&made);
    let replies = join_all(people.iter().map(|person| claim(person, &invite))).await;
    let won: Vec<usize> = (0..50).filter(|n| replies[*n].status == 200).collect();
    assert_eq!(won.len(), 1);
    for (n, reply) in replies.into_iter().enumerate() {
        if reply.status != 200 {
            reply.problem(404, "no-invite");
            people[n].get("/user").await.problem(404, "no-profile");
        }
    }
    assert_eq!(people[won[0]].get("/user").await.expect(200)["id"], made["id"]);
}

#[tokio::test]
async fn the_secret_of_an_invite_is_in_no_table_and_no_log() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    crate::logs::begin(tracing::level_filters::LevelFilter::TRACE);
    let made = ann.post("/profiles", json!({})).await.expect(201);
    let next = ann.post(&format!("/profiles/{}/invite", text(&made["id"])), Json::Null).await.expect(201);
    claim(&world.visitor("eve"), &secret(&made)).await.problem(404, "no-invite");
    let before = tables(&world).await;
    claim(&world.visitor("zoe"), &secret(&next)).await.expect(200);
    let after = tables(&world).await;
    let logs = crate::logs::taken();
    assert!(logs.contains("ClaimProfile"), "the requests were logged");
    for token in [secret(&made), secret(&next)] {
        assert!(token.len() >= 43, "256 bits");
        for place in [&before, &after, &logs] {
            assert!(!place.contains(&token));
        }
    }
}
