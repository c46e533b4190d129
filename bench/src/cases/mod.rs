//! One file for each subcommand.

pub mod cold;
pub mod create;
pub mod join;
pub mod large;
pub mod page;
pub mod provision;
pub mod redeliver;
pub mod rules;
pub mod scale;
pub mod speed;
