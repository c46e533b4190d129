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

mod around;
mod found;
mod walks;

const FULL: Order = Order { full: true, fresh: false };

struct ToQueue(Arc<Mutex<Queue>>);

impl Jobs for ToQueue {
    fn send_after<'a>(&'a self, job: &'a Job, _pause: Duration) -> BoxFuture<'a, Result<(), NotSent>> {
        let mut queue = self.0.lock().unwrap();
        if queue.broken {
            return Box::pin(std::future::ready(Err(NotSent)));
        }
        queue.sent.push(job.clone());
        Box::pin(std::future::ready(Ok(())))
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

    /// What the copies carry that are alive, whoever may see them.
    async fn live_values(&self) -> Vec<i64> {
        let rows = copies(self.world).await;
        let value = |row: &Row| row["body"].as_m().ok()?["mgdl"].as_n().ok()?.parse().ok();
        let mut values: Vec<i64> =
            rows.values().filter(|row| !order_of(row).dead).filter_map(value).collect();
        values.sort_unstable();
        values
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
    async fn repairs(&self, expected: Counts) {
        let found = self.scrub().await.found;
        let looked_at = Counts { pairs: found.pairs, items: found.items, copies: found.copies, ..expected };
        assert_eq!(found, looked_at);
        assert_eq!(self.scrub().await.found.repaired(), 0, "a second run finds nothing more");
        assert_eq!(self.seen().await, [200, 250]);
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
        // What the conditions ask and the item has not is said.
        ("note".to_owned(), AttributeValue::Null(true)),
    ]);
    row.insert("body".into(), AttributeValue::M(fields));
    row
}

fn order_of(row: &Row) -> CopyOrder {
    attr::get_text(row, "ord").unwrap().parse().unwrap()
}
