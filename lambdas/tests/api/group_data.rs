//! What consumers see, and what they do not see any more.

use serde_json::{Value as Json, json};

use crate::world::{Person, World, numbers, text};

struct Study<'w> {
    owner: Person<'w>,
    provider: Person<'w>,
    consumer: Person<'w>,
    group: String,
    list: String,
}

impl<'w> Study<'w> {
    async fn of(world: &'w World) -> Self {
        let owner = world.person("owner").await;
        let provider = world.person("provider").await;
        let consumer = world.person("consumer").await;
        let group = owner.group("Study").await;
        owner.admit(&group, "provider", &provider).await;
        owner.admit(&group, "consumer", &consumer).await;
        let list = format!("/groups/{group}/data");
        Self { owner, provider, consumer, group, list }
    }

    /// A reading of the provider, copied as the stream would.
    async fn share(&self, time: &str, mgdl: i64) -> String {
        let id = self.provider.reading(time, mgdl).await;
        self.provider.world.replicate(&self.provider, &id).await;
        id
    }

    async fn seen(&self) -> Vec<Json> {
        self.consumer.all(&self.list).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_item_is_gone_when_it_comes_to_the_groups_brings_nothing_back() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    for (role, whom) in [("consumer", &ann), ("provider", &bob)] {
        ann.admit(&group, role, whom).await;
    }
    world.work().await;
    let fields = json!({"takenAt": "2014-01-01T00:00:00Z", "mgdl": 250, "note": "share"});
    let made = bob.post("/user/data", json!({"type": "glucose", "fields": fields})).await.expect(201);
    let id = text(&made["id"]);
    // Deleted by another device after this one has written, and before it knows of any group.
    let drive = domain::id::DriveId::parse(&bob.drive().await).unwrap();
    let (store, item) = (world.store.clone(), domain::id::ItemId::parse(&id).unwrap());
    let glucose = domain::id::Name::parse("glucose").unwrap();
    let deletion = async move {
        store.delete_item(&drive, &glucose, &item, None).await.unwrap();
    };
    *world.meanwhile.lock().unwrap() = Some(("Query", Box::pin(deletion)));
    bob.patch(&format!("/user/data/{id}"), json!({"fields": {"note": null}})).await.expect(200);
    assert!(world.meanwhile.lock().unwrap().is_none(), "it was deleted");
    assert_eq!(world.all_live_replicas().await, 0);
}

#[tokio::test]
async fn consumers_see_what_the_rules_select_and_only_the_fields_they_show() {
    let world = World::new().await;
    let study = Study::of(&world).await;
    let fields = json!({"takenAt": "2014-01-01T00:00:00Z", "mgdl": 200, "device": "secret", "note": "mine"});
    let made =
        study.provider.post("/user/data", json!({"type": "glucose", "fields": fields})).await.expect(201);
    world.replicate(&study.provider, made["id"].as_str().unwrap()).await;
    study.share("2014-01-02T00:00:00Z", 100).await;
    let seen = study.seen().await;
    assert_eq!(
        seen,
        [json!({
            "id": made["id"], "type": "glucose", "time": "2014-01-01T00:00:00Z", "version": 1,
            "provider": study.provider.drive().await, "fields": {"takenAt": "2014-01-01T00:00:00Z", "mgdl": 200},
        })]
    );
    assert_eq!(study.consumer.all(&format!("{}/types/glucose", study.list)).await, seen);
    assert!(study.consumer.all(&format!("{}/types/memo", study.list)).await.is_empty());
    study.consumer.get(&format!("{}/types/weight", study.list)).await.problem(404, "not-found");
}

#[tokio::test]
async fn only_consumers_read_and_other_members_learn_why() {
    let world = World::new().await;
    let study = Study::of(&world).await;
    for person in [&study.owner, &study.provider] {
        person.get(&study.list).await.problem(403, "forbidden");
        person.get(&format!("{}/types/glucose", study.list)).await.problem(403, "forbidden");
    }
    study.consumer.get(&format!("{}?limit=0", study.list)).await.problem(400, "invalid-parameter");
    study.consumer.get(&format!("{}?cursor=x", study.list)).await.problem(400, "invalid-parameter");
}

#[tokio::test]
async fn pages_go_on_over_copies_that_are_not_shown() {
    let world = World::new().await;
    let study = Study::of(&world).await;
    for minute in 10..40 {
        study.share(&format!("2014-01-01T00:{minute}:00Z"), 200 + minute).await;
    }
    let path = format!("/groups/{}", study.group);
    let other = world.person("other").await;
    study.owner.admit(&study.group, "provider", &other).await;
    for minute in 10..40 {
        let id = other.reading(&format!("2014-01-01T00:{minute}:30Z"), 300 + minute).await;
        world.replicate(&other, &id).await;
    }
    other.post(&format!("{path}/leave"), Json::Null).await.expect(204);
    assert_eq!(world.replica_rows(&study.group, "glucose").await, 60, "the purge has not run yet");
    let seen = study.consumer.all(&format!("{}?limit=7&order=asc", study.list)).await;
    assert_eq!(numbers(&seen), (210..240).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_deleted_item_is_gone_from_groups_when_the_call_returns() {
    let world = World::new().await;
    let study = Study::of(&world).await;
    let id = study.share("2014-01-01T00:00:00Z", 200).await;
    let path = format!("/user/data/{id}");
    assert_eq!(study.seen().await.len(), 1);
    study.provider.delete(&path).await.expect(204);
    assert!(study.seen().await.is_empty());
    assert_eq!(world.replica_rows(&study.group, "glucose").await, 1, "a tombstone keeps late copies out");
}

#[tokio::test]
async fn a_delete_that_was_cut_off_is_finished_by_repeating_it() {
    let world = World::new().await;
    let study = Study::of(&world).await;
    let id = study.share("2014-01-01T00:00:00Z", 200).await;
    let drive = domain::id::DriveId::parse(&study.provider.drive().await).unwrap();
    let item = domain::id::ItemId::parse(&id).unwrap();
    let glucose = domain::id::Name::parse("glucose").unwrap();
    world.store.delete_item(&drive, &glucose, &item, None).await.unwrap();
    assert_eq!(study.seen().await.len(), 1, "the stream has not come by yet");
    study.provider.delete(&format!("/user/data/{id}")).await.problem(404, "not-found");
    assert!(study.seen().await.is_empty());
}

#[tokio::test]
async fn an_update_that_takes_away_has_taken_away_when_the_call_returns() {
    let world = World::new().await;
    let study = Study::of(&world).await;
    let id = study.share("2014-01-01T00:00:00Z", 200).await;
    let path = format!("/user/data/{id}");
    study.provider.patch(&path, json!({"fields": {"note": "share"}})).await.expect(200);
    assert_eq!(study.seen().await[0]["fields"].get("note"), None, "what an update adds comes by the stream");
    world.replicate(&study.provider, &id).await;
    assert_eq!(study.seen().await[0]["fields"]["note"], "share");
    // One of two rules selects it no more: its fields must not stay in sight.
    study.provider.patch(&path, json!({"fields": {"mgdl": 100}})).await.expect(200);
    assert_eq!(study.seen().await[0]["fields"], json!({"note": "share"}));
    study.provider.patch(&path, json!({"fields": {"note": "mine"}})).await.expect(200);
    assert!(study.seen().await.is_empty());
}

#[tokio::test]
async fn who_leaves_takes_everything_along_and_who_comes_back_starts_afresh() {
    let world = World::new().await;
    let study = Study::of(&world).await;
    study.share("2014-01-01T00:00:00Z", 200).await;
    let page = study.consumer.get(&format!("{}?limit=1", study.list)).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    study.provider.post(&format!("/groups/{}/leave", study.group), Json::Null).await.expect(204);
    assert!(study.seen().await.is_empty());
    study.owner.admit(&study.group, "provider", &study.provider).await;
    assert!(study.seen().await.is_empty(), "copies of the former membership stay hidden");
    study.share("2014-01-02T00:00:00Z", 201).await;
    assert_eq!(numbers(&study.seen().await), [201]);
}

#[tokio::test]
async fn a_consumer_who_was_removed_reads_nothing_not_even_with_a_cursor() {
    let world = World::new().await;
    let study = Study::of(&world).await;
    for minute in 10..13 {
        study.share(&format!("2014-01-01T00:{minute}:00Z"), 200).await;
    }
    let page = study.consumer.get(&format!("{}?limit=1", study.list)).await.expect(200);
    let cursor = text(&page["next"]);
    let member = format!("/groups/{}/members/{}", study.group, study.consumer.id().await);
    study.owner.delete(&member).await.expect(204);
    study.consumer.get(&format!("{}?limit=1&cursor={cursor}", study.list)).await.problem(404, "not-found");
}
