//! The protocol as a model: what can happen next, and what must hold.

use stateright::{Model, Property};

use crate::actors::{Actor, JobId, JobKind, Then, Who};
use crate::machines::{read_terms, spread, step};
use crate::people;
use crate::properties;
use crate::reader::{self, List, listed};
use crate::scenario::{Reader, Scenario, Variant};
use crate::state::{Folly, State};
use crate::terms::{Contract, Edition, Reading, Rule};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The owner writes an item.
    Write(u8, Reading),
    /// The owner deletes an item.
    Delete(u8),
    /// The drive joins.
    Join(Contract),
    /// The drive leaves.
    Leave,
    /// The group's owner changes the rules or the shards.
    ChangeRules(Rule, u8),
    /// The provider changes the contract.
    ChangeContract(Contract),
    /// The group's owner deletes it.
    DeleteGroup,
    /// An operator backs the drive up.
    BackUp,
    /// An operator restores it.
    Restore,
    /// The stream delivers an item's records up to here for the first time, or again since they were not acknowledged.
    Deliver(u8, u8),
    /// One record is delivered again, or an invocation with it is given up for lost and goes on late.
    Repeat(u8, u8),
    /// An invocation of the job function takes up a job.
    Work(JobId),
    /// Somebody makes the next call.
    Step(usize),
    /// Somebody dies.
    Die(usize),
    /// An item's tombstones reach the end of their time.
    Collect(u8),
    /// A consumer begins a list.
    Begin,
    /// The list's copies are read.
    ReadPage,
    /// The list's group is read.
    ReadGroup,
    /// The list is answered, with the roster of now or with a remembered one.
    Finish(bool),
    /// A failed variant remembers the membership.
    Remember,
    /// A failed variant's timer takes the drive from the list of those who left.
    Forget,
}

/// A variant of the protocol in a scenario.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// What may happen.
    pub scenario: Scenario,
    /// What is left out.
    pub variant: Variant,
}

impl Protocol {
    fn room(&self, state: &State) -> Room {
        let mut room = Room {
            writers: self.scenario.writers,
            requests: self.scenario.requests,
            workers: self.scenario.workers,
        };
        for actor in &state.actors {
            let slot = match actor {
                Actor::Half { who: Who::Stream { .. }, .. } | Actor::Asking { .. } => &mut room.writers,
                Actor::Half { who: Who::Request { .. }, .. } | Actor::Request { .. } => &mut room.requests,
                Actor::Half { who: Who::Job { .. }, .. } | Actor::Scanning { .. } => &mut room.workers,
                Actor::Writing { then, .. } => match then {
                    Then::Nothing | Then::Acknowledge { .. } => &mut room.writers,
                    Then::Answer { .. } => &mut room.requests,
                    Then::Checkpoint { .. } => &mut room.workers,
                },
            };
            *slot = slot.saturating_sub(1);
        }
        room
    }

    fn owners(&self, state: &State, room: &Room, actions: &mut Vec<Action>) {
        let Scenario { items, readings, versions, deletes, .. } = self.scenario;
        for item in 0..items {
            let source = state.sources[usize::from(item)];
            if !state.histories[usize::from(item)].has_room() {
                continue;
            }
            match source.reading {
                Some(now) if room.requests > 0 => {
                    if source.version < versions {
                        let others = readings.iter().filter(|r| readings.len() == 1 || **r != now);
                        actions.extend(others.map(|reading| Action::Write(item, *reading)));
                    }
                    if deletes {
                        actions.push(Action::Delete(item));
                    }
                }
                Some(_) => {}
                None if source.version == 0 || self.variant == Variant::VersionsRestart => {
                    actions.extend(readings.iter().map(|reading| Action::Write(item, *reading)));
                }
                None => {}
            }
        }
    }

