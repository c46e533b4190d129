//! Event source mappings: what makes a stream or a queue call a function.
//!
//! Guarantees: at most one mapping per source and function (an existing one is adopted, also where the target would
//! allow a second); reading a stream begins at its oldest record, since `LATEST` skips what is written while the
//! mapping is being made; a mapping is enabled when `make` returns, so that a backfill may begin. What was written while
//! there was none, or no stream, may never come through the new one: so whoever makes or changes the mapping of a stream
//! has the scrubber compare everything from the start, once it is enabled.
//!
//! Mappings belong to their function, whose tag says whose they are.

use std::time::Duration;

use aws_sdk_lambda::types::{
    DestinationConfig, EventSourceMappingConfiguration, EventSourcePosition, FilterCriteria,
    FunctionResponseType, OnFailure,
};
use serde::{Deserialize, Serialize};
use store::clock::now;
use store::{Store, Tables};

use super::stackdoc::{failed, no_table};
use super::typed::{At, Found, Seen, Typed, gone, lacking, optional, outputs, seen};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry, wait_until};

/// The kind.
#[derive(Debug)]
pub struct Mapping;

/// A mapping; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes<T = String> {
    /// The name of the function that is called.
    pub function: T,
    /// The ARN of the stream or queue.
    pub source: T,
    /// Whether it is on.
    pub enabled: bool,
    /// How many records a call brings at most.
    pub batch_size: i32,
    /// How long records are gathered, in seconds.
    pub batch_window: i32,
    /// Whether the function reports which records of a batch it failed on.
    pub reports_failures: bool,
    /// Which records it passes on: found if somebody set some, never wanted, since every record counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// What only streams have.
    pub stream: Option<Stream<T>>,
}

/// What only mappings of streams have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream<T = String> {
    /// Whether a failed batch is halved before it is tried again.
    pub bisect: bool,
    /// How often a failed batch is tried again.
    pub retries: i32,
    /// How old a record may be, in seconds.
    pub record_age: i32,
    /// The ARN of the queue that is told of records given up on.
    pub on_failure: T,
}

/// A mapping takes minutes to be enabled or gone.
const SETTLED: Duration = Duration::from_secs(600);

impl Typed for Mapping {
    const NAME: &'static str = "mapping";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some((id, found)) = look(at).await? else { return Ok(Seen::Missing) };
        if found.state() == Some("Deleting") {
            return Ok(Seen::Missing);
        }
        let outputs = outputs([("uuid", &id)]);
        Ok(Seen::Owned(Found { id, attributes: normalise(&found), outputs }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let found = settled(at, want).await?;
        // Also after a mere change: an earlier run that died cannot say any more what it had begun.
        if found.attributes.stream.is_some() {
            compare_anew(at.ctx).await?;
        }
        Ok(found)
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let id = &recorded.physical_id;
        let what = format!("to delete event source mapping `{id}`");
        let delete =
            || async { Ok(ctx.clients.lambda().delete_event_source_mapping().uuid(id).send().await?) };
        gone(retry(&what, Policy::lasting(SETTLED), delete).await)?;
        wait_gone(ctx, id).await
    }

    fn effect(path: &str) -> Effect {
        match path {
            "source" | "function" | "stream" => Effect::Replace,
            _ => Effect::Update,
        }
    }
}

/// Makes it so, and waits until it is.
async fn settled(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
    // One that is going is not listed as missing to whoever plans, and a new one beside it is refused.
    if let Some((id, found)) = look(at).await?
        && found.state() == Some("Deleting")
    {
        wait_gone(at.ctx, &id).await?;
    }
    let there = if at.is_new() { None } else { Mapping::find(at).await?.ours()? };
    let have = match there {
        Some(have) => have,
        None => match create(at.ctx, &want).await? {
            Some(id) => {
                wait_settled(at.ctx, &id).await?;
                let outputs = outputs([("uuid", &id)]);
                return Ok(Found { id, attributes: want, outputs });
            }
            None => seen::<Mapping>(at).await?,
        },
    };
    // Also one that is as wanted: it may still be on its way.
    wait_settled(at.ctx, &have.id).await?;
    let have = seen::<Mapping>(at).await?;
    if have.attributes != want {
        update(at.ctx, &have, &want).await?;
        wait_settled(at.ctx, &have.id).await?;
    }
    seen::<Mapping>(at).await
}

/// Has the scrubber begin its comparison of everything anew. Before it has run for the first time there is nothing to
/// tell it: it begins at the beginning.
async fn compare_anew(ctx: &Context) -> Result<(), AwsError> {
    let store = Store::new(ctx.clients.dynamodb().clone(), Tables::of_stack(&ctx.stack));
    retry("to have everything compared", Policy::default(), || async {
        let (mut state, written) = match store.scrub_state().await {
            Ok(remembered) => remembered,
            Err(error) if no_table(&error) => return Ok(()),
            Err(error) => return Err(failed(&error)),
        };
        if written == 0 {
            return Ok(());
        }
        state.start_over(now());
        match store.put_scrub_state(&state, written).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(AwsError::new(ErrorKind::Conflict, "the scrubber is at work")),
            Err(error) => Err(failed(&error)),
        }
    })
    .await
}

