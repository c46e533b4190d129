//! Seeded histories of the replication protocol, checked against the invariants of design §6.
//!
//! The decisions are the real ones: `domain::replication::{decide, shown, must_ask_source}` over rules that Cedar
//! evaluates. What is simulated is everything around them: a database whose single calls are atomic and whose calls
//! interleave freely; a stream that delivers in order per drive, at least once, in batches that are cut, repeated,
//! frozen half-way and continued late; workers that die between any two calls; clocks that disagree.
//!
//! One seed is one history. A failure names its seed, and the same seed fails again.

pub mod actors;
pub mod check;
pub mod history;
pub mod world;

pub use history::{Faults, Report, Variant, Violation, run};
