//! What goes on meanwhile, and how far a walk gets.

use super::*;

#[tokio::test]
async fn the_smallest_slices_find_the_same() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    for day in 1..=9 {
        shared.provider.reading(&format!("2015-01-0{day}T00:00:00Z"), 201).await;
    }
    world.pass_days(1);
    let scrub = Scrub::new(world.store.clone(), world.document.clone());
    let until = Instant::now() + Duration::from_secs(600);
    let mut walk = Walk::new(world.now());
    let mut slices = 0;
    while !walk.is_done() {
        // Written down and read again, as between two runs.
        walk = serde_json::from_str(&serde_json::to_string(&walk).unwrap()).unwrap();
        scrub.slice(&mut walk, Limits { rows: 1, until, grace: 0 }, world.now()).await.unwrap();
        slices += 1;
    }
    assert!(slices >= 3, "{slices} slices");
    assert_eq!((walk.counts.missing, walk.counts.items, walk.counts.pairs), (9, 12, 1));
}

#[tokio::test]
async fn what_is_done_while_it_compares_is_never_undone() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let (group, provider) = (&shared.group, &shared.provider);
    let over = std::sync::atomic::AtomicBool::new(false);
    let comparing = async {
        let scrub = Scrub::new(world.store.clone(), world.document.clone());
        let until = Instant::now() + Duration::from_secs(600);
        let mut walks = 0;
        while !over.load(std::sync::atomic::Ordering::Relaxed) {
            let mut walk = Walk::new(world.now());
            while !walk.is_done() {
                scrub.slice(&mut walk, Limits { rows: 1, until, grace: 0 }, world.now()).await.unwrap();
            }
            walks += 1;
        }
        walks
    };
    let living = async {
        for day in 1..=12 {
            let item = provider.reading(&format!("2016-01-{day:02}T00:00:00Z"), 300).await;
            world.replicate(provider, &item).await;
            assert_eq!(shared.seen().await, [200, 250, 300]);
            let path = format!("/user/data/{item}");
            provider.patch(&path, json!({"fields": {"mgdl": 100}})).await.expect(200);
            assert_eq!(shared.seen().await, [200, 250], "an update hid it");
            provider.patch(&path, json!({"fields": {"mgdl": 301}})).await.expect(200);
            world.replicate(provider, &item).await;
            assert_eq!(shared.seen().await, [200, 250, 301]);
            provider.delete(&path).await.expect(204);
            assert_eq!(shared.seen().await, [200, 250], "it was deleted");
            provider.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
            assert_eq!(shared.seen().await, [0; 0], "its provider left");
            world.work().await;
            shared.reader.admit(group, "provider", provider).await;
            world.work().await;
            assert_eq!(shared.seen().await, [200, 250], "and came back");
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (walks, ()) = tokio::join!(comparing, living);
    assert!(walks > 12, "{walks} walks");
    world.pass_days(1);
    assert_eq!(shared.scrub().await.found.repaired(), 0);
    assert_eq!(shared.seen().await, [200, 250]);
}

#[tokio::test]
async fn a_run_whose_time_is_up_goes_on_in_the_next_one() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    delete(&world, "t-replicas", &shared.copy_of(&shared.high).await).await;
    let late = scrubber(&world).run(FULL, Instant::now(), world.now()).await.unwrap();
    assert_eq!((late.complete, late.found), (false, Counts::default()));
    let report = scrub(&world, Order::default()).await.unwrap();
    assert_eq!((report.complete, report.found.missing), (true, 1));
    // The next walk waits for its time.
    let report = scrub(&world, Order::default()).await.unwrap();
    assert_eq!(report.found, Counts::default());
    world.pass_days(1);
    assert_eq!(scrub(&world, Order::default()).await.unwrap().found.pairs, 1);
}

#[tokio::test]
async fn what_a_job_or_the_stream_is_about_to_do_is_left_to_them() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("walk").await;
    bob.reading("2014-01-01T00:00:00Z", 200).await;
    world.pass_days(1);
    ann.admit(&group, "provider", &bob).await;
    assert_eq!(scrub(&world, FULL).await.unwrap().found.repaired(), 0, "the backfill's");
    world.work().await;
    bob.reading("2014-01-02T00:00:00Z", 201).await;
    assert_eq!(scrub(&world, FULL).await.unwrap().found.repaired(), 0, "the stream's");
    let fresh = scrub(&world, Order { full: true, fresh: true }).await.unwrap();
    assert_eq!(fresh.found.missing, 1);
    // A purge counts what it removes, for its receipt.
    bob.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
    assert_eq!(scrub(&world, FULL).await.unwrap().found.repaired(), 0, "the purge's");
    // A job that has not moved for hours is not waited for.
    world.pass_days(1);
    assert_eq!(scrub(&world, FULL).await.unwrap().found.orphans, 2);
}

#[tokio::test]
async fn one_group_whose_rules_cannot_be_read_stops_no_other_and_loses_nothing() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let broken = shared.reader.group("broken").await;
    shared.reader.admit(&broken, "provider", &shared.provider).await;
    world.work().await;
    world.pass_days(1);
    let before = copies(&world).await;
    assert_eq!(before.len(), 4);
    let rules = store::keys::rules(&GroupId::parse(&broken).unwrap(), 1);
    let rules = (rules.pk, rules.sk);
    let mut row = rows(&world, "t-directory").await[&rules].clone();
    row.insert("rules".into(), attr::text(r#"[{"types":["glucose"],"when":"resource.gone > 1"}]"#));
    put(&world, "t-directory", row).await;
    delete(&world, "t-replicas", &shared.copy_of(&shared.high).await).await;
    // Rules of a revision never change, and are remembered: only a new process reads these.
    let store = store::Store::new(world.store.client().clone(), world.store.tables().clone());
    let scrubber = Scrubber::new(store, world.document.clone(), Arc::new(ToQueue(world.queue.clone())));
    let until = Instant::now() + Duration::from_secs(600);
    let found = scrubber.run(FULL, until, world.now()).await.unwrap().found;
    assert_eq!((found.missing, found.repaired(), found.failed), (1, 1, 2));
    assert_eq!(copies(&world).await, before);
}
