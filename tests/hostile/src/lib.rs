//! AWS on its bad days, in process.
//!
//! [`Aws`] answers exactly the calls that `provision` makes, with state, AWS's own refusals and AWS's delays. It stands
//! where the SDK hands a signed HTTP request to the network: everything above that is the real thing, and no socket is
//! involved, so tokio's clock can be paused. Then a table that takes eight seconds takes none, what passes is exactly
//! what was waited for, and a run is the same twice.
//!
//! What AWS's emulators do not do is a field of [`Switches`], named after the entries of the list of gotchas; what it
//! always refuses (two concerns in one `UpdateTable`, say) is always on. What can happen to any call is a [`Fault`].
//!
//! | file | what it is |
//! |---|---|
//! | `request.rs` | which service and operation an HTTP request is; paths of REST services as a table |
//! | `reply.rs` | answers and refusals as each service writes them |
//! | `server.rs` | delays, faults, the record of calls, snapshots |
//! | `services/` | one file per service |
//! | `quotas.rs` | how many calls services take |
//! | `world.rs` | a stack of a test's own in an AWS of its own |
//! | `command.rs` | the command line, for such a stack |
//! | `crash.rs` | what is left when a process dies, call by call |
//! | `chain.rs` | how long an apply must take at least |
//! | `spent.rs` | how long one takes beside that |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is the tests' own: a failure here is a failed test"
)]

pub mod chain;
pub mod command;
pub mod crash;
mod data;
pub mod quotas;
mod reply;
mod request;
mod server;
pub mod services;
pub mod spent;
mod state;
mod switches;
pub mod world;

pub use quotas::Quota;
pub use reply::{Answer, Refusal};
pub use request::{Call, Service};
pub use server::{Aws, Record, Snapshot, When};
pub use state::{State, Tags};
pub use switches::{Fault, Latency, Switches, What};
pub use world::World;

/// The account that everything belongs to.
pub const ACCOUNT: &str = "111122223333";
/// The region that everything is in.
pub const REGION: &str = "eu-west-1";
