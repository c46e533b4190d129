//! An address is what the user pool has verified now: who is invited by it, and who is shown with it.

use domain::address::Address;
use domain::id::UserId;
use lambdas::api::addresses::REMEMBERED_MILLIS;
use lambdas::api::userinfo::UserInfoError;
use serde_json::{Value as Json, json};

use crate::world::{Person, Reply, World, text};

/// Somebody with a profile and this address.
async fn with_address<'w>(world: &'w World, subject: &str, email: &str) -> Person<'w> {
    world.verify(subject, Some(email));
    let person = world.visitor(subject);
    person.post("/user", Json::Null).await.expect(201);
    person
}

async fn invite(owner: &Person<'_>, group: &str, role: &str, email: &str) -> String {
    let sent = json!({"role": role, "email": email});
    let made = owner.post(&format!("/groups/{group}/invitations"), sent).await.expect(201);
    format!("/groups/{group}/invitations/{}", text(&made["id"]))
}

async fn accept(person: &Person<'_>, invitation: &str) -> Reply {
    person.post(&format!("{invitation}/accept"), Json::Null).await
}

/// Whose an address is: by its own row, and by the profiles' copies, which must agree.
async fn holder(world: &World, email: &str) -> Option<String> {
    let address = Address::parse(email).unwrap();
    let holder = world.store.address_holder(&address).await.unwrap().map(|user| user.to_string());
    let rows = world.store.client().scan().table_name("t-directory").send().await.unwrap();
    assert!(rows.last_evaluated_key.is_none());
    let is_profile = |row: &&store::attr::Row| row["sk"].as_s().unwrap() == "PROFILE";
    let copies = rows.items().iter().filter(is_profile).filter(|row| {
        row.get("email").is_some_and(|copy| Address::parse(copy.as_s().unwrap()).unwrap() == address)
    });
    let copies: Vec<String> = copies.map(|row| row["user"].as_s().unwrap().clone()).collect();
    assert_eq!(copies, holder.iter().cloned().collect::<Vec<_>>(), "{email}");
    holder
}

#[tokio::test]
async fn an_address_that_changed_hands_is_its_new_holders_alone() {
    let world = World::new().await;
    let olga = world.person("olga").await;
    let ann = with_address(&world, "ann", "desk@example.org").await;
    let group = olga.group("Diabetes").await;
    world.verify("ann", Some("ann@example.org"));
    let bob = with_address(&world, "bob", "desk@example.org").await;
    let invitation = invite(&olga, &group, "owner", "Desk@example.org").await;

    // At once, although a moment ago the pool said that the address was Ann's.
    assert!(ann.all("/user/invitations").await.is_empty());
    for path in ["accept", "decline"] {
        ann.post(&format!("{invitation}/{path}"), Json::Null).await.problem(404, "not-found");
    }
    ann.get(&format!("{invitation}/preview")).await.problem(404, "not-found");
    assert_eq!(ann.get("/user").await.expect(200)["email"], "ann@example.org");
    assert_eq!(ann.post("/user", Json::Null).await.expect(200)["email"], "ann@example.org");
    assert_eq!(bob.all("/user/invitations").await.len(), 1);
    assert_eq!(accept(&bob, &invitation).await.expect(200)["memberId"], bob.id().await);
    assert_eq!(holder(&world, "desk@example.org").await, Some(bob.id().await));
    assert_eq!(holder(&world, "ann@example.org").await, Some(ann.id().await));

    let new = invite(&olga, &group, "consumer", "ann@example.org").await;
    assert_eq!(ann.all("/user/invitations").await.len(), 1);
    accept(&ann, &new).await.expect(200);
    // What others are shown of them is right, too.
    let provider = world.person("paul").await;
    let preview = invite(&olga, &group, "provider", "paul@example.org").await;
    let preview = provider.get(&format!("{preview}/preview")).await.expect(200);
    assert_eq!(preview["consumers"]["first"], json!([{"id": ann.id().await, "email": "ann@example.org"}]));
}

/// The ways in which an address counts.
const PATHS: [(&str, &str); 6] = [
    ("GET", "/user"),
    ("POST", "/user"),
    ("GET", "/user/invitations"),
    ("GET", "preview"),
    ("POST", "accept"),
    ("POST", "decline"),
];

/// Somebody's call after this time, whose address was desk@ at the beginning and is something else since, with an
/// invitation to desk@ that is open.
async fn call_later(path: (&str, &str), millis: i64, now: Result<Option<String>, UserInfoError>) -> Reply {
    let world = World::new().await;
    let olga = world.person("olga").await;
    let ann = with_address(&world, "ann", "desk@example.org").await;
    let group = olga.group("Diabetes").await;
    let invitation = invite(&olga, &group, "provider", "desk@example.org").await;
    world.pool.lock().unwrap().insert("ann".into(), now);
    world.pass_millis(millis);
    let (method, target) = path;
    let target = if target.starts_with('/') { target.to_owned() } else { format!("{invitation}/{target}") };
    ann.call(method, &target, Json::Null).await
}

