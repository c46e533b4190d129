//! Counts what people would lose.

use std::collections::BTreeSet;

use domain::id::Name;
use store::StoreError;
use store::census::Tally;
use store::directory::GroupRow;

use super::Session;
use super::reconcile::store_of;
use crate::error::Error;
use crate::kinds::stackdoc::{failed, no_table};
use crate::plan::{GroupLoss, Losses, Vanishing};

/// How many groups are counted one by one: a stack may have any number that people made.
const GROUPS: usize = 50;

/// What is in the groups and data types that a plan would take away.
///
/// # Errors
/// Those of the database.
pub(super) async fn of_vanishing(session: &Session, vanishing: &Vanishing) -> Result<Losses, Error> {
    let mut losses = Losses::default();
    if vanishing.is_empty() {
        return Ok(losses);
    }
    session.options.step("counting what would be lost");
    let store = store_of(session);
    if !vanishing.data_types.is_empty() {
        let (items, more) = or_nothing(store.count_all_items().await)?;
        losses.more = more;
        // Also one that nobody has anything of: the plan tells all that it takes away.
        let of = |name: &Name| items.get(name).copied().unwrap_or(Tally { count: 0, more });
        losses.data_types = vanishing.data_types.iter().map(|name| (name.clone(), of(name))).collect();
    }
    for (data_type, field) in &vanishing.fields {
        let tally = or_nothing(store.count_items_with(data_type, field).await)?;
        losses.fields.insert(format!("{data_type}.{field}"), tally);
    }
    for name in &vanishing.groups {
        if let Some(group) = or_nothing(store.declared_group(name).await)? {
            let types = types(session, &vanishing.data_types);
            losses.groups.insert(name.to_string(), of_group(session, &group, &types).await?);
        }
    }
    Ok(losses)
}

/// Everything that people have in the stack.
///
/// # Errors
/// Those of the database.
pub(super) async fn of_stack(session: &Session) -> Result<Losses, Error> {
    session.options.step("counting what would be lost");
    let store = store_of(session);
    let (data_types, more_items) = or_nothing(store.count_all_items().await)?;
    let (groups, more_groups) = or_nothing(store.all_groups().await)?;
    let mut losses = Losses { data_types, more: more_items || more_groups, ..Losses::default() };
    let types = types(session, &losses.data_types.keys().cloned().collect());
    losses.more |= groups.len() > GROUPS;
    for group in groups.iter().take(GROUPS) {
        let name = match &group.declared {
            Some(declared) => declared.to_string(),
            // People may give two groups one name.
            None => format!("{} ({})", group.name, group.id),
        };
        losses.groups.insert(name, of_group(session, group, &types).await?);
    }
    Ok(losses)
}

async fn of_group(session: &Session, group: &GroupRow, types: &BTreeSet<Name>) -> Result<GroupLoss, Error> {
    let store = store_of(session);
    let members = or_nothing(store.count_members(group).await)?;
    let copies = or_nothing(store.count_copies(group, types).await)?;
    Ok(GroupLoss { members, copies })
}

/// The data types of the file, and those that it no longer has.
fn types(session: &Session, gone: &BTreeSet<Name>) -> BTreeSet<Name> {
    session.stack.data_types.keys().chain(gone).cloned().collect()
}

/// A table that is not there holds nothing.
fn or_nothing<T: Default>(answer: Result<T, StoreError>) -> Result<T, Error> {
    match answer {
        Ok(value) => Ok(value),
        Err(error) if no_table(&error) => Ok(T::default()),
        Err(error) => Err(failed(&error).into()),
    }
}
