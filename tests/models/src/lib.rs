//! The replication protocol in every interleaving, within bounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this is test code, which stops where something is wrong"
)]

mod machines;
mod model;
pub mod oracle;
mod people;
mod reader;
mod scenario;
mod state;
pub mod terms;

pub use model::*;
pub use scenario::{Reader, Scenario, Variant};
pub use state::State;
