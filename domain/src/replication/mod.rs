//! What follows for a group's copies when an item changes, and what a reader of the copies may see.
//!
//! Pure: the same functions run in the stream function, in the request that deletes, in the jobs that copy the past,
//! and in the reader. Design §6 says why each part of the order is there.

mod decide;
mod order;
mod roster;

pub use decide::{
    CLOCK_SLACK, Change, Decision, ProviderMembership, ReplicaKey, Rulebook, decide, must_ask_source,
};
pub use order::{InvalidOrder, Order};
pub use roster::{ProviderTerms, ReplicaRow, Roster, shown};

#[cfg(test)]
mod tests;
