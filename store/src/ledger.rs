//! The read ledger: who was shown what of whose, one entry for each list and provider, which nobody changes afterwards.
//!
//! Entries of one page are written together, before the page is answered: a list whose entries cannot be written is not
//! answered, so nothing is shown that its owner cannot find out (ADR 0009).

use std::collections::BTreeMap;

use domain::id::{DriveId, GroupId, Name, UserId};
use domain::time::Timestamp;

use crate::attr::{self, Row};
use crate::data::BATCH;
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, Key, SK};
use crate::{Store, batches, ids};

/// What one page of a group's list showed of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The group.
    pub group: GroupId,
    /// Who read; none once their profile is erased.
    pub reader: Option<UserId>,
    /// When.
    pub at: Timestamp,
    /// How many items, by their types.
    pub types: BTreeMap<Name, u64>,
}

impl Shown {
    /// How many items, of all types.
    pub fn count(&self) -> u64 {
        self.types.values().sum()
    }

    fn row(&self, drive: &DriveId) -> Row {
        let types = serde_json::to_string(&self.types).unwrap_or_default();
        let mut row = attr::row(
            &keys::ledger(drive, &ids::entry()),
            [
                ("group", attr::text(self.group.as_str())),
                ("at", attr::text(self.at.to_string())),
                ("types", attr::text(types)),
            ],
        );
        if let Some(reader) = &self.reader {
            row.insert(READER.into(), attr::text(reader.as_str()));
        }
        row
    }

    fn read(row: &Row) -> Result<Self> {
        let read = || -> std::result::Result<Self, String> {
            let reader = attr::get_text(row, READER).ok().map(UserId::parse).transpose();
            Ok(Self {
                group: GroupId::parse(attr::get_text(row, "group")?).map_err(|e| e.to_string())?,
                reader: reader.map_err(|e| e.to_string())?,
                at: attr::get_time(row, "at")?,
                types: serde_json::from_str(attr::get_text(row, "types")?).map_err(|e| e.to_string())?,
            })
        };
        read().map_err(|what| StoreError::corrupt("directory", what))
    }
}

/// The attribute that names who read.
pub(crate) const READER: &str = "reader";

impl Store {
    /// Writes down what a page shows, by whose it is. All of it is written when this returns.
    ///
    /// # Errors
    /// Those of the database; some entries may be written then, of a page that is not shown.
    pub async fn note_shown(&self, shown: &[(DriveId, Shown)]) -> Result<()> {
        let batches = shown.chunks(BATCH).map(|chunk| self.note_batch(chunk));
        futures::future::try_join_all(batches).await.map(|_| ())
    }

    async fn note_batch(&self, shown: &[(DriveId, Shown)]) -> Result<()> {
        let puts =
            shown.iter().map(|(drive, shown)| batches::put(shown.row(drive))).collect::<Result<_>>()?;
        self.write_whole_batch(&self.tables.directory, puts).await
    }

    /// A page of a drive's ledger, latest first, behind a position; each entry with its own position.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn ledger(
        &self,
        drive: &DriveId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Shown>, Option<String>)> {
        let pk = keys::ledger_partition(drive);
        let start = after.map(|sk| attr::key_row(&Key { pk: pk.clone(), sk }));
        let answer = self
            .client
            .query()
            .table_name(&self.tables.directory)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", attr::text(&pk))
            .scan_index_forward(false)
            .consistent_read(true)
            .set_limit(i32::try_from(limit).ok())
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(sdk)?;
        let next = answer.last_evaluated_key.as_ref().and_then(|key| attr::get_text(key, SK).ok());
        let next = next.map(str::to_owned);
        let rows = answer.items.unwrap_or_default();
        Ok((rows.iter().map(Shown::read).collect::<Result<_>>()?, next))
    }
}