    fn members(&self, state: &State, actions: &mut Vec<Action>) {
        let Scenario { roster, contracts, asks, contract_revisions, rule, rule_revisions, shards, .. } =
            self.scenario;
        let joinable = state.group.active || self.variant == Variant::JoinUnchecked;
        match state.member {
            None if state.group.roster_rev < roster && joinable => {
                // Who joins agrees to the current rules.
                let agreed = [Contract::Agreed(state.group.edition().rule)];
                let contracts = if asks { &agreed[..] } else { contracts };
                actions.extend(contracts.iter().map(|contract| Action::Join(*contract)));
            }
            Some(member) if state.group.active => {
                if state.group.roster_rev < roster {
                    actions.push(Action::Leave);
                }
                if member.revision() < contract_revisions {
                    let narrow = match asks {
                        true => Contract::Agreed(state.group.edition().rule),
                        false => Contract::High,
                    };
                    let others = [Contract::Open, narrow].into_iter().filter(|c| *c != member.contract());
                    actions.extend(others.map(Action::ChangeContract));
                }
            }
            _ => {}
        }
        if state.group.active && state.group.rule_revision() < rule_revisions {
            let Edition { rule: now, layout } = state.group.edition();
            if shards.len() == 1 {
                let rule = if now == Rule::All { Rule::High } else { Rule::All };
                actions.push(Action::ChangeRules(rule, layout.shards));
            } else {
                let others = shards.iter().filter(|count| **count != layout.shards);
                actions.extend(others.map(|count| Action::ChangeRules(rule, *count)));
            }
        }
        if state.group.active && self.scenario.deletion {
            actions.push(Action::DeleteGroup);
        }
    }

    fn operators(&self, state: &State, actions: &mut Vec<Action>) {
        if state.group.era < self.scenario.restores {
            match state.backup {
                None => actions.push(Action::BackUp),
                // Only what differs is worth restoring; and what was restored under no new era is restored once.
                Some(backup) if backup != state.sources => actions.push(Action::Restore),
                Some(_) => {}
            }
        }
        for item in 0..self.scenario.items {
            let at = usize::from(item);
            let dead = state.copies.iter().any(|(place, row)| place.item == item && row.body.is_none());
            // Their time is much longer than that of anybody who could still write something older.
            let safe = state.actors.is_empty() && state.acknowledged[at] == state.histories[at].len();
            if self.scenario.collection && dead && (safe || self.variant == Variant::CollectAnyTime) {
                actions.push(Action::Collect(item));
            }
        }
        if matches!(self.variant, Variant::StaleMembership | Variant::RememberedRoster)
            && state.folly.remembered != Some(state.member)
        {
            actions.push(Action::Remember);
        }
        if state.folly.revoked && state.jobs.is_empty() {
            actions.push(Action::Forget);
        }
    }

    fn functions(&self, state: &State, room: &Room, actions: &mut Vec<Action>) {
        for item in 0..self.scenario.items {
            let at = usize::from(item);
            let (len, done) = (state.histories[at].len(), state.acknowledged[at]);
            let busy = state.actors.iter().any(|actor| acknowledges(actor) == Some(item));
            if room.writers > 0 && !busy {
                actions.extend((done + 1..=len).map(|upto| Action::Deliver(item, upto)));
            }
            if room.writers > 0 && state.member.is_some() {
                actions.extend((state.trimmed[at]..len).map(|record| Action::Repeat(item, record)));
            }
        }
        if room.workers > 0 {
            actions.extend(state.jobs.iter().map(|job| Action::Work(job.id)));
        }
        for (at, actor) in state.actors.iter().enumerate() {
            actions.push(Action::Step(at));
            // Whoever has changed nothing yet and dies might as well not have begun.
            let halfway = match actor {
                Actor::Request { .. } | Actor::Half { who: Who::Request { .. }, .. } => true,
                Actor::Writing { then: Then::Answer { .. }, .. } => true,
                Actor::Writing { then: Then::Checkpoint { .. }, .. } => true,
                Actor::Writing { .. } => self.variant == Variant::CheckpointFirst,
                _ => false,
            };
            if halfway {
                actions.push(Action::Die(at));
            }
        }
    }

