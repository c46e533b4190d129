//! What the domain decides, with what the simulation has found to be missing there.
//!
//! Each difference has a variant without it, which is how the domain was when it was found.

use domain::id::ItemId;
use domain::item::Item;
use domain::replication::{Change, Decision, Former, must_ask_source};
use domain::time::Timestamp;

use crate::directory::Outlet;
use crate::terms;
use crate::variant::Variant;

/// Decides about the copy of an item that reads like this, or had this version when it was deleted.
pub fn decide((id, present, version): (&ItemId, Option<&Item>, u64), outlet: &Outlet) -> Decision {
    let Outlet { membership, book, .. } = outlet;
    let change = match present {
        Some(item) => Change::Present(item),
        None => Change::Deleted { id, data_type: terms::glucose(), version },
    };
    domain::replication::decide(&change, membership, book)
}

/// Whether what was read of an item at a time may be older than a membership, or than the rules of now, so that its
/// source must be asked.
pub fn ask_source(variant: Variant, read: Timestamp, outlet: &Outlet) -> bool {
    let mut book = outlet.book.clone();
    if variant == Variant::TrustOldRules {
        book.since = outlet.membership.terms.joined;
    }
    must_ask_source(Some(read), &outlet.membership.terms, &book)
}

/// Decides about the copy of an item after a change of terms.
pub fn revise(variant: Variant, item: &Item, outlet: &Outlet, former: &[Former]) -> Decision {
    let Outlet { membership, book, .. } = outlet;
    let decision = domain::replication::revise(item, membership, book, former);
    if decision != Decision::Nothing || former.is_empty() || variant == Variant::ReviseUnasked {
        return decision;
    }
    // Readers cannot tell a field that the item does not have from one that nobody asked, but by the revision.
    let asked = book.rules.asked(&item.data_type, &membership.terms);
    if asked.iter().all(|field| item.fields.contains_key(*field)) {
        return Decision::Nothing;
    }
    match decide((&item.id, Some(item), item.version), outlet) {
        write @ Decision::Write { .. } => write,
        _ => Decision::Nothing,
    }
}
