//! Groups whose copies are spread over several partitions, and changes of their number and of the rules.

use domain::id::GroupId;
use domain::stack::RuleSet;
use serde_json::{Value as Json, json};

use store::StoreError;

use crate::world::{Person, World};

async fn seen(ann: &Person<'_>, group: &str) -> Vec<i64> {
    let items = ann.all(&format!("/groups/{group}/data?order=asc&limit=7")).await;
    items.iter().map(|item| item["fields"]["mgdl"].as_i64().unwrap()).collect()
}

fn everything() -> Json {
    json!([{"types": ["glucose"], "history": "all"}])
}

/// A provider of forty readings, from 100 upwards, whose copies are there.
async fn forty(world: &World) -> (Person<'_>, Person<'_>, String, Vec<String>) {
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Busy").await;
    let job = world.rules(&group, everything(), 1).await;
    world.queue.lock().unwrap().sent.push(job);
    ann.admit(&group, "consumer", &ann).await;
    let mut ids = Vec::new();
    for at in 0..40 {
        ids.push(bob.reading(&format!("2014-01-01T00:{at:02}:00Z"), 100 + at).await);
    }
    ann.admit(&group, "provider", &bob).await;
    world.work().await;
    (ann, bob, group, ids)
}

#[tokio::test]
async fn a_list_is_whole_and_in_order_before_during_and_after_a_change_of_shards() {
    let world = World::new().await;
    let (ann, bob, group, ids) = forty(&world).await;
    let all: Vec<i64> = (100..140).collect();
    for shards in [4, 3, 1] {
        let job = world.rules(&group, everything(), shards).await;
        assert_eq!(seen(&ann, &group).await, all, "{shards}: before the copies have moved");
        world.queue.lock().unwrap().sent.push(job);
        world.work().await;
        assert_eq!(seen(&ann, &group).await, all, "{shards}: after");
        let row = world.store.group(&GroupId::parse(&group).unwrap()).await.unwrap();
        assert_eq!(row.layout, row.layout.settled(), "former partitions are no longer read");
        assert_eq!(row.layout.current().shards, shards);
        assert_eq!(world.all_live_replicas().await, 40, "and nothing is left in them");
    }
    let job = world.rules(&group, everything(), 5).await;
    bob.delete(&format!("/user/data/{}", ids[7])).await.expect(204);
    let without: Vec<i64> = all.iter().copied().filter(|mgdl| *mgdl != 107).collect();
    assert_eq!(seen(&ann, &group).await, without, "deleted while its copy is in a former partition");
    world.queue.lock().unwrap().sent.push(job);
    world.work().await;
    assert_eq!(seen(&ann, &group).await, without);
    bob.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
    world.work().await;
    assert_eq!(bob.all("/user/receipts").await[0]["remaining"], 0);
}

#[tokio::test]
async fn narrowed_rules_hide_at_once_and_widened_ones_fill_up() {
    let world = World::new().await;
    let (ann, _bob, group, _) = forty(&world).await;
    let above = |limit: i64| json!([{"types": ["glucose"], "when": format!("resource.mgdl > {limit}"), "history": "all"}]);
    let narrow = world.rules(&group, above(129), 1).await;
    assert_eq!(seen(&ann, &group).await, (130..140).collect::<Vec<_>>());
    world.queue.lock().unwrap().sent.push(narrow);
    world.work().await;
    assert_eq!(world.live_replicas(&group, "glucose").await, 10, "what is hidden is removed");
    let wide = world.rules(&group, above(109), 1).await;
    world.queue.lock().unwrap().sent.push(wide);
    world.work().await;
    assert_eq!(seen(&ann, &group).await, (110..140).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_condition_asks_in_vain_stays_on_show_and_is_not_written_again() {
    let world = World::new().await;
    let (ann, _bob, group, _) = forty(&world).await;
    let unnoted = |limit: i64| {
        let when = format!("!(resource has note) && resource.mgdl > {limit}");
        json!([{"types": ["glucose"], "when": when, "history": "all"}])
    };
    let first = world.rules(&group, unnoted(101), 1).await;
    assert_eq!(seen(&ann, &group).await, Vec::<i64>::new(), "nobody has asked for notes: they may have one");
    world.queue.lock().unwrap().sent.push(first);
    assert_eq!(world.work().await, 40);
    let all: Vec<i64> = (102..140).collect();
    assert_eq!(seen(&ann, &group).await, all);
    let second = world.rules(&group, unnoted(103), 1).await;
    assert_eq!(seen(&ann, &group).await, all[2..], "before the job");
    world.queue.lock().unwrap().sent.push(second);
    assert_eq!(world.work().await, 2);
    assert_eq!(seen(&ann, &group).await, all[2..]);
}

#[tokio::test]
async fn a_later_change_supersedes_the_job_of_the_one_before() {
    let world = World::new().await;
    let (ann, _bob, group, _) = forty(&world).await;
    let above = |limit: i64| json!([{"types": ["glucose"], "when": format!("resource.mgdl > {limit}"), "history": "all"}]);
    let first = world.rules(&group, above(109), 2).await;
    let second = world.rules(&group, above(119), 3).await;
    for job in [&second, &first, &second] {
        world.work_on(job).await;
    }
    world.work().await;
    let jobs = world.store.jobs(&GroupId::parse(&group).unwrap()).await.unwrap();
    assert!(jobs.iter().all(|job| !job.is_open()), "{jobs:?}");
    assert_eq!(seen(&ann, &group).await, (120..140).collect::<Vec<_>>());
    assert_eq!(world.all_live_replicas().await, 20);
}

#[tokio::test]
async fn a_change_that_changes_nothing_for_an_item_does_not_write_it() {
    let world = World::new().await;
    let (_ann, _bob, group, _) = forty(&world).await;
    let same = json!([{"types": ["glucose"], "when": "resource.mgdl > 101", "history": "all"}]);
    let job = world.rules(&group, same, 1).await;
    world.queue.lock().unwrap().sent.push(job);
    let changed = world.work().await;
    assert_eq!(changed, 2, "two readings of forty fall out");
}

#[tokio::test]
async fn rules_in_other_words_count_at_once_and_make_no_job_unless_somebody_changed_them_meanwhile() {
    let world = World::new().await;
    let (ann, bob, group, _) = forty(&world).await;
    let id = GroupId::parse(&group).unwrap();
    let rules = |when: &str| -> RuleSet {
        serde_json::from_value(json!([{"types": ["glucose"], "when": when, "history": "all"}])).unwrap()
    };
    let job = world.rules(&group, serde_json::to_value(rules("resource.mgdl > 119")).unwrap(), 1).await;
    world.queue.lock().unwrap().sent.push(job);
    world.work().await;
    let (jobs, before) = (world.store.jobs(&id).await.unwrap(), world.store.group(&id).await.unwrap());

    world.store.reword_rules(&before, &rules("119 < resource.mgdl"), world.now()).await.unwrap();
    let after = world.store.group(&id).await.unwrap();
    assert_eq!(after, before, "not even the revision");
    assert_eq!(world.store.rule_set(&id, after.rule_revision).await.unwrap(), rules("119 < resource.mgdl"));
    assert_eq!(world.store.jobs(&id).await.unwrap(), jobs);
    let id = bob.reading("2026-02-01T00:00:00Z", 300).await;
    world.replicate(&bob, &id).await;
    let expected: Vec<i64> = (120..140).chain([300]).collect();
    assert_eq!(seen(&ann, &group).await, expected);

    world.rules(&group, everything(), 1).await;
    let late = world.store.reword_rules(&before, &rules("resource.mgdl > 119"), world.now()).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
}
