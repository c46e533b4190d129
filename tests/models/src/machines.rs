//! What the functions do, one call of the database at a time.

use domain::replication::Order;

use crate::actors::{Actor, JobId, JobKind, Then, Who};
use crate::oracle;
use crate::people::{settle_layouts, unsettled_contracts};
use crate::scenario::{Scenario, Variant};
use crate::state::{Member, State};
use crate::terms::{Contract, Edition, Layout, Op, Place, Row, Said, View};

/// Somebody reads the terms: both rows now, or the membership now and the group's row later.
pub fn read_terms(state: &mut State, who: Who, scenario: &Scenario, variant: Variant) {
    let member = match (state.folly.remembered, who) {
        (Some(remembered), Who::Stream { .. }) if variant == Variant::StaleMembership => remembered,
        _ => state.member,
    };
    match member {
        Some(member) if scenario.split => state.enter(Actor::Half { member, who }),
        Some(member) => {
            let view = state.view(member);
            go_on(state, view.map(|view| (view, member)), who, variant);
        }
        None => go_on(state, None, who, variant),
    }
}

/// Goes on with what was read; nothing if the drive is no member, or the group is gone.
fn go_on(state: &mut State, known: Option<(View, Member)>, who: Who, variant: Variant) {
    let ignoring = |view: View| match view.contract {
        Contract::Agreed(_) if variant == Variant::WriterIgnoresAgreement => {
            View { contract: Contract::Open, ..view }
        }
        _ => view,
    };
    let known = known.map(|(view, member)| (ignoring(view), member));
    let view = known.map(|(view, _)| view);
    match who {
        Who::Stream { item, record, then } => stream(state, view, (item, record), then, variant),
        Who::Request { item, version, reading } => {
            request(state, view, Said { item, version, reading }, variant);
        }
        Who::Job { job, next } => match (job.kind, known) {
            (JobKind::Purge | JobKind::Dissolve, _) => {
                state.enter(Actor::Scanning { known: None, job, next })
            }
            // Asked on every page: a drive that left, or came back, has no use for this job any more.
            (_, Some((view, member))) if view.epoch == job.epoch => {
                state.enter(Actor::Scanning { known: Some((view, member)), job, next });
            }
            _ => checkpoint(state, job, None),
        },
    }
}

fn stream(state: &mut State, view: Option<View>, (item, at): (u8, u8), then: Then, variant: Variant) {
    let Some(record) = state.histories[usize::from(item)].records().get(usize::from(at)).copied() else {
        return;
    };
    let Some(view) = view else { return conclude(state, then) };
    let said = Said { item, version: record.version, reading: record.reading };
    let op = oracle::decide(said, &view);
    let shows = matches!(op, Some(Op::Put(_, row)) if row.body.is_some());
    if shows && must_ask(record.written, &view, variant) {
        return state.enter(Actor::Asking { view, item, record: at, then });
    }
    write_all(state, op.into_iter().collect(), then);
}

/// Whether the source must be asked instead of believing a record: it may be older than the membership, or than the
/// layout. What was taken away before has left no tombstone in either.
pub fn must_ask(written: u8, view: &View, variant: Variant) -> bool {
    let layout = view.edition.layout;
    match variant {
        Variant::TrustRecords => false,
        Variant::TrustLayouts => oracle::must_ask(written, view.joined, Layout { at: 0, ..layout }),
        _ => oracle::must_ask(written, view.joined, layout),
    }
}

fn request(state: &mut State, view: Option<View>, said: Said, variant: Variant) {
    let op = view.and_then(|view| oracle::decide(said, &view));
    let gives = matches!(op, Some(Op::Put(_, row)) if row.body.is_some());
    if gives {
        // What gives comes by the stream; until then the version before it may be shown.
        return;
    }
    let floor = if said.reading.is_some() { said.version } else { u8::MAX };
    let ops = op.into_iter().filter(|_| variant != Variant::StreamOnly).collect();
    write_all(state, ops, Then::Answer { item: said.item, floor });
}

