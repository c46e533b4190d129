//! What a change of the rules or of a contract means for the copies of items that did not change.

use std::sync::Arc;

use super::decide::{Decision, ProviderMembership, Rulebook, question};
use super::shard::Spread;
use super::sift::rewrite;
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
    let agrees = |former: &Former| match (&now, former.rules.replica(question(item, &former.terms))) {
        (None, None) => true,
        // What a copy says the item has not, beyond what is asked now, harms nobody.
        (Some(now), Some(then)) => {
            former.spread == book.spread && then.fields == now.fields && then.absent.is_superset(&now.absent)
        }
        _ => false,
    };
    if former.iter().all(agrees) {
        return Decision::Nothing;
    }
    rewrite(item, membership, book)
}
