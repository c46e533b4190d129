//! What a run does besides comparing: repairs, heartbeats, jobs, figures.

use super::*;

#[tokio::test]
async fn a_record_that_always_fails_stops_no_repair_and_is_repaired_when_it_can_be() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let before = copies(&world).await;
    let drive = shared.drive().await;
    let sort = |item: &str| format!("glucose#{item}");
    // The first of them by its key, so that it would be in the way.
    let poison = (drive.to_string(), sort(&shared.high));
    let good = rows(&world, "t-data").await[&poison].clone();
    let mut bad = good.clone();
    bad.insert("ver".into(), attr::text("not a number"));
    put(&world, "t-data", bad).await;
    let gone = shared.provider.reading("2014-01-04T00:00:00Z", 400).await;
    world.replicate(&shared.provider, &gone).await;
    world.lose_item(&shared.provider, &gone).await;
    assert_eq!(shared.seen().await, [200, 250, 400]);
    for item in [shared.high.as_str(), &gone] {
        world.store.park(drive.as_str(), &sort(item), "it could not be read", world.now()).await.unwrap();
    }
    world.store.park("unreadable", "unreadable", "no keys", world.now()).await.unwrap();
    for attempts in 1..=2 {
        let repairs = scrub(&world, Order::default()).await.unwrap().repairs;
        assert_eq!((repairs.repaired, repairs.failed), (if attempts == 1 { 1 } else { 0 }, 2));
        let left = world.store.repairs(None, 100).await.unwrap().repairs;
        let left: Vec<_> = left.iter().map(|repair| (repair.item.clone(), repair.attempts)).collect();
        assert_eq!(left, [(sort(&shared.high), attempts), ("unreadable".into(), attempts)]);
    }
    assert_eq!(shared.seen().await, [200, 250], "a repair buries what is gone");
    put(&world, "t-data", good).await;
    delete(&world, "t-replicas", &shared.copy_of(&shared.high).await).await;
    let repairs = scrub(&world, Order::default()).await.unwrap().repairs;
    assert_eq!((repairs.repaired, repairs.failed), (1, 1));
    let after = copies(&world).await;
    assert!(before.iter().all(|(key, row)| after.get(key) == Some(row)));
}

#[tokio::test]
async fn more_repairs_that_fail_than_one_page_holds_keep_no_other_waiting() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let drive = shared.drive().await;
    for n in 0..5 {
        world.store.park("0", &format!("nobody's {n}"), "no keys", world.now()).await.unwrap();
    }
    delete(&world, "t-replicas", &shared.copy_of(&shared.high).await).await;
    let item = format!("glucose#{}", shared.high);
    world.store.park(drive.as_str(), &item, "for a test", world.now()).await.unwrap();
    let (mut after, mut repaired) = (None, 0);
    for _ in 0..4 {
        let (counts, next) =
            world.store.repair_page(after, (2, None), &world.document, world.now()).await.unwrap();
        repaired += counts.repaired;
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((repaired, shared.seen().await), (1, vec![200, 250]));
}

#[tokio::test]
async fn a_heartbeat_goes_through_the_stream_and_is_no_item() {
    let world = World::new().await;
    let first = scrub(&world, Order::default()).await.unwrap();
    assert_eq!((first.stream_lag_ms, first.stream_gap_ms), (None, 0));
    let beat = rows(&world, "t-data").await.into_values().next().expect("a heartbeat");
    let of = |row: &Row, name: &str| attr::get_text(row, name).unwrap().to_owned();
    let image =
        json!({"pk": {"S": of(&beat, "pk")}, "sk": {"S": of(&beat, "sk")}, "sent": {"S": of(&beat, "sent")}});
    let keys = json!({"pk": {"S": of(&beat, "pk")}, "sk": {"S": of(&beat, "sk")}});
    let event = json!({"Records": [{"dynamodb": {"Keys": keys, "NewImage": image}}]});
    let replicator = Replicator::new(world.store.clone(), world.document.clone());
    let deadline = Instant::now() + Duration::from_secs(60);
    let outcome = replicator.handle(&event, deadline).await.unwrap();
    assert_eq!((outcome.records, outcome.parked), (1, 0));
    assert_eq!(world.store.parked().await.unwrap(), 0);
    world.pass_days(1);
    let second = scrub(&world, Order::default()).await.unwrap();
    assert_eq!((second.stream_lag_ms.is_some(), second.stream_gap_ms), (true, 0));
}

