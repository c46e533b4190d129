//! Removing copies: of a provider who left, of a group that was deleted.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::{DriveId, GroupId, ItemId, Name};
use domain::replication::{Order, ReplicaKey};
use domain::time::Timestamp;

use crate::Store;
use crate::attr::{self, Row};
use crate::data::Executed;
use crate::error::{Result, sdk};
use crate::keys::{self, EXPIRES, Key};
use crate::layout::Layout;
use crate::replicas::{BATCH, BODY, ORDER, TOMBSTONE_DAYS, statement};

/// The end of a membership, for its copies.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The drive that shares no more.
    pub drive: &'a DriveId,
    /// The era of now.
    pub era: u16,
    /// The membership's epoch.
    pub epoch: u64,
}

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

/// A row of copies, without what it carries.
struct Seen {
    sk: String,
    order: Option<Order>,
}

impl Seen {
    /// What cannot be told counts as a copy.
    fn is_alive(&self) -> bool {
        self.order.is_none_or(|order| !order.dead)
    }

    fn is_of(&self, drive: &DriveId) -> bool {
        self.sk.split_once('#').is_some_and(|(_, of)| of == drive.as_str())
    }

    fn of(row: &Row) -> Option<Self> {
        let order = attr::get_text(row, ORDER).ok().and_then(|order| order.parse().ok());
        Some(Self { sk: attr::get_text(row, keys::SK).ok()?.to_owned(), order })
    }
}

impl Store {
    /// Buries the copies of these items that were written in the membership's epoch or an earlier one, and tells how
    /// many there were.
    ///
    /// Buried and not deleted: a list that began before the leave may still be reading, and a late write must not put
    /// back before its eyes what an earlier one has replaced.
    ///
    /// # Errors
    /// Those of the database; burying all of them again is right.
    pub async fn purge(
        &self,
        group: &GroupId,
        layout: &Layout,
        ended: Ended<'_>,
        items: &[(Name, ItemId)],
        now: Timestamp,
    ) -> Result<usize> {
        let keys: Vec<Key> = items
            .iter()
            .flat_map(|(data_type, id)| layout.of_item(id).map(move |shard| (data_type, id, shard)))
            .map(|(data_type, id, shard)| {
                keys::replica(&ReplicaKey {
                    group: group.clone(),
                    data_type: data_type.clone(),
                    shard,
                    id: id.clone(),
                    drive: ended.drive.clone(),
                })
            })
            .collect();
        self.bury(&keys, ended, now).await
    }

    /// Buries the rows of these keys, if they are there and of the membership or an earlier one, and tells how many of
    /// them were alive.
    async fn bury(&self, keys: &[Key], ended: Ended<'_>, now: Timestamp) -> Result<usize> {
        let text = format!(
            "UPDATE \"{}\" SET {ORDER}=? SET {EXPIRES}=? REMOVE {BODY} WHERE pk=? AND sk=? AND {ORDER}<? RETURNING ALL OLD *",
            self.tables.replicas
        );
        let last = attr::text(Order::last(ended.era, ended.epoch).to_string());
        let expires = attr::number(now.seconds() + TOMBSTONE_DAYS * 86_400);
        let values = |key: &Key| {
            vec![last.clone(), expires.clone(), attr::text(&key.pk), attr::text(&key.sk), last.clone()]
        };
        self.each(keys, &text, values).await
    }

    /// Sends the same statement for each of the keys, and tells how many copies came back as having been there.
    async fn each(
        &self,
        keys: &[Key],
        text: &str,
        values: impl Fn(&Key) -> Vec<AttributeValue>,
    ) -> Result<usize> {
        let mut removed = 0;
        for chunk in keys.chunks(BATCH) {
            let statements = chunk
                .iter()
                .map(|key| statement(text.to_owned(), values(key)))
                .collect::<Result<Vec<_>>>()?;
            for answer in self.batch_statements(statements).await? {
                match answer {
                    // Nothing comes back where nothing was.
                    Ok(Executed::Done(before)) => {
                        let before = before.as_ref().and_then(Seen::of);
                        removed += usize::from(before.is_some_and(|seen| seen.is_alive()));
                    }
                    // There is none, or it is of a later membership and stays.
                    Ok(Executed::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(removed)
    }

    /// Looks through a stretch of one partition of a group's copies for those of the membership or an earlier one, and
    /// buries them.
    ///
    /// # Errors
    /// Those of the database; looking again is right.
    pub async fn sweep(
        &self,
        partition: &str,
        ended: Ended<'_>,
        after: Option<&str>,
        now: Timestamp,
    ) -> Result<Swept> {
        let (rows, next) = self.stretch(partition, after).await?;
        let last = Order::last(ended.era, ended.epoch);
        let theirs = |seen: &&Seen| {
            seen.is_alive() && seen.is_of(ended.drive) && seen.order.is_none_or(|order| order < last)
        };
        let key = |seen: &Seen| Key { pk: partition.to_owned(), sk: seen.sk.clone() };
        let found: Vec<Key> = rows.iter().filter(theirs).map(key).collect();
        let removed = self.bury(&found, ended, now).await?;
        Ok(Swept { found: found.len(), removed, next })
    }

    /// Deletes what is alive in a stretch of one partition of a deleted group's copies.
    ///
    /// # Errors
    /// Those of the database; looking again is right.
    pub async fn clear(&self, partition: &str, after: Option<&str>) -> Result<Swept> {
        let (rows, next) = self.stretch(partition, after).await?;
        let key = |seen: &Seen| Key { pk: partition.to_owned(), sk: seen.sk.clone() };
        let found: Vec<Key> = rows.iter().filter(|seen| seen.is_alive()).map(key).collect();
        let text =
            format!("DELETE FROM \"{}\" WHERE pk=? AND sk=? RETURNING ALL OLD *", self.tables.replicas);
        let values = |key: &Key| vec![attr::text(&key.pk), attr::text(&key.sk)];
        let removed = self.each(&found, &text, values).await?;
        Ok(Swept { found: found.len(), removed, next })
    }

    /// Deletes every row of a drive, tombstones included, from a stretch of one partition of a group's copies. Only when
    /// nobody can write such a row any more: nothing is left then that would keep a late one from coming back.
    ///
    /// # Errors
    /// Those of the database; looking again is right.
    pub async fn forget_copies(
        &self,
        partition: &str,
        drive: &DriveId,
        after: Option<&str>,
    ) -> Result<Swept> {
        let (rows, next) = self.stretch(partition, after).await?;
        let key = |seen: &Seen| Key { pk: partition.to_owned(), sk: seen.sk.clone() };
        let found: Vec<Key> = rows.iter().filter(|seen| seen.is_of(drive)).map(key).collect();
        let text = format!("DELETE FROM \"{}\" WHERE pk=? AND sk=?", self.tables.replicas);
        self.each(&found, &text, |key| vec![attr::text(&key.pk), attr::text(&key.sk)]).await?;
        Ok(Swept { found: found.len(), removed: found.len(), next })
    }

    async fn stretch(&self, partition: &str, after: Option<&str>) -> Result<(Vec<Seen>, Option<String>)> {
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
        let next = answer.last_evaluated_key.as_ref().and_then(|key| attr::get_text(key, keys::SK).ok());
        let next = next.map(str::to_owned);
        Ok((answer.items.unwrap_or_default().iter().filter_map(Seen::of).collect(), next))
    }
}
