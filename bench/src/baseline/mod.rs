//! What a competent team would build instead, on the same database and counted by the same meter.

pub mod naive;
pub mod per_provider;
