//! Receipts: what is left to say of copies that were removed, for the one whose data it was.

use domain::id::{DriveId, GroupId, JobId};
use domain::time::Timestamp;

use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError};
use crate::keys;

/// A finished purge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The job that did it.
    pub job: JobId,
    /// The group that was left.
    pub group: GroupId,
    /// The drive whose copies they were.
    pub drive: DriveId,
    /// When the membership ended.
    pub left: Timestamp,
    /// When the purge was finished.
    pub finished: Timestamp,
    /// Items that the rules and the contract selected when it ended.
    pub expected: u64,
    /// Copies that were removed.
    pub deleted: u64,
    /// Copies that were counted afterwards, over all of the group's copies.
    pub remaining: u64,
}

impl Receipt {
    pub(crate) fn row(&self) -> Row {
        attr::row(
            &keys::receipt(&self.drive, &self.job),
            [
                ("job", attr::text(self.job.as_str())),
                ("group", attr::text(self.group.as_str())),
                ("drive", attr::text(self.drive.as_str())),
                ("left", attr::text(self.left.to_string())),
                ("finished", attr::text(self.finished.to_string())),
                ("expected", attr::number(self.expected)),
                ("deleted", attr::number(self.deleted)),
                ("remaining", attr::number(self.remaining)),
            ],
        )
    }

    fn read(row: &Row) -> Result<Self> {
        let read = || -> std::result::Result<Self, String> {
            Ok(Self {
                job: JobId::parse(attr::get_text(row, "job")?).map_err(|e| e.to_string())?,
                group: GroupId::parse(attr::get_text(row, "group")?).map_err(|e| e.to_string())?,
                drive: DriveId::parse(attr::get_text(row, "drive")?).map_err(|e| e.to_string())?,
                left: attr::get_time(row, "left")?,
                finished: attr::get_time(row, "finished")?,
                expected: attr::get_number(row, "expected")?,
                deleted: attr::get_number(row, "deleted")?,
                remaining: attr::get_number(row, "remaining")?,
            })
        };
        read().map_err(|what| StoreError::corrupt("directory", what))
    }
}

/// Where a job's receipt stands in the list of its drive.
pub fn position(job: &JobId) -> String {
    keys::receipt_sort(job)
}

impl Store {
    /// A page of a drive's receipts.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn receipts(
        &self,
        drive: &DriveId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Receipt>, Option<String>)> {
        let pk = keys::drive_partition(drive);
        let (rows, next) = self.directory_page(&pk, "RECEIPT#", after, Some(limit)).await?;
        Ok((rows.iter().map(Receipt::read).collect::<Result<_>>()?, next))
    }
}
