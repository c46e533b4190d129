//! Logs: one JSON object a line on stdout, which Lambda carries to the function's log group.
//!
//! What may be in them: operations, statuses, counts, durations, request ids, and the ids of jobs. What may not:
//! anything that people wrote (fields, names, addresses), tokens, and who they are. Ids of users, drives and items
//! appear at `debug` only, which no stack uses unless somebody turns it on for a while.

use std::{fmt, io};

use store::clock;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer as _, Registry};

use crate::metrics::{self, Source};

/// Our own crates: the only ones that `FREEHOLD_LOG` opens up.
const OURS: [&str; 8] = ["lambdas", "store", "domain", "api", "replicator", "worker", "scrubber", "identity"];

/// Logs to stdout from now on.
pub fn init(level: LevelFilter, source: Source) {
    // It is refused if there is one already, as in a test; that one then stays.
    let _ = tracing::subscriber::set_global_default(subscriber(level, source, io::stdout));
}

/// What `init` installs, writing elsewhere.
pub fn subscriber<W>(
    level: LevelFilter,
    source: Source,
    writer: W,
) -> impl Subscriber + for<'s> LookupSpan<'s> + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Others only say when something is wrong: below that, HTTP clients log what they carry.
    let others = level.min(LevelFilter::WARN);
    let filter = Targets::new().with_default(others).with_targets(OURS.map(|target| (target, level)));
    let json = Format::default().json().flatten_event(true).with_current_span(true).with_span_list(false);
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(Lines { json, source })
        .with_ansi(false)
        .with_writer(writer);
    Registry::default().with(lines.with_filter(filter))
}

/// Lines of JSON, with what is to be measured in those that measure something.
struct Lines {
    json: Format<Json>,
    source: Source,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(members) = metrics::members(&self.source, event, clock::now().millis()) else {
            return self.json.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.json.format_event(context, Writer::new(&mut line), event)?;
        let more = serde_json::to_string(&members).map_err(|_| fmt::Error)?;
        // Two objects become one: the end of the first and the beginning of the second make way for a comma.
        match (line.trim_end().strip_suffix('}'), more.strip_prefix('{')) {
            (Some(line), Some(more)) => writeln!(writer, "{line},{more}"),
            _ => writer.write_str(&line),
        }
    }
}
