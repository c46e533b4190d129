//! What those who watch a job are told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lambdas::worker::{Pace, Worker};
use serde_json::{Value as Json, json};
use store::directory::Job;

use crate::world::World;

/// One delivery of a job that has time for one page of items only: writing that page takes longer.
async fn one_page(world: &World, job: &Job) -> Job {
    let queue = Arc::new(world.jobs());
    let worker = Worker::new(world.store.clone(), world.document.clone(), queue, Pace::new(100));
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
