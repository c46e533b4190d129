//! Journeys through a deployed stack. Each is named after the promise it keeps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "all of this is test code, which stops where something is wrong"
)]

mod access;
mod addresses;
mod an_owners_day;
mod consent;
mod crashes;
mod every_route;
mod hostile_input;
mod joining_while_writing;
mod limits;
mod plans;
mod provisioning;
mod regions;
mod repairing;
mod rule_changes;
mod sharing;
mod study;
mod taken_away_under_load;
mod taking_away;
mod tokens;
mod under_load;
