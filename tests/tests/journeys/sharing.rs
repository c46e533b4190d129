//! What a group comes to see: what is written after a join and before it, what changes, and who joins again.

use freehold_client::{Fields, NewItem};
use journeys::World;
use serde_json::json;

const TIMES: [&str; 4] =
    ["2024-01-01T08:00:00Z", "2024-01-01T09:00:00Z", "2024-01-01T10:00:00Z", "2024-01-01T11:00:00Z"];

#[tokio::test]
async fn who_joins_late_shares_the_past_and_then_the_present() {
    let world = World::shared("join-late").await;
    let (owner, provider, reader) =
        (world.person("owner").await, world.person("provider").await, world.person("reader").await);
    let group = owner.make_group("late").await;
    reader.join(&owner, &group, "consumer").await;
    for (time, mgdl) in TIMES.iter().zip([181, 90, 250]) {
        provider.read_glucose(time, mgdl).await;
    }
    assert!(reader.sees(&group).await.is_empty(), "nobody shares yet");
    provider.join(&owner, &group, "provider").await;
    reader.comes_to_see(&group, &[181, 250]).await;
    provider.read_glucose(TIMES[3], 300).await;
    reader.comes_to_see(&group, &[181, 250, 300]).await;
}

#[tokio::test]
async fn a_consumer_sees_the_projected_fields_and_whose_they_are_and_nothing_else() {
    let world = World::shared("projection").await;
    let (owner, provider, reader) =
        (world.person("owner").await, world.person("provider").await, world.person("reader").await);
    let group = owner.make_group("projected").await;
    provider.join(&owner, &group, "provider").await;
    reader.join(&owner, &group, "consumer").await;
    let note = json!({"takenAt": TIMES[0], "mgdl": 200, "device": "sensor", "note": "after the party"});
    provider.create_item("glucose", &note).await.unwrap();
    reader.comes_to_see(&group, &[200]).await;
    for list in [reader.group_items(&group.id), reader.group_items_of(&group.id, "glucose")] {
        let items = list.all().await.unwrap();
        let [item] = &items[..] else { panic!("{items:?}") };
        assert_eq!(json!(item.fields), json!({"takenAt": TIMES[0], "mgdl": 200}));
        assert_eq!(item.provider, provider.user.drive);
    }
    // Nor does anything else of the answer say what is not shown.
    let answer = reader.get(&format!("/groups/{}/data", group.id)).await;
    assert!(!answer.body.to_string().contains("party"), "{answer:?}");
}

#[tokio::test]
async fn an_update_that_comes_to_match_appears_and_a_newer_version_replaces_the_older() {
    let world = World::shared("update-in").await;
    let (owner, provider, reader) =
        (world.person("owner").await, world.person("provider").await, world.person("reader").await);
    let group = owner.make_group("updates").await;
    provider.join(&owner, &group, "provider").await;
    reader.join(&owner, &group, "consumer").await;
    let id = provider.read_glucose(TIMES[0], 100).await;
    assert!(reader.sees(&group).await.is_empty());
    for mgdl in [190, 220] {
        provider.update_item(&id, &json!({ "mgdl": mgdl }), None).await.unwrap();
        reader.comes_to_see(&group, &[mgdl]).await;
    }
}

#[tokio::test]
async fn pages_lead_through_everything_once_and_in_order() {
    let world = World::shared("pages").await;
    let (owner, provider, reader) =
        (world.person("owner").await, world.person("provider").await, world.person("reader").await);
    let group = owner.make_group("pages").await;
    provider.join(&owner, &group, "provider").await;
    reader.join(&owner, &group, "consumer").await;
    let reading = |minute: i64| {
        let time = format!("2024-01-01T{:02}:{:02}:00Z", minute / 60, minute % 60);
        NewItem::new("glucose", &json!({"takenAt": time, "mgdl": 200 + minute})).unwrap()
    };
    let items: Vec<_> = (0..95).map(reading).collect();
    let results = provider.create_items(&items).await.unwrap();
    assert!(results.iter().all(|result| result.status == 201), "{results:?}");
    let values: Vec<i64> = (200..295).collect();
    reader.comes_to_see(&group, &values).await;
    let value = |fields: &Fields| fields["mgdl"].as_i64().unwrap();
    let (from, to) = ("2024-01-01T00:10:00Z", "2024-01-01T00:20:00Z");
    let hour: Vec<i64> = (210..220).collect();

    let shared = || reader.group_items_of(&group.id, "glucose");
    let newest_first = shared().limit(10).all().await.unwrap();
    assert_eq!(newest_first.iter().rev().map(|item| value(&item.fields)).collect::<Vec<_>>(), values);
    let some = shared().from(from).to(to).oldest_first().limit(3).all().await.unwrap();
    let seen: Vec<i64> = some.iter().map(|item| value(&item.fields)).collect();
    assert_eq!(seen, hour, "from is included, to is not");

    let newest_first = provider.items().limit(10).all().await.unwrap();
    assert_eq!(newest_first.iter().rev().map(|item| value(&item.fields)).collect::<Vec<_>>(), values);
    let some = provider.items().from(from).to(to).oldest_first().limit(3).all().await.unwrap();
    assert_eq!(some.iter().map(|item| value(&item.fields)).collect::<Vec<_>>(), hour);
}

#[tokio::test]
async fn who_left_and_joins_again_shares_everything_again() {
    let world = World::shared("rejoin").await;
    let (owner, provider, reader) =
        (world.person("owner").await, world.person("provider").await, world.person("reader").await);
    let group = owner.make_group("again").await;
    reader.join(&owner, &group, "consumer").await;
    provider.join(&owner, &group, "provider").await;
    provider.read_glucose(TIMES[0], 200).await;
    reader.comes_to_see(&group, &[200]).await;
    provider.leave_group(&group.id, None).await.unwrap();
    assert!(reader.sees(&group).await.is_empty());
    provider.read_glucose(TIMES[1], 300).await;
    provider.join(&owner, &group, "provider").await;
    reader.comes_to_see(&group, &[200, 300]).await;
}
