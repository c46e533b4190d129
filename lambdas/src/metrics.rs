//! Metrics by the embedded metric format: a log line that says what can be counted, which CloudWatch makes metrics of.
//!
//! Nothing is called and nobody waits. An event with the field `metric` is such a line if [`METRICS`] knows its name; what it
//! measures is taken from the event's other fields. Dimensions are what there are few of (stack, function, operation),
//! never ids: neither would CloudWatch be cheap with them, nor are they anybody's business there.
//!
//! Source: Amazon CloudWatch User Guide, *Specification: Embedded metric format*.

use std::fmt;

use serde_json::{Map, Value as Json, json};
use tracing::field::{Field, Visit};

/// CloudWatch's name for where our metrics are.
pub const NAMESPACE: &str = "Freehold";

/// What a metric's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// How long.
    Milliseconds,
}

impl Unit {
    /// CloudWatch's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// Where a metric's number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// One for each event.
    Event,
    /// A field of the event; an event without it says nothing of this metric.
    Field(&'static str),
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name in CloudWatch.
    pub name: &'static str,
    /// What is measured.
    pub of: Of,
    /// In what.
    pub unit: Unit,
    /// What it tells.
    pub meaning: &'static str,
}

/// What one kind of event measures.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// What the field `metric` says.
    pub event: &'static str,
    /// The functions whose events these are.
    pub functions: &'static str,
    /// The field that is a dimension beyond stack and function.
    pub dimension: Option<&'static str>,
    /// The metrics.
    pub metrics: &'static [Metric],
}

const fn of(name: &'static str, field: &'static str, unit: Unit, meaning: &'static str) -> Metric {
    Metric { name, of: Of::Field(field), unit, meaning }
}

const fn each(name: &'static str, meaning: &'static str) -> Metric {
    Metric { name, of: Of::Event, unit: Unit::Count, meaning }
}

/// All of them.
pub const METRICS: &[Kind] = &[
    Kind {
        event: "request",
        functions: "api",
        dimension: Some("operation"),
        metrics: &[
            of(
                "RequestTime",
                "millis",
                Unit::Milliseconds,
                "from the request to its answer; its sample count is how many there were",
            ),
            of("Refused", "refused", Unit::Count, "answers 4xx: the caller has to change something"),
            of("Failed", "failed", Unit::Count, "answers 5xx: we have"),
        ],
    },
    Kind {
        event: "ledger_not_written",
        functions: "api",
        dimension: None,
        metrics: &[each(
            "LedgerNotWritten",
            "lists that were not answered, since nobody could have found out",
        )],
    },
    Kind {
        event: "keys_not_fetched",
        functions: "api",
        dimension: None,
        metrics: &[each("KeysNotFetched", "attempts to fetch the user pool's keys that failed")],
    },
    Kind {
        event: "jobs_not_announced",
        functions: "api, scrubber",
        dimension: None,
        metrics: &[each(
            "JobsNotAnnounced",
            "data jobs that wait for the scrubber, since the queue was out of reach",
        )],
    },
    Kind {
        event: "replicas_unreadable",
        functions: "api",
        dimension: None,
        metrics: &[of(
            "ReplicasUnreadable",
            "unreadable",
            Unit::Count,
            "copies left out of a list because they cannot be read",
        )],
    },
    Kind {
        event: "batch",
        functions: "replicator",
        dimension: None,
        metrics: &[
            of("Records", "records", Unit::Count, "records of the stream in a batch"),
            of("CopiesWritten", "written", Unit::Count, "copies written or buried"),
            of(
                "Superseded",
                "superseded",
                Unit::Count,
                "decisions that came too late; many are a sign of repeats",
            ),
            of("Parked", "parked", Unit::Count, "items put aside for repair; should be 0"),
            of("BatchTime", "millis", Unit::Milliseconds, "from a batch's arrival to its end"),
        ],
    },
    Kind {
        event: "batch_failed",
        functions: "replicator",
        dimension: None,
        metrics: &[each("BatchesFailed", "batches that have to come again")],
    },
    Kind {
        event: "job_failed",
        functions: "worker",
        dimension: None,
        metrics: &[each("JobsFailed", "invocations whose job has to be taken up again")],
    },
    Kind {
        event: "sign_up",
        functions: "identity",
        dimension: None,
        metrics: &[of(
            "SignUpsLinked",
            "linked",
            Unit::Count,
            "people whose profile waited for their address; its sample count is how many signed up",
        )],
    },
    Kind {
        event: "sign_up_not_linked",
        functions: "identity",
        dimension: None,
        metrics: &[each(
            "SignUpsNotLinked",
            "people who are linked by their first request, since the tables were out of reach",
        )],
    },
    Kind {
        event: "scrub",
        functions: "scrubber",
        dimension: None,
        metrics: &[
            of(
                "StreamLag",
                "stream_lag_ms",
                Unit::Milliseconds,
                "how long the last heartbeat took through the stream",
            ),
            of("StreamGap", "stream_gap_ms", Unit::Milliseconds, "how long no heartbeat has come through"),
            of("Missing", "missing", Unit::Count, "copies that were not there and now are"),
            of("Outdated", "outdated", Unit::Count, "copies of a former version"),
            of("Altered", "altered", Unit::Count, "copies that say what their item does not"),
            of("Orphans", "orphans", Unit::Count, "copies that nothing leads to"),
            of(
                "NotCompared",
                "failed",
                Unit::Count,
                "pairs of provider and group that could not be compared",
            ),
        ],
    },
    Kind {
        event: "scrub_failed",
        functions: "scrubber",
        dimension: None,
        metrics: &[each("ScrubsFailed", "parts of a run that could not be done")],
    },
    Kind {
        event: "stream_behind",
        functions: "scrubber",
        dimension: None,
        metrics: &[each("StreamBehind", "times that the stream may have dropped records")],
    },
];

