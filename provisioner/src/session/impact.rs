//! Counts what a change of sharing would move, before it is made.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::datatype::DataType;
use domain::id::Name;
use domain::replication::ProviderMembership;
use domain::rules::compare::only_takes_away;
use domain::rules::compile;
use domain::stack::RuleSet;
use store::clock::now;
use store::directory::GroupRow;
use store::document::Document;
use store::page::{Direction, Window};
use store::{Store, StoreError};

use super::Session;
use super::reconcile::data_plane;
use crate::event::Event;
use crate::plan::{Consents, Counted, Course, Impact, Measure, Plan, RuleChange, impact, rule_changes};

/// Providers looked at for each group: all of them if there are no more, and so many by chance otherwise.
const PROVIDERS: usize = 20;
/// Items of one provider that are looked at.
const ITEMS: usize = 20_000;
/// Items in one request.
const PAGE: usize = 1_000;
/// How long counting may take for all groups together.
const PATIENCE: Duration = Duration::from_secs(20);

/// Notes at each group of a plan what bringing its copies after the change would move. What cannot be counted is left out,
/// with a warning: nothing depends on it.
pub(super) async fn estimate(session: &Session, plan: &mut Plan) {
    let changes = rule_changes(plan);
    let changes: BTreeMap<&Name, &RuleChange> =
        changes.iter().map(|change| (&change.group, change)).collect();
    let moved: Vec<usize> = (0..plan.sharing.len())
        .filter(|at| plan.sharing.get(*at).is_some_and(|sharing| sharing.course() != Course::Leave))
        .collect();
    if moved.is_empty() {
        return;
    }
    session.options.step("counting what that would move");
    let until = Instant::now() + PATIENCE;
    let (store, document) = match data_plane(session).await {
        Ok(plane) => plane,
        Err(error) => return warn(session, &format!("what the change moves cannot be counted: {error}")),
    };
    let mut left_out = 0;
    for at in moved {
        let Some(sharing) = plan.sharing.get_mut(at) else { continue };
        let Some(change) = changes.get(&sharing.group) else { continue };
        if Instant::now() > until {
            left_out += 1;
            continue;
        }
        match measure(&store, &document, change, sharing.course(), until).await {
            Ok(measured) => sharing.impact = measured,
            Err(error) => {
                let text = format!("what the change moves in `{}` cannot be counted: {error}", change.group);
                return warn(session, &text);
            }
        }
    }
    if left_out > 0 {
        warn(session, &format!("what the change moves was not counted for {left_out} more groups"));
    }
}

fn warn(session: &Session, text: &str) {
    session.options.events.event(Event::Warning { text: text.to_owned() });
}

async fn measure(
    store: &Store,
    document: &Document,
    change: &RuleChange,
    course: Course,
    until: Instant,
) -> Result<Option<Impact>, StoreError> {
    let Some(group) = store.declared_group(&change.group).await? else { return Ok(None) };
    // Rules that cannot be compiled have selected nothing, and will select nothing.
    let before = compile(&change.types_before, &change.before).unwrap_or_default();
    let after = compile(&change.types_after, &change.after).unwrap_or_default();
    let measure = Measure { before: &before, after: &after, course };
    let (mut all, mut position) = (Vec::new(), None);
    loop {
        let (page, next) = store.providers(&group.id, position, document).await?;
        all.extend(page);
        position = next;
        if position.is_none() {
            break;
        }
    }
    let providers = all.len() as u64;
    let consents = consents(store, &group, change, &all).await?;
    fastrand::shuffle(&mut all);
    let names = change.types();
    let types: Vec<&DataType> = document.data_types.values().filter(|t| names.contains(&t.name)).collect();
    let (mut counted, mut more) = (Vec::new(), false);
    for membership in all.iter().take(PROVIDERS) {
        if Instant::now() > until && !counted.is_empty() {
            break;
        }
        let (one, cut) = provider(store, document, &measure, membership, &types).await?;
        counted.push(one);
        more |= cut;
    }
    Ok(Some(impact(&counted, providers, more, consents)))
}

/// How the providers take the new rules. Those who asked to be asked are asked unless it is known that the new rules share
/// nothing beyond what they agreed to; each agreed revision is compared once.
async fn consents(
    store: &Store,
    group: &GroupRow,
    change: &RuleChange,
    providers: &[ProviderMembership],
) -> Result<Consents, StoreError> {
    let mut by_revision: BTreeMap<Option<u32>, u64> = BTreeMap::new();
    for provider in providers {
        *by_revision.entry(provider.terms.contract.agreement().revision()).or_default() += 1;
    }
    let mut counts = Consents::default();
    for (revision, count) in by_revision {
        let Some(revision) = revision else {
            counts.follow += count;
            continue;
        };
        let agreed = match store.rule_set(&group.id, revision).await {
            Err(StoreError::Missing(_)) => RuleSet::default(),
            agreed => agreed?.of_types(&change.types_after),
        };
        match only_takes_away(&change.types_after, &agreed, &change.after) {
            true => counts.agreed += count,
            false => counts.asked += count,
        }
    }
    Ok(counts)
}

/// Counts one provider's items; and whether there are more than were looked at.
async fn provider(
    store: &Store,
    document: &Document,
    measure: &Measure<'_>,
    membership: &ProviderMembership,
    types: &[&DataType],
) -> Result<(Counted, bool), StoreError> {
    let mut counted = Counted::default();
    let mut looked_at = 0;
    for data_type in types {
        let mut after = None;
        loop {
            let window = Window { from: None, to: None, limit: PAGE, direction: Direction::Desc, after };
            let page = store.items(&membership.drive, &[data_type], &window, document, now()).await?;
            looked_at += page.items.len();
            page.items.iter().for_each(|item| measure.count(&mut counted, item, &membership.terms));
            after = page.next;
            if after.is_none() {
                break;
            }
            if looked_at >= ITEMS {
                return Ok((counted, true));
            }
        }
    }
    Ok((counted, false))
}
