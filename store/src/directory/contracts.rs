//! What providers allow: the contracts of their memberships.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::{DriveId, GroupId, UserId};
use domain::replication::ProviderMembership;
use domain::rules::{CompiledContract, Contract, Terms};
use domain::time::Timestamp;

use super::changing::RosterChange;
use super::jobs::{Job, JobKind};
use super::{GroupRow, unreadable};
use crate::Store;
use crate::attr::{self, Row};
use crate::document::Document;
use crate::error::{Result, StoreError};
use crate::ids;
use crate::quotas::Quota;

/// The attribute with a contract's text; left out for the one that allows everything.
const CONTRACT: &str = "contract";
/// The attribute with a contract's revision; left out for the first one.
const REVISION: &str = "contractRev";

/// How long a writer may still act upon terms that it has read, in milliseconds: longer than any function may run.
const LATE: i64 = 3_600_000;

/// Contracts that copies of a membership may still be of, or come to be of, by the jobs that had to do with them.
///
/// Those of jobs that are finished count for a while: a writer that has read the membership before its contract was
/// changed, and the group after its rules were changed again, acts upon a pair of terms that never counted together,
/// and whose order is greater than that of the copy which the finished job wrote.
fn former_contracts(jobs: &[Job], drive: &DriveId, epoch: u64, now: Timestamp) -> Vec<Contract> {
    let mut found: Vec<Contract> = Vec::new();
    for job in jobs {
        let JobKind::Revise { drive: of, epoch: within, contracts, .. } = &job.kind else { continue };
        let counts = job.is_open() || job.moved.is_none_or(|moved| moved > now.plus_millis(-LATE));
        if of == drive && *within == epoch && counts {
            let new: Vec<Contract> = contracts.iter().filter(|c| !found.contains(c)).cloned().collect();
            found.extend(new);
        }
    }
    found
}

/// A provider's membership as it is stored.
#[derive(Debug)]
pub(super) struct WrittenMembership {
    pub(super) group: GroupId,
    pub(super) drive: DriveId,
    pub(super) epoch: u64,
    pub(super) joined: Timestamp,
    contract: Contract,
    pub(super) revision: u32,
}

impl WrittenMembership {
    /// Reads a provider's row, of the roster or of the drive.
    pub(super) fn read(row: &Row) -> Result<Self> {
        let read = || -> std::result::Result<Self, String> {
            let contract = attr::get_text(row, CONTRACT).ok().map(serde_json::from_str).transpose();
            Ok(Self {
                group: GroupId::parse(attr::get_text(row, "group")?).map_err(|e| e.to_string())?,
                drive: DriveId::parse(attr::get_text(row, "drive")?).map_err(|e| e.to_string())?,
                epoch: attr::get_number(row, "epoch")?,
                joined: attr::get_time(row, "joined")?,
                contract: contract.map_err(|e| e.to_string())?.unwrap_or_default(),
                revision: attr::get_number_opt(row, REVISION)?.unwrap_or_default(),
            })
        };
        read().map_err(unreadable)
    }
}

/// A contract's attributes in its membership's rows.
pub(super) fn attributes(contract: &CompiledContract) -> Vec<(String, AttributeValue)> {
    let text = serde_json::to_string(contract.written()).unwrap_or_default();
    let first = contract.revision == 0 && *contract.written() == Contract::default();
    let all =
        [(CONTRACT.to_owned(), attr::text(text)), (REVISION.to_owned(), attr::number(contract.revision))];
    all.into_iter().filter(|_| !first).collect()
}

impl Store {
    /// The membership that a provider's row tells of, with its contract compiled.
    pub(crate) fn membership_of(&self, row: &Row, document: &Document) -> Result<ProviderMembership> {
        let WrittenMembership { group, drive, epoch, joined, contract, revision } =
            WrittenMembership::read(row)?;
        let key = (group.clone(), drive.clone(), epoch, revision);
        let contract = self.contracts.get(&key).unwrap_or_else(|| {
            let compiled = match revision == 0 && contract == Contract::default() {
                true => CompiledContract::open(),
                false => Arc::new(CompiledContract::accepted(&document.data_types, contract, revision)),
            };
            self.contracts.put(key, compiled.clone());
            compiled
        });
        Ok(ProviderMembership { group, drive, epoch, terms: Terms { joined, contract } })
    }

