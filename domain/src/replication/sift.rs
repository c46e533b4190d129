//! What a change of the rules that only takes away means for the copies, told from the copies alone.

use super::decide::{Decision, Place, ProviderMembership, Rulebook};
use super::roster::ReplicaRow;
use crate::item::Item;
use crate::rules::{Question, Terms};
use crate::time::Timestamp;

/// What looking at a copy came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Sifted {
    /// It is known what becomes of it.
    Decided(Decision),
    /// The rules or the contract ask for a field of which the copy says nothing: ask the source, and [`rewrite`].
    Untold,
}

/// Decides about a copy after the rules were narrowed: it stays, shows less, or is buried.
///
/// Only for a change by which nothing is shown that was not shown before, over copies that agreed with their sources
/// before it: then whatever the rules of now select has a copy, and nothing else has to be looked at. What a writer of the
/// former rules leaves behind this walk is hidden by the guard on every read; whatever is written of the item next is
/// greater. `late` are terms of former contracts that a writer may still act upon, together with the rules of now: a copy
/// that they would treat differently is written anew, so that such a writer comes too late.
pub fn sift(
    row: &ReplicaRow,
    membership: &ProviderMembership,
    book: &Rulebook,
    late: &[Terms],
    now: Timestamp,
) -> Sifted {
    let nothing = Sifted::Decided(Decision::Nothing);
    let ReplicaRow { order, carried, .. } = row;
    let others = order.era != book.era || order.epoch != membership.epoch;
    // Of the terms of now: whoever wrote it has decided already.
    let decided =
        (order.rule_revision, order.contract_revision) >= (book.revision, membership.terms.contract.revision);
    if others || decided || row.expires.is_some_and(|end| end <= now) {
        return nothing;
    }
    if order.dead {
        // Buried by the rules of now, but for a contract that counts no longer: the item may well be shared.
        return if order.rule_revision == book.revision { Sifted::Untold } else { nothing };
    }
    let terms = &membership.terms;
    if !carried.tells(book.rules.asked(&row.data_type, terms)) {
        return Sifted::Untold;
    }
    let (data_type, time, fields) = (&row.data_type, row.id.time(), &carried.fields);
    let place = Place { id: &row.id, data_type, version: order.version, membership, book };
    let under = |terms: &Terms| {
        let told = carried.tells(book.rules.asked(data_type, terms));
        told.then(|| book.rules.replica(Question { data_type, time, fields, terms })).flatten()
    };
    let Some(kept) = under(terms) else { return Sifted::Decided(place.bury()) };
    // What such a writer leaves must show what this copy shows, and say what is asked now.
    let alike = |late: &Terms| {
        under(late).is_some_and(|late| late.fields == kept.fields && late.absent.is_superset(&kept.absent))
    };
    let stays = kept.fields == *fields && late.iter().all(alike);
    Sifted::Decided(if stays { Decision::Nothing } else { place.write(kept, row.expires) })
}

/// Decides about the copy of an item as if no copy could be trusted: it is written or buried in any case.
pub fn rewrite(item: &Item, membership: &ProviderMembership, book: &Rulebook) -> Decision {
    let Item { id, data_type, version, .. } = item;
    let place = Place { id, data_type, version: *version, membership, book };
    match book.rules.replica(super::decide::question(item, &membership.terms)) {
        Some(carried) => place.write(carried, item.expires),
        None => place.bury(),
    }
}
