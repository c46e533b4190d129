//! Removing copies: of a provider who left, of a group that was deleted.

use domain::id::{DriveId, GroupId, ItemId, Name};
use domain::replication::{Order, ReplicaKey};

use crate::Store;
use crate::attr::{self, Row};
use crate::document::Document;
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, Key};
use crate::layout::Layout;
use crate::replicas::{BATCH, ORDER, statement};

/// What looking through a stretch of copies found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Copies, tombstones not counted.
    pub found: usize,
    /// Of those, how many were removed.
    pub removed: usize,
    /// Behind which row the next stretch begins.
    pub next: Option<String>,
}

/// Whether a row is a copy and no tombstone; what cannot be told counts as one.
fn is_alive(row: &Row) -> bool {
    attr::get_text(row, ORDER)
        .ok()
        .and_then(|order| order.parse::<Order>().ok())
        .is_none_or(|order| !order.dead)
}

impl Store {
    /// Deletes the copies of these items that were written in the membership's epoch or an earlier one, tombstones
    /// too, and tells how many copies there were.
    ///
    /// # Errors
    /// Those of the database; deleting all of them again is right.
    pub async fn purge(
        &self,
        group: &GroupId,
        layout: &Layout,
        drive: &DriveId,
        items: &[(Name, ItemId)],
        (era, epoch): (u16, u64),
    ) -> Result<usize> {
        let below = Order::floor(era, epoch + 1).to_string();
        let keys: Vec<Key> = items
            .iter()
            .flat_map(|(data_type, id)| layout.of_item(id).map(move |shard| (data_type, id, shard)))
            .map(|(data_type, id, shard)| {
                keys::replica(&ReplicaKey {
                    group: group.clone(),
                    data_type: data_type.clone(),
                    shard,
                    id: id.clone(),
                    drive: drive.clone(),
                })
            })
            .collect();
        self.remove_below(&keys, &below).await
    }

    /// Deletes the rows of these keys that have a lesser order, and tells how many of them were alive.
    async fn remove_below(&self, keys: &[Key], order: &str) -> Result<usize> {
        let text = format!(
            "DELETE FROM \"{}\" WHERE pk=? AND sk=? AND {ORDER}<? RETURNING ALL OLD *",
            self.tables.replicas
        );
        let mut removed = 0;
        for chunk in keys.chunks(BATCH) {
            let statements = chunk
                .iter()
                .map(|key| {
                    statement(text.clone(), vec![attr::text(&key.pk), attr::text(&key.sk), attr::text(order)])
                })
                .collect::<Result<Vec<_>>>()?;
            for answer in self.batch_statements(statements).await? {
                match answer {
                    // Nothing comes back where nothing was.
                    Ok(before) => removed += usize::from(before.is_some_and(|row| is_alive(&row))),
                    // It is of a later membership and stays.
                    Err(StoreError::Condition) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(removed)
    }

    /// Looks through a stretch of one partition of a group's copies for those of one drive that were written in the
    /// membership's epoch or an earlier one, and removes them.
    ///
    /// # Errors
    /// Those of the database; looking again is right.
    pub async fn sweep(
        &self,
        partition: &str,
        drive: &DriveId,
        (era, epoch): (u16, u64),
        after: Option<&str>,
    ) -> Result<Swept> {
        let start = after.map(|sk| attr::key_row(&Key { pk: partition.to_owned(), sk: sk.to_owned() }));
        let answer = self
            .client
            .query()
            .table_name(&self.tables.replicas)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", attr::text(partition))
            .projection_expression("sk, #ord")
            .expression_attribute_names("#ord", ORDER)
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(sdk)?;
        let below = Order::floor(era, epoch + 1).to_string();
        let mut found = Vec::new();
        let mut alive = 0;
        for row in answer.items.unwrap_or_default() {
            let (Ok(sk), Ok(order)) = (attr::get_text(&row, keys::SK), attr::get_text(&row, ORDER)) else {
                continue;
            };
            let theirs = sk.split_once('#').is_some_and(|(_, of)| of == drive.as_str());
            if theirs && order < below.as_str() {
                alive += usize::from(is_alive(&row));
                found.push(Key { pk: partition.to_owned(), sk: sk.to_owned() });
            }
        }
        let removed = self.remove_below(&found, &below).await?;
        let next = answer.last_evaluated_key.as_ref().and_then(|key| attr::get_text(key, keys::SK).ok());
        Ok(Swept { found: alive, removed, next: next.map(str::to_owned) })
    }

    /// Deletes a page of all copies of a deleted group, one type at a time; whether there may be more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn purge_group(
        &self,
        group: &GroupId,
        layout: &Layout,
        document: &Document,
    ) -> Result<(usize, bool)> {
        for partition in layout.partitions(group, document.data_types.keys()) {
            let answer = self
                .client
                .query()
                .table_name(&self.tables.replicas)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", attr::text(&partition))
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
                for answer in self.batch_statements(statements).await? {
                    answer?;
                }
            }
            return Ok((rows.len(), true));
        }
        Ok((0, false))
    }
}
