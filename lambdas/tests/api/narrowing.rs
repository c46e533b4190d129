//! Changes of a group's rules that only take away, carried out from the group's copies alone; and jobs that are
//! interrupted, or overtaken by the next change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::GroupId;
use domain::rules::compare::{Judged, Known, Verdict};
use lambdas::worker::{Pace, Worker};
use serde_json::{Value as Json, json};
use store::directory::{Job, JobKind};
use tokio::sync::Notify;

use crate::world::{Person, World};

/// The call that writes copies, and the one that notes how far a job is.
const WRITING: &str = "BatchExecuteStatement";
const NOTING: &str = "UpdateItem";

fn when(condition: &str, fields: Option<&[&str]>) -> Json {
    json!([{"types": ["glucose"], "when": condition, "fields": fields, "history": "all"}])
}

/// That a change only takes away.
const NARROWS: Judged = Judged { verdict: Verdict::Narrows, known: Known::Enumerated };

async fn change(world: &World, group: &str, rules: Json, judged: Judged) -> Job {
    let row = world.store.group(&GroupId::parse(group).unwrap()).await.unwrap();
    let rules = serde_json::from_value(rules).unwrap();
    world.store.change_rules(&row, (&rules, judged), 1, world.now()).await.unwrap()
}

async fn seen(ann: &Person<'_>, group: &str) -> Vec<i64> {
    let items = ann.all(&format!("/groups/{group}/data?order=asc")).await;
    items.iter().map(|item| item["fields"]["mgdl"].as_i64().unwrap()).collect()
}

/// Notes that make pages of about 240 readings: a page has 1 MB at most.
fn long(_: i64) -> Option<String> {
    Some("n".repeat(4096))
}

/// A group of ann's that she reads and bob shares into: readings from 100 upwards, the odd ones with a note.
async fn shared<'w>(
    world: &'w World,
    rules: Json,
    count: i64,
) -> (Person<'w>, Person<'w>, String, Vec<String>) {
    shared_with(world, rules, count, |at| (at % 2 == 1).then(|| "mine".to_owned())).await
}

