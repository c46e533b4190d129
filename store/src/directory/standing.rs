//! What a job begins with, in as few requests as its rows allow: most jobs are small.

use std::collections::HashMap;

use domain::id::{DriveId, GroupId, JobId};
use domain::replication::ProviderMembership;

use super::{GroupRow, Job};
use crate::Store;
use crate::attr::Row;
use crate::document::Document;
use crate::error::{Result, StoreError};
use crate::keys::{self, Key};

impl Store {
    /// A job and its group as of one moment; without the group if it is not there, or could not be had with the job.
    /// `rules` is a revision that the job will ask for: what it says is remembered on the way.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is no such job; else those of the database.
    pub async fn job_and_group(
        &self,
        group: &GroupId,
        job: &JobId,
        rules: Option<u32>,
        document: &Document,
    ) -> Result<(Job, Option<GroupRow>)> {
        let (of_job, of_group) = (keys::job(group, job), keys::group(group));
        let wanted = vec![of_job.clone(), of_group.clone()];
        let Some(rows) = self.with_rules(wanted, group, rules, document).await? else {
            return Ok((self.job(group, job).await?, None));
        };
        let job = Job::read(rows.get(&of_job).ok_or(StoreError::Missing("job"))?)?;
        Ok((job, rows.get(&of_group).map(|row| self.group_of(row)).transpose()?))
    }

    /// A drive's membership of a group, and the group: of one moment, or the membership before the group. Never the other
    /// way round, since the pairs of a contract and of rules that a writer may act upon are known for this order only
    /// (ADR 5). None if the drive does not share there. `rules` is the revision that is likely that of now: what it says is
    /// remembered on the way.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the group is not there; else those of the database.
    pub async fn provider_and_group(
        &self,
        group: &GroupId,
        drive: &DriveId,
        rules: Option<u32>,
        document: &Document,
    ) -> Result<Option<(ProviderMembership, GroupRow)>> {
        let (of_membership, of_group) = (keys::provides(drive, group), keys::group(group));
        let wanted = vec![of_membership.clone(), of_group.clone()];
        let Some(rows) = self.with_rules(wanted, group, rules, document).await? else {
            let Some(membership) = self.provider(group, drive, document).await? else { return Ok(None) };
            return Ok(Some((membership, self.group(group).await?)));
        };
        let Some(membership) = rows.get(&of_membership) else { return Ok(None) };
        let group = self.group_of(rows.get(&of_group).ok_or(StoreError::Missing("group"))?)?;
        let current = (&group.id, group.rule_revision);
        let membership = self.memberships_of([membership], Some(current), document).await?.pop();
        Ok(membership.map(|membership| (membership, group)))
    }

    /// The rows at these keys as of one moment; none if a transaction was under way on one of them. What this revision of
    /// the group's rules says is read with them and remembered, unless it is already.
    async fn with_rules(
        &self,
        mut wanted: Vec<Key>,
        group: &GroupId,
        revision: Option<u32>,
        document: &Document,
    ) -> Result<Option<HashMap<Key, Row>>> {
        let asked = revision.filter(|revision| !self.remembers_rules(group, *revision));
        let of_rules = asked.map(|revision| keys::rules(group, revision));
        wanted.extend(of_rules.clone());
        let rows = self.rows_at_once(&self.tables.directory, &wanted).await?;
        let row = rows.as_ref().zip(of_rules).and_then(|(rows, key)| rows.get(&key));
        if let (Some(row), Some(revision)) = (row, asked) {
            self.remember_rules(row, group, revision, document);
        }
        Ok(rows)
    }
}
