//! What the domain decides.

use domain::id::ItemId;
use domain::item::Item;
use domain::replication::{Change, Decision, must_ask_source};
use domain::rules::{CompiledContract, Terms};
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

/// The same terms of a provider who follows the rules.
pub fn following(terms: &Terms) -> Terms {
    let contract = CompiledContract::clone(&terms.contract).with_agreed(None);
    Terms { joined: terms.joined, contract: contract.into() }
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
