//! What happens at the same time has one right outcome, whoever comes first.

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use serde_json::{Value as Json, json};

use crate::database::Refused;
use crate::world::{Person, World, text};

const TIME: &str = "2014-02-03T03:42:12Z";
/// How often each race is run: who comes first differs from run to run.
const RUNS: usize = 8;

async fn owners(person: &Person<'_>, group: &str) -> u64 {
    person.get(&format!("/groups/{group}")).await.expect(200)["members"]["owners"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_owners_who_remove_each_other_exactly_one_stays() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    for _ in 0..RUNS {
        let group = ann.group("Diabetes").await;
        ann.admit(&group, "owner", &bob).await;
        let (a, b) = (
            format!("/groups/{group}/members/{}", ann.id().await),
            format!("/groups/{group}/members/{}", bob.id().await),
        );
        let (one, two) = futures::join!(ann.delete(&b), bob.delete(&a));
        let (winner, loser) = if one.status == 204 { (&ann, two) } else { (&bob, one) };
        assert!([403, 404, 409].contains(&loser.status), "{:#}", loser.json);
        assert_eq!(owners(winner, &group).await, 1);
        let other = if winner.subject == "ann" { &bob } else { &ann };
        other.get(&format!("/groups/{group}")).await.problem(404, "not-found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_a_moment_ago_removes_nobody() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person("ann").await, world.person("bob").await, world.person("eve").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "owner", &bob).await;
    ann.admit(&group, "owner", &eve).await;
    let member = |id: String| format!("/groups/{group}/members/{id}");
    let eves = member(eve.id().await);
    // Bob has been looked up as an owner, and is removed before his removal of Eve is written.
    let removal = {
        let (store, user, by) = (world.store.clone(), bob.id().await, ann.id().await);
        let group = domain::id::GroupId::parse(&group).unwrap();
        async move {
            let user = domain::id::UserId::parse(&user).unwrap();
            let membership = store.user_membership(&group, &user).await.unwrap();
            let by = domain::id::UserId::parse(&by).ok();
            let leaving =
                store::directory::Leaving { user: membership, who: Some(user), by, ..Default::default() };
            let group = store.group(&group).await.unwrap();
            store.leave(&group, &leaving, store::clock::now()).await.unwrap();
        }
    };
    *world.meanwhile.lock().unwrap() = Some(("TransactWriteItems", Box::pin(removal)));
    bob.delete(&eves).await.problem(403, "forbidden");
    assert_eq!(owners(&eve, &group).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_who_leave_or_are_demoted_at_once_never_leave_a_group_without_one() {
    let world = World::new().await;
    let people = [world.person("ann").await, world.person("bob").await, world.person("eve").await];
    let [ann, bob, eve] = &people;
    for run in 0..RUNS {
        let group = ann.group("Diabetes").await;
        for person in [bob, eve] {
            ann.admit(&group, "owner", person).await;
            ann.admit(&group, "consumer", person).await;
        }
        ann.admit(&group, "consumer", ann).await;
        let member = |id: String| format!("/groups/{group}/members/{id}");
        let (bobs, eves) = (member(bob.id().await), member(eve.id().await));
        let leave = format!("/groups/{group}/leave?role=owner");
        let demoted = json!({"roles": ["consumer"]});
        let transfer = json!({"to": ann.id().await});
        let transfer_at = format!("/groups/{group}/transfer");
        let (one, two, three) = futures::join!(
            ann.post(&leave, Json::Null),
            ann.patch(if run % 2 == 0 { &bobs } else { &eves }, demoted.clone()),
            eve.post(&transfer_at, transfer),
        );
        for reply in [&one, &two, &three] {
            assert!([200, 204, 403, 409, 422].contains(&reply.status), "{:#}", reply.json);
        }
        let held = join_all(people.iter().map(|person| async {
            person.get(&format!("/groups/{group}")).await.expect(200)["roles"].to_string().contains("owner")
        }));
        let held = held.await.into_iter().filter(|owns| *owns).count() as u64;
        assert!(held >= 1);
        assert_eq!(owners(bob, &group).await, held, "the count is right");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_accepted_and_revoked_at_once_is_one_or_the_other() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    for _ in 0..RUNS {
        let group = ann.group("Diabetes").await;
        let path = ann.invite(&group, "consumer", "bob").await;
        let accept = format!("{path}/accept");
        let (accepted, revoked) = futures::join!(bob.post(&accept, Json::Null), ann.delete(&path));
        let seen = bob.get(&format!("/groups/{group}")).await.status;
        match (accepted.status, revoked.status) {
            (200, 409) => assert_eq!(seen, 200),
            (409, 204) => assert_eq!(seen, 404),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn who_was_removed_is_not_let_in_by_the_invitation_of_before() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    for (role, id) in [("consumer", bob.id().await), ("provider", bob.drive().await)] {
        let path = format!("{}/accept", ann.invite(&group, role, "bob").await);
        bob.post(&path, Json::Null).await.expect(200);
        bob.post(&path, Json::Null).await.expect(200);
        ann.delete(&format!("/groups/{group}/members/{id}")).await.expect(204);
        bob.post(&path, Json::Null).await.problem(409, "not-acceptable");
        bob.get(&format!("/groups/{group}")).await.problem(404, "not-found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_never_brings_back_what_is_deleted_at_the_same_time() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for _ in 0..RUNS {
        let path = format!("/user/data/{}", ann.reading(TIME, 93).await);
        let (patched, deleted) =
            futures::join!(ann.patch(&path, json!({"fields": {"mgdl": 94}})), ann.delete(&path));
        assert_eq!(deleted.status, 204);
        assert!([200, 404].contains(&patched.status), "{:#}", patched.json);
        ann.get(&path).await.problem(404, "not-found");
    }
    assert!(ann.all("/user/data").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_patches_and_deletions_of_one_version_exactly_one_takes_effect() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for run in 0..RUNS {
        let path = format!("/user/data/{}", ann.reading(TIME, 93).await);
        let send = async |n: usize| {
            let body = if n == 0 { Json::Null } else { json!({"fields": {"mgdl": 100 + n}}) };
            let method = if n == 0 && run % 2 == 0 { "DELETE" } else { "PATCH" };
            let body =
                if body.is_null() && method == "PATCH" { json!({"fields": {"mgdl": 99}}) } else { body };
            let mut request = ann.request(method, &path, body);
            request.headers.insert("if-match".into(), "\"1\"".into());
            ann.send(request).await
        };
        let replies = join_all((0..6).map(send)).await;
        let won = replies.iter().filter(|reply| reply.status < 300).count();
        assert_eq!(won, 1, "{replies:?}");
        assert!(replies.iter().all(|reply| reply.status < 300 || [404, 412].contains(&reply.status)));
        if let Some(winner) = replies.iter().find(|reply| reply.status == 200) {
            assert_eq!(ann.get(&path).await.expect(200), winner.json);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_of_different_fields_all_survive() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for _ in 0..RUNS {
        let path = format!("/user/data/{}", ann.reading(TIME, 93).await);
        let patches =
            [json!({"mgdl": 94}), json!({"note": "n"}), json!({"device": "d"}), json!({"raw": {"a": 1}})];
        let sent = patches.map(|fields| {
            let path = &path;
            let ann = &ann;
            async move { ann.patch(path, json!({"fields": fields})).await.expect(200) }
        });
        let versions = join_all(sent).await;
        let mut versions: Vec<u64> = versions.iter().map(|item| item["version"].as_u64().unwrap()).collect();
        versions.sort_unstable();
        assert_eq!(versions, [2, 3, 4, 5], "each is a version of its own");
        let item = ann.get(&path).await.expect(200);
        let fields = json!({"takenAt": TIME, "mgdl": 94, "note": "n", "device": "d", "raw": {"a": 1}});
        assert_eq!(item["fields"], fields);
        assert_eq!(text(&item["time"]), TIME);
    }
}

/// Lets a reader meet the next change of a group's roster half done: its row has been reached, the roster has not.
/// From then on the database may refuse something.
fn meet_half_done(world: &World, group: &str, refused: Option<Refused>) {
    let id = domain::id::GroupId::parse(group).unwrap();
    let (store, document, said) = (world.store.clone(), world.document.clone(), world.said.clone());
    let refuses = world.refused.clone();
    let half_done = async move {
        let update = said.lock().unwrap()["TransactItems"][0]["Update"].clone();
        let (client, key) = (store.client(), store::attr::key_row(&store::keys::group(&id)));
        let before = client.get_item().table_name("t-directory").set_key(Some(key.clone())).send().await;
        let names = update["ExpressionAttributeNames"].as_object().unwrap().iter();
        let values = update["ExpressionAttributeValues"].as_object().unwrap().iter();
        let reach = client
            .update_item()
            .table_name("t-directory")
            .set_key(Some(key))
            .update_expression(text(&update["UpdateExpression"]))
            .condition_expression(text(&update["ConditionExpression"]))
            .set_expression_attribute_names(Some(names.map(|(name, of)| (name.clone(), text(of))).collect()))
            .set_expression_attribute_values(Some(
                values.map(|(name, of)| (name.clone(), attribute(of))).collect(),
            ));
        reach.send().await.unwrap();
        store.roster(&store.group(&id).await.unwrap(), &document).await.unwrap();
        let before = before.unwrap().item;
        client.put_item().table_name("t-directory").set_item(before).send().await.unwrap();
        *refuses.lock().unwrap() = refused;
    };
    *world.meanwhile.lock().unwrap() = Some(("TransactWriteItems", Box::pin(half_done)));
}

fn attribute(value: &Json) -> AttributeValue {
    match value.as_object().unwrap().iter().next().unwrap() {
        (kind, value) if kind == "S" => AttributeValue::S(text(value)),
        (kind, value) if kind == "N" => AttributeValue::N(text(value)),
        (kind, values) if kind == "SS" => {
            AttributeValue::Ss(values.as_array().unwrap().iter().map(text).collect())
        }
        other => panic!("no change of a roster has {other:?}"),
    }
}

/// A transaction reaches its rows one after the other. What a reader has found of one that was half done must not outlast
/// the answer to whoever asked for it.
async fn what_counts_after(what: &str, refused: Option<Refused>) {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group(what).await;
    let item = bob.reading(TIME, 250).await;
    if what != "join" {
        ann.admit(&group, "provider", &bob).await;
    }
    ann.admit(&group, "consumer", &bob).await;
    ann.admit(&group, "consumer", &ann).await;
    let reader = if what == "reader" { &bob } else { &ann };
    let list = format!("/groups/{group}/data");
    if what != "join" {
        world.replicate(&bob, &item).await;
        assert_eq!(reader.all(&list).await.len(), 1, "{what}");
    }
    let invitation = ann.invite(&group, "provider", &bob.subject).await;
    meet_half_done(&world, &group, refused);
    match what {
        "join" => bob.post(&format!("{invitation}/accept"), Json::Null).await.expect(200),
        "leave" => bob.post(&format!("/groups/{group}/leave?role=provider"), Json::Null).await.expect(204),
        "contract" => {
            let contract = json!({"types": ["glucose"], "when": "resource.mgdl > 300"});
            bob.put(&format!("/groups/{group}/contract"), contract).await.expect(200)
        }
        "audience" => {
            let anns = format!("/groups/{group}/audience/{}", ann.id().await);
            bob.delete(&anns).await.expect(200)
        }
        _ => {
            let path = format!("/groups/{group}/members/{}", bob.id().await);
            ann.delete(&path).await.expect(204)
        }
    };
    assert!(world.meanwhile.lock().unwrap().is_none(), "{what}: something was done meanwhile");
    match what {
        "reader" => drop(reader.get(&list).await.problem(403, "forbidden")),
        "join" => {
            world.replicate(&bob, &item).await;
            assert_eq!(reader.all(&list).await.len(), 1, "{what}");
        }
        _ => assert_eq!(reader.all(&list).await, Vec::<Json>::new(), "{what}"),
    }
}

const CHANGES: [&str; 5] = ["join", "leave", "contract", "audience", "reader"];

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_met_a_change_half_done_changes_no_later_list() {
    for what in CHANGES {
        what_counts_after(what, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_end_could_not_be_noted_counts_all_the_same() {
    let denied = ("UpdateItem", r#"{"__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException"}"#);
    for what in CHANGES {
        what_counts_after(what, Some(denied)).await;
    }
}
