//! From the stream of *data* to the groups' copies.
//!
//! Guarantee: when a batch is acknowledged, every record in it has had its effect on every group that its drive
//! shares into, or its item is parked for repair. Assumptions: records of one item arrive in order within a shard;
//! any record may arrive again, and any invocation may be frozen and go on late. The order of the copies
//! ([`domain::replication::Order`]) makes repeats and late writes harmless, so the handler keeps nothing between
//! invocations that a read of now does not confirm ([`store::sharing`]), and leaves nothing running.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::{DriveId, ItemId, Name};
use domain::item::Item;
use domain::replication::{Change, Decision, decide, must_ask_source};
use domain::time::Timestamp;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value as Json;
use store::clock::now;
use store::document::Document;
use store::heartbeat::{self, Beat};
use store::sharing::Outlet;
use store::{Store, StoreError, attr, data};

/// Drives worked on at once.
const DRIVES_AT_ONCE: usize = 8;
/// Items whose source is asked at once, for one drive.
const READS_AT_ONCE: usize = 8;
/// Time left aside at the end of an invocation, so that a batch fails by our word and not by being cut off.
const RESERVE: Duration = Duration::from_secs(5);

/// The stream function.
#[derive(Debug, Clone)]
pub struct Replicator {
    store: Store,
    document: Arc<Document>,
}

/// What a batch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records received.
    pub records: usize,
    /// Copies written or buried.
    pub written: usize,
    /// Decisions that came too late.
    pub superseded: usize,
    /// Items parked for repair.
    pub parked: usize,
}

impl Outcome {
    /// One line a batch, from which metrics are made.
    pub fn tell(&self, took: Duration) {
        let Self { records, written, superseded, parked } = *self;
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(metric = "batch", records, written, superseded, parked, millis, "replicated");
    }
}

/// The last record of one item in a batch; the ones before it are overtaken.
#[derive(Debug, Clone)]
struct Record {
    data_type: Name,
    id: ItemId,
    /// The item as it reads now; none if it was deleted.
    present: Option<Item>,
    version: u64,
    written: Option<Timestamp>,
}

impl Record {
    fn change(&self) -> Change<'_> {
        match &self.present {
            Some(item) => Change::Present(item),
            None => Change::Deleted { id: &self.id, data_type: &self.data_type, version: self.version },
        }
    }
}

impl Replicator {
    /// The function over a store.
    pub fn new(store: Store, document: Arc<Document>) -> Self {
        Self { store, document }
    }

    /// Handles one batch of a stream.
    ///
    /// # Errors
    /// If some record could not have its effect before the deadline. The whole batch is then to be delivered again:
    /// repeats change nothing, and partial batch responses are not honoured everywhere.
    pub async fn handle(&self, event: &Json, deadline: Instant) -> Result<Outcome, StoreError> {
        let records = event.get("Records").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut outcome = Outcome { records: records.len(), ..Outcome::default() };
        let mut drives: BTreeMap<DriveId, BTreeMap<ItemId, Record>> = BTreeMap::new();
        for record in records {
            if self.heartbeat(record).await {
                continue;
            }
            match self.read(record) {
                Ok((drive, record)) => {
                    drives.entry(drive).or_default().insert(record.id.clone(), record);
                }
                Err(error) => {
                    // Poison: parked, so that it stops nobody else.
                    self.park(record, &error).await?;
                    outcome.parked += 1;
                }
            }
        }
        let drives: Vec<(DriveId, Vec<Record>)> =
            drives.into_iter().map(|(drive, records)| (drive, records.into_values().collect())).collect();
        let applied: Vec<Outcome> = stream::iter(&drives)
            .map(|(drive, records)| self.replicate_until(drive, records, deadline))
            .buffer_unordered(DRIVES_AT_ONCE)
            .try_collect()
            .await?;
        for one in applied {
            outcome.written += one.written;
            outcome.superseded += one.superseded;
            outcome.parked += one.parked;
        }
        Ok(outcome)
    }

