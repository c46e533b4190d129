//! Copies of items in groups.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest, ReturnValuesOnConditionCheckFailure};
use domain::datatype::DataType;
use domain::id::{DriveId, GroupId, ItemId};
use domain::replication::{Decision, Order, ReplicaKey, ReplicaRow};
use domain::time::Timestamp;

use crate::Store;
use crate::attr::{self, Row};
use crate::data::Executed;
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, EXPIRES, PK, SK};
use crate::layout::Layout;
use crate::page::{Page, Window, merge_preferring};

pub(crate) const ORDER: &str = "ord";
pub(crate) const BODY: &str = "body";
/// Statements in one call.
pub(crate) const BATCH: usize = 25;
/// How long a tombstone stays: well beyond the day that the stream can still repeat what it buries.
pub const TOMBSTONE_DAYS: i64 = 7;

/// Of two copies at the same place, whether the one is to be believed rather than the other: the later one, and what
/// cannot be read rather than what an unreadable one may have buried.
fn overtakes(one: &Result<ReplicaRow>, other: &Result<ReplicaRow>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one.order > other.order,
        (Err(_), Ok(_)) => true,
        (_, Err(_)) => false,
    }
}

/// What applying decisions did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Copies written or buried.
    pub written: usize,
    /// Decisions that came too late: the copy has a greater order already.
    pub superseded: usize,
}

/// What is expected to be where a copy is written; only what it costs to be wrong depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Nothing for an item's first version, and a copy for later ones.
    ByVersion,
    /// A copy.
    Copy,
}

/// A copy as it shall be stored.
struct Write {
    key: ReplicaKey,
    order: Order,
    body: Option<AttributeValue>,
    expires: Option<i64>,
}

impl Write {
    fn of(decision: &Decision, now: Timestamp) -> Option<Self> {
        match decision {
            Decision::Nothing => None,
            Decision::Write { key, order, carried, expires } => Some(Self {
                key: key.clone(),
                order: *order,
                body: Some(attr::from_carried(carried)),
                expires: expires.map(Timestamp::seconds),
            }),
            Decision::Bury { key, order } => Some(Self {
                key: key.clone(),
                order: *order,
                body: None,
                expires: Some(now.seconds() + TOMBSTONE_DAYS * 86_400),
            }),
        }
    }

    fn attributes(&self) -> Vec<(String, AttributeValue)> {
        let order = (ORDER.to_owned(), attr::text(self.order.to_string()));
        let body = self.body.clone().map(|body| (BODY.to_owned(), body));
        let expires = self.expires.map(|end| (EXPIRES.to_owned(), attr::number(end)));
        [Some(order), body, expires].into_iter().flatten().collect()
    }

    fn row(&self) -> Row {
        let mut row = attr::key_row(&keys::replica(&self.key));
        row.extend(self.attributes());
        row
    }

    /// Whether nothing is expected where it is written. Tombstones are expected to lie over copies: what is not refused at
    /// the first try is not billed twice.
    fn is_first(&self, expected: Expected) -> bool {
        expected == Expected::ByVersion && self.order.version <= 1 && self.body.is_some()
    }

    /// A statement that takes effect only where nothing is.
    fn insertion(&self, table: &str) -> Result<BatchStatementRequest> {
        let key = keys::replica(&self.key);
        let key = [(PK.to_owned(), attr::text(key.pk)), (SK.to_owned(), attr::text(key.sk))];
        let (names, values): (Vec<String>, Vec<AttributeValue>) =
            key.into_iter().chain(self.attributes()).unzip();
        let mut text = format!("INSERT INTO \"{table}\" VALUE {{");
        for (at, name) in names.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            text.extend([comma, "'", name, "':?"]);
        }
        text.push('}');
        statement(text, values)
    }

    /// A statement that takes effect only over a copy of a lesser order, and returns the one that refuses it.
    fn update(&self, table: &str) -> Result<BatchStatementRequest> {
        let sets: String = self.attributes().iter().map(|(name, _)| format!(" SET {name}=?")).collect();
        let gone = [(self.body.is_none(), BODY), (self.expires.is_none(), EXPIRES)];
        let removes: String =
            gone.iter().filter(|(gone, _)| *gone).map(|(_, name)| format!(" REMOVE {name}")).collect();
        let key = keys::replica(&self.key);
        let mut values: Vec<AttributeValue> = self.attributes().into_iter().map(|(_, value)| value).collect();
        values.extend([attr::text(key.pk), attr::text(key.sk), attr::text(self.order.to_string())]);
        let text = format!("UPDATE \"{table}\"{sets}{removes} WHERE pk=? AND sk=? AND {ORDER}<?");
        let mut update = statement(text, values)?;
        update.return_values_on_condition_check_failure = Some(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(update)
    }

    /// Whether a copy as it is stored is as late as this one, or later.
    fn is_overtaken_by(&self, stored: &Row) -> bool {
        attr::get_text(stored, ORDER).is_ok_and(|order| order >= self.order.to_string().as_str())
    }
}

