//! Who is who: groups, memberships, jobs; and the transactions that change them.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{DriveId, ItemId};
use domain::replication::{Former, ProviderMembership, ProviderTerms, Roster, Rulebook, Shard, Spread};
use domain::rules::Terms;
use domain::time::Timestamp;

use crate::faults::Fault;
use crate::terms;
use crate::variant::Variant;
use crate::world::{World, drive, group};

/// A group's own row, and its rules by revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Whether it exists.
    pub active: bool,
    /// Grows with every change of the roster.
    pub roster_rev: u64,
    /// Which rules and which partitions, by revision from 1.
    pub revisions: Vec<(usize, Spread)>,
    /// Where copies may lie; the last one is where they are written.
    pub layout: Vec<Spread>,
    /// When the rules of now began to count.
    pub changed: i64,
}

/// How groups begin.
pub const PLAIN: Spread = Spread { revision: 1, shards: 1 };

impl Group {
    /// A group with these rules.
    pub fn new(rules: usize) -> Self {
        Self { active: true, roster_rev: 1, revisions: vec![(rules, PLAIN)], layout: vec![PLAIN], changed: 0 }
    }

    /// Which revision of the rules counts.
    pub fn revision(&self) -> u32 {
        u32::try_from(self.revisions.len()).unwrap_or(u32::MAX)
    }

    /// The rules and the partitions of a revision.
    pub fn at(&self, revision: u32) -> (usize, Spread) {
        let at = usize::try_from(revision).unwrap_or_default().saturating_sub(1);
        self.revisions.get(at).copied().unwrap_or((0, PLAIN))
    }

    /// The partitions that count.
    pub fn spread(&self) -> Spread {
        self.at(self.revision()).1
    }

    /// The rules that count.
    pub fn book(&self) -> Rulebook {
        let (rules, spread) = self.at(self.revision());
        let since = Timestamp::from_millis(self.changed);
        Rulebook { revision: self.revision(), era: 0, since, spread, rules: terms::rules(rules) }
    }

    /// The next revision, which counts at once. Another number of shards has partitions of its own, unless a variant
    /// lets those come back that had that number before.
    fn change(&mut self, (rules, shards): (usize, u16), now: i64, variant: Variant) {
        self.changed = now;
        let before = self.spread();
        let revision = match variant {
            Variant::LayoutsComeBack => 1,
            _ => self.revision() + 1,
        };
        let spread = if before.shards == shards { before } else { Spread { revision, shards } };
        self.revisions.push((rules, spread));
        self.layout.retain(|former| *former != spread);
        self.layout.push(spread);
    }

    /// Gives up the partitions that copies are no longer written to.
    pub fn settle(&mut self) {
        self.layout = vec![self.spread()];
    }
}

/// A membership as provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The membership.
    pub membership: ProviderMembership,
    /// Which contract it has.
    pub contract: usize,
}

/// A group that a drive shares into, with its rules.
#[derive(Debug, Clone)]
pub struct Outlet {
    /// The group.
    pub at: usize,
    /// The membership.
    pub membership: ProviderMembership,
    /// The rules.
    pub book: Rulebook,
}

/// What a data job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobKind {
    /// Copies the past of a provider.
    Backfill,
    /// Removes the copies of a provider who left.
    Purge,
    /// Brings the copies of a provider after a change of terms.
    Revise {
        /// The first revision of the rules that copies may still be of.
        rules_from: u32,
        /// Former contracts that copies may still be of.
        contracts: BTreeSet<usize>,
    },
    /// Makes a revision for every provider.
    Spread {
        /// The first revision of the rules that copies may still be of.
        rules_from: u32,
        /// The revision that the change made.
        revision: u32,
    },
    /// Looks through the group's copies after rules were narrowed.
    Sift {
        /// The revision that copies are of.
        rules_from: u32,
        /// The revision that the change made.
        revision: u32,
    },
    /// Removes what is left of a deleted group.
    Dissolve,
}

/// Where a job goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// Behind an item.
    Items(ItemId),
    /// In a partition of the group's copies, behind one of them.
    Copies(Shard, Option<(ItemId, DriveId)>),
    /// Behind a member.
    Members(usize),
    /// Waiting for other jobs.
    Waiting,
}

/// A job's row.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it does.
    pub kind: JobKind,
    /// In which group.
    pub group: usize,
    /// For which drive; none if for all.
    pub drive: Option<usize>,
    /// For which membership.
    pub epoch: u64,
    /// Which job made it.
    pub parent: Option<usize>,
    /// Where it goes on.
    pub checkpoint: Option<At>,
    /// Whether it is unfinished.
    pub open: bool,
    /// For the check of its receipt: when each partition was last begun to be looked through.
    pub looked: BTreeMap<Shard, u64>,
    /// The revision of the last spread that it has seen.
    pub seen: u32,
}

