//! What is wrong with a copy, and what becomes of it.

use super::*;

#[tokio::test]
async fn a_copy_that_was_deleted_by_hand_is_written_again() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let before = copies(&world).await;
    delete(&world, "t-replicas", &shared.copy_of(&shared.high).await).await;
    assert_eq!(shared.seen().await, [250]);
    shared.repairs(Counts { missing: 1, ..Counts::default() }).await;
    assert_eq!(copies(&world).await, before);
}

#[tokio::test]
async fn a_copy_that_was_added_by_hand_is_removed() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let before = copies(&world).await;
    let order = order_of(&before[&shared.copy_of(&shared.high).await]);
    // Of an item that no rule selects, made to look as if one did.
    let added = shared.copy_of(&shared.low).await;
    put(&world, "t-replicas", copy(&added, order, 300)).await;
    assert_eq!(shared.seen().await, [200, 250, 300], "readers cannot know");
    shared.repairs(Counts { orphans: 1, ..Counts::default() }).await;
    assert_eq!(copies(&world).await, before);
    // Of an item that is nobody's. A tombstone stays: a late record of it must not bring it back.
    let glucose = Name::parse("glucose").unwrap();
    let never = ItemId::new(domain::time::Timestamp::parse("2014-01-05T00:00:00Z").unwrap(), &glucose, 7);
    let added = shared.copy_of(never.as_str()).await;
    put(&world, "t-replicas", copy(&added, order, 300)).await;
    shared.repairs(Counts { orphans: 1, ..Counts::default() }).await;
    assert!(order_of(&copies(&world).await[&added]).dead);
}

#[tokio::test]
async fn values_of_a_field_that_left_its_type_are_removed_from_copies_and_come_back_with_it() {
    let mut world = World::new().await;
    let (device, group) = (Name::parse("device").unwrap(), {
        let (ann, bob) = (world.person("ann").await, world.person("bob").await);
        let group = ann.group("everything").await;
        ann.admit(&group, "consumer", &ann).await;
        let fields = json!({"takenAt": "2014-01-01T00:00:00Z", "mgdl": 200, "device": "d1"});
        bob.post("/user/data", json!({"type": "glucose", "fields": fields})).await.expect(201);
        ann.admit(&group, "provider", &bob).await;
        world.rules(&group, json!([{"types": ["glucose"]}]), 1).await;
        world.work().await;
        world.pass_days(1);
        group
    });
    let carried = async |world: &World| {
        let rows = copies(world).await;
        let bodies: Vec<_> = rows.values().filter_map(|row| row.get("body")?.as_m().ok().cloned()).collect();
        assert_eq!(bodies.len(), 1);
        bodies[0].get("device").and_then(|value| value.as_s().ok().cloned())
    };
    let shown = async |world: &World| {
        let items = world.visitor("ann").all(&format!("/groups/{group}/data")).await;
        items[0]["fields"].get("device").cloned()
    };
    let declared = world.document.data_types["glucose"].fields[&device].clone();
    assert_eq!(carried(&world).await.as_deref(), Some("d1"));
    world.deploy(|document| drop(document.data_types.get_mut("glucose").unwrap().fields.remove(&device)));
    assert_eq!(shown(&world).await, None, "it is hidden before it is removed");
    assert_eq!(scrub(&world, FULL).await.unwrap().found.repaired(), 1);
    assert_eq!(carried(&world).await, None);
    assert_eq!(scrub(&world, FULL).await.unwrap().found.repaired(), 0);
    world.deploy(|document| {
        drop(document.data_types.get_mut("glucose").unwrap().fields.insert(device.clone(), declared));
    });
    assert_eq!(scrub(&world, FULL).await.unwrap().found.repaired(), 1);
    assert_eq!(carried(&world).await.as_deref(), Some("d1"));
    assert_eq!(shown(&world).await, Some(json!("d1")));
}

#[tokio::test]
async fn a_copy_in_a_partition_where_its_group_keeps_none_is_removed() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let before = copies(&world).await;
    let (pk, sk) = shared.copy_of(&shared.high).await;
    let row = before[&(pk.clone(), sk.clone())].clone();
    let elsewhere = (pk.replace("#0", "#4.1"), sk);
    put(&world, "t-replicas", row.into_iter().chain(key_row(&elsewhere)).collect()).await;
    shared.repairs(Counts { orphans: 1, ..Counts::default() }).await;
    assert_eq!(copies(&world).await, before);
}