    fn consumers(&self, state: &State, actions: &mut Vec<Action>) {
        match (self.scenario.reader, &state.list) {
            (Reader::AtOnce, _) => {}
            (Reader::Stepwise, None) => actions.push(Action::Begin),
            (Reader::Stepwise, Some(list)) => {
                if list.wants_page() {
                    actions.push(Action::ReadPage);
                }
                if list.wants_group() {
                    actions.push(Action::ReadGroup);
                }
                if !list.wants_page() && !list.wants_group() {
                    actions.extend([Action::Finish(false), Action::Finish(true)]);
                }
            }
        }
    }

    /// Somebody looks at every instant, and remembers the greatest version of each item: seeing less breaks less.
    fn look(&self, state: &mut State) {
        // After a restore, items do go back; what is promised from then on begins when the copies have followed.
        let following = state.jobs.iter().any(|job| job.id.kind == JobKind::Reconcile);
        if self.scenario.reader == Reader::Stepwise || following {
            return;
        }
        for (row, seen) in listed(state, self.variant).iter().zip(&mut state.seen) {
            *seen = row.map_or(*seen, |row| (*seen).max(row.order.version as u8));
        }
    }

    fn change(&self, state: &mut State, action: Action) {
        let Self { scenario, variant } = self;
        match action {
            Action::Write(item, reading) => people::write(state, item, Some(reading)),
            Action::Delete(item) => people::write(state, item, None),
            Action::Join(contract) => people::join(state, contract, *variant),
            Action::Leave => people::leave(state, *variant),
            Action::ChangeRules(rule, shards) => people::change_rules(state, rule, shards, *variant),
            Action::ChangeContract(contract) => people::change_contract(state, contract),
            Action::DeleteGroup => people::delete_group(state),
            Action::BackUp => state.backup = Some(state.sources),
            Action::Restore => people::restore(state, scenario, *variant),
            Action::Deliver(item, upto) => {
                let then = Then::Acknowledge { item, upto };
                read_terms(state, Who::Stream { item, record: upto - 1, then }, scenario, *variant);
            }
            Action::Repeat(item, record) => {
                read_terms(state, Who::Stream { item, record, then: Then::Nothing }, scenario, *variant);
            }
            Action::Work(job) => {
                let Some(next) = state.jobs.iter().find(|row| row.id == job).map(|row| row.next) else {
                    return;
                };
                if let JobKind::Spread { rules_from, contracts } = job.kind {
                    spread(state, job, next, (rules_from, contracts));
                } else {
                    read_terms(state, Who::Job { job, next }, scenario, *variant);
                }
            }
            Action::Step(at) => step(state, at, scenario, *variant),
            Action::Die(at) => drop(state.actors.remove(at)),
            Action::Collect(item) => {
                state.copies.retain(|place, row| place.item != item || row.body.is_some());
                if *variant != Variant::CollectAnyTime {
                    state.trimmed[usize::from(item)] = state.histories[usize::from(item)].len();
                }
            }
            Action::Begin => state.list = Some(List::begin(state)),
            Action::ReadPage => reader::read_page(state),
            Action::ReadGroup => reader::read_group(state),
            Action::Finish(remembered) => reader::finish(state, *variant, remembered),
            Action::Remember => state.folly.remembered = Some(state.member),
            Action::Forget => state.folly.revoked = false,
        }
    }
}

/// Who may still begin, of each kind.
struct Room {
    writers: u8,
    requests: u8,
    workers: u8,
}

fn acknowledges(actor: &Actor) -> Option<u8> {
    let then = match actor {
        Actor::Half { who: Who::Stream { then, .. }, .. } | Actor::Asking { then, .. } => then,
        Actor::Writing { then, .. } => then,
        _ => return None,
    };
    if let Then::Acknowledge { item, .. } = then { Some(*item) } else { None }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State::new(&self.scenario);
        if matches!(self.variant, Variant::StaleMembership | Variant::RememberedRoster) {
            state.folly = Folly { remembered: Some(state.member), ..Folly::default() };
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let room = self.room(state);
        self.owners(state, &room, actions);
        self.members(state, actions);
        self.operators(state, actions);
        self.functions(state, &room, actions);
        self.consumers(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        self.change(&mut next, action);
        self.look(&mut next);
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
