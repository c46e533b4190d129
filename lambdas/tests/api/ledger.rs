//! Who was shown what, and everything that an owner can take with them.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::world::{World, text};

#[tokio::test]
async fn every_page_of_a_groups_data_leaves_an_entry_for_each_provider_it_showed() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person("ann").await, world.person("bob").await, world.person("eve").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &ann).await;
    for person in [&bob, &eve] {
        ann.admit(&group, "provider", person).await;
    }
    for day in 1..=3 {
        world.replicate(&bob, &bob.reading(&format!("2027-01-0{day}T00:00:00Z"), 250).await).await;
    }
    world.replicate(&eve, &eve.reading("2027-01-02T12:00:00Z", 250).await).await;
    let memo = json!({"type": "memo", "fields": {"at": "2027-01-02T13:00:00Z"}});
    world.replicate(&bob, &text(&bob.post("/user/data", memo).await.expect(201)["id"])).await;
    // Not shown, and so not noted.
    world.replicate(&eve, &eve.reading("2027-01-05T12:00:00Z", 10).await).await;

    let list = format!("/groups/{group}/data");
    assert_eq!(ann.get(&list).await.expect(200)["items"].as_array().unwrap().len(), 5);
    ann.get(&format!("{list}/types/glucose?order=asc&limit=1")).await.expect(200);
    let entries = bob.all("/user/ledger?limit=1").await;
    let expected = |count: u64, types: Json| {
        json!({
            "group": group, "reader": "ann", "at": "2026-01-01T00:00:00Z", "count": count, "types": types,
        })
    };
    let ann_id = ann.id().await;
    let named = |mut entry: Json| {
        assert_eq!(entry["reader"], ann_id.as_str());
        entry["reader"] = "ann".into();
        entry
    };
    let entries: Vec<Json> = entries.into_iter().map(named).collect();
    assert_eq!(entries, [expected(1, json!({"glucose": 1})), expected(4, json!({"glucose": 3, "memo": 1}))]);
    let entries: Vec<Json> = eve.all("/user/ledger").await.into_iter().map(named).collect();
    assert_eq!(entries, [expected(1, json!({"glucose": 1}))]);
    assert!(ann.all("/user/ledger").await.is_empty());
}

#[tokio::test]
async fn what_is_refused_or_empty_leaves_no_entry() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "provider", &bob).await;
    world.replicate(&bob, &bob.reading("2027-01-01T00:00:00Z", 250).await).await;
    ann.get(&format!("/groups/{group}/data")).await.problem(403, "forbidden");
    ann.admit(&group, "consumer", &ann).await;
    ann.get(&format!("/groups/{group}/data?to=2027-01-01T00:00:00Z")).await.expect(200);
    assert!(bob.all("/user/ledger").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_while_it_cannot_be_noted() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &ann).await;
    ann.admit(&group, "provider", &bob).await;
    world.replicate(&bob, &bob.reading("2027-01-01T00:00:00Z", 250).await).await;
    let list = format!("/groups/{group}/data");
    assert_eq!(ann.all(&list).await.len(), 1);
    let client = world.store.client().clone();
    let lost = async move { drop(client.delete_table().table_name("t-directory").send().await.unwrap()) };
    *world.meanwhile.lock().unwrap() = Some(("BatchWriteItem", Box::pin(lost)));
    let problem = ann.get(&list).await.problem(503, "unavailable");
    assert!(problem.get("items").is_none());
}

/// All entries of an export, page by page; each page is as short as was asked for.
async fn export(person: &crate::world::Person<'_>, limit: usize) -> Vec<Json> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let at = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = person.get(&format!("/user/data/export?limit={limit}{at}")).await.expect(200);
        let entries = page["items"].as_array().unwrap();
        assert!(!entries.is_empty() && entries.len() <= limit);
        found.extend(entries.iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return found,
        }
    }
}

