//! What follows for a group's copies when an item changes, and what a reader of the copies may see.
//!
//! Pure: the same functions run in the stream function, in the request that deletes, in the jobs that copy the past,
//! and in the reader. Design §6 says why each part of the order is there.

mod decide;
mod order;
mod revise;
mod roster;
mod shard;
mod sift;

pub use decide::{
    CLOCK_SLACK, Change, Decision, ProviderMembership, ReplicaKey, Rulebook, decide, must_ask_source,
};
pub use order::{InvalidOrder, Order};
pub use revise::{Former, revise};
pub use roster::{Audience, ProviderTerms, ReplicaRow, Roster, shown};
pub use shard::{Shard, Spread};
pub use sift::{Sifted, rewrite, sift};

#[cfg(test)]
mod agreement_tests;
#[cfg(test)]
mod sift_tests;
#[cfg(test)]
mod terms_tests;
#[cfg(test)]
mod tests;
