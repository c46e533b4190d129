//! Data jobs: copying a provider's past, removing what a leave or a deletion left, bringing copies after a change of
//! the rules or of a contract.
//!
//! A job's row is written in the transaction that makes it necessary, so no crash can lose it; the queue only says
//! that there is something to look at.

use domain::id::{DriveId, GroupId, JobId, Name};
use domain::replication::ProviderMembership;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::contracts::Consent;
use super::unreadable;
use crate::Store;
use crate::attr::{self, Row};
use crate::erasure::{Erased, Position};
use crate::error::{Result, StoreError, sdk};
use crate::keys;

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum JobKind {
    /// Copies the past of a drive that joined in this epoch.
    Backfill {
        /// The drive.
        drive: DriveId,
        /// Its membership's epoch.
        epoch: u64,
    },
    /// Removes the copies of a drive that left.
    Purge(Departure),
    /// Brings the copies of a drive after a change of terms.
    Revise {
        /// The drive.
        drive: DriveId,
        /// Its membership's epoch.
        epoch: u64,
        /// The first revision of the rules that copies may still be of.
        rules_from: u32,
        /// Former consents that copies may still be of.
        consents: Vec<Consent>,
    },
    /// Makes a [`JobKind::Revise`] of every provider after a change of the rules.
    Spread {
        /// The first revision of the rules that copies may still be of.
        rules_from: u32,
        /// The revision that the change made.
        revision: u32,
    },
    /// After a change of the rules that only takes away: looks through the group's copies, and through nothing else.
    Sift {
        /// The revision that copies are of.
        rules_from: u32,
        /// The revision that the change made.
        revision: u32,
    },
    /// Removes the copies and memberships of a deleted group.
    Dissolve,
    /// Removes what is left of somebody who was erased.
    Erase {
        /// Whose traces; none when there are no more.
        whom: Option<Erased>,
    },
}

/// A membership that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// The drive that shares no more.
    pub drive: DriveId,
    /// Its membership's epoch.
    pub epoch: u64,
    /// When it had joined.
    pub joined: Timestamp,
    /// What the provider consented to.
    pub consent: Consent,
    /// The revision of the rules when it left.
    pub rule_revision: u32,
}

