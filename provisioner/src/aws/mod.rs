//! The AWS clients of one account and region, and what every call to AWS has in common.
//!
//! [`clients`] makes the SDK's clients, [`call`] reports what they do, `pace` keeps them to AWS's quotas, [`error`] gives
//! failures a meaning by the table in [`classes`], and [`retry`] waits for what AWS needs time for.

pub mod call;
pub mod classes;
pub mod clients;
pub mod error;
mod pace;
pub mod retry;

pub use call::{CallEvent, Observer};
pub use clients::{Clients, ConnectOptions, Network, Timeouts};
pub use error::{AwsError, ErrorKind};
pub use retry::{Policy, retry, wait_until};
