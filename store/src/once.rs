//! Writes that are done once, however often they are asked for: what a caller's idempotency key stands for.
//!
//! A key's record is written in the very transaction that does the work, so of two requests at once only one does it.
//! It holds nothing of what was sent: only a hash to know it by, and the [`Stamp`] from which identifiers and times are
//! made. Whoever repeats a request sends its body again, and from both the same answer is made again.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::id::{GroupId, InvitationId, ItemId, Name, UserId};
use domain::item::Item;
use domain::time::Timestamp;
use sha2::{Digest, Sha256};

use crate::attr::{self, Row};
use crate::data::item_row;
use crate::error::{Result, StoreError};
use crate::keys::{self, EXPIRES};
use crate::{Store, ids};

/// How long a key is remembered, in milliseconds: a day.
pub const REMEMBERED: i64 = 86_400_000;
/// Items that one transaction creates at most: DynamoDB takes 100 actions, and the record is one of them.
pub const BATCH: usize = 50;

/// From what the identifiers and times of a request's results are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    seed: u128,
    /// When it was done.
    pub at: Timestamp,
}

impl Stamp {
    /// One that nobody had before.
    pub fn fresh(now: Timestamp) -> Self {
        Self { seed: ids::bits(), at: now }
    }

    /// The identifier of the n-th item that the request makes.
    pub fn item(&self, n: usize, time: Timestamp, data_type: &Name) -> ItemId {
        let digest = Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update((n as u64).to_be_bytes())
            .finalize();
        let random = digest.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte));
        ItemId::new(time, data_type, random)
    }

    /// The identifier of the group that the request makes.
    pub fn group(&self) -> GroupId {
        GroupId::from_bits(self.seed)
    }

    /// The identifier of the invitation that the request makes.
    pub fn invitation(&self) -> InvitationId {
        InvitationId::from_bits(self.seed)
    }
}

/// A request that its caller has given a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    user: UserId,
    key: String,
    part: usize,
    asked: String,
}

impl Keyed {
    /// A request by its caller, their key, and everything that makes it what it is.
    pub fn new(user: &UserId, key: &str, request: &[&[u8]]) -> Self {
        let key = keys::digest(&[key.as_bytes()]);
        Self { user: user.clone(), key, part: 0, asked: keys::digest(request) }
    }

    /// A part of the request that is done by itself.
    #[must_use]
    pub fn part(&self, part: usize) -> Self {
        Self { part, ..self.clone() }
    }

    fn row(&self, stamp: &Stamp) -> Row {
        let expires = stamp.at.plus_millis(REMEMBERED);
        attr::row(
            &keys::once(&self.user, &self.key, self.part),
            [
                ("asked", attr::text(&self.asked)),
                // As an identifier, because numbers of DynamoDB have too few digits.
                ("seed", attr::text(GroupId::from_bits(stamp.seed).as_str())),
                ("at", attr::text(stamp.at.to_string())),
                (EXPIRES, attr::number(expires.seconds())),
            ],
        )
    }
}

fn stamp_of(row: &Row) -> Result<(String, Stamp)> {
    let read = || -> std::result::Result<_, String> {
        let seed = GroupId::parse(attr::get_text(row, "seed")?).map_err(|e| e.to_string())?;
        let stamp = Stamp { seed: seed.bits(), at: attr::get_time(row, "at")? };
        Ok((attr::get_text(row, "asked")?.to_owned(), stamp))
    };
    read().map_err(|what| StoreError::corrupt("directory", what))
}

impl Store {
    /// Commits a transaction, at most once for a key. What was done before under the key is told instead of doing it
    /// again.
    ///
    /// # Errors
    /// [`StoreError::KeyReused`] if the key stands for another request; else those of the transaction.
    pub(crate) async fn commit(
        &self,
        mut actions: Vec<TransactWriteItem>,
        once: Option<(&Keyed, &Stamp)>,
    ) -> Result<Option<Stamp>> {
        let Some((keyed, stamp)) = once else { return self.transact(actions).await.map(|()| None) };
        let record = actions.len();
        // TTL removes rows late: what is over counts as gone.
        let put = Put::builder()
            .table_name(&self.tables.directory)
            .set_item(Some(keyed.row(stamp)))
            .condition_expression("attribute_not_exists(pk) OR #exp <= :now")
            .expression_attribute_names("#exp", EXPIRES)
            .expression_attribute_values(":now", attr::number(stamp.at.seconds()));
        let put = put.build().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        actions.push(TransactWriteItem::builder().put(put).build());
        match self.transact(actions).await {
            Ok(()) => Ok(None),
            Err(error) if error.refused_at(record) => match self.done_before(keyed).await? {
                Some(stamp) => Ok(Some(stamp)),
                None => Err(StoreError::Busy("the key was forgotten just now".into())),
            },
            Err(error) if error.is_contention() => {
                Err(StoreError::Busy("the same request is under way".into()))
            }
            Err(error) => Err(error),
        }
    }

    /// The stamp with which a request was done before under its key, if it was.
    ///
    /// # Errors
    /// [`StoreError::KeyReused`] if the key stands for another request.
    pub async fn done_before(&self, keyed: &Keyed) -> Result<Option<Stamp>> {
        let row = self.directory_row(&keys::once(&keyed.user, &keyed.key, keyed.part)).await?;
        let Some((asked, stamp)) = row.as_ref().map(stamp_of).transpose()? else { return Ok(None) };
        if asked == keyed.asked { Ok(Some(stamp)) } else { Err(StoreError::KeyReused) }
    }

    /// Writes new items, all or none, at most once for a key. If that was done before, the stamp it was done with.
    ///
    /// # Errors
    /// [`StoreError::KeyReused`] if the key stands for another request; else those of the database.
    pub async fn create_items_once(
        &self,
        items: &[Item],
        keyed: &Keyed,
        stamp: &Stamp,
    ) -> Result<Option<Stamp>> {
        let put = |item: &Item| {
            let put = Put::builder()
                .table_name(&self.tables.data)
                .set_item(Some(item_row(item)))
                .condition_expression("attribute_not_exists(pk)");
            put.build()
                .map(|put| TransactWriteItem::builder().put(put).build())
                .map_err(|error| StoreError::Unavailable(error.to_string()))
        };
        self.commit(items.iter().map(put).collect::<Result<_>>()?, Some((keyed, stamp))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stamp_always_makes_the_same_identifiers_and_another_one_others() {
        let now = Timestamp::from_millis(0);
        let name = Name::parse("glucose").unwrap();
        let (one, other) = (Stamp::fresh(now), Stamp::fresh(now));
        assert_eq!(one.item(3, now, &name), one.item(3, now, &name));
        assert_ne!(one.item(3, now, &name), one.item(4, now, &name));
        assert_ne!(one.item(3, now, &name), other.item(3, now, &name));
        assert_eq!(one.group(), one.group());
    }

    #[test]
    fn a_record_reads_as_it_was_written_and_tells_nothing_of_the_request() {
        let user = UserId::from_bits(1);
        let keyed = Keyed::new(&user, "my key", &[b"POST", b"a secret"]);
        let stamp = Stamp::fresh(Timestamp::from_millis(1_000));
        let row = keyed.row(&stamp);
        assert_eq!(stamp_of(&row).unwrap(), (keyed.asked.clone(), stamp));
        let text = format!("{row:?}");
        assert!(!text.contains("secret") && !text.contains("my key"), "{text}");
        assert_ne!(keyed, Keyed::new(&user, "my key", &[b"POSTa", b" secret"]));
    }
}