#[tokio::test]
async fn a_stream_that_is_nearly_a_day_behind_makes_everything_be_compared_again() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    assert!(scrub(&world, Order::default()).await.unwrap().complete);
    delete(&world, "t-replicas", &shared.copy_of(&shared.high).await).await;
    // Not yet an hour later, so no walk is due; but the heartbeat of then has not come through.
    let (mut state, read) = world.store.scrub_state().await.unwrap();
    let day_ago = world.now().plus_millis(-21 * 3_600_000);
    (state.pulse.first, state.pulse.last) = (Some(day_ago), Some(day_ago));
    assert!(world.store.put_scrub_state(&state, read).await.unwrap());
    let report = scrub(&world, Order::default()).await.unwrap();
    assert_eq!((report.stream_gap_ms, report.found.missing), (21 * 3_600_000, 1));
    assert!(world.store.scrub_state().await.unwrap().0.pulse.overdue);
}

#[tokio::test]
async fn a_job_that_nobody_was_told_of_is_announced_and_done() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("walk").await;
    bob.reading("2014-01-01T00:00:00Z", 200).await;
    let invitation = ann.invite(&group, "provider", "bob").await;
    world.queue.lock().unwrap().broken = true;
    // He has joined; only his job was not announced.
    bob.post(&format!("{invitation}/accept"), Json::Null).await.expect(503);
    let minutes = |minutes: i64| {
        let mut now = world.now.lock().unwrap();
        *now = now.plus_millis(minutes * 60_000);
    };
    let announced = async || scrub(&world, Order::default()).await.unwrap().announced;
    minutes(11);
    assert_eq!(announced().await, 0, "the queue is still broken");
    world.queue.lock().unwrap().broken = false;
    assert_eq!(announced().await, 1, "it was not noted as announced");
    assert_eq!(announced().await, 0, "its message is on the way");
    minutes(41);
    assert_eq!(announced().await, 1, "that message was lost too");
    world.work().await;
    minutes(41);
    assert_eq!(announced().await, 0, "it is done");
    assert_eq!(copies(&world).await.len(), 1);
}

#[tokio::test]
async fn a_job_that_was_just_made_is_not_announced_twice() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("walk").await;
    ann.admit(&group, "provider", &bob).await;
    assert_eq!(scrub(&world, Order::default()).await.unwrap().announced, 0);
}

#[tokio::test]
async fn its_logs_name_nobody() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    delete(&world, "t-replicas", &shared.copy_of(&shared.high).await).await;
    let order = CopyOrder::floor(0, 99);
    put(&world, "t-replicas", copy(&shared.copy_of(&shared.low).await, order, 777)).await;
    world.store.park("secret", "secret", "no keys", world.now()).await.unwrap();
    let ids =
        [shared.high.clone(), shared.low.clone(), shared.group.clone(), shared.drive().await.to_string()];
    logs::begin(LevelFilter::INFO);
    shared.scrub().await;
    let log = logs::taken();
    for forbidden in ids.iter().map(String::as_str).chain(["secret", "777"]) {
        assert!(!log.contains(forbidden), "`{forbidden}` is in the log:\n{log}");
    }
    let lines: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = lines.iter().find(|line| line["metric"] == "scrub").expect("a line of figures");
    assert_eq!((&told["missing"], &told["orphans"], &told["unrepaired"]), (&json!(1), &json!(1), &json!(1)));
}
