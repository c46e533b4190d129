//! What providers consent to: the contracts of their memberships, and the rules that they agreed to.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::{DriveId, GroupId, UserId};
use domain::replication::ProviderMembership;
use domain::rules::{AgreedRules, Agreement, CompiledContract, CompiledRules, Contract, Terms};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::changing::RosterChange;
use super::jobs::{Job, JobKind};
use super::{GroupRow, unreadable};
use crate::Store;
use crate::attr::{self, Row};
use crate::document::Document;
use crate::error::{Result, StoreError};
use crate::keys::Key;
use crate::quotas::Quota;
use crate::rows::KEYS;
use crate::sharing::ContractKey;
use crate::{ids, keys};

/// The attribute with a contract's text; left out for the one that allows everything.
const CONTRACT: &str = "contract";
/// The attribute with a contract's revision; left out for the first one.
const REVISION: &str = "contractRev";
/// The attribute that says whether the rules are followed, or which revision of them was agreed to.
pub(super) const AGREEMENT: &str = "agreement";

/// What a provider consents to: a contract, and the rules it applies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The contract.
    pub contract: Contract,
    /// The rules.
    pub agreement: Agreement,
}

impl Consent {
    /// The consent that these terms record.
    pub fn of(terms: &Terms) -> Self {
        Self { contract: terms.contract.written().clone(), agreement: terms.contract.agreement() }
    }
}

/// The terms of somebody who joins.
#[derive(Debug, Clone)]
pub struct JoiningTerms {
    /// What they allow.
    pub contract: Arc<CompiledContract>,
    /// Whether later widenings of the rules apply without being agreed to.
    pub follows: bool,
    /// The revision of the rules that they have seen; the current one if `None`.
    pub seen: Option<u32>,
}

impl JoiningTerms {
    /// The agreement that joining under rules of this revision records.
    pub(super) fn agreement(&self, revision: u32) -> Agreement {
        if self.follows { Agreement::Follow } else { Agreement::Ask(revision) }
    }
}

/// An agreement as it is stored.
pub(super) fn agreement_text(agreement: Agreement) -> String {
    agreement.revision().map_or_else(|| "follow".to_owned(), |revision| revision.to_string())
}

/// The agreement of a provider's row.
pub(super) fn agreement_of(row: &Row) -> std::result::Result<Agreement, String> {
    match attr::get_text(row, AGREEMENT) {
        Err(_) if !row.contains_key(AGREEMENT) => Ok(Agreement::NONE),
        Err(what) => Err(what),
        Ok("follow") => Ok(Agreement::Follow),
        Ok(text) => text.parse().map(Agreement::Ask).map_err(|_| format!("`{AGREEMENT}` is not a revision")),
    }
}

/// How long a writer may still act upon terms that it has read, in milliseconds: longer than any function may run.
const LATE: i64 = 3_600_000;

/// Consents that copies of a membership may still be of, or come to be of, by the jobs that had to do with them.
///
/// Those of jobs that are finished count for a while: a writer that has read the membership before its contract was
/// changed, and the group after its rules were changed again, acts upon a pair of terms that never counted together,
/// and whose order is greater than that of the copy which the finished job wrote. The while ends at the change that asks, not
/// when its job runs: jobs may wait.
fn former_consents(jobs: &[Job], drive: &DriveId, epoch: u64, changed: Timestamp) -> Vec<Consent> {
    let mut found: Vec<Consent> = Vec::new();
    for job in jobs {
        let JobKind::Revise { drive: of, epoch: within, consents, .. } = &job.kind else { continue };
        let counts = job.is_open() || job.moved.is_none_or(|moved| moved > changed.plus_millis(-LATE));
        if of == drive && *within == epoch && counts {
            let new: Vec<Consent> = consents.iter().filter(|c| !found.contains(c)).cloned().collect();
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
    pub(super) agreement: Agreement,
    pub(super) revision: u32,
}

impl WrittenMembership {
    /// What tells its contract from every other.
    fn key(&self) -> ContractKey {
        (self.group.clone(), self.drive.clone(), self.epoch, self.revision)
    }

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
                agreement: agreement_of(row)?,
                revision: attr::get_number_opt(row, REVISION)?.unwrap_or_default(),
            })
        };
        read().map_err(unreadable)
    }
}