#[tokio::test]
async fn an_export_has_everything_whatever_the_size_of_its_pages() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let (one, two) = (ann.group("One").await, ann.group("Two").await);
    ann.admit(&one, "consumer", &ann).await;
    for group in [&one, &two] {
        ann.admit(group, "provider", &bob).await;
    }
    let narrow = json!({"types": ["glucose"]});
    bob.put(&format!("/groups/{one}/contract"), narrow.clone()).await.expect(200);
    ann.admit(&one, "consumer", &bob).await;
    ann.invite(&two, "consumer", "bob").await;
    for day in 1..=3 {
        world.replicate(&bob, &bob.reading(&format!("2027-01-0{day}T00:00:00Z"), 250).await).await;
    }
    let memo = json!({"type": "memo", "fields": {"at": "2027-01-02T13:00:00Z", "text": "dear diary"}});
    bob.post("/user/data", memo).await.expect(201);
    for _ in 0..3 {
        ann.get(&format!("/groups/{one}/data")).await.expect(200);
    }
    bob.post(&format!("/groups/{two}/leave"), Json::Null).await.expect(204);
    world.work().await;

    let all = export(&bob, 500).await;
    let of =
        |kind: &str| all.iter().filter(|e| e["kind"] == kind).map(|e| e[kind].clone()).collect::<Vec<_>>();
    assert_eq!(of("profile"), [bob.get("/user").await.expect(200)]);
    assert_eq!(of("invitation"), bob.all("/user/invitations").await);
    assert_eq!(of("receipt"), bob.all("/user/receipts").await);
    assert_eq!(of("ledger"), bob.all("/user/ledger").await);
    assert_eq!(of("item"), bob.all("/user/data?order=asc").await);
    assert_eq!((of("receipt").len(), of("ledger").len(), of("item").len()), (1, 3, 4));
    let memberships = of("membership");
    assert_eq!(memberships.len(), 2);
    assert_eq!(memberships[0]["contract"], narrow);
    assert_eq!(memberships[1]["roles"], json!(["consumer"]));
    for limit in [1, 2, 3] {
        assert_eq!(export(&bob, limit).await, all, "pages of {limit}");
    }
    let cursor = text(&bob.get("/user/data/export?limit=1").await.expect(200)["next"]);
    ann.get(&format!("/user/data/export?cursor={cursor}")).await.problem(400, "invalid-parameter");
}

#[tokio::test]
async fn an_export_of_ten_thousand_items_is_complete_in_pages_of_bounded_size() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let mut made = BTreeSet::new();
    for hundred in 0..100 {
        let reading = |n| {
            let time = format!("2020-01-01T{:02}:{:02}:{:02}Z", hundred / 60, hundred % 60, n % 60);
            json!({"type": "glucose", "fields": {"takenAt": time, "mgdl": n, "note": "x".repeat(200)}})
        };
        let items: Vec<Json> = (0..100).map(reading).collect();
        let answer = ann.post("/user/data/batch", json!({"items": items})).await.expect(200);
        made.extend(answer["results"].as_array().unwrap().iter().map(|result| text(&result["id"])));
    }
    assert_eq!(made.len(), 10_000);
    let (mut seen, mut pages, mut largest, mut reads) = (BTreeSet::new(), 0, 0, 0);
    let mut cursor = String::new();
    loop {
        world.calls.lock().unwrap().clear();
        let page = ann.get(&format!("/user/data/export{cursor}")).await.expect(200);
        reads = reads.max(world.calls.lock().unwrap().len());
        largest = largest.max(page.to_string().len());
        pages += 1;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().filter(|e| e["kind"] == "item").map(|e| text(&e["item"]["id"])));
        match page["next"].as_str() {
            Some(next) => cursor = format!("?cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, made);
    // A page never holds more than 500 entries, reads no more than those, and so takes the same room at any size.
    assert!(pages >= 20 && largest < 400_000 && reads <= 12, "{pages} pages, {largest} bytes, {reads} reads");
}
