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
use domain::replication::Change;
use domain::time::Timestamp;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value as Json;
use store::clock::now;
use store::document::Document;
use store::heartbeat::{self, Beat};
use store::{Store, StoreError, attr, data, repairs};

use crate::evaluation::{Budget, Evaluation};

/// Drives worked on at once.
const DRIVES_AT_ONCE: usize = 8;
/// Items whose source is asked at once, for one drive.
const READS_AT_ONCE: usize = 8;
/// Items parked at once, of one drive.
const PARKED_AT_ONCE: usize = 16;
/// How often one drive's part of a batch is tried before it is parked.
const ATTEMPTS: u32 = 4;
/// Time left aside at the end of an invocation, in which what is not done by then is parked.
const RESERVE: Duration = Duration::from_secs(5);

/// The stream function.
#[derive(Debug, Clone)]
pub struct Replicator {
    store: Store,
    document: Arc<Document>,
    budget: Budget,
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
pub(crate) struct Record {
    data_type: Name,
    pub(crate) id: ItemId,
    /// The item as it reads now; none if it was deleted.
    present: Option<Item>,
    version: u64,
    pub(crate) written: Option<Timestamp>,
}

impl Record {
    pub(crate) fn change(&self) -> Change<'_> {
        match &self.present {
            Some(item) => Change::Present(item),
            None => Change::Deleted { id: &self.id, data_type: &self.data_type, version: self.version },
        }
    }
}

impl Replicator {
    /// The function over a store.
    pub fn new(store: Store, document: Arc<Document>) -> Self {
        Self { store, document, budget: Budget::default() }
    }

    /// The same, with another budget for the evaluation of rules.
    #[must_use]
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// Handles one batch of a stream. A drive whose part cannot be done has it parked for repair, and fails no other.
    ///
    /// # Errors
    /// If something could neither be done nor parked. The whole batch is then to be delivered again: repeats change
    /// nothing, and partial batch responses are not honoured everywhere.
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
        // All of them to the end, whatever becomes of one.
        let applied: Vec<Result<Outcome, StoreError>> = stream::iter(&drives)
            .map(|(drive, records)| self.replicate_or_park(drive, records, deadline))
            .buffer_unordered(DRIVES_AT_ONCE)
            .collect()
            .await;
        for one in applied {
            let one = one?;
            outcome.written += one.written;
            outcome.superseded += one.superseded;
            outcome.parked += one.parked;
        }
        Ok(outcome)
    }

    /// Replicates one drive's records; what fails a few times, or is not done when the deadline is near, is parked.
    async fn replicate_or_park(
        &self,
        drive: &DriveId,
        records: &[Record],
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let until = deadline.checked_sub(RESERVE).unwrap_or(deadline);
        let replicated = tokio::time::timeout_at(until.into(), self.replicate_until(drive, records, until));
        let late = || StoreError::Unavailable("not done in time".into());
        let error = match replicated.await.unwrap_or_else(|_| Err(late())) {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        let reason = repairs::reason(&error);
        tracing::error!(reason, items = records.len(), "a drive's part of a batch is parked for repair");
        let parked = self.park_items(drive, records, &reason).await?;
        Ok(Outcome { parked, ..Outcome::default() })
    }

    /// Replicates one drive's records. What may pass is tried again, with growing and jittered waits.
    async fn replicate_until(
        &self,
        drive: &DriveId,
        records: &[Record],
        until: Instant,
    ) -> Result<Outcome, StoreError> {
        let mut attempt = 1;
        loop {
            let error = match self.replicate(drive, records).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => error,
            };
            let most = 100u64 << attempt;
            let pause = Duration::from_millis(most / 2 + fastrand::u64(..most / 2));
            if !error.is_transient() || attempt == ATTEMPTS || Instant::now() + pause >= until {
                return Err(error);
            }
            tracing::warn!(reason = repairs::reason(&error), attempt, "trying again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn replicate(&self, drive: &DriveId, records: &[Record]) -> Result<Outcome, StoreError> {
        // Read after the batch arrived: a join committed before an item was written is seen here.
        let outlets = self.store.outlets(drive, &self.document).await?;
        if outlets.is_empty() {
            return Ok(Outcome::default());
        }
        let evaluation = Evaluation::new(records, outlets, self.budget);
        let mut evaluation = on_a_thread(move || evaluation.decide()).await?;
        let doubtful = evaluation.doubtful();
        if !doubtful.is_empty() {
            let sources: Vec<Record> = stream::iter(&doubtful)
                .map(|record| self.ask_source(drive, record))
                .buffer_unordered(READS_AT_ONCE)
                .try_collect()
                .await?;
            evaluation = on_a_thread(move || evaluation.decide_from_sources(sources)).await?;
        }
        let (decisions, late) = evaluation.finish();
        let applied = self.store.apply(&decisions, now()).await?;
        let mut outcome =
            Outcome { written: applied.written, superseded: applied.superseded, ..Outcome::default() };
        if !late.is_empty() {
            tracing::error!(
                items = late.len(),
                "the rules of a drive's groups take too long: items are parked for repair"
            );
            outcome.parked = self.park_items(drive, &late, TOO_SLOW).await?;
        }
        Ok(outcome)
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

    /// Notes that items of a drive need repair; how many.
    async fn park_items(
        &self,
        drive: &DriveId,
        records: &[Record],
        reason: &str,
    ) -> Result<usize, StoreError> {
        let now = now();
        stream::iter(records)
            .map(|record| self.store.park_item(drive, (&record.data_type, &record.id), reason, now))
            .buffer_unordered(PARKED_AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(records.len())
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

/// Why items are parked that the rules of some group had no time left for.
const TOO_SLOW: &str = "the rules of the groups that it is shared into took too long";

/// Does what takes the processor on a thread of its own.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| StoreError::Unavailable("the evaluation of rules ended early".into()))
}