/// The attributes of a contract and an agreement in their membership's rows.
pub(super) fn attributes(contract: &CompiledContract, agreement: Agreement) -> Vec<(String, AttributeValue)> {
    let text = serde_json::to_string(contract.written()).unwrap_or_default();
    let first = contract.revision == 0 && *contract.written() == Contract::default();
    let all =
        [(CONTRACT.to_owned(), attr::text(text)), (REVISION.to_owned(), attr::number(contract.revision))];
    let agreement = (AGREEMENT.to_owned(), attr::text(agreement_text(agreement)));
    all.into_iter().filter(|_| !first).chain([agreement]).collect()
}

/// Memberships that were read, and the agreed rules that they still need.
pub(crate) struct ReadMemberships {
    written: Vec<(WrittenMembership, Remembered)>,
    /// The rows of agreed rules that this process does not remember.
    pub(crate) wanted: Vec<Key>,
}

/// What this process remembers of a membership.
enum Remembered {
    /// All of its terms.
    Contract(Arc<CompiledContract>),
    /// The rules that it agreed to.
    Rules(u32, Arc<CompiledRules>),
    /// Nothing: the rules that it agreed to must be read.
    Nothing(u32),
    /// Nothing, and there are no such rules.
    Follows,
}

impl ReadMemberships {
    /// The groups of the memberships, in their order.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &GroupId> {
        self.written.iter().map(|(membership, _)| &membership.group)
    }
}

