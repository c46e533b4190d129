//! Whoever leaves for good leaves nothing.

use domain::address::Address;
use serde_json::{Value as Json, json};
use store::directory::JobKind;

use crate::world::{Person, World, text};

/// Every row of every table, as text.
async fn rows(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for table in ["t-data", "t-replicas", "t-directory"] {
        let mut start = None;
        loop {
            let scan = world.store.client().scan().table_name(table).set_exclusive_start_key(start);
            let page = scan.send().await.unwrap();
            all.extend(page.items().iter().map(|row| format!("{table} {row:?}")));
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
    }
    all
}

/// The rows that have one of these texts.
async fn naming(world: &World, texts: &[String]) -> Vec<String> {
    let all = rows(world).await;
    all.into_iter().filter(|row| texts.iter().any(|text| row.contains(text.as_str()))).collect()
}

/// Somebody with everything that people can have, in two groups of Ann's.
async fn lived_in<'w>(world: &'w World, ann: &Person<'w>) -> (Person<'w>, String, String) {
    let bob = world.person("bob").await;
    let (one, two) = (ann.group("One").await, ann.group("Two").await);
    for group in [&one, &two] {
        ann.admit(group, "provider", &bob).await;
        ann.admit(group, "consumer", ann).await;
        ann.admit(group, "provider", ann).await;
    }
    ann.admit(&one, "consumer", &bob).await;
    ann.admit(&one, "owner", &bob).await;
    for day in 1..=3 {
        for (person, mgdl) in [(&bob, 250), (ann, 240)] {
            let id = person.reading(&format!("2027-01-0{day}T00:00:00Z"), mgdl).await;
            world.replicate(person, &id).await;
        }
    }
    let low = bob.reading("2027-01-09T00:00:00Z", 90).await;
    bob.patch(&format!("/user/data/{low}"), json!({"fields": {"note": "bob's secret"}})).await.expect(200);
    ann.put(&format!("/groups/{one}/audience"), json!({"audience": "ask"})).await.expect(200);
    // Read by Bob and by Ann, each of both.
    ann.get(&format!("/groups/{one}/data")).await.expect(200);
    bob.get(&format!("/groups/{one}/data")).await.expect(200);
    bob.put(&format!("/groups/{one}/contract"), json!({"types": ["glucose"]})).await.expect(200);
    bob.invite(&one, "consumer", "eve").await;
    ann.invite(&two, "consumer", "bob").await;
    let by_id = json!({"role": "owner", "userId": bob.id().await});
    ann.post(&format!("/groups/{two}/invitations"), by_id).await.expect(201);
    let declined = ann.invite(&two, "owner", "bob").await;
    bob.post(&format!("{declined}/decline"), Json::Null).await.expect(204);
    bob.post("/profiles", json!({})).await.expect(201);
    let mut keyed = bob.request("POST", "/groups", json!({"name": "Short-lived"}));
    keyed.headers.insert("idempotency-key".into(), "k".into());
    let gone = text(&bob.send(keyed).await.expect(201)["id"]);
    bob.delete(&format!("/groups/{gone}")).await.expect(204);
    world.work().await;
    (bob, one, two)
}

#[tokio::test]
async fn after_an_erasure_no_table_has_anything_of_the_user() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let (bob, one, two) = lived_in(&world, &ann).await;
    // A group that was left long before, whose tombstones are still there.
    bob.post(&format!("/groups/{two}/leave?role=provider"), Json::Null).await.expect(204);
    world.work().await;
    let traces = vec![
        bob.id().await,
        bob.drive().await,
        "bob@example.org".to_owned(),
        "bob's secret".to_owned(),
        store::keys::email_partition(&Address::parse("bob@example.org").unwrap()),
        store::keys::identity(crate::world::ISSUER, "bob").pk,
    ];
    for trace in &traces {
        assert!(
            !naming(&world, std::slice::from_ref(trace)).await.is_empty(),
            "{trace} is looked for in vain"
        );
    }
    // Somebody has noted the address meanwhile, not knowing that its owner is here already.
    ann.post("/profiles", json!({"email": "Bob@example.org"})).await.expect(201);
    let anns = ann.all("/user/data").await;
    let erasure = bob.delete("/user").await.expect(202);
    assert_eq!((&erasure["status"], &erasure["finished"]), (&json!("open"), &Json::Null));

    // At once, for readers and for themselves.
    for group in [&one, &two] {
        let shown = ann.all(&format!("/groups/{group}/data")).await;
        assert!(shown.iter().all(|item| item["fields"]["mgdl"] == 240), "{shown:?}");
    }
    bob.get("/user").await.problem(404, "no-profile");
    bob.get("/user/data").await.problem(403, "no-profile");

    world.work().await;
    let receipt = bob.get(&format!("/erasures/{}", text(&erasure["id"]))).await.expect(200);
    assert_eq!((&receipt["status"], &receipt["items"]), (&json!("done"), &json!(4)));
    assert!(receipt["copies"].as_u64() > Some(0) && receipt["records"].as_u64() > Some(0), "{receipt}");
    assert_eq!(naming(&world, &traces).await, Vec::<String>::new());

    // And nothing else is gone.
    assert_eq!(ann.all("/user/data").await, anns);
    assert_eq!(ann.all(&format!("/groups/{one}/data")).await.len(), 3);
    let ledger = ann.all("/user/ledger").await;
    assert!(ledger.iter().any(|entry| entry["reader"].is_null()), "read by somebody who is gone");
    let invitations = ann.all(&format!("/groups/{one}/invitations")).await;
    assert!(invitations.iter().any(|i| i["email"] == "eve@example.org" && i.get("invitedBy").is_none()));
}