#[tokio::test]
async fn a_copy_with_a_wrong_field_order_or_body_is_replaced() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let before = copies(&world).await;
    let key = shared.copy_of(&shared.high).await;
    let row = &before[&key];
    let order = order_of(row);
    let with = |name: &str, value: AttributeValue| {
        let mut row = row.clone();
        row.insert(name.to_owned(), value);
        row
    };
    let text = |order: CopyOrder| attr::text(order.to_string());
    let altered = [
        copy(&key, order, 999),
        with("exp", attr::number(world.now().seconds() + 1000)),
        with("ord", text(CopyOrder { version: 9, ..order })),
        with("ord", text(CopyOrder { dead: true, ..order })),
        with("ord", attr::text("nonsense")),
        with("body", attr::text("nonsense")),
        key_row(&key),
    ];
    for altered in altered {
        put(&world, "t-replicas", altered).await;
        shared.repairs(Counts { altered: 1, ..Counts::default() }).await;
        assert_eq!(copies(&world).await, before);
    }
    put(&world, "t-replicas", with("ord", text(CopyOrder { version: 0, ..order }))).await;
    shared.repairs(Counts { outdated: 1, ..Counts::default() }).await;
    assert_eq!(copies(&world).await, before);
}

#[tokio::test]
async fn a_copy_of_a_member_long_gone_is_removed() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let before = copies(&world).await;
    shared.provider.post(&format!("/groups/{}/leave", shared.group), Json::Null).await.expect(204);
    world.work().await;
    assert!(copies(&world).await.values().all(|row| order_of(row).dead), "buried");
    world.pass_days(30);
    for row in before.values() {
        put(&world, "t-replicas", row.clone()).await;
    }
    let found = shared.scrub().await.found;
    assert_eq!((found.orphans, found.repaired()), (2, 2));
    assert_eq!(shared.scrub().await.found.repaired(), 0);
    assert!(copies(&world).await.is_empty());
    // Of the membership before the one of now.
    shared.reader.admit(&shared.group, "provider", &shared.provider).await;
    world.work().await;
    let after = copies(&world).await;
    world.pass_days(1);
    for row in before.values() {
        put(&world, "t-replicas", row.clone()).await;
    }
    shared.repairs(Counts { outdated: 2, ..Counts::default() }).await;
    assert_eq!(copies(&world).await, after);
}

#[tokio::test]
async fn what_a_deleted_group_left_is_removed() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let before = copies(&world).await;
    shared.reader.delete(&format!("/groups/{}", shared.group)).await.expect(204);
    world.work().await;
    for row in before.values() {
        put(&world, "t-replicas", row.clone()).await;
    }
    world.pass_days(1);
    assert_eq!(shared.scrub().await.found.orphans, 2);
    assert!(copies(&world).await.is_empty());
}

#[tokio::test]
async fn after_a_restore_the_next_era_overrules_the_versions_that_never_were() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let key = (shared.drive().await.to_string(), format!("glucose#{}", shared.high));
    let backup = rows(&world, "t-data").await[&key].clone();
    let path = format!("/user/data/{}", shared.high);
    shared.provider.patch(&path, json!({"fields": {"mgdl": 210}})).await.expect(200);
    world.replicate(&shared.provider, &shared.high).await;
    assert_eq!(shared.seen().await, [210, 250]);
    put(&world, "t-data", backup).await;
    assert_eq!(world.store.begin_era(0, world.now()).await.unwrap(), 1);
    assert!(world.store.begin_era(0, world.now()).await.is_err(), "it is begun once");
    let hash = world.store.put_document(&world.document).await.unwrap();
    let document: Document = world.store.current_document(&hash).await.unwrap();
    assert_eq!(document.era, 1);
    world.pass_days(1);
    let queue = Arc::new(ToQueue(world.queue.clone()));
    let scrubber = Scrubber::new(world.store.clone(), Arc::new(document), queue);
    let until = Instant::now() + Duration::from_secs(600);
    let found = scrubber.run(FULL, until, world.now()).await.unwrap().found;
    assert_eq!((found.outdated, found.repaired()), (2, 2), "every copy is of the new era");
    assert_eq!(shared.live_values().await, [200, 250]);
    assert!(shared.seen().await.is_empty(), "a reader of the former era shows nothing of this one");
    assert_eq!(scrubber.run(FULL, until, world.now()).await.unwrap().found.repaired(), 0);
    // A process of the former era that was frozen all the while.
    world.replicate(&shared.provider, &shared.high).await;
    assert!(copies(&world).await.values().all(|row| order_of(row).era == 1));
}

#[tokio::test]
async fn what_is_as_it_should_be_is_read_and_not_written() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let before = copies(&world).await;
    let report = shared.scrub().await;
    let looked_at = Counts { pairs: 1, items: 3, copies: 2, ..Counts::default() };
    assert_eq!((report.found, report.complete), (looked_at, true));
    assert_eq!(copies(&world).await, before);
}
