//! A study on Freehold, end to end: 19 people keep 34,890 glucose readings, a group sees the 615 high ones.
//!
//! It calls the API with `freehold_client`, as any app would: the readings, the people who sign in, loading, checking, and
//! a chart of what the group sees.

pub mod chart;
pub mod check;
pub mod load;
pub mod people;
pub mod readings;
pub mod study;
pub mod talk;
pub mod target;
