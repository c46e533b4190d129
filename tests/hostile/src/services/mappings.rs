//! Event source mappings: what makes a stream or a queue call a function.

use std::time::Duration;

use serde_json::{Value, json};

use super::lambda::{arn, name_of};
use crate::reply::{Answer, Refusal, refuse};
use crate::state::{Ctx, object, overlay, text};

/// A mapping.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The function that it calls.
    pub function: String,
    /// Its settings as they were given.
    pub doc: Value,
    /// What it is coming to, and when it is there.
    pub busy: (&'static str, Duration),
    /// When it was made.
    pub made: Duration,
}

/// How Lambda says that a role or policy is not there yet. A part in braces is replaced.
pub const REFUSALS: [&str; 6] = [
    "The provided execution role does not have permissions to call ReceiveMessage on SQS",
    "Cannot access stream {source}. Please ensure the role can perform the GetRecords, GetShardIterator, \
     DescribeStream, and ListStreams Actions on your stream in IAM.",
    "The function execution role is not authorized to perform: sqs:GetQueueAttributes",
    "Please add Lambda as a Trusted Entity for {role}",
    "The role defined for the function cannot be assumed by Lambda.",
    "The provided execution role does not have permissions to call SendMessage on SQS",
];

fn missing() -> Refusal {
    Refusal::new("ResourceNotFoundException", "The resource you requested does not exist.").status(404)
}

pub(crate) fn answer(ctx: &mut Ctx<'_>, operation: &str, input: &Value) -> Answer {
    let now = ctx.now;
    ctx.state.mappings.retain(|_, mapping| mapping.busy.0 != "Deleting" || now < mapping.busy.1);
    let id = text(input, "UUID");
    match operation {
        "CreateEventSourceMapping" => create(ctx, input),
        "ListEventSourceMappings" => {
            let function = name_of(text(input, "FunctionName"));
            let of = ctx.state.mappings.iter().filter(|(_, mapping)| mapping.function == function);
            let all = of.map(|(id, mapping)| described(id, mapping, now)).collect();
            let (page, next) = ctx.page(all, input.get("Marker").and_then(Value::as_str));
            Ok(object([("EventSourceMappings", page.into()), ("NextMarker", json!(next))]))
        }
        "GetEventSourceMapping" => Ok(described(id, ctx.state.mappings.get(id).ok_or_else(missing)?, now)),
        "UpdateEventSourceMapping" => update(ctx, id, input),
        "DeleteEventSourceMapping" => {
            let until = now + ctx.switches.mapping_deletes;
            let mapping = idle(ctx, id)?;
            mapping.busy = ("Deleting", until);
            Ok(described(id, mapping, now))
        }
        other => panic!("the hostile AWS has no {other}"),
    }
}

fn state(mapping: &Mapping, now: Duration) -> &'static str {
    let settled = if mapping.doc["Enabled"] == false { "Disabled" } else { "Enabled" };
    if now < mapping.busy.1 { mapping.busy.0 } else { settled }
}

fn described(id: &str, mapping: &Mapping, now: Duration) -> Value {
    let mut doc = mapping.doc.clone();
    doc.as_object_mut().unwrap().remove("Enabled");
    let more = json!({"UUID": id, "FunctionArn": arn(&mapping.function), "State": state(mapping, now)});
    overlay(&mut doc, &more, &["FunctionName"]);
    doc
}

fn idle<'a>(ctx: &'a mut Ctx<'_>, id: &str) -> Result<&'a mut Mapping, Refusal> {
    let now = ctx.now;
    let mapping = ctx.state.mappings.get_mut(id).ok_or_else(missing)?;
    match state(mapping, now) {
        "Enabled" | "Disabled" => Ok(mapping),
        busy => {
            let message = format!(
                "Cannot update or delete the event source mapping because it is in use: it is {busy}"
            );
            Err(Refusal::new("ResourceInUseException", message))
        }
    }
}

