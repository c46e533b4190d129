//! Copies of items in groups.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest};
use domain::datatype::DataType;
use domain::id::{DriveId, GroupId, ItemId, Name};
use domain::replication::{Decision, Order, ReplicaKey, ReplicaRow};
use domain::time::Timestamp;

use crate::Store;
use crate::attr::{self, Row};
use crate::document::Document;
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, EXPIRES};
use crate::page::{Page, Window, merge};

const ORDER: &str = "ord";
const BODY: &str = "body";
/// Statements in one call.
const BATCH: usize = 25;
/// How long a tombstone stays: well beyond the day that the stream can still repeat what it buries.
pub const TOMBSTONE_DAYS: i64 = 7;

/// What applying decisions did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Copies written or buried.
    pub written: usize,
    /// Decisions that came too late: the copy has a greater order already.
    pub superseded: usize,
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
            Decision::Write { key, order, fields, expires } => Some(Self {
                key: key.clone(),
                order: *order,
                body: Some(attr::from_fields(fields)),
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

    /// The cheap first try: a new item's copy is inserted, a changed item's is updated.
    ///
    /// A batch of conditional statements knows no upsert, so either can be refused although the copy is older or
    /// absent; one conditional put then settles it.
    fn statement(&self, table: &str) -> Result<BatchStatementRequest> {
        if self.order.version <= 1 {
            let (names, values): (Vec<String>, Vec<AttributeValue>) = self.row().into_iter().unzip();
            return insert_statement(table, &names, values);
        }
        let sets: String = self.attributes().iter().map(|(name, _)| format!(" SET {name}=?")).collect();
        let gone = [(self.body.is_none(), BODY), (self.expires.is_none(), EXPIRES)];
        let removes: String =
            gone.iter().filter(|(gone, _)| *gone).map(|(_, name)| format!(" REMOVE {name}")).collect();
        let key = keys::replica(&self.key);
        let mut values: Vec<AttributeValue> = self.attributes().into_iter().map(|(_, value)| value).collect();
        values.extend([attr::text(key.pk), attr::text(key.sk), attr::text(self.order.to_string())]);
        statement(format!("UPDATE \"{table}\"{sets}{removes} WHERE pk=? AND sk=? AND {ORDER}<?"), values)
    }
}

fn insert_statement(
    table: &str,
    names: &[String],
    values: Vec<AttributeValue>,
) -> Result<BatchStatementRequest> {
    let places: Vec<String> = names.iter().map(|name| format!("'{name}':?")).collect();
    statement(format!("INSERT INTO \"{table}\" VALUE {{{}}}", places.join(",")), values)
}

fn statement(text: String, values: Vec<AttributeValue>) -> Result<BatchStatementRequest> {
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
        let applied =
            futures::future::try_join_all(writes.chunks(BATCH).map(|chunk| self.apply_batch(chunk))).await?;
        Ok(applied.into_iter().fold(Applied::default(), |sum, one| Applied {
            written: sum.written + one.written,
            superseded: sum.superseded + one.superseded,
        }))
    }

    async fn apply_batch(&self, writes: &[Write]) -> Result<Applied> {
        let mut applied = Applied::default();
        let mut open: Vec<&Write> = Vec::new();
        // A batch of one costs a request either way; the put needs no second one if it is refused.
        if let [only] = writes {
            open.push(only);
        } else {
            let statements =
                writes.iter().map(|write| write.statement(&self.tables.replicas)).collect::<Result<_>>()?;
            for (write, refused) in writes.iter().zip(self.batch_statements(statements).await?) {
                match refused {
                    None => applied.written += 1,
                    Some(StoreError::Condition | StoreError::Busy(_)) => open.push(write),
                    Some(error) => return Err(error),
                }
            }
        }
        for settled in futures::future::try_join_all(open.into_iter().map(|write| self.settle(write))).await?
        {
            if settled { applied.written += 1 } else { applied.superseded += 1 }
        }
        Ok(applied)
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
        types: &[&DataType],
        window: &Window,
    ) -> Result<Page<Result<ReplicaRow>>> {
        let reads = types.iter().map(|data_type| async move {
            // Consistent: what was taken away in a request must be gone in the next one.
            let query = self.client.query().table_name(&self.tables.replicas).consistent_read(true);
            let partition = keys::replica_partition(group, &data_type.name);
            let (rows, more) = window.read(query, &partition, "").await?;
            let rows = rows.iter().map(|row| {
                let sort = attr::get_text(row, keys::SK).unwrap_or_default().to_owned();
                (sort, replica_from_row(row, data_type))
            });
            Ok::<_, StoreError>((rows.collect::<Vec<_>>(), more))
        });
        Ok(merge(futures::future::try_join_all(reads).await?, window))
    }

    /// Deletes the copies of these items that were written in the membership's epoch or an earlier one.
    ///
    /// # Errors
    /// Those of the database; deleting all of them again is right.
    pub async fn purge(
        &self,
        group: &GroupId,
        drive: &DriveId,
        items: &[(Name, ItemId)],
        era: u16,
        epoch: u64,
    ) -> Result<usize> {
        let below = Order { era, epoch: epoch + 1, version: 0, rule_revision: 0, dead: false }.to_string();
        let statement_of = |(data_type, id): &(Name, ItemId)| {
            let key = ReplicaKey {
                group: group.clone(),
                data_type: data_type.clone(),
                id: id.clone(),
                drive: drive.clone(),
            };
            let key = keys::replica(&key);
            let text = format!("DELETE FROM \"{}\" WHERE pk=? AND sk=? AND {ORDER}<?", self.tables.replicas);
            statement(text, vec![attr::text(key.pk), attr::text(key.sk), attr::text(&below)])
        };
        for chunk in items.chunks(BATCH) {
            let statements = chunk.iter().map(statement_of).collect::<Result<Vec<_>>>()?;
            for refused in self.batch_statements(statements).await?.into_iter().flatten() {
                // A copy of a later membership stays.
                if !matches!(refused, StoreError::Condition) {
                    return Err(refused);
                }
            }
        }
        Ok(items.len())
    }

    /// Deletes a page of all copies of a deleted group, one type at a time; whether there may be more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn purge_group(&self, group: &GroupId, document: &Document) -> Result<(usize, bool)> {
        for data_type in document.data_types.keys() {
            let answer = self
                .client
                .query()
                .table_name(&self.tables.replicas)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", attr::text(keys::replica_partition(group, data_type)))
                .projection_expression("pk, sk")
                .limit(500)
                .consistent_read(true)
                .send()
                .await
                .map_err(sdk)?;
            let rows = answer.items.unwrap_or_default();
            if rows.is_empty() {
                continue;
            }
            for chunk in rows.chunks(BATCH) {
                let statements = chunk
                    .iter()
                    .filter_map(|row| Some(vec![row.get(keys::PK)?.clone(), row.get(keys::SK)?.clone()]))
                    .map(|key| {
                        statement(
                            format!("DELETE FROM \"{}\" WHERE pk=? AND sk=?", self.tables.replicas),
                            key,
                        )
                    })
                    .collect::<Result<Vec<_>>>()?;
                if let Some(error) = self.batch_statements(statements).await?.into_iter().flatten().next() {
                    return Err(error);
                }
            }
            return Ok((rows.len(), true));
        }
        Ok((0, false))
    }
}

fn replica_from_row(row: &Row, data_type: &DataType) -> Result<ReplicaRow> {
    let read = || -> std::result::Result<ReplicaRow, String> {
        let (id, drive) =
            attr::get_text(row, keys::SK)?.split_once('#').ok_or("the sort key is not a replica's")?;
        let fields = row.get(BODY).map(|body| attr::to_fields(body, data_type)).transpose()?;
        let expires = attr::get_number_opt::<i64>(row, EXPIRES)?;
        Ok(ReplicaRow {
            data_type: data_type.name.clone(),
            id: ItemId::parse(id).map_err(|e| e.to_string())?,
            drive: DriveId::parse(drive).map_err(|e| e.to_string())?,
            order: attr::get_text(row, ORDER)?.parse().map_err(|_| "`ord` is not an order")?,
            fields: fields.unwrap_or_default(),
            expires: expires.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000))),
        })
    };
    read().map_err(|what| StoreError::corrupt("replicas", what))
}