#[tokio::test]
async fn a_group_must_not_be_left_without_an_owner() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &bob).await;
    let problem = ann.delete("/user").await.problem(409, "last-owner");
    assert_eq!(problem["groups"], json!([{"id": group, "name": "Diabetes"}]));
    assert_eq!(ann.get(&format!("/groups/{group}")).await.expect(200)["roles"], json!(["owner"]));
    let other = ann.group("Other").await;
    ann.delete(&format!("/groups/{other}")).await.expect(204);
    ann.post(&format!("/groups/{group}/transfer"), json!({"to": bob.id().await})).await.expect(204);
    ann.delete("/user").await.expect(202);
}

#[tokio::test]
async fn whoever_was_erased_begins_anew_with_nothing() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let (before, drive) = (ann.id().await, ann.drive().await);
    ann.reading("2027-01-01T00:00:00Z", 93).await;
    let erasure = ann.delete("/user").await.expect(202);
    let user = ann.post("/user", Json::Null).await.expect(201);
    assert!(user["id"] != before.as_str() && user["drive"] != drive.as_str());
    let group = ann.group("Mine again").await;
    ann.reading("2027-01-02T00:00:00Z", 94).await;
    world.work().await;
    assert_eq!(ann.get(&format!("/erasures/{}", text(&erasure["id"]))).await.expect(200)["status"], "done");
    assert_eq!(ann.all("/user/data").await.len(), 1, "what came after stays");
    assert_eq!(ann.get(&format!("/groups/{group}")).await.expect(200)["roles"], json!(["owner"]));
    assert_eq!(naming(&world, &[before, drive]).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_erasure_that_is_asked_for_twice_is_done_once_and_its_job_can_be_repeated() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    ann.reading("2027-01-01T00:00:00Z", 93).await;
    let (id, drive) = (ann.id().await, ann.drive().await);
    let (one, two) = futures::join!(ann.delete("/user"), ann.delete("/user"));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert!(statuses == [202, 404] || statuses == [202, 403], "{statuses:?}");
    let jobs: Vec<_> = world.queue.lock().unwrap().sent.clone();
    let erasures: Vec<_> = jobs.iter().filter(|job| matches!(job.kind, JobKind::Erase { .. })).collect();
    assert_eq!(erasures.len(), 1);
    for _ in 0..2 {
        world.work_on(erasures[0]).await;
        assert_eq!(naming(&world, &[id.clone(), drive.clone()]).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_accepts_an_invitation_while_being_erased_joins_nothing() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    for round in 0..6 {
        if round > 0 {
            // What is offered in the very millisecond of an erasure counts as offered before it.
            let later = world.now().plus_millis(1);
            *world.now.lock().unwrap() = later;
            bob.post("/user", Json::Null).await.expect(201);
        }
        let group = ann.group("Diabetes").await;
        let accept = format!("{}/accept", ann.invite(&group, "consumer", "bob").await);
        let (accepted, erased) = futures::join!(bob.post(&accept, Json::Null), bob.delete("/user"));
        assert_eq!(erased.status, 202, "{:#}", erased.json);
        assert!([200, 403, 404].contains(&accepted.status), "{:#}", accepted.json);
        let members = ann.get(&format!("/groups/{group}")).await.expect(200);
        assert_eq!(members["members"]["consumers"], 0);
    }
}

/// The first pass of an erasure's job, as if the call had been a moment ago; and the job.
async fn first_pass(world: &World, person: &Person<'_>) -> store::directory::Job {
    *world.now.lock().unwrap() = store::clock::now();
    person.delete("/user").await.expect(202);
    let job = world.queue.lock().unwrap().sent.last().unwrap().clone();
    world.work_on(&job).await;
    job
}

#[tokio::test]
async fn what_a_function_writes_that_had_not_heard_of_the_erasure_is_removed_too() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    ann.reading("2027-01-01T00:00:00Z", 93).await;
    let drive = domain::id::DriveId::parse(&ann.drive().await).unwrap();
    let id = text(&ann.get("/user/data").await.expect(200)["items"][0]["id"]);
    let late = world.store.item(&drive, &domain::id::ItemId::parse(&id).unwrap(), &world.document).await;
    let job = first_pass(&world, &ann).await;
    assert!(world.store.job(&job.group, &job.id).await.unwrap().is_open());
    let record = world.store.erasure(&job.id).await.unwrap();
    assert_eq!((record.items, record.finished), (1, None), "the first pass is done, and is not the last");
    world.store.create_item(&late.unwrap()).await.unwrap();
    world.work_on(&job).await;
    let traces = naming(&world, &[drive.to_string()]).await;
    assert!(traces.iter().any(|row| row.starts_with("t-data")), "it waits: {traces:?}");

    let long_ago = store::attr::text(store::clock::now().plus_millis(-3_600_000).to_string());
    let update = world.store.client().update_item().table_name("t-directory");
    let update = update.set_key(Some(store::attr::key_row(&store::keys::job(&job.group, &job.id))));
    let update =
        update.update_expression("SET created = :then").expression_attribute_values(":then", long_ago);
    update.send().await.unwrap();
    world.work_on(&job).await;
    assert_eq!(naming(&world, &[drive.to_string()]).await, Vec::<String>::new());
    let record = world.store.erasure(&job.id).await.unwrap();
    assert_eq!(record.items, 2);
    assert!(record.finished.is_some());
}
