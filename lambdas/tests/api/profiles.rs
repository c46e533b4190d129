//! Profiles that exist before their first sign-in, and how people take them over.

use futures::future::join_all;
use lambdas::identity::Identity;
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
    assert_eq!(claimed["email"], "Zoe@Example.org", "the address as the pool has verified it");
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

/// What Cognito tells when somebody has confirmed their address.
fn confirmed(subject: &str, email: &str) -> Json {
    json!({
        "version": "1", "region": "eu-west-1", "userPoolId": "eu-west-1_pool", "userName": subject,
        "callerContext": {"awsSdkVersion": "3", "clientId": "client"},
        "triggerSource": "PostConfirmation_ConfirmSignUp",
        "request": {"userAttributes": {
            "sub": subject, "email": email, "email_verified": "true", "cognito:user_status": "CONFIRMED",
        }},
        "response": {},
    })
}

#[tokio::test]
async fn signing_up_with_the_address_that_a_profile_waits_for_links_it_and_uses_its_invite_up() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let made = ann.post("/profiles", json!({"email": " Zoe@Example.org"})).await.expect(201);
    assert!(made.get("email").is_none(), "it is nobody's yet: {made}");
    let event = confirmed("zoe", "zoe@example.org");
    world.verify("zoe", Some("zoe@example.org"));
    let identity = Identity::new(world.store.clone());
    assert!(identity.handle(&event, world.now()).await.unwrap());
    let zoe = world.visitor("zoe");
    let user = zoe.get("/user").await.expect(200);
    assert_eq!(
        (&user["id"], &user["drive"], &user["email"]),
        (&made["id"], &made["drive"], &json!("zoe@example.org"))
    );
    claim(&world.visitor("eve"), &secret(&made)).await.problem(404, "no-invite");
    ann.post(&format!("/profiles/{}/invite", text(&made["id"])), Json::Null).await.problem(404, "not-found");
    assert!(!identity.handle(&event, world.now()).await.unwrap(), "told twice");
    assert_eq!(zoe.get("/user").await.expect(200), user);
    let all = tables(&world).await;
    assert!(!all.contains("PROFILE#") && !all.contains("waitsFor"), "nothing waits any more:\n{all}");
}

#[tokio::test]
async fn who_signed_up_in_a_way_that_tells_nobody_is_linked_by_their_first_request() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let made = ann.post("/profiles", json!({"email": "zoe@example.org"})).await.expect(201);
    world.pool.lock().unwrap().insert("zoe".into(), Ok(Some("Zoe@Example.org".into())));
    let user = world.visitor("zoe").post("/user", Json::Null).await.expect(200);
    assert_eq!((&user["id"], &user["email"]), (&made["id"], &json!("Zoe@Example.org")));
}

#[tokio::test]
async fn an_address_links_nothing_that_is_not_verified_not_open_or_not_for_it() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let identity = Identity::new(world.store.clone());
    let wait = async |email: &str| ann.post("/profiles", json!({"email": email})).await.expect(201);
    let nothing = async |event: Json, why: &str| {
        assert!(!identity.handle(&event, world.now()).await.unwrap(), "{why}");
    };

    wait("zoe@example.org").await;
    let mut unproved = confirmed("zoe", "zoe@example.org");
    unproved["request"]["userAttributes"]["email_verified"] = json!("false");
    nothing(unproved, "nobody has verified it").await;
    let mut forgotten = confirmed("zoe", "zoe@example.org");
    forgotten["triggerSource"] = json!("PostConfirmation_ConfirmForgotPassword");
    nothing(forgotten, "they have signed up long ago").await;
    nothing(confirmed("zoe", "zoe@example.com"), "another address").await;

    let taken = wait("max@example.org").await;
    claim(&world.visitor("maxine"), &secret(&taken)).await.expect(200);
    nothing(confirmed("max", "max@example.org"), "taken over by an invite").await;

    let late = wait("tom@example.org").await;
    world.pass_days(8);
    nothing(confirmed("tom", "tom@example.org"), "too late").await;
    ann.post(&format!("/profiles/{}/invite", text(&late["id"])), Json::Null).await.expect(201);
    assert!(
        identity.handle(&confirmed("tom", "tom@example.org"), world.now()).await.unwrap(),
        "invited anew"
    );
    let tom = world.visitor("tom").get("/user").await.expect(200);
    assert_eq!(tom["id"], late["id"]);

    wait("ann@example.org").await;
    nothing(confirmed("ann", "ann@example.org"), "an identity belongs to one profile").await;
}

#[tokio::test]
async fn a_second_profile_for_an_address_does_not_prevent_the_link_to_the_first() {
    let world = World::new().await;
    let (ann, eve) = (world.person("ann").await, world.person("eve").await);
    let email = json!({"email": "zoe@example.org"});
    let late = ann.post("/profiles", email.clone()).await.expect(201);
    world.pass_days(8);
    let first = ann.post("/profiles", email.clone()).await.expect(201);
    let second = eve.post("/profiles", email).await.expect(201);
    world.verify("zoe", Some("zoe@example.org"));
    let zoe = world.visitor("zoe");
    let user = zoe.post("/user", Json::Null).await.expect(200);
    assert_eq!((&user["id"], &user["email"]), (&first["id"], &json!("zoe@example.org")));
    // The others' makers can still hand them over, to somebody else.
    claim(&zoe, &secret(&second)).await.problem(409, "has-profile");
    claim(&world.visitor("max"), &secret(&second)).await.expect(200);
    claim(&world.visitor("tom"), &secret(&late)).await.problem(404, "no-invite");
}

#[tokio::test]
async fn an_address_and_an_invite_at_once_come_to_one_owner() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for round in 0..10 {
        let email = format!("zoe{round}@example.org");
        let made = ann.post("/profiles", json!({"email": email})).await.expect(201);
        let (by_address, by_invite) = (format!("zoe{round}"), format!("eve{round}"));
        let identity = Identity::new(world.store.clone());
        let event = confirmed(&by_address, &email);
        let eve = world.visitor(&by_invite);
        let invite = secret(&made);
        let (linked, claimed) = tokio::join!(identity.handle(&event, world.now()), claim(&eve, &invite));
        let owners = usize::from(matches!(linked, Ok(true))) + usize::from(claimed.status == 200);
        assert_eq!(owners, 1, "{linked:?} and {claimed:?}");
        let mut with_it = 0;
        for subject in [&by_address, &by_invite] {
            let reply = world.visitor(subject).get("/user").await;
            with_it += usize::from(reply.status == 200 && reply.expect(200)["id"] == made["id"]);
        }
        assert_eq!(with_it, 1);
    }
}

#[tokio::test]
async fn a_sign_up_goes_through_whatever_happens_to_us() {
    let world = World::new().await;
    let identity = Identity::new(world.store.clone());
    for event in
        [Json::Null, json!({}), json!({"triggerSource": "PostConfirmation_ConfirmSignUp", "request": 7})]
    {
        assert!(!identity.handle(&event, world.now()).await.unwrap(), "{event}");
    }
}

#[tokio::test]
async fn what_is_no_address_is_refused_and_so_is_null_which_is_not_the_same_as_none() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    ann.post("/profiles", json!({"email": "zoe"})).await.problem(422, "invalid");
    ann.post("/profiles", json!({"email": null})).await.problem(400, "bad-request");
    let group = ann.group("Diabetes").await;
    let both = json!({"role": "consumer", "userId": ann.id().await, "email": null});
    ann.post(&format!("/groups/{group}/invitations"), both).await.problem(400, "bad-request");
    ann.post("/profiles", Json::Null).await.expect(201);
}