/// The mapping of the recorded id, or else the one of this source and function.
async fn look(at: At<'_>) -> Result<Option<(String, EventSourceMappingConfiguration)>, AwsError> {
    let lambda = at.ctx.clients.lambda();
    // By way of the function in both cases: getting one by id answers with a type of its own, listing does not.
    let Some(function) = at.text("function") else { return Ok(None) };
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let request = lambda.list_event_source_mappings().function_name(function).set_marker(next);
        let Some(page) = optional(request.send().await.map_err(AwsError::from))? else { return Ok(None) };
        all.extend(page.event_source_mappings.unwrap_or_default());
        next = page.next_marker.filter(|marker| !marker.is_empty());
        if next.is_none() {
            break;
        }
    }
    let mut by_source = None;
    for found in all {
        let id = found.uuid().ok_or_else(|| lacking("the mapping's id"))?.to_owned();
        if at.id() == Some(id.as_str()) {
            return Ok(Some((id, found)));
        }
        if found.event_source_arn().is_some() && found.event_source_arn() == at.text("source") {
            by_source = Some((id, found));
        }
    }
    Ok(by_source)
}

fn normalise(found: &EventSourceMappingConfiguration) -> Attributes {
    let source = found.event_source_arn().unwrap_or_default();
    let on_failure =
        found.destination_config().and_then(|to| to.on_failure()).and_then(|to| to.destination());
    let stream = Stream {
        bisect: found.bisect_batch_on_function_error().unwrap_or(false),
        retries: found.maximum_retry_attempts().unwrap_or(-1),
        record_age: found.maximum_record_age_in_seconds().unwrap_or(-1),
        on_failure: on_failure.unwrap_or_default().to_owned(),
    };
    // `arn:aws:lambda:region:account:function:name`, where a qualifier would follow.
    let function = found.function_arn().and_then(|arn| arn.split(':').nth(6)).unwrap_or_default();
    Attributes {
        function: function.to_owned(),
        source: source.to_owned(),
        enabled: matches!(found.state(), Some("Enabled" | "Enabling" | "Creating" | "Updating")),
        batch_size: found.batch_size().unwrap_or_default(),
        batch_window: found.maximum_batching_window_in_seconds().unwrap_or(0),
        reports_failures: found
            .function_response_types()
            .contains(&FunctionResponseType::ReportBatchItemFailures),
        filters: found
            .filter_criteria()
            .map(|criteria| criteria.filters())
            .unwrap_or_default()
            .iter()
            .filter_map(|filter| filter.pattern().map(str::to_owned))
            .collect(),
        stream: is_stream(source).then_some(stream),
    }
}

fn is_stream(source: &str) -> bool {
    source.contains(":dynamodb:")
}

fn response_types(want: &Attributes) -> Vec<FunctionResponseType> {
    if want.reports_failures { vec![FunctionResponseType::ReportBatchItemFailures] } else { Vec::new() }
}

fn destination(stream: &Stream) -> DestinationConfig {
    DestinationConfig::builder()
        .on_failure(OnFailure::builder().destination(&stream.on_failure).build())
        .build()
}

