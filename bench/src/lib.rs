//! What Freehold costs, how it grows, how fast it is.
//!
//! The real code of `store` and `lambdas` runs over an embedded DynamoDB (`dynoxide`) whose capacity accounting follows
//! AWS's to the byte. Counts are exact and are asserted in `tests/budgets.rs`; times are only reported.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON is indexed: it gives null for what is not there, and what is set is set on objects"
)]

pub mod baseline;
pub mod cases;
pub mod error;
pub mod function;
pub mod load;
pub mod meter;
pub mod plot;
pub mod report;
pub mod stub;
pub mod times;
pub mod tokens;
pub mod world;
pub mod write;