impl Job {
    fn new(kind: JobKind, group: usize, drive: Option<usize>, epoch: u64) -> Self {
        let looked = Default::default();
        Self { kind, group, drive, epoch, parent: None, checkpoint: None, open: true, looked, seen: 0 }
    }
}

impl World {
    /// The memberships of a drive: the first of two reads.
    pub fn provides(&self, on: usize) -> Vec<(usize, ProviderMembership)> {
        let mine = self.members.iter().filter(|((_, drive), _)| *drive == on);
        mine.map(|((at, _), member)| (*at, member.membership.clone())).collect()
    }

    /// The memberships in a group.
    pub fn members_of(&self, at: usize) -> Vec<Member> {
        self.members.iter().filter(|((group, _), _)| *group == at).map(|(_, member)| member.clone()).collect()
    }

    /// The rules of the groups of memberships: the second one.
    pub fn with_rules(&self, provides: &[(usize, ProviderMembership)]) -> Vec<Outlet> {
        let each = provides.iter().filter_map(|(at, membership)| {
            let group = self.groups.get(*at).filter(|group| group.active)?;
            Some(Outlet { at: *at, membership: membership.clone(), book: group.book() })
        });
        each.collect()
    }

    /// A join: one transaction over a group that was read at this revision of its roster; none if it has changed.
    pub fn join(&mut self, at: usize, on: usize, contract: usize, read: u64) -> Option<u64> {
        let now = self.clock();
        let variant = self.variant;
        let state = self.groups.get_mut(at).filter(|state| state.active && state.roster_rev == read)?;
        if self.members.contains_key(&(at, on)) {
            return None;
        }
        state.roster_rev += 1;
        let epoch = if variant == Variant::NoEpoch { 1 } else { state.roster_rev };
        let terms = Terms { joined: now, contract: terms::contract(contract, 0) };
        let membership = ProviderMembership { group: group(at), drive: drive(on), epoch, terms };
        self.members.insert((at, on), Member { membership, contract });
        self.contracts.insert((at, on, epoch), vec![contract]);
        self.jobs.push(Job::new(JobKind::Backfill, at, Some(on), epoch));
        Some(epoch)
    }

    /// A leave: one transaction.
    pub fn leave(&mut self, at: usize, on: usize) -> bool {
        let Some(state) = self.groups.get_mut(at).filter(|state| state.active) else { return false };
        let Some(member) = self.members.remove(&(at, on)) else { return false };
        state.roster_rev += 1;
        self.jobs.push(Job::new(JobKind::Purge, at, Some(on), member.membership.epoch));
        true
    }

    /// The first revision of a group's rules that copies may still be of, by its unfinished jobs.
    pub fn settled_revision(&self, at: usize, read: &Group) -> u32 {
        let open = self.jobs.iter().filter(|job| job.group == at && job.open);
        let since = open.filter_map(|job| match job.kind {
            JobKind::Spread { rules_from, .. }
            | JobKind::Sift { rules_from, .. }
            | JobKind::Revise { rules_from, .. } => Some(rules_from),
            _ => None,
        });
        since.min().unwrap_or(read.revision())
    }

    /// A change of a group's rules over the group as it was read.
    pub fn change_rules(&mut self, at: usize, to: (usize, u16), read: &Group, from: u32) -> bool {
        let (now, variant) = (self.now, self.variant);
        let state = self.groups.get_mut(at).filter(|s| s.active && s.revision() == read.revision());
        let Some(state) = state else { return false };
        let (before, _) = read.at(read.revision());
        state.change(to, now, variant);
        let (revision, rules_from) = (state.revision(), from);
        let settled =
            (rules_from == read.revision() && state.layout.len() == 1) || variant == Variant::SiftUnsettled;
        let narrower = terms::narrows(before, to.0) || variant == Variant::SiftWidenings;
        let kind = match settled && narrower {
            true => JobKind::Sift { rules_from, revision },
            false => JobKind::Spread { rules_from, revision },
        };
        if matches!(kind, JobKind::Sift { .. }) {
            self.faults.note(Fault::Sift);
        }
        self.jobs.push(Job::new(kind, at, None, 0));
        true
    }

    /// What a change of a contract has to compare with: the rules and the contracts that copies may still be of.
    pub fn former_of(&self, at: usize, on: usize, read: &Member, rules: u32) -> (u32, BTreeSet<usize>) {
        let mut contracts = BTreeSet::from([read.contract]);
        let mut from = rules;
        for job in self.jobs.iter().filter(|job| job.group == at && job.open) {
            match &job.kind {
                JobKind::Spread { rules_from, .. } | JobKind::Sift { rules_from, .. } => {
                    from = from.min(*rules_from);
                }
                JobKind::Revise { rules_from, contracts: former }
                    if job.drive == Some(on) && job.epoch == read.membership.epoch =>
                {
                    from = from.min(*rules_from);
                    contracts.extend(former);
                }
                _ => {}
            }
        }
        contracts.extend(self.late_contracts(at, on, read.membership.epoch));
        (from, contracts)
    }