/// Whether a reply to one of [`PATHS`] treats the caller as holder of desk@.
fn counts(path: (&str, &str), reply: &Reply) -> bool {
    match path.1 {
        "/user" => reply.status == 200 && reply.json["email"] == "desk@example.org",
        "/user/invitations" => reply.status == 200 && reply.json["items"].as_array().unwrap().len() == 1,
        _ => matches!(reply.status, 200 | 204),
    }
}

#[tokio::test]
async fn what_the_pool_says_takes_effect_within_five_minutes_on_every_path() {
    assert_eq!(REMEMBERED_MILLIS, 300_000);
    for path in PATHS {
        for now in [None, Some("ann@example.org".to_owned())] {
            let before = call_later(path, REMEMBERED_MILLIS - 1, Ok(now.clone())).await;
            assert!(counts(path, &before), "{path:?} {now:?}: {:#}", before.json);
            let after = call_later(path, REMEMBERED_MILLIS, Ok(now.clone())).await;
            assert!(!counts(path, &after), "{path:?} {now:?}: {:#}", after.json);
            match path.1 {
                "/user" => assert_eq!(after.expect(200).get("email"), now.map(Json::from).as_ref()),
                "/user/invitations" => assert_eq!(after.expect(200)["items"], json!([])),
                _ => drop(after.problem(404, "not-found")),
            }
        }
    }
}

