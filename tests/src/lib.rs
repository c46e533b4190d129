//! What the journeys stand on: an emulator of their own, a stack each, people who sign in, and patience.
//!
//! *One emulator for each process of tests, and one stack for all journeys that leave it as it is.* Under `cargo test`
//! the journeys of a program share both and run side by side; under `cargo nextest` each journey is a process and has
//! its own. People, their drives and their groups are a journey's own, which is isolation enough. A journey that
//! changes its stack deploys one for itself ([`World::new`]), and one that harms the emulator starts one for itself.
//! Emulators end with the process that started them, however it ends.
//!
//! Nothing here waits for time to pass: [`until`] waits for a condition, and says which if it never holds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "this crate is the tests' own: a failure here is a failed test"
)]

mod emulator;
mod jobs;
mod leftovers;
mod patience;
mod people;
pub mod processes;
mod tables;
mod world;

pub use emulator::Emulator;
pub use leftovers::leftovers;
pub use patience::{until, until_within};
pub use people::{Person, Raw, with_query};
pub use tables::{Row, text};
pub use world::{STACK, World, stack_yaml};
