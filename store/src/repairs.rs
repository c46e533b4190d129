//! Items whose copies need repair: the parking place for records that cannot be replicated.
//!
//! A repair re-reads the source and decides anew; nothing of the record that failed is kept, so nothing old can be
//! replayed.

use std::collections::HashMap;
use std::time::Instant;

use domain::id::{DriveId, ItemId, Name};
use domain::replication::{Change, Decision, decide};
use domain::time::Timestamp;

use crate::Store;
use crate::attr::{self, Row};
use crate::data;
use crate::document::Document;
use crate::error::{Result, StoreError, sdk};
use crate::heartbeat;
use crate::keys;

/// An item that needs repair.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// The drive it lives in, as the record said.
    pub drive: String,
    /// Its type and identifier, as the record said.
    pub item: String,
    /// Why its record could not be replicated, or why the last repair failed.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// How often a repair failed.
    pub attempts: u32,
}

/// How a repair ended.
#[derive(Debug)]
pub enum Repaired {
    /// Every group has what it should have of the item.
    Done,
    /// It needs repair still, and why.
    Failed(StoreError),
}

/// A page of what needs repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairPage {
    /// What needs repair.
    pub repairs: Vec<Repair>,
    /// How many rows of the page cannot be read themselves.
    pub unreadable: usize,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What a pass over what needs repair did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct RepairCounts {
    /// Items repaired.
    pub repaired: usize,
    /// Items that need repair still.
    pub failed: usize,
}

impl Repair {
    fn read(row: &Row) -> std::result::Result<Self, String> {
        Ok(Self {
            drive: attr::get_text(row, "drive")?.to_owned(),
            item: attr::get_text(row, "item")?.to_owned(),
            reason: attr::get_text(row, "reason")?.to_owned(),
            since: attr::get_time(row, "since")?,
            attempts: attr::get_number_opt(row, "attempts")?.unwrap_or(0),
        })
    }

    fn row(&self) -> Row {
        attr::row(
            &keys::repair(&self.drive, &self.item),
            [
                ("drive", attr::text(&self.drive)),
                ("item", attr::text(&self.item)),
                ("reason", attr::text(&self.reason)),
                ("since", attr::text(self.since.to_string())),
                ("attempts", attr::number(self.attempts)),
            ],
        )
    }

    /// Which item this is about.
    fn key(&self) -> Result<(DriveId, Name, ItemId)> {
        let row = [(keys::PK, &self.drive), (keys::SK, &self.item)];
        let row: HashMap<_, _> = row.map(|(name, value)| (name.to_owned(), attr::text(value))).into();
        data::item_key(&row)
    }
}

/// Why, without anything that a message of the database may quote.
pub fn reason(error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(text) | StoreError::Denied(text) => {
            let code = text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            format!("the database refused it ({code})")
        }
        error => error.to_string(),
    }
}