    /// Contracts of a membership that a late writer may still act upon, although their jobs are done.
    pub fn late_contracts(&self, at: usize, on: usize, epoch: u64) -> BTreeSet<usize> {
        if self.variant == Variant::FormerOfOpenJobs {
            return BTreeSet::new();
        }
        let mine =
            self.jobs.iter().filter(|job| job.group == at && job.drive == Some(on) && job.epoch == epoch);
        let each = mine.filter_map(|job| match &job.kind {
            JobKind::Revise { contracts, .. } => Some(contracts),
            _ => None,
        });
        each.flatten().copied().collect()
    }

    /// A change of a contract over the membership as it was read.
    pub fn change_contract(
        &mut self,
        (at, on): (usize, usize),
        to: usize,
        read: &Member,
        (rules_from, contracts): (u32, BTreeSet<usize>),
    ) -> bool {
        let Some(state) = self.groups.get_mut(at).filter(|state| state.active) else { return false };
        let Some(member) = self.members.get_mut(&(at, on)).filter(|member| *member == read) else {
            return false;
        };
        state.roster_rev += 1;
        let terms = &mut member.membership.terms;
        terms.contract = terms::contract(to, terms.contract.revision + 1);
        member.contract = to;
        let epoch = member.membership.epoch;
        self.contracts.entry((at, on, epoch)).or_default().push(to);
        self.jobs.push(Job::new(JobKind::Revise { rules_from, contracts }, at, Some(on), epoch));
        true
    }

    /// Makes a job of another one, once.
    pub fn make_job(&mut self, parent: usize, kind: JobKind, drive: usize, epoch: u64) {
        let same = |job: &Job| job.parent == Some(parent) && job.drive == Some(drive) && job.epoch == epoch;
        let Some(group) = self.jobs.get(parent).map(|job| job.group) else { return };
        if !self.jobs.iter().any(same) {
            let job = Job::new(kind, group, Some(drive), epoch);
            self.jobs.push(Job { parent: Some(parent), ..job });
        }
    }

    /// The contracts of a provider's unfinished revisions.
    pub fn open_contracts(&self, at: usize, on: usize, epoch: u64) -> BTreeSet<usize> {
        let open = self.jobs.iter().filter(|job| job.open && job.group == at && job.drive == Some(on));
        let each = open.filter(|job| job.epoch == epoch).filter_map(|job| match &job.kind {
            JobKind::Revise { contracts, .. } => Some(contracts),
            _ => None,
        });
        each.flatten().copied().chain(self.late_contracts(at, on, epoch)).collect()
    }

    /// All the terms that copies of a membership may be of besides those of now.
    pub fn former_terms(
        &self,
        read: &Group,
        member: &Member,
        rules_from: u32,
        contracts: &BTreeSet<usize>,
    ) -> Vec<Former> {
        let joined: Timestamp = member.membership.terms.joined;
        let former =
            contracts.iter().map(|contract| Terms { joined, contract: terms::contract(*contract, 0) });
        let all: Vec<Terms> = former.chain([member.membership.terms.clone()]).collect();
        let mut found = Vec::new();
        let rules_from = match self.variant {
            Variant::IncompleteFormer => rules_from.max(read.revision().saturating_sub(1)),
            _ => rules_from,
        };
        for revision in rules_from..=read.revision() {
            let (rules, spread) = read.at(revision);
            found.extend(all.iter().map(|terms| Former {
                rules: terms::rules(rules),
                spread,
                terms: terms.clone(),
            }));
        }
        // The last one is the pair of now.
        found.pop();
        found
    }

    /// The deletion of a group.
    pub fn delete_group(&mut self, at: usize) -> bool {
        let Some(state) = self.groups.get_mut(at).filter(|state| state.active) else { return false };
        state.active = false;
        state.roster_rev += 1;
        self.jobs.push(Job::new(JobKind::Dissolve, at, None, 0));
        true
    }

    /// The roster as its rows read now.
    pub fn roster(&self, at: usize) -> Roster {
        let mine = self.members.iter().filter(|((group, _), _)| *group == at);
        let providers = mine.map(|((_, _), member)| entry(&member.membership)).collect();
        let revision = self.groups.get(at).map_or(0, |group| group.roster_rev);
        Roster { revision, providers, ..Roster::default() }
    }
}

/// A provider as a roster names it.
pub fn entry(membership: &ProviderMembership) -> (DriveId, ProviderTerms) {
    let terms = ProviderTerms { epoch: membership.epoch, terms: membership.terms.clone() };
    (membership.drive.clone(), terms)
}
