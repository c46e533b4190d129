//! Freehold's functions: one thin binary per trigger over a handler that knows nothing of Lambda.

pub mod api;
pub mod evaluation;
pub mod identity;
pub mod invocation;
pub mod metrics;
pub mod problem;
pub mod queue;
pub mod replicator;
pub mod scrubber;
pub mod settings;
pub mod startup;
pub mod telemetry;
pub mod worker;
