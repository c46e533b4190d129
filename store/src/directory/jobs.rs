//! Data jobs: copying a provider's past, removing what a leave or a deletion left.
//!
//! A job's row is written in the transaction that makes it necessary, so no crash can lose it; the queue only says
//! that there is something to look at.

use domain::id::{DriveId, GroupId, JobId, Name};
use domain::time::Timestamp;

use super::unreadable;
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, EXPIRES};

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobKind {
    /// Copies the past of a drive that joined in this epoch.
    Backfill {
        /// The drive.
        drive: DriveId,
        /// Its membership's epoch.
        epoch: u64,
    },
    /// Removes the copies of a drive that left, up to this epoch.
    Purge {
        /// The drive.
        drive: DriveId,
        /// Its membership's epoch.
        epoch: u64,
    },
    /// Removes the copies and memberships of a deleted group.
    Dissolve,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStatus {
    /// Waiting or under way.
    Open,
    /// Finished.
    Done,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its identifier.
    pub id: JobId,
    /// The group.
    pub group: GroupId,
    /// What it does.
    pub kind: JobKind,
    /// How far it is.
    pub status: JobStatus,
    /// Where it goes on: the data type and the position behind which items are still to be looked at.
    pub checkpoint: Option<(Name, Option<String>)>,
    /// Items looked at.
    pub done: u64,
    /// When it was made.
    pub created: Timestamp,
}

/// How long finished jobs are remembered.
const REMEMBERED_DAYS: i64 = 90;

impl Job {
    /// A job that has not begun.
    pub fn new(id: JobId, group: GroupId, kind: JobKind, now: Timestamp) -> Self {
        Self { id, group, kind, status: JobStatus::Open, checkpoint: None, done: 0, created: now }
    }

    pub(crate) fn row(&self) -> Row {
        let (kind, who) = match &self.kind {
            JobKind::Backfill { drive, epoch } => ("backfill", Some((drive, epoch))),
            JobKind::Purge { drive, epoch } => ("purge", Some((drive, epoch))),
            JobKind::Dissolve => ("dissolve", None),
        };
        let mut row = attr::row(
            &keys::job(&self.group, &self.id),
            [
                ("job", attr::text(self.id.as_str())),
                ("group", attr::text(self.group.as_str())),
                ("kind", attr::text(kind)),
                ("status", attr::text("open")),
                ("done", attr::number(self.done)),
                ("created", attr::text(self.created.to_string())),
            ],
        );
        if let Some((drive, epoch)) = who {
            row.insert("drive".into(), attr::text(drive.as_str()));
            row.insert("epoch".into(), attr::number(epoch));
        }
        row
    }

    fn read(row: &Row) -> Result<Self> {
        let read = || -> std::result::Result<Self, String> {
            let drive = || DriveId::parse(attr::get_text(row, "drive")?).map_err(|e| e.to_string());
            let kind = match attr::get_text(row, "kind")? {
                "backfill" => JobKind::Backfill { drive: drive()?, epoch: attr::get_number(row, "epoch")? },
                "purge" => JobKind::Purge { drive: drive()?, epoch: attr::get_number(row, "epoch")? },
                "dissolve" => JobKind::Dissolve,
                _ => return Err("`kind` is unknown".into()),
            };
            let at_type =
                attr::get_text(row, "atType").ok().map(Name::parse).transpose().map_err(|e| e.to_string())?;
            let at = attr::get_text(row, "at").ok().map(str::to_owned);
            Ok(Self {
                id: JobId::parse(attr::get_text(row, "job")?).map_err(|e| e.to_string())?,
                group: GroupId::parse(attr::get_text(row, "group")?).map_err(|e| e.to_string())?,
                kind,
                status: if attr::get_text(row, "status")? == "done" {
                    JobStatus::Done
                } else {
                    JobStatus::Open
                },
                checkpoint: at_type.map(|at_type| (at_type, at)),
                done: attr::get_number(row, "done")?,
                created: attr::get_time(row, "created")?,
            })
        };
        read().map_err(unreadable)
    }
}

impl Store {
    /// A job.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none.
    pub async fn job(&self, group: &GroupId, job: &JobId) -> Result<Job> {
        let row = self.directory_row(&keys::job(group, job)).await?.ok_or(StoreError::Missing("job"))?;
        Job::read(&row)
    }

    /// All jobs of a group that are remembered, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn jobs(&self, group: &GroupId) -> Result<Vec<Job>> {
        let rows = self.directory_rows(&keys::group_partition(group), "JOB#").await?;
        rows.iter().map(Job::read).collect()
    }

    /// Notes how far a job is. Two deliveries of one job may both note theirs: every page can be done twice.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn checkpoint(&self, job: &Job, now: Timestamp) -> Result<()> {
        let done = job.status == JobStatus::Done;
        let mut update = self
            .client
            .update_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::job(&job.group, &job.id))))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", attr::text(if done { "done" } else { "open" }))
            .expression_attribute_values(":done", attr::number(job.done))
            .expression_attribute_values(":now", attr::text(now.to_string()));
        let mut sets = "SET #status = :status, done = :done, updated = :now".to_owned();
        let mut removes = String::new();
        if let Some((data_type, at)) = &job.checkpoint {
            sets.push_str(", atType = :type");
            update = update
                .expression_attribute_values(":type", attr::text(data_type.as_str()))
                .expression_attribute_names("#at", "at");
            match at {
                Some(at) => {
                    sets.push_str(", #at = :at");
                    update = update.expression_attribute_values(":at", attr::text(at));
                }
                None => removes.push_str(" REMOVE #at"),
            }
        }
        if done {
            sets.push_str(", #exp = :exp");
            update = update
                .expression_attribute_names("#exp", EXPIRES)
                .expression_attribute_values(":exp", attr::number(now.seconds() + REMEMBERED_DAYS * 86_400));
        }
        update.update_expression(format!("{sets}{removes}")).send().await.map_err(sdk)?;
        Ok(())
    }
}