/// Makes the mapping and gives its id; none if there is one of this source and function.
async fn create(ctx: &Context, want: &Attributes) -> Result<Option<String>, AwsError> {
    let mut request = ctx
        .clients
        .lambda()
        .create_event_source_mapping()
        .function_name(&want.function)
        .event_source_arn(&want.source)
        .enabled(want.enabled)
        .batch_size(want.batch_size)
        .maximum_batching_window_in_seconds(want.batch_window)
        .set_function_response_types(Some(response_types(want)));
    if let Some(stream) = &want.stream {
        request = request
            .starting_position(EventSourcePosition::TrimHorizon)
            .bisect_batch_on_function_error(stream.bisect)
            .maximum_retry_attempts(stream.retries)
            .maximum_record_age_in_seconds(stream.record_age)
            .destination_config(destination(stream));
    }
    // The function's role and its policy may not be visible here yet.
    let what = format!("to connect `{}` to function `{}`", want.source, want.function);
    match retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await {
        Err(error) if error.kind == ErrorKind::AlreadyExists => Ok(None),
        result => result?.uuid.ok_or_else(|| lacking("the mapping's id")).map(Some),
    }
}

async fn update(ctx: &Context, have: &Found<Attributes>, want: &Attributes) -> Result<(), AwsError> {
    let mut request = ctx
        .clients
        .lambda()
        .update_event_source_mapping()
        .uuid(&have.id)
        .enabled(want.enabled)
        .batch_size(want.batch_size)
        .maximum_batching_window_in_seconds(want.batch_window)
        .set_function_response_types(Some(response_types(want)));
    if !have.attributes.filters.is_empty() {
        // Left out they would stay.
        request = request.filter_criteria(FilterCriteria::builder().set_filters(Some(Vec::new())).build());
    }
    if let Some(stream) = &want.stream {
        request = request
            .bisect_batch_on_function_error(stream.bisect)
            .maximum_retry_attempts(stream.retries)
            .maximum_record_age_in_seconds(stream.record_age)
            .destination_config(destination(stream));
    }
    let what = format!("to change what connects `{}` to function `{}`", want.source, want.function);
    retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await.map(|_| ())
}

async fn current_state(ctx: &Context, id: &str) -> Result<Option<String>, AwsError> {
    let answer = ctx.clients.lambda().get_event_source_mapping().uuid(id).send().await;
    Ok(optional(answer.map_err(AwsError::from))?.and_then(|answer| answer.state))
}

async fn wait_settled(ctx: &Context, id: &str) -> Result<(), AwsError> {
    wait_until(&format!("event source mapping `{id}` to settle"), SETTLED, || async {
        let state = current_state(ctx, id).await?;
        Ok(matches!(state.as_deref(), Some("Enabled" | "Disabled")).then_some(()))
    })
    .await
}

async fn wait_gone(ctx: &Context, id: &str) -> Result<(), AwsError> {
    wait_until(&format!("event source mapping `{id}` to be gone"), SETTLED, || async {
        Ok(current_state(ctx, id).await?.is_none().then_some(()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_no_stream_settings() {
        let found = EventSourceMappingConfiguration::builder()
            .event_source_arn("arn:aws:sqs:eu-west-1:1:jobs")
            .function_arn("arn:aws:lambda:eu-west-1:1:function:worker")
            .state("Enabled")
            .batch_size(1)
            .build();
        let found = normalise(&found);
        assert_eq!((found.function.as_str(), found.stream, found.enabled), ("worker", None, true));
    }

    #[test]
    fn lambda_says_minus_one_where_there_is_no_bound() {
        let found = EventSourceMappingConfiguration::builder()
            .event_source_arn("arn:aws:dynamodb:eu-west-1:1:table/x/stream/y")
            .state("Disabling")
            .build();
        let found = normalise(&found);
        assert!(!found.enabled);
        assert_eq!(found.stream.map(|s| (s.retries, s.record_age, s.bisect)), Some((-1, -1, false)));
    }

    #[test]
    fn a_new_source_needs_a_new_mapping() {
        assert_eq!(
            (Mapping::effect("source"), Mapping::effect("batchSize")),
            (Effect::Replace, Effect::Update)
        );
    }
}
