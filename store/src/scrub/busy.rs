//! Data jobs, as far as the scrubber minds them: those that are at work, whose differences are theirs to end, and those
//! that nobody was told of.

use std::collections::HashMap;

use domain::id::{DriveId, GroupId, JobId};
use domain::time::Timestamp;

use super::{Position, position_of, start_at};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError, sdk};
use crate::keys;

/// How long a job that does not move is still taken to be at work, in milliseconds. After that the scrubber does not
/// wait for it any more; whatever either does can be done twice.
const AT_WORK: i64 = 3_600_000;
/// How long a job may not move before it is announced again.
const SILENT: i64 = 10 * 60_000;
/// How long it may not move after that. Longer than a message that failed stays hidden, so that the queue does not fill.
const SILENT_AGAIN: i64 = 40 * 60_000;

/// An open job, by what its row says; whatever kind it is.
struct OpenJob {
    group: GroupId,
    id: JobId,
    /// Whose copies it works on; the whole group's if none.
    drive: Option<DriveId>,
    moved: Timestamp,
    announced: Option<Timestamp>,
}

impl OpenJob {
    fn read(row: &Row) -> Option<Self> {
        if attr::get_text(row, "status") != Ok("open") {
            return None;
        }
        let updated = attr::get_time(row, "updated").or_else(|_| attr::get_time(row, "created"));
        let what: serde_json::Value = serde_json::from_str(attr::get_text(row, "what").ok()?).ok()?;
        let drive = what.get("drive").and_then(serde_json::Value::as_str);
        Some(Self {
            group: GroupId::parse(attr::get_text(row, "group").ok()?).ok()?,
            id: JobId::parse(attr::get_text(row, "job").ok()?).ok()?,
            drive: drive.and_then(|drive| DriveId::parse(drive).ok()),
            moved: updated.ok()?,
            announced: attr::get_time(row, "announced").ok(),
        })
    }

    fn is_silent(&self, now: Timestamp) -> bool {
        self.moved < now.plus_millis(-SILENT)
            && self.announced.is_none_or(|announced| announced < now.plus_millis(-SILENT_AGAIN))
    }
}

/// An open job that has not moved for a while, although nobody may have been told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentJob {
    /// The group.
    pub group: GroupId,
    /// The job.
    pub job: JobId,
}

/// Whose copies jobs are at work on, group by group, as it was when the slice first asked.
#[derive(Debug, Default)]
pub(super) struct Busy(HashMap<GroupId, Vec<Option<DriveId>>>);

impl Busy {
    /// Whether a job is at work on the copies of a drive in a group.
    pub(super) async fn with(
        &mut self,
        store: &Store,
        group: &GroupId,
        drive: &DriveId,
        now: Timestamp,
    ) -> Result<bool> {
        if !self.0.contains_key(group) {
            let rows = store.directory_rows(&keys::group_partition(group), "JOB#").await?;
            let open = rows.iter().filter_map(OpenJob::read);
            let at_work = open.filter(|job| job.moved > now.plus_millis(-AT_WORK)).map(|job| job.drive);
            self.0.insert(group.clone(), at_work.collect());
        }
        let jobs = self.0.get(group).map(Vec::as_slice).unwrap_or_default();
        Ok(jobs.iter().any(|busy| busy.as_ref().is_none_or(|busy| busy == drive)))
    }
}

impl Store {
    /// Looks through some pages of the directory, behind a position, for open jobs that have not moved for a while; and
    /// where to go on, from the start if nowhere.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn silent_jobs(
        &self,
        mut after: Option<Position>,
        pages: usize,
        now: Timestamp,
    ) -> Result<(Vec<SilentJob>, Option<Position>)> {
        let mut found = Vec::new();
        for _ in 0..pages {
            let answer = self
                .client
                .scan()
                .table_name(&self.tables.directory)
                .filter_expression("begins_with(sk, :job) AND #status = :open")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":job", attr::text("JOB#"))
                .expression_attribute_values(":open", attr::text("open"))
                .set_exclusive_start_key(start_at(after.take()))
                .send()
                .await
                .map_err(sdk)?;
            let open = answer.items().iter().filter_map(OpenJob::read);
            found.extend(
                open.filter(|job| job.is_silent(now)).map(|job| SilentJob { group: job.group, job: job.id }),
            );
            after = answer.last_evaluated_key.as_ref().and_then(position_of);
            if after.is_none() {
                break;
            }
        }
        Ok((found, after))
    }

    /// Notes that a job was announced again. One that has ended meanwhile is left alone.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn note_announced(&self, job: &SilentJob, now: Timestamp) -> Result<()> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::job(&job.group, &job.job))))
            .update_expression("SET announced = :now")
            .condition_expression("#status = :open")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":open", attr::text("open"))
            .expression_attribute_values(":now", attr::text(now.to_string()));
        match update.send().await.map_err(sdk) {
            Ok(_) | Err(StoreError::Condition) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