/// Whose metrics these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The stack's name.
    pub stack: String,
    /// The function's, without the stack's.
    pub function: &'static str,
}

/// What an event measures, as further members of its line; none if it measures nothing.
pub(crate) fn members(source: &Source, event: &tracing::Event<'_>, millis: i64) -> Option<Map<String, Json>> {
    event.metadata().fields().field("metric")?;
    let mut fields = Fields::default();
    event.record(&mut fields);
    let kind = METRICS.iter().find(|kind| Some(kind.event) == fields.metric.as_deref())?;
    let mut members = Map::new();
    let mut defined = Vec::new();
    for metric in kind.metrics {
        let value = match metric.of {
            Of::Event => Json::from(1),
            Of::Field(name) => match fields.numbers.get(name) {
                Some(value) => value.clone(),
                None => continue,
            },
        };
        members.insert(metric.name.to_owned(), value);
        defined.push(json!({ "Name": metric.name, "Unit": metric.unit.as_str() }));
    }
    if defined.is_empty() {
        return None;
    }
    members.insert("stack".into(), source.stack.as_str().into());
    members.insert("function".into(), source.function.into());
    let mut dimensions = vec![json!(["stack", "function"])];
    // The field itself is a member of the line already.
    if let Some(name) = kind.dimension.filter(|name| fields.texts.contains(name)) {
        dimensions.push(json!(["stack", "function", name]));
    }
    let directive = json!({ "Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": defined });
    members.insert("_aws".into(), json!({ "Timestamp": millis, "CloudWatchMetrics": [directive] }));
    Some(members)
}

/// What of an event's fields matters here.
#[derive(Debug, Default)]
struct Fields {
    metric: Option<String>,
    numbers: Map<String, Json>,
    /// Names of the fields that are texts.
    texts: Vec<&'static str>,
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.numbers.insert(field.name().to_owned(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.numbers.insert(field.name().to_owned(), value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "metric" => self.metric = Some(value.to_owned()),
            name => self.texts.push(name),
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_given_once_and_no_more_than_a_line_may_have() {
        let mut names = BTreeSet::new();
        for kind in METRICS {
            // CloudWatch takes 100 metrics in a directive, and 30 dimensions.
            assert!(!kind.metrics.is_empty() && kind.metrics.len() <= 100);
            for metric in kind.metrics {
                assert!(names.insert(metric.name), "`{}` is there twice", metric.name);
                // It would take the place of a field of the line.
                assert!(metric.name.starts_with(|c: char| c.is_ascii_uppercase()), "{}", metric.name);
            }
        }
    }

    #[test]
    fn the_page_on_metrics_tells_all_of_them() {
        let page = include_str!("../../docs/metrics.md");
        for kind in METRICS {
            for metric in kind.metrics {
                let by = if kind.dimension.is_some() { "function, operation" } else { "function" };
                let row = format!(
                    "| `{}` | {} | {by} | {} | {} |",
                    metric.name,
                    kind.functions,
                    metric.unit.as_str(),
                    metric.meaning
                );
                assert!(page.contains(&row), "this row is missing:\n{row}");
            }
        }
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        let metrics: usize = METRICS.iter().map(|kind| kind.metrics.len()).sum();
        assert_eq!(rows, metrics, "and no other");
    }
}