    /// Replicates one drive's records, trying again what may pass until the deadline is near.
    async fn replicate_until(
        &self,
        drive: &DriveId,
        records: &[Record],
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.replicate(drive, records).await {
                Err(error) if error.is_transient() && Instant::now() + pause + RESERVE < deadline => {
                    tracing::warn!(%error, "trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                other => return other,
            }
        }
    }

    async fn replicate(&self, drive: &DriveId, records: &[Record]) -> Result<Outcome, StoreError> {
        // Read after the batch arrived: a join committed before an item was written is seen here.
        let outlets = self.store.outlets(drive, &self.document).await?;
        let mut outcome = Outcome::default();
        if outlets.is_empty() {
            return Ok(outcome);
        }
        let decisions: Vec<Vec<Decision>> = stream::iter(records)
            .map(|record| self.decide(drive, record, &outlets))
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await?;
        let decisions = decisions.concat();
        let applied = self.store.apply(&decisions, now()).await?;
        outcome.written = applied.written;
        outcome.superseded = applied.superseded;
        Ok(outcome)
    }

    /// What one record means for every group; the source is asked where the record cannot be trusted.
    async fn decide(
        &self,
        drive: &DriveId,
        record: &Record,
        outlets: &[Outlet],
    ) -> Result<Vec<Decision>, StoreError> {
        let mut asked: Option<Record> = None;
        let mut decisions = Vec::with_capacity(outlets.len());
        for Outlet { membership, book } in outlets {
            let decision = decide(&record.change(), membership, book);
            // Only what would show something can bring anything back.
            let shows = matches!(decision, Decision::Write { .. });
            if !shows || !must_ask_source(record.written, &membership.terms, book) {
                decisions.push(decision);
                continue;
            }
            if asked.is_none() {
                asked = Some(self.ask_source(drive, record).await?);
            }
            let source = asked.as_ref().unwrap_or(record);
            decisions.push(decide(&source.change(), membership, book));
        }
        Ok(decisions)
    }

    /// The item as its drive has it now.
    async fn ask_source(&self, drive: &DriveId, record: &Record) -> Result<Record, StoreError> {
        match self.store.item(drive, &record.id, &self.document).await {
            Ok(item) => Ok(Record { version: item.version, present: Some(item), ..record.clone() }),
            Err(StoreError::Missing(_)) => Ok(Record { present: None, ..record.clone() }),
            Err(error) => Err(error),
        }
    }

    /// Notes a heartbeat; whether it was one. If it cannot be noted the next one says the same: no item waits for it.
    async fn heartbeat(&self, record: &Json) -> bool {
        let change = record.get("dynamodb").unwrap_or(&Json::Null);
        let image = |name: &str| change.get(name).and_then(|image| attr::row_from_json(image).ok());
        if !image("Keys").is_some_and(|keys| heartbeat::is_heartbeat(&keys)) {
            return false;
        }
        if let Some(sent) = image("NewImage").as_ref().and_then(heartbeat::sent)
            && let Err(error) = self.store.note_beat(Beat { sent, seen: now() }).await
        {
            tracing::warn!(%error, "a heartbeat could not be noted");
        }
        true
    }

    fn read(&self, record: &Json) -> Result<(DriveId, Record), StoreError> {
        let change = record.get("dynamodb").unwrap_or(&Json::Null);
        let poison = |what: String| StoreError::Corrupt { table: "data", what };
        let image = |name: &str| change.get(name).filter(|image| !image.is_null()).map(attr::row_from_json);
        let keys = image("Keys").unwrap_or_else(|| Err("the record has no keys".into())).map_err(poison)?;
        let (drive, data_type, id) = data::item_key(&keys)?;
        let written = change.get("ApproximateCreationDateTime").and_then(Json::as_f64);
        let written = written.map(|seconds| Timestamp::from_millis((seconds * 1000.0) as i64));
        let present = image("NewImage").transpose().map_err(poison)?;
        let present = present.map(|row| data::item_from_row(&row, &self.document)).transpose()?;
        let version = match &present {
            Some(item) => item.version,
            None => {
                let old = image("OldImage")
                    .unwrap_or_else(|| Err("the record has no image".into()))
                    .map_err(poison)?;
                data::version_from_row(&old)?
            }
        };
        Ok((drive, Record { data_type, id, present, version, written }))
    }

    /// Notes that an item needs repair; repairing re-reads the source, so nothing of the record is kept.
    async fn park(&self, record: &Json, error: &StoreError) -> Result<(), StoreError> {
        let keys = record.get("dynamodb").and_then(|change| change.get("Keys"));
        let text = |name: &str| {
            let value = keys.and_then(|keys| keys.get(name)).and_then(|v| v.get("S")).and_then(Json::as_str);
            value.unwrap_or("unreadable").to_owned()
        };
        tracing::error!(%error, "a record is parked for repair");
        self.store.park(&text("pk"), &text("sk"), &error.to_string(), now()).await
    }
}