fn write_all(state: &mut State, ops: Vec<Op>, then: Then) {
    if ops.is_empty() {
        conclude(state, then);
    } else {
        state.enter(Actor::Writing { ops, then });
    }
}

fn conclude(state: &mut State, then: Then) {
    match then {
        Then::Nothing => {}
        Then::Acknowledge { item, upto } => {
            let done = &mut state.acknowledged[usize::from(item)];
            *done = (*done).max(upto);
        }
        Then::Answer { item, floor } => {
            let held = &mut state.floors[usize::from(item)];
            *held = (*held).max(floor);
        }
        Then::Checkpoint { job, next } => checkpoint(state, job, next),
    }
}

/// Notes how far a job is, if its row is there; two deliveries of one job may both note theirs.
fn checkpoint(state: &mut State, job: JobId, next: Option<u8>) {
    let Some(at) = state.jobs.iter().position(|row| row.id == job) else { return };
    match next {
        Some(next) => state.jobs[at].next = next,
        None => {
            state.jobs.remove(at);
        }
    }
}

/// One step of somebody who is in the middle of something.
pub fn step(state: &mut State, at: usize, scenario: &Scenario, variant: Variant) {
    match state.actors.remove(at) {
        Actor::Half { member, who } => {
            let known = state.view(member).map(|view| (view, member));
            go_on(state, known, who, variant);
        }
        Actor::Asking { view, item, record, then } => {
            let source = state.sources[usize::from(item)];
            let record = state.histories[usize::from(item)].records().get(usize::from(record));
            let version = if source.reading.is_some() {
                source.version
            } else {
                record.map_or(source.version, |record| record.version)
            };
            let said = Said { item, version, reading: source.reading };
            write_all(state, oracle::decide(said, &view).into_iter().collect(), then);
        }
        Actor::Request { item, version, reading } => {
            read_terms(state, Who::Request { item, version, reading }, scenario, variant);
        }
        Actor::Scanning { known, job, next } => scan(state, known, (job, next), scenario, variant),
        Actor::Writing { mut ops, then } => {
            let Some(op) = ops.pop() else { return conclude(state, then) };
            apply(state, op, variant);
            // The writes of a page, and what is noted of it, are different calls.
            if ops.is_empty() && matches!(then, Then::Checkpoint { .. }) {
                state.enter(Actor::Writing { ops, then });
            } else {
                write_all(state, ops, then);
            }
        }
    }
}

/// Reads a page of items, and decides about each.
fn scan(
    state: &mut State,
    known: Option<(View, Member)>,
    (job, from): (JobId, u8),
    scenario: &Scenario,
    variant: Variant,
) {
    let there: Vec<u8> = (from..scenario.items)
        .filter(|item| state.sources[usize::from(*item)].reading.is_some())
        .take(usize::from(scenario.page))
        .collect();
    let full = there.len() == usize::from(scenario.page);
    let mut next = there.last().map(|last| last + 1).filter(|next| full && *next < scenario.items);
    let mut ops = Vec::new();
    match (job.kind, known) {
        (JobKind::Purge, _) => {
            let below = Order::last(u16::from(state.group.era), u64::from(job.epoch));
            let layouts = &state.group.layouts;
            let places =
                there.iter().flat_map(|item| layouts.iter().map(|layout| oracle::place(*item, *layout)));
            ops.extend(places.map(|place| Op::Purge(place, below)));
            if next.is_none() {
                // The group's copies are looked through for what the items did not lead to.
                let missed = |place: &&Place| !there.contains(&place.item);
                ops.extend(state.copies.keys().filter(missed).map(|place| Op::Purge(*place, below)));
            }
        }
        (JobKind::Dissolve, _) => {
            next = None;
            // The last of its members; whoever left before it has no greater order.
            let epoch = state
                .member
                .take()
                .map_or(u64::from(state.group.roster_rev), |member| u64::from(member.epoch));
            let last = Order::last(u16::from(state.group.era), epoch);
            ops.extend(state.copies.keys().map(|place| Op::Purge(*place, last)));
        }
        (kind, Some((view, member))) => {
            ops.extend(there.iter().filter_map(|item| {
                let source = state.sources[usize::from(*item)];
                let said = Said { item: *item, version: source.version, reading: source.reading };
                match kind {
                    JobKind::Revise { rules_from, contracts } => {
                        let former = former(state, &member, &view, (rules_from, contracts));
                        oracle::revise(said, &view, &former)
                    }
                    _ => oracle::decide(said, &view),
                }
            }));
            if next.is_none() {
                ops.extend(leavings(state, kind, &view));
            }
        }
        (_, None) => {}
    }
    ops.reverse();
    let then = Then::Checkpoint { job, next };
    if variant == Variant::CheckpointFirst {
        checkpoint(state, job, next);
        return write_all(state, ops, Then::Nothing);
    }
    write_all(state, ops, then);
}