#[tokio::test]
async fn without_the_pool_nothing_is_decided_by_what_it_said_long_ago() {
    for path in PATHS {
        let before = call_later(path, REMEMBERED_MILLIS - 1, Err(UserInfoError::Unavailable)).await;
        assert!(counts(path, &before), "{path:?}: {:#}", before.json);
        let after = call_later(path, REMEMBERED_MILLIS, Err(UserInfoError::Unavailable)).await;
        assert!(after.headers.contains_key("retry-after"));
        let problem = after.problem(503, "unavailable");
        assert!(problem["detail"].as_str().unwrap().contains("your address cannot be checked"), "{problem}");
        let refused = call_later(path, REMEMBERED_MILLIS, Err(UserInfoError::Refused)).await;
        refused.problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn invitations_to_a_user_do_not_depend_on_the_pool() {
    let world = World::new().await;
    let (olga, ann) = (world.person("olga").await, world.person("ann").await);
    let (group, id) = (olga.group("Diabetes").await, ann.id().await);
    let list = format!("/groups/{group}/invitations");
    world.pass_days(1);
    world.pool.lock().unwrap().insert("ann".into(), Err(UserInfoError::Unavailable));
    world.questions();
    for role in ["consumer", "provider", "owner"] {
        let made = olga.post(&list, json!({"role": role, "userId": id})).await.expect(201);
        let path = format!("{list}/{}", text(&made["id"]));
        ann.get(&format!("{path}/preview")).await.expect(200);
        match role {
            "owner" => drop(ann.post(&format!("{path}/decline"), Json::Null).await.expect(204)),
            _ => drop(accept(&ann, &path).await.expect(200)),
        }
    }
    assert_eq!(world.questions(), 0);
}

#[tokio::test]
async fn an_acceptance_by_address_costs_no_more_of_the_database_and_five_minutes_cost_one_question() {
    let mut costs = Vec::new();
    for by_id in [false, true] {
        let world = World::new().await;
        let (olga, ann) = (world.person("olga").await, world.person("ann").await);
        let group = olga.group("Diabetes").await;
        let sent = match by_id {
            false => json!({"role": "provider", "email": "ann@example.org"}),
            true => json!({"role": "provider", "userId": ann.id().await}),
        };
        let made = olga.post(&format!("/groups/{group}/invitations"), sent).await.expect(201);
        world.pass_days(1);
        world.questions();
        ann.all("/user/invitations").await;
        world.calls.lock().unwrap().clear();
        accept(&ann, &format!("/groups/{group}/invitations/{}", text(&made["id"]))).await.expect(200);
        let mut calls = world.calls.lock().unwrap().clone();
        calls.sort();
        costs.push(calls);
        ann.all("/user/invitations").await;
        ann.get("/user").await.expect(200);
        assert_eq!(world.questions(), 1, "for two lists, an acceptance and a look at the profile");
        world.pass_millis(REMEMBERED_MILLIS);
        ann.all("/user/invitations").await;
        assert_eq!(world.questions(), 1);
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn letters_that_only_lower_case_makes_alike_are_other_letters() {
    let world = World::new().await;
    let (olga, mike) = (world.person("olga").await, world.person("mike").await);
    let group = olga.group("Diabetes").await;
    let invitation = invite(&olga, &group, "consumer", "mike@example.org").await;
    // What the pool takes and Freehold does not is no address: it looks like another person's.
    world.verify("kelvin", Some("mi\u{212A}e@example.org"));
    let kelvin = world.visitor("kelvin");
    let made = kelvin.post("/user", Json::Null).await.expect(201);
    assert_eq!(made.get("email"), None);
    assert!(kelvin.all("/user/invitations").await.is_empty());
    accept(&kelvin, &invitation).await.problem(404, "not-found");
    accept(&mike, &invitation).await.expect(200);
    // Others are addresses of their own, and are shown as they are.
    let dotted = with_address(&world, "dotted", "\u{130}nci@example.org").await;
    assert_eq!(dotted.get("/user").await.expect(200)["email"], "\u{130}nci@example.org");
    for other in ["inci@example.org", "i\u{307}nci@example.org"] {
        let invitation = invite(&olga, &group, "consumer", other).await;
        accept(&dotted, &invitation).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn one_mailbox_is_found_however_its_address_is_written() {
    let world = World::new().await;
    let olga = world.person("olga").await;
    let group = olga.group("Diabetes").await;
    let jorg = with_address(&world, "jorg", "Jo\u{308}rg@Example.org").await;
    assert_eq!(jorg.get("/user").await.expect(200)["email"], "J\u{F6}rg@Example.org", "NFC, as written");
    for (role, written) in [
        ("consumer", "j\u{F6}rg@example.org"),
        ("provider", "J\u{F6}RG@EXAMPLE.ORG"),
        ("owner", "  jo\u{308}rg@example.org "),
    ] {
        let invitation = invite(&olga, &group, role, written).await;
        accept(&jorg, &invitation).await.expect(200);
    }
    for other in ["j\u{F6}rg+x@example.org", "J\u{D6}RG@example.org", "jorg@example.org"] {
        let invitation = invite(&olga, &olga.group("Other").await, "consumer", other).await;
        accept(&jorg, &invitation).await.problem(404, "not-found");
    }
    let sent = olga.all(&format!("/groups/{group}/invitations")).await;
    let sent: Vec<_> = sent.iter().map(|sent| text(&sent["email"])).collect();
    assert!(sent.contains(&"j\u{F6}rg@example.org".to_owned()), "{sent:?}");
}

#[tokio::test]
async fn what_cannot_be_an_address_is_refused_with_its_reason_wherever_one_is_taken() {
    let world = World::new().await;
    let olga = world.person("olga").await;
    let list = format!("/groups/{}/invitations", olga.group("Diabetes").await);
    let long = format!("{}@example.org", "l".repeat(65));
    for (email, why) in [
        ("<ann@example.org>", "`<ann@example.org>` is not an e-mail address"),
        ("Ann <ann@example.org>", "is not an e-mail address"),
        ("mailto:ann@example.org", "other characters"),
        ("a..b@example.org", "other characters"),
        ("ann;bob@example.org", "other characters"),
        ("ann@example..org", "must be a domain"),
        ("ann@localhost", "must be a domain"),
        ("an\u{200B}n@example.org", "U+200B"),
        ("an\u{200F}n@example.org", "U+200F"),
        ("ann@exam\u{2067}ple.org", "U+2067"),
        ("mi\u{212A}e@example.org", "U+212A"),
        (&long, "longer than 64 bytes"),
        ("", "no `@`"),
    ] {
        for (path, body) in
            [(&*list, json!({"role": "owner", "email": email})), ("/profiles", json!({"email": email}))]
        {
            let problem = olga.post(path, body).await.problem(422, "invalid");
            let told = problem["errors"][0]["message"].as_str().unwrap();
            assert!(told.contains(why), "{path} {email:?}: {told}");
            assert!(!told.contains(['\u{200B}', '\u{200F}', '\u{2067}']), "{told:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_accounts_that_claim_one_address_at_once_one_profile_holds_it() {
    let world = World::new().await;
    for round in 0..10 {
        let email = format!("desk{round}@example.org");
        let subjects = ["ann", "bob", "eve"].map(|name| format!("{name}{round}"));
        for subject in &subjects {
            world.verify(subject, Some(&email));
        }
        let people = subjects.map(|subject| world.visitor(&subject));
        let post = |person: &Person<'_>| person.request("POST", "/user", Json::Null);
        let replies = futures::future::join_all(people.iter().map(|person| person.send(post(person)))).await;
        for reply in replies {
            reply.expect(201);
        }
        let owner = holder(&world, &email).await.unwrap();
        // The next to call gets it, because the pool says so.
        let next = &people[round % 3];
        let id = text(&next.get("/user").await.expect(200)["id"]);
        assert_eq!(holder(&world, &email).await, Some(id.clone()), "before, it was {owner}");
        world.verify(&next.subject, None);
        world.pass_millis(REMEMBERED_MILLIS);
        assert_eq!(next.get("/user").await.expect(200).get("email"), None);
        assert_eq!(holder(&world, &email).await, None);
    }
}

#[tokio::test]
async fn an_erasure_frees_the_address_and_takes_it_from_nobody() {
    let world = World::new().await;
    let ann = with_address(&world, "ann", "desk@example.org").await;
    ann.delete("/user").await.expect(202);
    assert_eq!(holder(&world, "desk@example.org").await, None);
    world.work().await;

    // Erased with an address that is another's by now: of the pool, or of the directory as well.
    for signed_up in [false, true] {
        let (ann, bob) = (format!("ann{signed_up}"), format!("bob{signed_up}"));
        let ann = with_address(&world, &ann, "desk@example.org").await;
        world.verify(&ann.subject, None);
        world.verify(&bob, Some("desk@example.org"));
        let bob = world.visitor(&bob);
        if signed_up {
            bob.post("/user", Json::Null).await.expect(201);
        } else {
            world.pass_millis(REMEMBERED_MILLIS);
        }
        let group = world.person(&format!("olga{signed_up}")).await;
        let invitation = invite(&group, &group.group("Diabetes").await, "consumer", "desk@example.org").await;
        ann.delete("/user").await.expect(202);
        world.work().await;
        if !signed_up {
            bob.post("/user", Json::Null).await.expect(201);
        }
        assert_eq!(holder(&world, "desk@example.org").await, Some(bob.id().await));
        assert_eq!(bob.all("/user/invitations").await.len(), 1, "signed up: {signed_up}");
        accept(&bob, &invitation).await.expect(200);
        bob.delete("/user").await.expect(202);
        world.work().await;
    }
}

#[tokio::test]
async fn people_can_be_erased_while_the_pool_does_not_answer() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    world.pass_days(1);
    world.pool.lock().unwrap().insert("ann".into(), Err(UserInfoError::Unavailable));
    ann.delete("/user").await.expect(202);
    assert_eq!(holder(&world, "ann@example.org").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_and_the_next_holder_at_once_leave_the_address_with_the_next() {
    let world = World::new().await;
    for round in 0..10 {
        let email = format!("desk{round}@example.org");
        let ann = with_address(&world, &format!("ann{round}"), &email).await;
        let bob = format!("bob{round}");
        world.verify(&bob, Some(&email));
        let bob = world.visitor(&bob);
        let (erased, made) = futures::join!(ann.delete("/user"), bob.post("/user", Json::Null));
        erased.expect(202);
        assert_eq!(holder(&world, &email).await, Some(text(&made.expect(201)["id"])));
    }
}

#[tokio::test]
async fn the_address_of_a_profiles_maker_can_be_the_one_that_it_is_taken_over_with() {
    let world = World::new().await;
    for waits in [false, true] {
        let email = format!("desk{waits}@example.org");
        let ann = with_address(&world, &format!("ann{waits}"), &email).await;
        let sent = if waits { json!({ "email": email }) } else { json!({}) };
        let made = ann.post("/profiles", sent).await.expect(201);
        let bob = world.visitor(&format!("bob{waits}"));
        world.verify(&ann.subject, None);
        world.verify(&bob.subject, Some(&email));
        let taken = match waits {
            true => bob.post("/user", Json::Null).await.expect(200),
            false => bob.post("/user/claim", json!({"invite": made["invite"]["token"]})).await.expect(200),
        };
        assert_eq!((&taken["id"], &taken["email"]), (&made["id"], &json!(email)));
        assert_eq!(holder(&world, &email).await, Some(text(&made["id"])));
    }
}

#[tokio::test]
async fn an_old_answer_of_the_pool_takes_no_address_from_anybody() {
    let world = World::new().await;
    let ann = with_address(&world, "ann", "desk@example.org").await;
    let before = ann.id().await;
    world.verify("ann", None);
    let bob = with_address(&world, "bob", "desk@example.org").await;
    // A new profile of the same account, moments after the pool called the address hers.
    ann.delete("/user").await.expect(202);
    assert_eq!(ann.post("/user", Json::Null).await.expect(201).get("email"), None);
    let holder = holder(&world, "desk@example.org").await;
    assert_eq!(holder, Some(bob.id().await));
    assert_ne!(UserId::parse(&before).ok(), UserId::parse(&bob.id().await).ok());
}
