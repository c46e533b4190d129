//! A study on Freehold, end to end: 19 people keep 34,890 glucose readings, a group sees the 615 high ones.
//!
//! [`client`] is a small typed client of Freehold's HTTP API that can be taken as it is into another program; the rest
//! is this study: the readings, the people, loading, checking, and a chart of what the group sees.

pub mod chart;
pub mod check;
pub mod client;
pub mod load;
pub mod people;
pub mod readings;
pub mod retry;
pub mod study;
pub mod talk;
pub mod target;