impl Store {
    /// Reads providers' rows. The rows of [`ReadMemberships::wanted`] are for the caller to read with whatever comes next,
    /// and to give to [`Store::compile_memberships`].
    pub(crate) fn read_memberships<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
    ) -> Result<ReadMemberships> {
        let (mut written, mut wanted) = (Vec::new(), BTreeSet::new());
        for row in rows {
            let membership = WrittenMembership::read(row)?;
            let remembered = match (self.contracts.get(&membership.key()), membership.agreement) {
                (Some(contract), _) => Remembered::Contract(contract),
                (None, Agreement::Follow) => Remembered::Follows,
                // No group has a revision 0.
                (None, Agreement::Ask(0)) => Remembered::Rules(0, Arc::default()),
                (None, Agreement::Ask(revision)) => {
                    match self.remembered_rules(&membership.group, revision) {
                        Some(rules) => Remembered::Rules(revision, rules),
                        None => {
                            wanted.insert(keys::rules(&membership.group, revision));
                            Remembered::Nothing(revision)
                        }
                    }
                }
            };
            written.push((membership, remembered));
        }
        Ok(ReadMemberships { written, wanted: wanted.into_iter().collect() })
    }

    /// The memberships with their contracts and agreed rules compiled. An agreed revision that was wanted and is not
    /// among `rows`, or that does not compile with the current data types, shares nothing.
    pub(crate) fn compile_memberships(
        &self,
        read: ReadMemberships,
        rows: &HashMap<Key, Row>,
        document: &Document,
    ) -> Vec<ProviderMembership> {
        let mut compiled: HashMap<Key, Arc<CompiledRules>> = HashMap::new();
        let mut all = Vec::with_capacity(read.written.len());
        for (membership, remembered) in read.written {
            let key = membership.key();
            let WrittenMembership { group, drive, epoch, joined, contract, revision, .. } = membership;
            let agreed = match remembered {
                Remembered::Contract(contract) => {
                    all.push(ProviderMembership { group, drive, epoch, terms: Terms { joined, contract } });
                    continue;
                }
                Remembered::Follows => None,
                Remembered::Rules(revision, rules) => Some(AgreedRules { revision, rules }),
                Remembered::Nothing(revision) => {
                    let of_rules = keys::rules(&group, revision);
                    let row = rows.get(&of_rules);
                    let rules = compiled
                        .entry(of_rules)
                        .or_insert_with(|| self.agreed_rules(&group, revision, row, document));
                    Some(AgreedRules { revision, rules: rules.clone() })
                }
            };
            let contract = match revision == 0 && contract == Contract::default() && agreed.is_none() {
                true => CompiledContract::open(),
                false => {
                    let contract = CompiledContract::accepted(&document.data_types, contract, revision);
                    Arc::new(contract.with_agreed(agreed))
                }
            };
            self.contracts.put(key, contract.clone());
            all.push(ProviderMembership { group, drive, epoch, terms: Terms { joined, contract } });
        }
        all
    }

    /// The memberships of providers' rows, with their contracts and agreed rules compiled. One request if agreed rules
    /// are not remembered, for all of them; `also` is a revision of a group's rules that will be asked for next.
    pub(crate) async fn memberships_of<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
        also: Option<(&GroupId, u32)>,
        document: &Document,
    ) -> Result<Vec<ProviderMembership>> {
        let read = self.read_memberships(rows)?;
        let mut found = HashMap::new();
        if !read.wanted.is_empty() {
            let also = also.filter(|(group, revision)| !self.remembers_rules(group, *revision));
            let also_wanted = also.map(|(group, revision)| keys::rules(group, revision));
            // The same key twice in one call is refused.
            let wanted: BTreeSet<Key> = read.wanted.iter().cloned().chain(also_wanted).collect();
            found = self.rules_rows(&wanted.into_iter().collect::<Vec<_>>()).await?;
            if let Some((group, revision)) = also
                && let Some(row) = found.get(&keys::rules(group, revision))
            {
                self.remember_rules(row, group, revision, document);
            }
        }
        Ok(self.compile_memberships(read, &found, document))
    }

    /// Rows of rules. Not as a batch: the functions that read them may do without the permission for one.
    pub(crate) async fn rules_rows(&self, wanted: &[Key]) -> Result<HashMap<Key, Row>> {
        let mut found = HashMap::new();
        for keys in wanted.chunks(KEYS) {
            match self.rows_at_once(&self.tables.directory, keys).await? {
                Some(rows) => found.extend(rows),
                // One of them is being put in other words.
                None => {
                    for key in keys {
                        found.extend(self.directory_row(key).await?.map(|row| (key.clone(), row)));
                    }
                }
            }
        }
        Ok(found)
    }

    /// The membership of one provider's row.
    pub(crate) async fn membership_of(&self, row: &Row, document: &Document) -> Result<ProviderMembership> {
        let mut one = self.memberships_of([row], None, document).await?;
        one.pop().ok_or_else(|| unreadable("a membership cannot be read"))
    }

    /// The terms that a consent of a membership came to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn terms_of(
        &self,
        group: &GroupId,
        joined: Timestamp,
        consent: Consent,
        document: &Document,
    ) -> Result<Terms> {
        let contract = CompiledContract::accepted(&document.data_types, consent.contract, 0);
        let agreed = match consent.agreement.revision() {
            None => None,
            Some(revision) => {
                let rules = match self.rules(group, revision, document).await {
                    Err(StoreError::Corrupt { .. } | StoreError::Missing(_)) => Arc::default(),
                    rules => rules?,
                };
                Some(AgreedRules { revision, rules })
            }
        };
        Ok(Terms { joined, contract: contract.with_agreed(agreed).into() })
    }

    /// Replaces a provider's contract and agreement by those of the next revision: what they take away is gone for readers
    /// when this returns; the job brings the copies after it.
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
        let mut actions = vec![self.roster_changes(&group.id, &change)?];
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
        let mut consents = former_consents(&jobs, &membership.drive, membership.epoch, now);
        let before = Consent::of(&membership.terms);
        if !consents.contains(&before) {
            consents.push(before);
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
            consents,
        };
        Ok(Job::new(ids::job(), group.id.clone(), kind, now))
    }

    /// The terms of former consents of a membership that a writer may still act upon, which has read rules that changed then.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn late_terms(
        &self,
        jobs: &[Job],
        membership: &ProviderMembership,
        document: &Document,
        changed: Timestamp,
    ) -> Result<Vec<Terms>> {
        let mut late = Vec::new();
        for consent in former_consents(jobs, &membership.drive, membership.epoch, changed) {
            late.push(self.terms_of(&membership.group, membership.terms.joined, consent, document).await?);
        }
        Ok(late)
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
    ) -> Result<Job> {
        let consents = former_consents(&self.jobs(&spread.group).await?, drive, epoch, spread.created);
        let kind = JobKind::Revise { drive: drive.clone(), epoch, rules_from, consents };
        let id = ids::job_of(&spread.id, drive, epoch);
        let job = Job::new(id, spread.group.clone(), kind, spread.created);
        self.create_job(&job).await?;
        Ok(job)
    }
}
