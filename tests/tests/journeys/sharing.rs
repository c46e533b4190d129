//! What a group comes to see: what is written after a join and before it, what changes, and who joins again.

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
    let answer = provider.post("/user/data", json!({"type": "glucose", "fields": note})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    reader.comes_to_see(&group, &[200]).await;
    for path in ["data", "data/types/glucose"] {
        let answer = reader.get(&format!("/groups/{}/{path}", group.id)).await;
        let item = &answer.body["items"][0];
        assert_eq!(item["fields"], json!({"takenAt": TIMES[0], "mgdl": 200}), "{answer:?}");
        assert_eq!(item["provider"], provider.user.drive.as_str());
        assert!(!answer.body.to_string().contains("party"), "{answer:?}");
    }
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
        let answer = provider.patch(&format!("/user/data/{id}"), json!({"fields": {"mgdl": mgdl}})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
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
        json!({"type": "glucose", "fields": {"takenAt": time, "mgdl": 200 + minute}})
    };
    let items: Vec<_> = (0..95).map(reading).collect();
    let results = provider.create_batch(&items).await.unwrap();
    assert!(results.iter().all(|result| result.status == 201), "{results:?}");
    let values: Vec<i64> = (200..295).collect();
    reader.comes_to_see(&group, &values).await;
    for (path, who) in
        [(format!("/groups/{}/data/types/glucose", group.id), &reader), ("/user/data".to_owned(), &provider)]
    {
        let newest_first: Vec<glucose_study::client::Item> = who.read_all(&path, &[], 10).await.unwrap();
        let seen: Vec<i64> =
            newest_first.iter().rev().map(|item| item.fields["mgdl"].as_i64().unwrap()).collect();
        assert_eq!(seen, values, "{path}");
        let hour = [("from", "2024-01-01T00:10:00Z"), ("to", "2024-01-01T00:20:00Z"), ("order", "asc")];
        let some: Vec<glucose_study::client::Item> = who.read_all(&path, &hour, 3).await.unwrap();
        let seen: Vec<i64> = some.iter().map(|item| item.fields["mgdl"].as_i64().unwrap()).collect();
        assert_eq!(seen, (210..220).collect::<Vec<_>>(), "{path}: from is included, to is not");
    }
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
    assert_eq!(provider.post(&format!("/groups/{}/leave", group.id), json!({})).await.status, 204);
    assert!(reader.sees(&group).await.is_empty());
    provider.read_glucose(TIMES[1], 300).await;
    provider.join(&owner, &group, "provider").await;
    reader.comes_to_see(&group, &[200, 300]).await;
}