/// All terms of these revisions that a writer may still act upon, and those of now.
fn former(
    state: &State,
    member: &Member,
    view: &View,
    (rules, contracts): (u8, u8),
) -> Vec<(Edition, Contract)> {
    let revisions = (0..member.revision()).filter(|revision| contracts & 1 << revision != 0);
    let contracts: Vec<Contract> =
        revisions.chain([member.revision()]).filter_map(|revision| member.contract_at(revision)).collect();
    let editions = &state.group.editions[usize::from(rules - 1)..usize::from(view.rule_revision)];
    let mut all: Vec<_> =
        editions.iter().flat_map(|edition| contracts.iter().map(|contract| (*edition, *contract))).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What the last page of a job also sees to: after a restore, copies that have no source.
fn leavings(state: &State, kind: JobKind, view: &View) -> Vec<Op> {
    let gone = |place: &Place| state.sources[usize::from(place.item)].reading.is_none();
    let orphans = state
        .copies
        .iter()
        .filter(|(place, row)| kind == JobKind::Reconcile && row.body.is_some() && gone(place));
    let burial = |(place, row): (&Place, &Row)| {
        let said = Said { item: place.item, version: row.order.version as u8, reading: None };
        oracle::decide(said, view)
    };
    orphans.filter_map(burial).collect()
}

/// A step of the job that sees to a change of the rules.
pub fn spread(state: &mut State, job: JobId, next: u8, (rules_from, contracts): (u8, u8)) {
    if !state.group.active {
        return checkpoint(state, job, None);
    }
    if next == 0 {
        if let Some(member) = state.member {
            let contracts = contracts | unsettled_contracts(state, &member);
            state.add_job(JobKind::Revise { rules_from, contracts }, member.epoch);
        }
        return checkpoint(state, job, Some(1));
    }
    if !state.jobs.iter().any(|other| matches!(other.id.kind, JobKind::Revise { .. })) {
        settle_layouts(state);
        checkpoint(state, job, None);
    }
}

/// One write, as the database makes it.
pub fn apply(state: &mut State, op: Op, variant: Variant) {
    match op {
        Op::Put(place, mut row) => {
            if row.body.is_none() && variant == Variant::NoTombstone {
                state.copies.remove(&place);
                return;
            }
            match variant {
                Variant::NoRuleRevision => row.order.rule_revision = 0,
                Variant::NoContractRevision => row.order.contract_revision = 0,
                _ => {}
            }
            let held = state.copies.get(&place);
            if held.is_none_or(|held| held.order < row.order) {
                state.copies.insert(place, row);
            }
        }
        Op::Purge(place, below) => {
            let held = state.copies.get(&place);
            match variant {
                Variant::PurgeAnyEpoch => {
                    state.copies.remove(&place);
                }
                _ if held.is_none_or(|held| held.order >= below) => {}
                Variant::PurgeDeletes => {
                    state.copies.remove(&place);
                }
                _ => {
                    state.copies.insert(place, Row { order: below, body: None });
                }
            }
        }
    }
}
