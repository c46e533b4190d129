//! The scrubber: what it finds, what it does about it, and what it leaves alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::{DriveId, GroupId, ItemId, Name};
use domain::replication::Order as CopyOrder;
use futures::future::BoxFuture;
use lambdas::queue::{Jobs, NotSent};
use lambdas::replicator::Replicator;
use lambdas::scrubber::{Order, Report, Scrubber};
use serde_json::{Value as Json, json};
use store::attr::{self, Row};
use store::directory::Job;
use store::document::Document;
use store::scrub::{Counts, Limits, Scrub, Walk};
use tracing::level_filters::LevelFilter;

use crate::logs;
use crate::world::{Person, Queue, World, numbers};

const FULL: Order = Order { full: true, fresh: false };

struct ToQueue(Arc<Mutex<Queue>>);

impl Jobs for ToQueue {
    fn send_after<'a>(&'a self, job: &'a Job, _pause: Duration) -> BoxFuture<'a, Result<(), NotSent>> {
        let mut queue = self.0.lock().unwrap();
        let taken = if queue.broken { Err(NotSent) } else { Ok(queue.sent.push(job.clone())) };
        Box::pin(std::future::ready(taken))
    }
}

/// A group whose copies are all as they should be, a day after they were written.
struct Shared<'w> {
    world: &'w World,
    reader: Person<'w>,
    provider: Person<'w>,
    group: String,
    /// A reading that is shared.
    high: String,
    /// One that is not.
    low: String,
}

impl<'w> Shared<'w> {
    async fn in_world(world: &'w World) -> Self {
        let (reader, provider) = (world.person("ann").await, world.person("bob").await);
        let group = reader.group("walk").await;
        reader.admit(&group, "consumer", &reader).await;
        let high = provider.reading("2014-01-01T00:00:00Z", 200).await;
        provider.reading("2014-01-02T00:00:00Z", 250).await;
        let low = provider.reading("2014-01-03T00:00:00Z", 100).await;
        reader.admit(&group, "provider", &provider).await;
        world.work().await;
        world.pass_days(1);
        let shared = Self { world, reader, provider, group, high, low };
        assert_eq!(shared.seen().await, [200, 250]);
        shared
    }

    async fn seen(&self) -> Vec<i64> {
        let mut seen = numbers(&self.reader.all(&format!("/groups/{}/data", self.group)).await);
        seen.sort_unstable();
        seen
    }

    async fn drive(&self) -> DriveId {
        DriveId::parse(&self.provider.drive().await).unwrap()
    }

    /// The row of an item's copy, and a key for another item's.
    async fn copy_of(&self, item: &str) -> (String, String) {
        let drive = self.drive().await;
        (format!("{}#glucose#0", self.group), format!("{item}#{drive}"))
    }

    async fn scrub(&self) -> Report {
        scrub(self.world, FULL).await.unwrap()
    }

    /// Scrubs, expects to have repaired as much, and that there is nothing left to repair.
    #[track_caller]
    fn repairs(&self, expected: Counts) -> impl Future<Output = ()> {
        async move {
            let found = self.scrub().await.found;
            let looked_at =
                Counts { pairs: found.pairs, items: found.items, copies: found.copies, ..expected };
            assert_eq!(found, looked_at);
            assert_eq!(self.scrub().await.found.repaired(), 0, "a second run finds nothing more");
            assert_eq!(self.seen().await, [200, 250]);
        }
    }
}

fn scrubber(world: &World) -> Scrubber {
    Scrubber::new(world.store.clone(), world.document.clone(), Arc::new(ToQueue(world.queue.clone())))
}

async fn scrub(world: &World, order: Order) -> Result<Report, store::StoreError> {
    scrubber(world).run(order, Instant::now() + Duration::from_secs(600), world.now()).await
}

async fn rows(world: &World, table: &str) -> BTreeMap<(String, String), Row> {
    let answer = world.store.client().scan().table_name(table).send().await.unwrap();
    let key = |row: &Row| {
        (attr::get_text(row, "pk").unwrap().to_owned(), attr::get_text(row, "sk").unwrap().to_owned())
    };
    answer.items.unwrap_or_default().into_iter().map(|row| (key(&row), row)).collect()
}

async fn copies(world: &World) -> BTreeMap<(String, String), Row> {
    rows(world, "t-replicas").await
}

fn key_row((pk, sk): &(String, String)) -> Row {
    Row::from([("pk".into(), attr::text(pk)), ("sk".into(), attr::text(sk))])
}

async fn delete(world: &World, table: &str, key: &(String, String)) {
    let delete = world.store.client().delete_item().table_name(table);
    delete.set_key(Some(key_row(key))).send().await.unwrap();
}

async fn put(world: &World, table: &str, row: Row) {
    world.store.client().put_item().table_name(table).set_item(Some(row)).send().await.unwrap();
}

/// A copy as somebody might put it there.
fn copy(key: &(String, String), order: CopyOrder, mgdl: i64) -> Row {
    let mut row = key_row(key);
    row.insert("ord".into(), attr::text(order.to_string()));
    let fields = Row::from([
        ("mgdl".to_owned(), attr::number(mgdl)),
        ("takenAt".to_owned(), attr::text("2014-01-03T00:00:00.000Z")),
    ]);
    row.insert("body".into(), AttributeValue::M(fields));
    row
}

fn order_of(row: &Row) -> CopyOrder {
    attr::get_text(row, "ord").unwrap().parse().unwrap()
}

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
    assert!(copies(&world).await.is_empty());
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
async fn what_is_as_it_should_be_is_read_and_not_written() {
    let world = World::new().await;
    let shared = Shared::in_world(&world).await;
    let before = copies(&world).await;
    let report = shared.scrub().await;
    let looked_at = Counts { pairs: 1, items: 3, copies: 2, ..Counts::default() };
    assert_eq!((report.found, report.complete), (looked_at, true));
    assert_eq!(copies(&world).await, before);
}

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
        let (counts, next) = world.store.repair_page(after, 2, &world.document, world.now()).await.unwrap();
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
    assert_eq!(shared.seen().await, [200, 250]);
    assert_eq!(scrubber.run(FULL, until, world.now()).await.unwrap().found.repaired(), 0);
    // A process of the former era that was frozen all the while.
    world.replicate(&shared.provider, &shared.high).await;
    assert!(copies(&world).await.values().all(|row| order_of(row).era == 1));
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
