//! What people do: owners, providers and operators. Each is one transaction, and is answered when it is done; but for
//! changes of items, which [`crate::machines`] carries on.

use crate::actors::{Actor, Job, JobKind};
use crate::scenario::{Scenario, Variant};
use crate::state::{Folly, Member, Record, Source, State};
use crate::terms::{Contract, Edition, Layout, Reading, Rule};

/// Writes an item to its drive; the stream tells of it.
pub fn write(state: &mut State, item: u8, reading: Option<Reading>) {
    let at = usize::from(item);
    let before = state.sources[at];
    let restarted = before.reading.is_none() && reading.is_some();
    let version = match reading {
        Some(_) if restarted => 1,
        Some(_) => before.version + 1,
        None => before.version,
    };
    state.sources[at] = Source { version, reading };
    state.histories[at].push(Record { version, reading, written: state.age() });
    if before.reading.is_some() {
        state.enter(Actor::Request { item, version, reading });
    } else if before.version > 0 {
        // An identifier that is used again: what was promised of it before is void.
        state.floors[at] = 0;
        state.seen[at] = 0;
    }
}

/// A drive joins as provider.
pub fn join(state: &mut State, contract: Contract, variant: Variant) {
    state.group.roster_rev += 1;
    let joined = state.age();
    let epoch = if variant == Variant::NoEpoch { 1 } else { state.group.roster_rev };
    state.member = Some(Member::new(epoch, joined, contract));
    state.folly.revoked = false;
    state.add_job(JobKind::Backfill, epoch);
    if let Some(list) = &mut state.list {
        list.provided = true;
        list.all_allowed |= contract.allows(Reading::Low);
    }
}

/// The drive leaves.
pub fn leave(state: &mut State, variant: Variant) {
    let Some(member) = state.member.take() else { return };
    state.group.roster_rev += 1;
    state.folly.revoked = variant == Variant::RevokedList;
    state.add_job(JobKind::Purge, member.epoch);
}

/// The owner changes the rules or the number of shards.
pub fn change_rules(state: &mut State, rule: Rule, shards: u8, variant: Variant) {
    let rules_from = unsettled(state);
    let now = state.group.edition().layout;
    let since = match variant {
        Variant::PartitionsAgain => now.since,
        _ if now.shards == shards => now.since,
        _ => state.group.rule_revision() + 1,
    };
    let at = if now.shards == shards { now.at } else { state.age() + 1 };
    let layout = Layout { shards, since, at };
    state.group.editions.push(Edition { rule, layout });
    if !state.group.layouts.contains(&layout) {
        state.group.layouts.push(layout);
        state.group.layouts.sort_unstable();
    }
    // The current contract, too: it is a former one for who reads the rules after it has changed.
    let contracts =
        state.member.map_or(0, |member| unsettled_contracts(state, &member) | 1 << member.revision());
    state.add_job(JobKind::Spread { rules_from, contracts }, 0);
    if let Some(list) = &mut state.list {
        list.all_selected |= rule == Rule::All;
    }
}

/// The provider changes the contract.
pub fn change_contract(state: &mut State, contract: Contract) {
    let Some(mut member) = state.member else { return };
    let contracts = unsettled_contracts(state, &member);
    let kind =
        JobKind::Revise { rules_from: unsettled(state), contracts: contracts | 1 << member.revision() };
    member.agree(contract);
    state.member = Some(member);
    state.add_job(kind, member.epoch);
    if let Some(list) = &mut state.list {
        list.all_allowed |= contract == Contract::Open;
    }
}

/// The first revision of the rules that copies may still be of: a job that is not done may not have got far.
fn unsettled(state: &State) -> u8 {
    let from = |job: &Job| match job.id.kind {
        JobKind::Spread { rules_from, .. } | JobKind::Revise { rules_from, .. } => Some(rules_from),
        _ => None,
    };
    let open = state.jobs.iter().filter_map(from);
    open.min().unwrap_or_else(|| state.group.rule_revision())
}

/// The revisions of the contract that copies may still be of, besides the current one: those of open jobs, and those that a
/// writer has read and may still act upon. The product knows the latter by the jobs that ended within the last hour, which no
/// invocation outlasts (ADR 5).
pub fn unsettled_contracts(state: &State, member: &Member) -> u8 {
    let of = |job: &Job| match job.id.kind {
        JobKind::Revise { contracts, .. } if job.id.epoch == member.epoch => contracts,
        _ => 0,
    };
    let of_jobs = state.jobs.iter().fold(0, |all, job| all | of(job));
    let read = state.actors.iter().filter_map(|actor| actor.contract_revision(member.epoch));
    let former = read.filter(|revision| *revision < member.revision());
    former.fold(of_jobs, |all, revision| all | 1 << revision)
}

/// Forgets former layouts, since nothing that counts lies in them any more.
pub fn settle_layouts(state: &mut State) {
    state.group.layouts = vec![state.group.edition().layout];
}

/// The owner deletes the group.
pub fn delete_group(state: &mut State) {
    state.group.active = false;
    state.group.roster_rev += 1;
    state.add_job(JobKind::Dissolve, 0);
}

/// An operator restores the drive from its backup. The restored table has a stream of its own, and nothing of the
/// former one is delivered any more; what was promised of items before is void, since it is undone on purpose.
pub fn restore(state: &mut State, scenario: &Scenario, variant: Variant) {
    let Some(backup) = state.backup.take() else { return };
    for (source, held) in state.sources.iter_mut().zip(backup) {
        // An identifier is not used again, not even one of which the backup knows nothing.
        let version = if held.version == 0 { source.version } else { held.version };
        *source = Source { version, ..held };
    }
    state.histories = Default::default();
    state.acknowledged = Default::default();
    state.trimmed = Default::default();
    state.floors = Default::default();
    state.seen = Default::default();
    if variant != Variant::NoEra {
        state.group.era += 1;
    }
    state.folly = Folly::default();
    let fenced = scenario.fence;
    state.actors.retain(|actor| !fenced && !matches!(actor, Actor::Request { .. }));
    if let Some(member) = state.member {
        state.add_job(JobKind::Reconcile, member.epoch);
    }
}
