//! The replication protocol (`domain::replication`) in every interleaving, within bounds.
//!
//! A [`Protocol`] is a [`Scenario`], which says what may happen and how often, and a [`Variant`], which says what of the
//! protocol is left out. `stateright` walks all states that can be reached and looks for one that breaks an invariant.
//! The protocol must have none; each variant that is known to fail must have one, which is printed with the shortest
//! way there. `cargo test -p models` prints for each model how many states it has and how deep they lie.
//!
//! Offers of roles, and what ends them, have a model of their own: [`offers`].
//!
//! What functions remember between calls has models of its own, [`remembering`] and [`rosters`], whose steps are finer:
//! there, a transaction reaches its rows one after the other.
//!
//! # What is modelled
//!
//! One group, one drive, up to three items, one consumer. Decisions are not modelled but made: `decide`, `revise`,
//! `must_ask_source`, `shown`, `Order` and `Shard` are the real ones ([`oracle`]), over real rules and contracts. Around
//! them, one call of the database at a time:
//!
//! - **The stream**, by item, with nothing to order the items. A batch is delivered until it is acknowledged; any record
//!   can come again at any time, also as the late write of an invocation that was given up for lost. A writer reads the
//!   terms, asks the source if it must, and writes.
//! - **Requests** write the source, read the terms, bury what they take away, and answer. They can die in between.
//! - **Jobs** (backfill, spread and revise, purge, dissolve, reconcile) check, read a page, write, note how far they are;
//!   they can die in between, and two can work on the same job.
//! - **People** join, leave, change rules, shards and contract, delete the group, back up and restore.
//! - **The consumer** either lists at every instant ([`Reader::AtOnce`]), or asks for the copies and the group's row in
//!   either order and for the roster last, while anything else goes on ([`Reader::Stepwise`]).
//!
//! # What is checked
//!
//! I1, I3 and I4 of every list, in every state; I2 and I6 in every state *at rest*, where nothing is left to be delivered
//! or to be done. What rules and contracts select is said a second time, in two lines, by [`terms`]. Every job's steps
//! lead to its end and every record can be delivered, so rest can be reached from everywhere; that it *is* reached (that a
//! queue keeps delivering) is assumed. Each scenario must also reach a state in which all its changes are made, and
//! everything is shown: otherwise nothing would have been tested.
//!
//! # What is assumed
//!
//! - Clocks differ by less than what [`oracle::must_ask`] allows for: here, time passes with every change of the roster
//!   and of the rules, by more than that.
//! - Nobody who can still write something older outlives a tombstone (seven days; [`Variant::CollectAnyTime`] is without).
//! - A restore waits until nobody of the former era is in the middle of anything ([`Scenario::fence`]), and its
//!   reconciliation looks at sources and copies at one instant.
//!
//! # What is not modelled
//!
//! Several drives and groups (nothing in a decision connects them; I5 is the simulator's), poison and repair, expiry,
//! history windows and other dates, projections but one, pages of lists and their cursors, and what a real stream does
//! when it is trimmed or throttled. `tests/simulation` has more of those, in fewer interleavings.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code, which stops where something is wrong"
)]

mod actors;
mod machines;
mod model;
pub mod offers;
pub mod oracle;
mod people;
mod properties;
mod reader;
pub mod remembering;
pub mod rosters;
mod scenario;
mod state;
pub mod terms;

pub use model::{Action, Protocol};
pub use properties::{COMPLETENESS, IDEMPOTENCE, MONOTONIC, NO_RESURRECTION, REVOCATION, SHOWN, TOO_LATE};
pub use scenario::{Reader, Scenario, Variant};
pub use state::State;
