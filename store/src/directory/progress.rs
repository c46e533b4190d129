//! How far jobs are, and what they leave behind.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use domain::time::Timestamp;

use super::{Job, JobStatus, built};
use crate::Store;
use crate::attr;
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, EXPIRES};
use crate::receipts::Receipt;

/// How long finished jobs are remembered.
const REMEMBERED_DAYS: i64 = 90;

/// What a note changes in a job's row.
struct Note {
    sets: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Note {
    fn of(job: &Job, now: Timestamp) -> Self {
        let done = job.status == JobStatus::Done;
        let at = job.checkpoint.as_ref().and_then(|at| serde_json::to_string(at).ok());
        let expires = done.then(|| attr::number(now.seconds() + REMEMBERED_DAYS * 86_400));
        let set = [
            ("status", Some(attr::text(if done { "done" } else { "open" }))),
            ("done", Some(attr::number(job.done))),
            ("expected", Some(attr::number(job.expected))),
            ("changed", Some(attr::number(job.changed))),
            ("total", job.total.map(attr::number)),
            ("at", at.map(attr::text)),
            ("updated", Some(attr::text(now.to_string()))),
            (EXPIRES, expires),
        ];
        let set: Vec<_> = set.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let sets: Vec<String> = set.iter().map(|(name, _)| format!("#{name} = :{name}")).collect();
        Self {
            sets: format!("SET {}", sets.join(", ")),
            names: set.iter().map(|(name, _)| (format!("#{name}"), (*name).to_owned())).collect(),
            values: set.into_iter().map(|(name, value)| (format!(":{name}"), value)).collect(),
        }
    }
}

impl Store {
    /// Notes how far a job is. Two deliveries of one job may both note theirs: every page can be done twice.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn checkpoint(&self, job: &Job, now: Timestamp) -> Result<()> {
        let Note { sets, names, values } = Note::of(job, now);
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::job(&job.group, &job.id))))
            .condition_expression("attribute_exists(pk)")
            .update_expression(sets)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values));
        update.send().await.map_err(sdk)?;
        Ok(())
    }

    /// Writes the receipt of a purge and notes the purge as it is, both or neither. The first receipt of a job stays.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn checkpoint_with_receipt(&self, job: &Job, receipt: &Receipt, now: Timestamp) -> Result<()> {
        let Note { sets, names, values } = Note::of(job, now);
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::job(&job.group, &job.id))))
            .condition_expression("attribute_exists(pk)")
            .update_expression(sets)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values));
        let update = TransactWriteItem::builder().update(update.build().map_err(built)?).build();
        match self.transact(vec![self.put_new(receipt.row())?, update]).await {
            Err(error) if error.refused_at(1) => Err(StoreError::Condition),
            // Another delivery was faster; its receipt stays.
            Err(error) if error.refused_at(0) => self.checkpoint(job, now).await,
            result => result,
        }
    }
}