    /// Replaces a provider's contract by one of the next revision: what it takes away is gone for readers when this
    /// returns; the job brings the copies after it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the contract or the membership changed in the meantime, [`StoreError::Missing`] if
    /// the group is gone, [`StoreError::Quota`] if the person has changed contracts too often.
    pub async fn change_contract(
        &self,
        by: &UserId,
        group: &GroupRow,
        membership: &ProviderMembership,
        contract: &CompiledContract,
        now: Timestamp,
    ) -> Result<Job> {
        let job = self.revision_job(group, membership, now).await?;
        let change = RosterChange::begin();
        let mut actions = vec![self.roster_changes(&group.id, 0, &change)?];
        actions.extend(self.share_changes(membership, contract)?);
        actions.push(self.put_new(job.row())?);
        let quota = actions.len();
        actions.push(self.count_against(Quota::ContractChanges, by, now)?);
        match self.change_roster(&group.id, &change, actions).await {
            Ok(()) => Ok(job),
            Err(error) if error.refused_at(0) => Err(StoreError::Missing("group")),
            Err(error) if error.refused_at(quota) => Err(Quota::ContractChanges.exceeded(now)),
            Err(StoreError::Refused(_)) => {
                Err(StoreError::Conflict("the contract or the membership changed at the same time"))
            }
            Err(error) => Err(error),
        }
    }

    /// The job that brings a provider's copies after a change of its contract, of which this one is the former.
    async fn revision_job(
        &self,
        group: &GroupRow,
        membership: &ProviderMembership,
        now: Timestamp,
    ) -> Result<Job> {
        let jobs = self.jobs(&group.id).await?;
        let mut contracts = former_contracts(&jobs, &membership.drive, membership.epoch, now);
        let before = membership.terms.contract.written();
        if !contracts.contains(before) {
            contracts.push(before.clone());
        }
        // What an unfinished change has left behind is this one's to bring along.
        let open = jobs.iter().filter(|job| job.is_open());
        let concerns = |job: &&Job| match &job.kind {
            JobKind::Revise { drive, epoch, .. } => *drive == membership.drive && *epoch == membership.epoch,
            _ => true,
        };
        let since = open.filter(concerns).filter_map(Job::rules_from);
        let from = since.min().unwrap_or(group.rule_revision).min(group.rule_revision);
        let kind = JobKind::Revise {
            drive: membership.drive.clone(),
            epoch: membership.epoch,
            rules_from: from,
            contracts,
        };
        Ok(Job::new(ids::job(), group.id.clone(), kind, now))
    }

    /// The terms of former contracts of a membership that a writer may still act upon.
    pub fn late_terms(
        &self,
        jobs: &[Job],
        membership: &ProviderMembership,
        document: &Document,
        now: Timestamp,
    ) -> Vec<Terms> {
        let former = former_contracts(jobs, &membership.drive, membership.epoch, now);
        let joined = membership.terms.joined;
        let compiled =
            former.into_iter().map(|c| CompiledContract::accepted(&document.data_types, c, 0).into());
        compiled.map(|contract| Terms { joined, contract }).collect()
    }

    /// The job that brings a provider's copies after a change of the rules. Its identifier follows from the change, so
    /// that making it again makes no second one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn create_revision(
        &self,
        spread: &Job,
        drive: &DriveId,
        epoch: u64,
        rules_from: u32,
        now: Timestamp,
    ) -> Result<Job> {
        let contracts = former_contracts(&self.jobs(&spread.group).await?, drive, epoch, now);
        let kind = JobKind::Revise { drive: drive.clone(), epoch, rules_from, contracts };
        let id = ids::job_of(&spread.id, drive, epoch);
        let job = Job::new(id, spread.group.clone(), kind, spread.created);
        self.create_job(&job).await?;
        Ok(job)
    }
}