/// Whether the function's role may read the source, as far as this part of Lambda knows.
fn seen(ctx: &Ctx<'_>, function: &str, source: &str) -> Result<(), Refusal> {
    let configured = ctx.state.functions.get(function).ok_or_else(missing)?;
    let role = text(&configured.doc, "Role");
    let found = ctx.state.roles.get(role.rsplit('/').next().unwrap_or_default());
    let seen = found.is_some_and(|role| {
        !role.policies.is_empty() && ctx.now >= role.changed + ctx.switches.policy_seen_by_mappings
    });
    if seen {
        return Ok(());
    }
    let message = REFUSALS[ctx.switches.mapping_refusal % REFUSALS.len()];
    refuse("InvalidParameterValueException", message.replace("{source}", source).replace("{role}", role))
}

fn create(ctx: &mut Ctx<'_>, input: &Value) -> Answer {
    let (function, source) = (name_of(text(input, "FunctionName")), text(input, "EventSourceArn"));
    seen(ctx, function, source)?;
    let same =
        |mapping: &Mapping| mapping.function == function && text(&mapping.doc, "EventSourceArn") == source;
    if let Some((id, _)) = ctx.state.mappings.iter().find(|(_, mapping)| same(mapping)) {
        let message = format!(
            "An event source mapping with event source arn (\" {source} \") and function (\" {function} \") already \
             exists. Please update or delete the existing mapping with UUID {id}"
        );
        return Err(Refusal::new("ResourceConflictException", message).status(409));
    }
    check_source(ctx, function, source)?;
    let until = ctx.now + ctx.switches.mapping_settles;
    let mapping = Mapping {
        function: function.to_owned(),
        doc: input.clone(),
        busy: ("Creating", until),
        made: ctx.now,
    };
    let id = ctx.state.id("mapping-");
    let answer = described(&id, &mapping, ctx.now);
    ctx.state.mappings.insert(id, mapping);
    Ok(answer)
}

fn check_source(ctx: &Ctx<'_>, function: &str, source: &str) -> Result<(), Refusal> {
    let invalid = |message: String| refuse("InvalidParameterValueException", message);
    if source.contains(":sqs:") {
        let Some(queue) = ctx.state.queues.get(name_of(source)) else {
            return invalid(format!("The queue {source} does not exist"));
        };
        let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0);
        let visible: i64 =
            queue.attributes.get("VisibilityTimeout").and_then(|v| v.parse().ok()).unwrap_or(30);
        let timeout = number(&ctx.state.functions[function].doc["Timeout"]);
        if visible < timeout {
            return invalid(format!(
                "Queue visibility timeout: {visible} seconds is less than Function timeout: {timeout} seconds"
            ));
        }
        return Ok(());
    }
    let streams = ctx.state.tables.values().filter_map(|table| table.stream.as_ref());
    if streams.into_iter().any(|(_, label)| source.ends_with(label.as_str())) {
        return Ok(());
    }
    invalid(format!("Stream not found: {source}"))
}

fn update(ctx: &mut Ctx<'_>, id: &str, input: &Value) -> Answer {
    let (now, until) = (ctx.now, ctx.now + ctx.switches.mapping_settles);
    let before = ctx.state.mappings.get(id).ok_or_else(missing)?.clone();
    seen(ctx, &before.function, text(&before.doc, "EventSourceArn"))?;
    let mapping = idle(ctx, id)?;
    overlay(&mut mapping.doc, input, &["UUID", "FunctionName"]);
    // What is cleared is not shown any more.
    let cleared = |criteria: &Value| criteria["Filters"].as_array().is_some_and(Vec::is_empty);
    if cleared(&mapping.doc["FilterCriteria"]) {
        mapping.doc.as_object_mut().unwrap().remove("FilterCriteria");
    }
    mapping.busy = ("Updating", until);
    Ok(described(id, mapping, now))
}
