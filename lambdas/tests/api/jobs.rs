//! What those who watch a job are told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::{DriveId, ItemId, Name};
use domain::item::Item;
use domain::time::Timestamp;
use lambdas::worker::{Pace, Worker};
use serde_json::{Value as Json, json};
use store::directory::Job;
use store::document::Document;
use store::page::{Direction, Window};

use crate::world::World;

/// One delivery of a job that has time for one portion of items only: writing that takes longer.
async fn one_page(world: &World, job: &Job) -> Job {
    one_page_of(world, &world.document, job).await
}

async fn one_page_of(world: &World, document: &Arc<Document>, job: &Job) -> Job {
    let queue = Arc::new(world.jobs());
    let worker = Worker::new(world.store.clone(), document.clone(), queue, Pace::new(100));
    let event = json!({"Records": [{"body": lambdas::queue::message(job)}]});
    worker.handle(&event, Instant::now() + Duration::from_millis(21_500)).await.unwrap();
    world.store.job(&job.group, &job.id).await.unwrap()
}

#[tokio::test]
async fn a_job_says_how_far_it_is_and_how_far_it_has_to_go() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let everything = json!([{"types": ["glucose"], "history": "all"}]);
    world.work_on(&world.rules(&group, everything, 1).await).await;
    for hour in 0..3 {
        let reading = |n| json!({"type": "glucose", "fields": {"takenAt": format!("2014-01-01T0{hour}:{:02}:{:02}Z", n / 60, n % 60), "mgdl": 250}});
        let items: Vec<Json> = (0..90).map(reading).collect();
        bob.post("/user/data/batch", json!({"items": items})).await.expect(200);
    }
    ann.admit(&group, "provider", &bob).await;
    let job = world.queue.lock().unwrap().sent.pop().unwrap();
    let begun = one_page(&world, &job).await;
    assert!(begun.is_open());
    assert_eq!((begun.done, begun.total), (200, Some(270)));
    world.work().await;
    let ended = world.store.job(&job.group, &job.id).await.unwrap();
    assert_eq!((ended.is_open(), ended.done, ended.total, ended.changed), (false, 270, Some(270), 270));

    bob.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
    let job = world.queue.lock().unwrap().sent.pop().unwrap();
    let begun = one_page(&world, &job).await;
    assert_eq!((begun.is_open(), begun.done, begun.total), (true, 200, Some(270)));
}

/// So many items of each of as many types, more of them than a page has, and what shares all of them.
async fn of_many_types(world: &World, drive: &DriveId, counts: &[usize]) -> (Arc<Document>, Json) {
    let names: Vec<String> = (1..=counts.len()).map(|number| format!("type_{number}")).collect();
    let data_type = |name: &String| {
        let declared =
            json!({"name": name, "time": "at", "fields": {"at": {"type": "datetime", "required": true}}});
        (Name::parse(name).unwrap(), serde_json::from_value(declared).unwrap())
    };
    let data_types = names.iter().map(data_type).collect();
    let document =
        Arc::new(Document { data_types, group_defaults: world.document.group_defaults.clone(), era: 0 });
    let begin = Timestamp::parse("2014-01-01T00:00:00Z").unwrap();
    let mut items = Vec::new();
    for (data_type, count) in document.data_types.values().zip(counts) {
        items.extend((0..*count).map(|number| {
            let at = begin.plus_millis(1000 * number as i64);
            let fields = json!({"at": at.to_string()});
            Item {
                drive: drive.clone(),
                data_type: data_type.name.clone(),
                id: ItemId::new(at, &data_type.name, number as u64),
                version: 1,
                fields: data_type.validate(fields.as_object().unwrap()).unwrap(),
                updated: at,
                expires: None,
            }
        }));
    }
    for batch in items.chunks(25) {
        world.store.create_items(batch).await.unwrap().into_iter().for_each(Result::unwrap);
    }
    (document, json!([{"types": names, "history": "all"}]))
}

#[tokio::test]
async fn a_job_that_is_interrupted_goes_through_every_type_once() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Everything").await;
    let drive = DriveId::parse(&bob.drive().await).unwrap();
    let (document, rules) = of_many_types(&world, &drive, &[3, 0, 250, 1, 0, 197, 2]).await;
    world.rules(&group, rules, 1).await;
    ann.admit(&group, "provider", &bob).await;
    for alive in [453, 0] {
        let job = world.queue.lock().unwrap().sent.pop().unwrap();
        let mut seen = Vec::new();
        loop {
            let now = one_page_of(&world, &document, &job).await;
            seen.push(now.done);
            if !now.is_open() {
                assert_eq!((now.done, now.changed, now.total), (453, 453, Some(453)));
                break;
            }
        }
        // Portions of 200, and pages of at most four types.
        assert_eq!(seen.first(), Some(&200), "{seen:?}");
        assert!(seen.len() > 2, "{seen:?}");
        assert_eq!(world.all_live_replicas().await, alive);
        if alive > 0 {
            bob.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
        }
    }
}

#[tokio::test]
async fn a_page_of_items_is_no_more_than_the_database_gives_at_once_and_none_is_left_out() {
    let world = World::new().await;
    let bob = world.person("bob").await;
    let memos = 12;
    for minute in 0..memos {
        let fields = json!({"at": format!("2025-12-31T00:{minute:02}:00Z"), "text": "x".repeat(250_000)});
        bob.post("/user/data", json!({"type": "memo", "fields": fields})).await.expect(201);
    }
    let drive = DriveId::parse(&bob.drive().await).unwrap();
    let memo = &world.document.data_types[&Name::parse("memo").unwrap()];
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let window = Window { from: None, to: None, limit: 2_000, direction: Direction::Asc, after };
        let page = world.store.stretch_of_items(&drive, memo, &window, &world.document, world.now()).await;
        let page = page.unwrap();
        assert!((1..=5).contains(&page.items.len()), "{} memos on a page", page.items.len());
        seen.extend(page.items.iter().map(|item| item.id.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    seen.dedup();
    assert!(seen.is_sorted());
    assert_eq!(seen.len(), memos);
}