impl Store {
    /// Notes that an item needs repair. Only its key and the reason are kept, never its content.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn park(&self, drive: &str, sort: &str, reason: &str, now: Timestamp) -> Result<()> {
        let (drive, item, reason) = (drive.to_owned(), sort.to_owned(), reason.to_owned());
        self.put_repair(&Repair { drive, item, reason, since: now, attempts: 0 }, None).await
    }

    /// Notes that an item of a drive needs repair.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn park_item(
        &self,
        drive: &DriveId,
        (data_type, id): (&Name, &ItemId),
        reason: &str,
        now: Timestamp,
    ) -> Result<()> {
        self.park(drive.as_str(), &keys::item(drive, data_type, id).sk, reason, now).await
    }

    /// Writes a repair's row; over one that was read only if it is still the same.
    async fn put_repair(&self, repair: &Repair, read: Option<Timestamp>) -> Result<()> {
        let mut put = self.client.put_item().table_name(&self.tables.directory).set_item(Some(repair.row()));
        if let Some(read) = read {
            put = put
                .condition_expression("since = :read")
                .expression_attribute_values(":read", attr::text(read.to_string()));
        }
        match put.send().await.map_err(sdk) {
            Ok(_) | Err(StoreError::Condition) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// How many items need repair.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn parked(&self) -> Result<usize> {
        Ok(self.directory_rows(keys::REPAIRS, "ITEM#").await?.len())
    }

    /// A page of what needs repair, behind a position.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn repairs(&self, after: Option<String>, limit: usize) -> Result<RepairPage> {
        let (rows, next) = self.directory_page(keys::REPAIRS, "ITEM#", after, Some(limit)).await?;
        let repairs: Vec<Repair> = rows.iter().filter_map(|row| Repair::read(row).ok()).collect();
        Ok(RepairPage { unreadable: rows.len() - repairs.len(), repairs, next })
    }

    /// Repairs one item: every group gets what the source of now says, and the note goes. What fails is noted with why.
    ///
    /// # Errors
    /// Only if not even that can be noted.
    pub async fn repair(&self, repair: &Repair, document: &Document, now: Timestamp) -> Result<Repaired> {
        match self.bring_to_source(repair, document, now).await {
            Ok(()) => {
                let delete = self
                    .client
                    .delete_item()
                    .table_name(&self.tables.directory)
                    .set_key(Some(attr::key_row(&keys::repair(&repair.drive, &repair.item))))
                    // Parked again meanwhile: that is another record, which may need another look.
                    .condition_expression("since = :read")
                    .expression_attribute_values(":read", attr::text(repair.since.to_string()));
                match delete.send().await.map_err(sdk) {
                    Ok(_) | Err(StoreError::Condition) => Ok(Repaired::Done),
                    Err(error) => Err(error),
                }
            }
            Err(error) => {
                let failed = Repair {
                    reason: reason(&error),
                    attempts: repair.attempts.saturating_add(1),
                    ..repair.clone()
                };
                self.put_repair(&failed, Some(repair.since)).await?;
                Ok(Repaired::Failed(error))
            }
        }
    }

    async fn bring_to_source(&self, repair: &Repair, document: &Document, now: Timestamp) -> Result<()> {
        // A heartbeat that was read by a function from before there were heartbeats.
        if heartbeat::is_heartbeat(&Row::from([(keys::PK.to_owned(), attr::text(&repair.drive))])) {
            return Ok(());
        }
        let (drive, data_type, id) = repair.key()?;
        // Read before the source is, as a batch of the stream does.
        let outlets = self.outlets(&drive, document).await?;
        let item = match self.item(&drive, &id, document).await {
            Ok(item) => Some(item),
            Err(StoreError::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        let change = match &item {
            Some(item) => Change::Present(item),
            // Its last version is not known any more; its identifier is never used again, so the greatest will do.
            None => Change::Deleted { id: &id, data_type: &data_type, version: u64::MAX },
        };
        let decisions: Vec<Decision> =
            outlets.iter().map(|outlet| decide(&change, &outlet.membership, &outlet.book)).collect();
        self.apply(&decisions, now).await?;
        Ok(())
    }

    /// Repairs a page of what needs it, behind a position, until time is up. One that fails stops none of the others.
    ///
    /// # Errors
    /// If the page cannot be read, or a failure not be noted.
    pub async fn repair_page(
        &self,
        after: Option<String>,
        (limit, until): (usize, Option<Instant>),
        document: &Document,
        now: Timestamp,
    ) -> Result<(RepairCounts, Option<String>)> {
        let page = self.repairs(after, limit).await?;
        let mut counts = RepairCounts { repaired: 0, failed: page.unreadable };
        let mut last = None;
        for repair in &page.repairs {
            // Items are parked whose rules take long: they must not take the time of everything else.
            if last.is_some() && until.is_some_and(|until| Instant::now() >= until) {
                return Ok((counts, last));
            }
            last = Some(keys::repair(&repair.drive, &repair.item).sk);
            match self.repair(repair, document, now).await? {
                Repaired::Done => counts.repaired += 1,
                Repaired::Failed(error) => {
                    // Why is in its row: what is wrong with a key may quote it.
                    tracing::debug!(reason = reason(&error), "why a repair failed");
                    counts.failed += 1;
                }
            }
        }
        Ok((counts, page.next))
    }
}
