//! Logs: one JSON object a line on stdout, which Lambda carries to the function's log group.
//!
//! What may be in them: operations, statuses, counts, durations, request ids, and the ids of jobs. What may not:
//! anything that people wrote (fields, names, addresses), tokens, and who they are. Ids of users, drives and items
//! appear at `debug` only, which no stack uses unless somebody turns it on for a while.

use std::io;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer as _, Registry};

/// Our own crates: the only ones that `FREEHOLD_LOG` opens up.
const OURS: [&str; 7] = ["lambdas", "store", "domain", "api", "replicator", "worker", "scrubber"];

/// Logs to stdout from now on.
pub fn init(level: LevelFilter) {
    // It is refused if there is one already, as in a test; that one then stays.
    let _ = tracing::subscriber::set_global_default(subscriber(level, io::stdout));
}

/// What `init` installs, writing elsewhere.
pub fn subscriber<W>(level: LevelFilter, writer: W) -> impl Subscriber + for<'s> LookupSpan<'s> + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Others only say when something is wrong: below that, HTTP clients log what they carry.
    let others = level.min(LevelFilter::WARN);
    let filter = Targets::new().with_default(others).with_targets(OURS.map(|target| (target, level)));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_ansi(false)
        .with_writer(writer);
    Registry::default().with(lines.with_filter(filter))
}
