//! What a change of the rules or of a contract means for the copies of items that did not change.

use std::sync::Arc;

use super::decide::{Decision, Place, ProviderMembership, Rulebook, question};
use super::shard::Spread;
use crate::item::Item;
use crate::rules::{CompiledRules, Terms};

/// Terms on which copies may have been written before the change.
#[derive(Debug, Clone)]
pub struct Former {
    /// The rules of then.
    pub rules: Arc<CompiledRules>,
    /// Over which partitions copies were spread then.
    pub spread: Spread,
    /// The membership's terms of then.
    pub terms: Terms,
}

/// Decides about the copy of an item after a change of terms.
///
/// Nothing is written for what all terms agree about: the ones of now and every former ones that a writer, however
/// late, may still act upon. `former` must hold all that counted since the copies last agreed with their sources; then
/// no write of theirs can be greater than the copy and say something else.
pub fn revise(item: &Item, membership: &ProviderMembership, book: &Rulebook, former: &[Former]) -> Decision {
    let now = book.rules.replica(question(item, &membership.terms));
    let asked = book.rules.asked(&item.data_type, &membership.terms);
    let agrees = |former: &Former| {
        let then = former.rules.replica(question(item, &former.terms));
        // A copy that says nothing of a field does so because the item has none, or because nobody asked.
        let known = || {
            let asked_then = former.rules.asked(&item.data_type, &former.terms);
            asked.iter().all(|field| item.fields.contains_key(*field) || asked_then.contains(field))
        };
        then == now && (now.is_none() || (former.spread == book.spread && known()))
    };
    if former.iter().all(agrees) {
        return Decision::Nothing;
    }
    let Item { id, data_type, version, .. } = item;
    let place = Place { id, data_type, version: *version, membership, book };
    match now {
        Some(fields) => place.write(fields, item.expires),
        None => place.bury(),
    }
}