impl Departure {
    /// The end of a membership, under rules of this revision.
    pub fn of(membership: &ProviderMembership, rule_revision: u32) -> Self {
        Self {
            drive: membership.drive.clone(),
            epoch: membership.epoch,
            joined: membership.terms.joined,
            consent: Consent::of(&membership.terms),
            rule_revision,
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStatus {
    /// Waiting or under way.
    Open,
    /// Finished.
    Done,
}

/// Where a job goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "camelCase")]
pub enum Checkpoint {
    /// Among the drive's items.
    Items {
        /// Of this type.
        data_type: Name,
        /// Behind this position.
        after: Option<String>,
    },
    /// Among the group's copies.
    Copies {
        /// In this partition.
        partition: String,
        /// Behind this sort key.
        after: Option<String>,
    },
    /// Among the group's members.
    Members {
        /// Behind this sort key.
        after: Option<String>,
    },
    /// Nothing is left but to wait for other jobs.
    Waiting,
    /// Among the traces of somebody who was erased.
    Erasing {
        /// Whether nothing can be added to them any more.
        last: bool,
        /// Where.
        at: ErasurePlace,
    },
}

/// Where an erasure goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "camelCase")]
pub enum ErasurePlace {
    /// Among all rows of the directory.
    Directory {
        /// Behind this one.
        after: Option<Position>,
    },
    /// Among the items.
    Items,
    /// Among the copies of a group that was left.
    Copies {
        /// The group of the receipt behind this one.
        receipt: Option<String>,
        /// In this partition; the first one if none.
        partition: Option<String>,
        /// Behind this sort key.
        after: Option<String>,
    },
    /// Among what is their own in the directory.
    Own,
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
    /// Where it goes on; none at the beginning.
    pub checkpoint: Option<Checkpoint>,
    /// Items, copies or members looked at.
    pub done: u64,
    /// About how many there will be, as far as that can be told; when it is finished, how many there were.
    pub total: Option<u64>,
    /// Copies that a purge had to expect.
    pub expected: u64,
    /// Copies that were written or removed.
    pub changed: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it last moved; none if it never has.
    pub moved: Option<Timestamp>,
}

impl Job {
    /// A job that has not begun.
    pub fn new(id: JobId, group: GroupId, kind: JobKind, now: Timestamp) -> Self {
        Self {
            id,
            group,
            kind,
            status: JobStatus::Open,
            checkpoint: None,
            done: 0,
            total: None,
            expected: 0,
            changed: 0,
            created: now,
            moved: None,
        }
    }

    /// The drive whose copies it is about, if it is about one.
    pub fn drive(&self) -> Option<&DriveId> {
        match &self.kind {
            JobKind::Backfill { drive, .. } | JobKind::Revise { drive, .. } => Some(drive),
            JobKind::Purge(departure) => Some(&departure.drive),
            JobKind::Spread { .. } | JobKind::Sift { .. } | JobKind::Dissolve | JobKind::Erase { .. } => None,
        }
    }

    /// The first revision of the rules that copies may still be of while it is not finished, if it is about that.
    pub fn rules_from(&self) -> Option<u32> {
        match self.kind {
            JobKind::Spread { rules_from, .. }
            | JobKind::Sift { rules_from, .. }
            | JobKind::Revise { rules_from, .. } => Some(rules_from),
            JobKind::Backfill { .. } | JobKind::Purge(_) | JobKind::Dissolve | JobKind::Erase { .. } => None,
        }
    }

    /// Whether it is not finished.
    pub fn is_open(&self) -> bool {
        self.status == JobStatus::Open
    }

    pub(crate) fn row(&self) -> Row {
        attr::row(
            &keys::job(&self.group, &self.id),
            [
                ("job", attr::text(self.id.as_str())),
                ("group", attr::text(self.group.as_str())),
                ("what", attr::text(serde_json::to_string(&self.kind).unwrap_or_default())),
                ("status", attr::text("open")),
                ("done", attr::number(self.done)),
                ("created", attr::text(self.created.to_string())),
            ],
        )
    }

    pub(super) fn read(row: &Row) -> Result<Self> {
        let read = || -> std::result::Result<Self, String> {
            let checkpoint = attr::get_text(row, "at").ok().map(serde_json::from_str).transpose();
            let count = |name| Ok::<_, String>(attr::get_number_opt(row, name)?.unwrap_or(0));
            Ok(Self {
                id: JobId::parse(attr::get_text(row, "job")?).map_err(|e| e.to_string())?,
                group: GroupId::parse(attr::get_text(row, "group")?).map_err(|e| e.to_string())?,
                kind: serde_json::from_str(attr::get_text(row, "what")?).map_err(|e| e.to_string())?,
                status: if attr::get_text(row, "status")? == "done" {
                    JobStatus::Done
                } else {
                    JobStatus::Open
                },
                checkpoint: checkpoint.map_err(|e| e.to_string())?,
                done: attr::get_number(row, "done")?,
                total: attr::get_number_opt(row, "total")?,
                expected: count("expected")?,
                changed: count("changed")?,
                created: attr::get_time(row, "created")?,
                moved: attr::get_time(row, "updated").ok(),
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

    /// Jobs of all groups, as far as so many pages of the directory hold them; and whether those were all pages. Rows that
    /// another version wrote and this one cannot read are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn all_jobs(&self, pages: usize) -> Result<(Vec<Job>, bool)> {
        let (mut jobs, mut after) = (Vec::new(), None);
        for _ in 0..pages {
            let page = self
                .client
                .scan()
                .table_name(&self.tables.directory)
                .filter_expression("begins_with(sk, :job)")
                .expression_attribute_values(":job", attr::text("JOB#"))
                .set_exclusive_start_key(after.take())
                .send()
                .await
                .map_err(sdk)?;
            jobs.extend(page.items().iter().filter_map(|row| Job::read(row).ok()));
            after = page.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
        Ok((jobs, after.is_none()))
    }

    /// Writes a job down, unless it is there already; whether it was new.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn create_job(&self, job: &Job) -> Result<bool> {
        let put = self.client.put_item().table_name(&self.tables.directory).set_item(Some(job.row()));
        match put.condition_expression("attribute_not_exists(pk)").send().await.map_err(sdk) {
            Ok(_) => Ok(true),
            Err(StoreError::Condition) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