async fn shared_with<'w>(
    world: &'w World,
    rules: Json,
    count: i64,
    note: impl Fn(i64) -> Option<String>,
) -> (Person<'w>, Person<'w>, String, Vec<String>) {
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    world.work_on(&change(world, &group, rules, Judged::UNDECIDED).await).await;
    ann.admit(&group, "consumer", &ann).await;
    let reading = |at: i64| {
        let time = format!("2014-01-01T{:02}:{:02}:{:02}Z", at / 3600, at / 60 % 60, at % 60);
        let mut fields = json!({"takenAt": time, "mgdl": 100 + at});
        if let Some(note) = note(at) {
            fields["note"] = note.into();
        }
        json!({"type": "glucose", "fields": fields})
    };
    let all: Vec<i64> = (0..count).collect();
    let mut ids = Vec::new();
    for chunk in all.chunks(100) {
        let items: Vec<Json> = chunk.iter().map(|at| reading(*at)).collect();
        let answer = bob.post("/user/data/batch", json!({"items": items})).await.expect(200);
        let each = answer["results"].as_array().unwrap();
        ids.extend(each.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
    }
    ann.admit(&group, "provider", &bob).await;
    world.work().await;
    (ann, bob, group, ids)
}

#[tokio::test]
async fn a_narrowing_is_carried_out_from_the_copies_alone() {
    let world = World::new().await;
    let (ann, bob, group, ids) = shared(&world, when("resource.mgdl > 104", None), 20).await;
    assert_eq!(world.live_replicas(&group, "glucose").await, 15);
    let job = change(&world, &group, when("resource.mgdl > 114", None), NARROWS).await;
    assert!(matches!(job.kind, JobKind::Sift { .. }));
    assert_eq!(seen(&ann, &group).await, (115..120).collect::<Vec<_>>(), "hidden before the job has begun");
    // The job would have nothing to go by if it looked at the sources.
    for id in &ids {
        world.lose_item(&bob, id).await;
    }
    assert_eq!(world.work_on(&job).await, 10, "it writes what vanishes");
    assert_eq!(world.live_replicas(&group, "glucose").await, 5);
    assert_eq!(seen(&ann, &group).await, (115..120).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_narrower_projection_shows_no_more_leaves_the_copies() {
    let world = World::new().await;
    let (_, bob, group, ids) = shared(&world, when("resource.mgdl > 104", None), 20).await;
    let narrower = when("resource.mgdl > 104", Some(&["takenAt", "mgdl"]));
    let job = change(&world, &group, narrower, NARROWS).await;
    world.lose_item(&bob, &ids[19]).await;
    assert_eq!(world.work_on(&job).await, 8, "those with a note");
    let rows = world.store.client().scan().table_name("t-replicas").send().await.unwrap();
    assert!(rows.items().iter().all(|row| !format!("{row:?}").contains("mine")), "no note is left");
}

#[tokio::test]
async fn a_copy_that_says_nothing_of_what_is_asked_now_is_compared_with_its_source() {
    let world = World::new().await;
    let visible: &[&str] = &["takenAt", "mgdl"];
    let (ann, _, group, _) = shared(&world, when("resource.mgdl > 104", Some(visible)), 20).await;
    let narrower = when("resource.mgdl > 104 && !(resource has note)", Some(visible));
    let job = change(&world, &group, narrower, NARROWS).await;
    assert_eq!(seen(&ann, &group).await, Vec::<i64>::new(), "nobody can tell yet");
    assert_eq!(world.work_on(&job).await, 15);
    assert_eq!(seen(&ann, &group).await, (105..120).filter(|mgdl| mgdl % 2 == 0).collect::<Vec<_>>());
    assert_eq!(world.live_replicas(&group, "glucose").await, 7);
}

#[tokio::test]
async fn a_narrowing_compares_sources_while_copies_are_of_several_revisions() {
    let world = World::new().await;
    let (ann, _, group, _) = shared(&world, when("resource.mgdl > 114", None), 20).await;
    let wider = change(&world, &group, when("resource.mgdl > 104", None), Judged::UNDECIDED).await;
    let narrower = change(&world, &group, when("resource.mgdl > 109", None), NARROWS).await;
    assert!(matches!(narrower.kind, JobKind::Spread { rules_from: 2, revision: 4 }), "{:?}", narrower.kind);
    for job in [narrower, wider] {
        world.queue.lock().unwrap().sent.push(job);
    }
    world.work().await;
    assert_eq!(seen(&ann, &group).await, (110..120).collect::<Vec<_>>());
    assert_eq!(world.live_replicas(&group, "glucose").await, 10);
}

/// Delivers a job to a worker that is killed while a call is under way, the first of its kind; whether it was.
async fn killed(world: &World, job: &Job, during: &'static str) -> bool {
    let dead = Arc::new(Notify::new());
    let told = dead.clone();
    let happening = Box::pin(async move { told.notify_one() });
    *world.meanwhile.lock().unwrap() = Some((during, happening));
    let worker = Worker::new(
        world.store.clone(),
        world.document.clone(),
        Arc::new(world.jobs()),
        Pace::new(1_000_000),
    );
    let event = json!({"Records": [{"body": lambdas::queue::message(job)}]});
    let killed = tokio::select! {
        biased;
        () = dead.notified() => true,
        _ = worker.handle(&event, Instant::now() + Duration::from_secs(900)) => false,
    };
    *world.meanwhile.lock().unwrap() = None;
    killed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_is_killed_five_times_copies_exactly_what_the_rules_select() {
    let world = World::new().await;
    let (ann, _, group, _) = shared_with(&world, when("resource.mgdl > 1000", None), 900, long).await;
    let spread = change(&world, &group, when("resource.mgdl > 399", None), Judged::UNDECIDED).await;
    let job = revision_of(&world, &spread).await;
    for (deaths, during) in [WRITING, NOTING, WRITING, NOTING, WRITING].into_iter().enumerate() {
        assert!(killed(&world, &job, during).await, "it ended after {deaths} deaths");
    }
    world.work_on(&job).await;
    assert!(!world.store.job(&job.group, &job.id).await.unwrap().is_open());
    assert_eq!(world.live_replicas(&group, "glucose").await, 600);
    assert_eq!(seen(&ann, &group).await, (400..1000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_change_during_a_backfill_ends_in_the_second_rules_state() {
    for (second, extent, expected) in [
        ("resource.mgdl > 299", Judged::UNDECIDED, 300..500),
        ("resource.mgdl > 399", NARROWS, 400..500),
        ("resource.mgdl < 150", Judged::UNDECIDED, 100..150),
    ] {
        let world = World::new().await;
        let (ann, _, group, _) = shared_with(&world, when("resource.mgdl > 1000", None), 400, long).await;
        let first = change(&world, &group, when("resource.mgdl > 199", None), Judged::UNDECIDED).await;
        let backfill = revision_of(&world, &first).await;
        assert!(killed(&world, &backfill, NOTING).await, "its first page is written");
        let job = change(&world, &group, when(second, None), extent).await;
        for job in [backfill, first, job] {
            world.queue.lock().unwrap().sent.push(job);
        }
        world.work().await;
        let expected: Vec<i64> = expected.collect();
        assert_eq!(world.live_replicas(&group, "glucose").await, expected.len(), "{second}");
        assert_eq!(seen(&ann, &group).await, expected, "{second}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowing_that_is_killed_and_overtaken_ends_in_the_last_rules_state() {
    let world = World::new().await;
    let (ann, _, group, _) = shared(&world, when("resource.mgdl > 99", None), 500).await;
    let narrower = change(&world, &group, when("resource.mgdl > 349", None), NARROWS).await;
    assert!(killed(&world, &narrower, WRITING).await);
    let wider = change(&world, &group, when("resource.mgdl > 249", None), Judged::UNDECIDED).await;
    assert!(matches!(wider.kind, JobKind::Spread { rules_from: 2, .. }), "{:?}", wider.kind);
    for job in [narrower, wider] {
        world.queue.lock().unwrap().sent.push(job);
    }
    world.work().await;
    assert_eq!(seen(&ann, &group).await, (250..600).collect::<Vec<_>>());
    assert_eq!(world.live_replicas(&group, "glucose").await, 350);
}

/// Begins the job of a change of rules, and takes the one that it makes for the only provider from the queue.
async fn revision_of(world: &World, change: &Job) -> Job {
    world.work_on(change).await;
    let sent: Vec<Job> = world.queue.lock().unwrap().sent.drain(..).collect();
    sent.into_iter().find(|job| matches!(job.kind, JobKind::Revise { .. })).unwrap()
}
