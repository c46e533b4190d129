//! What must hold.

use stateright::Property;

use crate::actors::Actor;
use crate::machines::{apply, must_ask};
use crate::model::Protocol;
use crate::oracle;
use crate::reader::{is_selected, listed};
use crate::scenario::{Reader, Scenario};
use crate::state::State;
use crate::terms::{Edition, Op, Said};

/// I1: nothing is listed that the roster, the rules or the contract do not let through.
pub const REVOCATION: &str = "I1: nothing is listed that was taken away by a leave or a narrowing";
/// I2: at rest, what is listed is what the sources say.
pub const COMPLETENESS: &str = "I2: at rest, exactly what the terms select is listed";
/// I1 and I3, of items.
pub const NO_RESURRECTION: &str = "I3: no version that its owner took away is ever listed again";
/// I4: versions only grow.
pub const MONOTONIC: &str = "I4: no item goes back to an older version";
/// I6: repeats change nothing.
pub const IDEMPOTENCE: &str = "I6: at rest, every record delivered again changes nothing";
/// Something is listed at rest at all: without this, nothing would have been tested.
pub const SHOWN: &str = "everything is listed at rest, after every change";
/// A write comes too late.
pub const TOO_LATE: &str = "a write comes too late, and would have shown something";

/// Every property of a model.
pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::<Protocol>::always(REVOCATION, |model, state| {
            !state.broken.revocation
                && (model.scenario.reader == Reader::Stepwise
                    || listed(state, model.variant).iter().flatten().all(|row| is_selected(state, row)))
        }),
        Property::<Protocol>::always(COMPLETENESS, |model, state| !state.at_rest() || complete(model, state)),
        Property::<Protocol>::always(NO_RESURRECTION, |model, state| {
            !state.broken.resurrection && not_below(model, state, &state.floors)
        }),
        Property::<Protocol>::always(MONOTONIC, |model, state| {
            !state.broken.backwards && not_below(model, state, &state.seen)
        }),
        Property::<Protocol>::always(IDEMPOTENCE, |model, state| {
            !state.at_rest() || repeats_change_nothing(model, state)
        }),
        Property::<Protocol>::sometimes(SHOWN, |model, state| {
            // After all that a scenario has of changes; so jobs do get done, and something is tested.
            let Scenario { rule_revisions, contract_revisions, roster, restores, .. } = model.scenario;
            let contract = state.member.map(|member| member.revision());
            state.at_rest()
                && state.group.rule_revision() == rule_revisions
                && contract == Some(contract_revisions)
                && state.group.roster_rev + 1 >= roster
                && state.group.era == restores
                && listed(state, model.variant).iter().flatten().count() == usize::from(model.scenario.items)
        }),
        Property::<Protocol>::sometimes(TOO_LATE, |_, state| {
            state.actors.iter().any(|actor| match actor {
                Actor::Writing { ops, .. } => ops.iter().any(|op| match op {
                    Op::Put(place, row) => {
                        row.body.is_some()
                            && state.copies.get(place).is_some_and(|held| held.order > row.order)
                    }
                    Op::Purge(..) => false,
                }),
                _ => false,
            })
        }),
    ]
}

fn not_below(model: &Protocol, state: &State, floors: &[u8]) -> bool {
    model.scenario.reader == Reader::Stepwise
        || listed(state, model.variant)
            .iter()
            .zip(floors)
            .all(|(row, floor)| row.is_none_or(|row| row.order.version >= u64::from(*floor)))
}

fn complete(model: &Protocol, state: &State) -> bool {
    let Edition { rule, .. } = state.group.edition();
    let left_alone = state.group.active || state.member.is_none();
    left_alone
        && state.sources.iter().zip(listed(state, model.variant)).all(|(source, row)| {
            let selected = source.reading.filter(|reading| {
                let allowed = state.member.is_some_and(|member| member.contract().allows(*reading));
                state.group.active && allowed && rule.allows(*reading)
            });
            let listed = row.and_then(|row| Some((row.order.version as u8, row.body?.reading)));
            listed == selected.map(|reading| (source.version, reading))
        })
}

fn repeats_change_nothing(model: &Protocol, state: &State) -> bool {
    let Some(view) = state.member.and_then(|member| state.view(member)) else { return true };
    let listed = |state: &State| {
        listed(state, model.variant)
            .map(|row| row.map(|row| (row.order.version, row.body.map(|body| body.reading))))
    };
    let before = listed(state);
    (0..model.scenario.items).all(|item| {
        let at = usize::from(item);
        let records = state.histories[at].records().iter().skip(usize::from(state.trimmed[at]));
        records.into_iter().all(|record| {
            let mut said = Said { item, version: record.version, reading: record.reading };
            if must_ask(record.written, &view, model.variant) {
                said.reading = state.sources[at].reading;
                said.version = said.reading.map_or(said.version, |_| state.sources[at].version);
            }
            let Some(op): Option<Op> = oracle::decide(said, &view) else { return true };
            let mut after = state.clone();
            apply(&mut after, op, model.variant);
            listed(&after) == before
        })
    })
}
