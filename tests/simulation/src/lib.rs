//! Seeded histories of the replication protocol, checked against the invariants of design §6.
//!
//! The decisions are the real ones: `domain::replication` over rules that Cedar evaluates. What is simulated is
//! everything around them: a database whose single calls are atomic and whose calls interleave freely, and which asks
//! to slow down; a stream and its mapping as AWS has them; workers and requests that die between any two calls or are
//! frozen and go on late; clocks that disagree; jobs that are delivered twice.
//!
//! One seed is one history. A failure names its seed, and the same seed fails again.

pub mod actors;
pub mod check;
pub mod copies;
pub mod directory;
pub mod faults;
pub mod history;
pub mod judge;
pub mod rest;
pub mod source;
pub mod terms;
pub mod variant;
pub mod world;

pub use faults::{Fault, Faults};
pub use history::{Report, run};
pub use variant::{Variant, Violation};

/// The state of the code that a seed belongs to.
pub fn commit() -> String {
    let head =
        std::process::Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    let text =
        head.ok().filter(|out| out.status.success()).and_then(|out| String::from_utf8(out.stdout).ok());
    text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
