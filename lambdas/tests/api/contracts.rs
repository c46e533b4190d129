//! What providers allow, what that means for the copies, and what is left to say when they are gone.

use domain::id::GroupId;
use domain::rules::Contract;
use serde_json::{Value as Json, json};
use store::directory::JobKind;

use crate::world::{Person, World, text};

/// A group that shares readings above 100, with an owner who reads, and somebody with readings.
async fn study<'w>(world: &'w World) -> (Person<'w>, Person<'w>, String) {
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let everything = json!([{"types": ["glucose"], "history": "all"}]);
    let job = world.rules(&group, everything, 1).await;
    world.work_on(&job).await;
    ann.admit(&group, "consumer", &ann).await;
    for (day, mgdl) in [(1, 110), (2, 120), (3, 90), (4, 250)] {
        bob.reading(&format!("2014-01-0{day}T00:00:00Z"), mgdl).await;
    }
    (ann, bob, group)
}

async fn join(ann: &Person<'_>, bob: &Person<'_>, group: &str, body: Json) -> Json {
    let invitation = ann.invite(group, "provider", &bob.subject).await;
    let accepted = bob.post(&format!("{invitation}/accept"), body).await.expect(200);
    ann.world.work().await;
    accepted
}

/// The values that the group's consumer sees, in the order of time.
async fn seen(ann: &Person<'_>, group: &str) -> Vec<i64> {
    let items = ann.all(&format!("/groups/{group}/data?order=asc")).await;
    items.iter().map(|item| item["fields"]["mgdl"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_provider_chooses_what_of_the_past_comes_along() {
    for (body, expected) in [
        (Json::Null, vec![110, 120, 90, 250]),
        (json!({}), vec![110, 120, 90, 250]),
        (json!({"past": "all"}), vec![110, 120, 90, 250]),
        (json!({"past": "none"}), vec![]),
        (json!({"past": {"since": "2014-01-03T00:00:00Z"}}), vec![90, 250]),
        (json!({"contract": {"types": ["glucose"], "when": "resource.mgdl > 115"}}), vec![120, 250]),
        (
            json!({"past": {"since": "2014-01-03T00:00:00Z"}, "contract": {"to": "2014-01-04T00:00:00Z"}}),
            vec![90],
        ),
    ] {
        let world = World::new().await;
        let (ann, bob, group) = study(&world).await;
        join(&ann, &bob, &group, body.clone()).await;
        assert_eq!(seen(&ann, &group).await, expected, "{body}");
    }
}

#[tokio::test]
async fn every_mistake_of_a_contract_is_told_and_nobody_joins_by_it() {
    let world = World::new().await;
    let (ann, bob, group) = study(&world).await;
    let invitation = ann.invite(&group, "provider", "bob").await;
    let accept = format!("{invitation}/accept");
    for (contract, field) in [
        (json!({"types": ["glucos"]}), "contract.types.0"),
        (json!({"when": "true"}), "contract.types"),
        (json!({"types": ["glucose"], "when": "resource.mgd > 1"}), "contract.when"),
        (json!({"types": ["glucose"], "when": "resource.mgdl >"}), "contract.when"),
        (json!({"from": "2015-01-01T00:00:00Z", "to": "2014-01-01T00:00:00Z"}), "contract.to"),
    ] {
        let problem = bob.post(&accept, json!({"contract": contract})).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{problem:#}");
    }
    bob.post(&accept, json!({"past": "some"})).await.problem(400, "bad-request");
    bob.post(&accept, json!({"contact": {}})).await.problem(400, "bad-request");
    bob.get(&format!("/groups/{group}/contract")).await.problem(404, "not-found");
    let consumer = ann.invite(&group, "consumer", "bob").await;
    bob.post(&format!("{consumer}/accept"), json!({"past": "none"})).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_narrowed_contract_takes_away_at_once_and_a_widened_one_gives_back() {
    let world = World::new().await;
    let (ann, bob, group) = study(&world).await;
    join(&ann, &bob, &group, Json::Null).await;
    let path = format!("/groups/{group}/contract");
    assert_eq!(bob.get(&path).await.expect(200), json!({"contract": {}, "revision": 0}));

    let narrow = json!({"types": ["glucose"], "when": "resource.mgdl > 115"});
    let answer = bob.put(&path, narrow.clone()).await.expect(200);
    assert_eq!((&answer["contract"], &answer["revision"]), (&narrow, &json!(1)));
    assert_eq!(seen(&ann, &group).await, [120, 250], "before any job has run");
    let rows = world.replica_rows(&group, "glucose").await;
    world.work().await;
    assert_eq!(seen(&ann, &group).await, [120, 250]);
    assert_eq!(world.live_replicas(&group, "glucose").await, 2, "of {rows} rows");

    // What is written from now on is under the contract as well.
    let (low, high) =
        (bob.reading("2014-02-01T00:00:00Z", 60).await, bob.reading("2014-02-02T00:00:00Z", 300).await);
    world.replicate(&bob, &low).await;
    world.replicate(&bob, &high).await;
    assert_eq!(seen(&ann, &group).await, [120, 250, 300]);

    bob.put(&path, json!({})).await.expect(200);
    world.work().await;
    assert_eq!(seen(&ann, &group).await, [110, 120, 90, 250, 60, 300]);
    let same = bob.put(&path, json!({})).await.expect(200);
    assert_eq!((&same["revision"], same.get("job")), (&json!(2), None), "nothing changed, nothing to do");
}

#[tokio::test]
async fn several_changes_before_any_job_has_run_come_to_the_last_one() {
    let world = World::new().await;
    let (ann, bob, group) = study(&world).await;
    join(&ann, &bob, &group, Json::Null).await;
    let path = format!("/groups/{group}/contract");
    for contract in [
        json!({"types": []}),
        json!({"types": ["glucose"], "when": "!(resource has note)"}),
        json!({"from": "2014-01-02T00:00:00Z"}),
    ] {
        bob.put(&path, contract).await.expect(200);
    }
    // The jobs are delivered in the wrong order, and twice.
    let jobs = std::mem::take(&mut world.queue.lock().unwrap().sent);
    assert_eq!(jobs.len(), 3);
    for job in jobs.iter().rev().chain(&jobs) {
        world.work_on(job).await;
    }
    assert_eq!(seen(&ann, &group).await, [120, 90, 250]);
    assert_eq!(world.live_replicas(&group, "glucose").await, 3);
}

#[tokio::test]
async fn contracts_of_finished_jobs_still_count_for_a_while() {
    let world = World::new().await;
    let (ann, bob, group) = study(&world).await;
    join(&ann, &bob, &group, Json::Null).await;
    let narrow = json!({"types": ["glucose"], "when": "resource.mgdl > 115"});
    bob.put(&format!("/groups/{group}/contract"), narrow).await.expect(200);
    world.work().await;
    // A writer that has read the membership before that change may read the rules after this one.
    let rules = json!([{"types": ["glucose"], "when": "resource.mgdl > 95", "history": "all"}]);
    let job = world.rules(&group, rules, 1).await;
    world.work_on(&job).await;
    let jobs = world.store.jobs(&GroupId::parse(&group).unwrap()).await.unwrap();
    let mut revisions = jobs.iter().filter_map(|job| match &job.kind {
        JobKind::Revise { contracts, .. } if job.is_open() => Some(contracts),
        _ => None,
    });
    assert_eq!(revisions.next(), Some(&vec![Contract::default()]), "{jobs:#?}");
    assert_eq!(revisions.next(), None);
}

#[tokio::test]
async fn a_contract_is_its_providers_alone() {
    let world = World::new().await;
    let (ann, bob, group) = study(&world).await;
    join(&ann, &bob, &group, Json::Null).await;
    let eve = world.person("eve").await;
    let path = format!("/groups/{group}/contract");
    // Members know of the group, and are told why not.
    for (person, status, slug) in [(&ann, 403, "forbidden"), (&eve, 404, "not-found")] {
        person.get(&path).await.problem(status, slug);
        person.put(&path, json!({})).await.problem(status, slug);
    }
}

#[tokio::test]
async fn leaving_leaves_a_receipt_that_counts_to_zero() {
    let world = World::new().await;
    let (ann, bob, group) = study(&world).await;
    let narrow = json!({"contract": {"types": ["glucose"], "when": "resource.mgdl > 100"}});
    join(&ann, &bob, &group, narrow).await;
    assert_eq!(bob.all("/user/receipts").await, [] as [Json; 0]);
    bob.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
    world.work().await;
    let receipts = bob.all("/user/receipts").await;
    assert_eq!(receipts.len(), 1, "{receipts:#?}");
    let count = |name: &str| receipts[0][name].as_u64().unwrap();
    assert_eq!((count("expected"), count("deleted"), count("remaining")), (3, 3, 0));
    assert_eq!(receipts[0]["group"], group.as_str());
    assert_eq!(world.live_replicas(&group, "glucose").await, 0);
    assert_eq!(ann.all("/user/receipts").await, [] as [Json; 0], "a receipt is for whose data it was");
}

#[tokio::test]
async fn a_purge_finds_copies_whose_items_are_gone() {
    let world = World::new().await;
    let (ann, bob, group) = study(&world).await;
    join(&ann, &bob, &group, Json::Null).await;
    // An item that vanished without anybody telling the copies: no key follows from it any more.
    let items = bob.all("/user/data").await;
    world.lose_item(&bob, &text(&items[0]["id"])).await;
    bob.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
    world.work().await;
    assert_eq!(world.live_replicas(&group, "glucose").await, 0);
    let receipts = bob.all("/user/receipts").await;
    let count = |name: &str| receipts[0][name].as_u64().unwrap();
    assert_eq!((count("expected"), count("deleted"), count("remaining")), (3, 4, 0));
}

#[tokio::test]
async fn everybody_has_a_receipt_of_a_deleted_group() {
    let world = World::new().await;
    let (ann, bob, group) = study(&world).await;
    join(&ann, &bob, &group, Json::Null).await;
    ann.reading("2014-03-01T00:00:00Z", 200).await;
    let ann_too = ann.invite(&group, "provider", "ann").await;
    ann.post(&format!("{ann_too}/accept"), Json::Null).await.expect(200);
    world.work().await;
    assert_eq!(world.live_replicas(&group, "glucose").await, 5);
    ann.delete(&format!("/groups/{group}")).await.expect(204);
    world.work().await;
    assert_eq!(world.live_replicas(&group, "glucose").await, 0);
    for (person, copies) in [(&ann, 1), (&bob, 4)] {
        let receipts = person.all("/user/receipts").await;
        assert_eq!(receipts.len(), 1);
        assert_eq!((&receipts[0]["deleted"], &receipts[0]["remaining"]), (&json!(copies), &json!(0)));
    }
}

#[tokio::test]
async fn a_preview_tells_what_would_be_shared_and_with_whom_and_shares_nothing() {
    let world = World::new().await;
    let (ann, bob, group) = study(&world).await;
    let invitation = ann.invite(&group, "provider", "bob").await;
    let preview = bob.get(&format!("{invitation}/preview")).await.expect(200);
    assert_eq!(preview["groupName"], "Diabetes");
    assert_eq!(preview["consumers"]["count"], 1);
    assert_eq!(preview["consumers"]["first"][0]["email"], "ann@example.org");
    let glucose = |preview: &Json| {
        let types = preview["types"].as_array().unwrap();
        types.iter().find(|of| of["type"] == "glucose").cloned().unwrap()
    };
    let all = glucose(&preview);
    assert_eq!((&all["items"], &all["complete"]), (&json!(4), &json!(true)));
    assert_eq!(all["oldest"], "2014-01-01T00:00:00Z");
    assert_eq!(all["newest"], "2014-01-04T00:00:00Z");
    assert!(all["fields"].as_array().unwrap().contains(&json!("mgdl")));
    let some =
        "past=2014-01-02T00:00:00Z&types=glucose&when=resource.mgdl%20%3E%20100&to=2014-01-04T00:00:00Z";
    let some = bob.get(&format!("{invitation}/preview?{some}")).await.expect(200);
    assert_eq!(some["types"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&glucose(&some)["items"], &glucose(&some)["oldest"]),
        (&json!(1), &json!("2014-01-02T00:00:00Z"))
    );
    assert_eq!(glucose(&bob.get(&format!("{invitation}/preview?past=none")).await.expect(200))["items"], 0);
    bob.get(&format!("{invitation}/preview?past=some")).await.problem(400, "invalid-parameter");
    bob.get(&format!("{invitation}/preview?when=true")).await.problem(422, "invalid");
    ann.get(&format!("{invitation}/preview")).await.problem(403, "forbidden");
    // Who will only read learns how many others do, and not who.
    let (eve, group) = (world.person("eve").await, invitation.split('/').nth(2).unwrap());
    for (role, named) in [("consumer", 0), ("owner", 1)] {
        let invitation = ann.invite(group, role, "eve").await;
        let preview = eve.get(&format!("{invitation}/preview")).await.expect(200);
        assert_eq!(preview["consumers"]["count"], 1, "{role}");
        assert_eq!(preview["consumers"]["first"].as_array().unwrap().len(), named, "{role}");
    }
    assert_eq!(world.replica_rows(group, "glucose").await, 0);
    assert!(bob.all("/user/members").await.is_empty());
}