pub(crate) fn statement(text: String, values: Vec<AttributeValue>) -> Result<BatchStatementRequest> {
    BatchStatementRequest::builder()
        .statement(text)
        .set_parameters(Some(values))
        .build()
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

impl Store {
    /// Carries decisions out. Each takes effect only over a copy of a lesser order, so the same decisions can be
    /// applied any number of times, in any order, by any number of writers.
    ///
    /// # Errors
    /// Those of the database; what was applied by then stays, and applying all of it again is right.
    pub async fn apply(&self, decisions: &[Decision], now: Timestamp) -> Result<Applied> {
        self.apply_expecting(Expected::ByVersion, decisions, now).await
    }

    /// Like [`Store::apply`], for copies that are known to be there.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn apply_over(&self, decisions: &[Decision], now: Timestamp) -> Result<Applied> {
        self.apply_expecting(Expected::Copy, decisions, now).await
    }

    async fn apply_expecting(
        &self,
        expected: Expected,
        decisions: &[Decision],
        now: Timestamp,
    ) -> Result<Applied> {
        // Keys must be unique within a batch; of several writes to one copy only the greatest matters.
        let mut greatest: BTreeMap<ReplicaKey, Write> = BTreeMap::new();
        for write in decisions.iter().filter_map(|decision| Write::of(decision, now)) {
            match greatest.get(&write.key) {
                Some(other) if other.order >= write.order => {}
                _ => {
                    greatest.insert(write.key.clone(), write);
                }
            }
        }
        let writes: Vec<Write> = greatest.into_values().collect();
        let batches = writes.chunks(BATCH).map(|chunk| self.apply_batch(expected, chunk));
        // All of them to the end: a group whose partition is busy keeps no other from its copies.
        futures::future::join_all(batches).await.into_iter().try_fold(Applied::default(), |sum, one| {
            let one = one?;
            Ok(Applied { written: sum.written + one.written, superseded: sum.superseded + one.superseded })
        })
    }

    /// A batch of conditional statements knows no upsert: a new item's copy is inserted, a changed item's is updated. What is
    /// refused is tried the other way round, all in one call again, unless the copy that refuses it settles the matter.
    async fn apply_batch(&self, expected: Expected, writes: &[Write]) -> Result<Applied> {
        let mut applied = Applied::default();
        let (mut open, mut busy): (Vec<&Write>, Vec<&Write>) = (writes.iter().collect(), Vec::new());
        let mut failed = None;
        for is_first in [true, false] {
            // One costs a request either way; the put needs no second one if it is refused.
            if open.len() < 2 {
                break;
            }
            let table = &self.tables.replicas;
            let statements = open.iter().map(|write| match write.is_first(expected) == is_first {
                true => write.insertion(table),
                false => write.update(table),
            });
            let executed = self.batch_statements(statements.collect::<Result<_>>()?).await?;
            let mut refused = Vec::new();
            for (write, executed) in open.into_iter().zip(executed) {
                match executed {
                    Ok(Executed::Done(_)) => applied.written += 1,
                    Ok(Executed::Refused(Some(stored))) if write.is_overtaken_by(&stored) => {
                        applied.superseded += 1;
                    }
                    Ok(Executed::Refused(_)) => refused.push(write),
                    Err(StoreError::Busy(_)) => busy.push(write),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            open = refused;
        }
        open.append(&mut busy);
        for settled in futures::future::join_all(open.into_iter().map(|write| self.settle(write))).await {
            match settled {
                Ok(true) => applied.written += 1,
                Ok(false) => applied.superseded += 1,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(applied), Err)
    }

    /// One conditional put; whether it took effect.
    async fn settle(&self, write: &Write) -> Result<bool> {
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.replicas)
            .set_item(Some(write.row()))
            .condition_expression("attribute_not_exists(pk) OR #ord < :ord")
            .expression_attribute_names("#ord", ORDER)
            .expression_attribute_values(":ord", attr::text(write.order.to_string()));
        match put.send().await.map_err(sdk) {
            Ok(_) => Ok(true),
            Err(StoreError::Condition) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A page of a group's copies of some types in the order of time, *unguarded*: tombstones and copies of former
    /// members included. Show them only through [`domain::replication::shown`].
    ///
    /// # Errors
    /// Those of the database.
    pub async fn replicas(
        &self,
        group: &GroupId,
        layout: &Layout,
        types: &[&DataType],
        window: &Window,
    ) -> Result<Page<Result<ReplicaRow>>> {
        let partitions = types.iter().flat_map(|data_type| {
            layout.shards().map(|shard| (*data_type, keys::replica_partition(group, &data_type.name, shard)))
        });
        let lists = types.len() * layout.shards().count();
        let reads = partitions.map(|(data_type, partition)| async move {
            // Consistent: what was taken away in a request must be gone in the next one.
            let query = self.client.query().table_name(&self.tables.replicas).consistent_read(true);
            let (rows, rest) = window.read(query, (&partition, ""), lists).await?;
            let rows = rows.iter().map(|row| {
                let sort = attr::get_text(row, keys::SK).unwrap_or_default().to_owned();
                (sort, replica_from_row(row, data_type))
            });
            Ok::<_, StoreError>((rows.collect::<Vec<_>>(), rest))
        });
        Ok(merge_preferring(futures::future::try_join_all(reads).await?, window, overtakes))
    }
}

pub(crate) fn replica_from_row(row: &Row, data_type: &DataType) -> Result<ReplicaRow> {
    let read = || -> std::result::Result<ReplicaRow, String> {
        let (id, drive) =
            attr::get_text(row, keys::SK)?.split_once('#').ok_or("the sort key is not a replica's")?;
        let carried = row.get(BODY).map(|body| attr::to_carried(body, data_type)).transpose()?;
        let expires = attr::get_number_opt::<i64>(row, EXPIRES)?;
        Ok(ReplicaRow {
            data_type: data_type.name.clone(),
            id: ItemId::parse(id).map_err(|e| e.to_string())?,
            drive: DriveId::parse(drive).map_err(|e| e.to_string())?,
            order: attr::get_text(row, ORDER)?.parse().map_err(|_| "`ord` is not an order")?,
            carried: carried.unwrap_or_default(),
            expires: expires.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000))),
        })
    };
    read().map_err(|what| StoreError::corrupt("replicas", what))
}
