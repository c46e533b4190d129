//! Queues.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::reply::{Answer, Refusal, refuse};
use crate::state::{Ctx, Tags, tags, text, untag};
use crate::{ACCOUNT, REGION};

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Its tags.
    pub tags: Tags,
    /// What was sent to it.
    pub messages: Vec<String>,
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

fn url(name: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
}

fn missing() -> Refusal {
    let message = "The specified queue does not exist.";
    Refusal::new("AWS.SimpleQueueService.NonExistentQueue", message)
}

fn attributes(value: Option<&Value>) -> BTreeMap<String, String> {
    value.and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}

pub(crate) fn answer(ctx: &mut Ctx<'_>, operation: &str, input: &Value) -> Answer {
    let name = match text(input, "QueueName") {
        "" => text(input, "QueueUrl").rsplit('/').next().unwrap_or_default().to_owned(),
        name => name.to_owned(),
    };
    if operation == "CreateQueue" {
        return create(ctx, &name, input);
    }
    check_dead_letters(ctx, input)?;
    let queue = ctx.state.queues.get_mut(&name).ok_or_else(missing)?;
    match operation {
        "GetQueueUrl" => return Ok(json!({ "QueueUrl": url(&name) })),
        "GetQueueAttributes" => {
            let mut all = queue.attributes.clone();
            all.insert("QueueArn".to_owned(), arn(&name));
            return Ok(json!({ "Attributes": all }));
        }
        "SetQueueAttributes" => {
            queue.attributes.extend(attributes(input.get("Attributes")));
            queue.attributes.retain(|_, value| !value.is_empty());
        }
        "ListQueueTags" => return Ok(json!({ "Tags": queue.tags })),
        "TagQueue" => queue.tags.extend(tags(input.get("Tags"))),
        "UntagQueue" => untag(&mut queue.tags, input.get("TagKeys")),
        "SendMessage" => {
            queue.messages.push(text(input, "MessageBody").to_owned());
            return Ok(json!({ "MessageId": queue.messages.len().to_string() }));
        }
        "DeleteQueue" => {
            ctx.state.queues.remove(&name);
            ctx.state.deleted_queues.insert(name, ctx.now);
        }
        other => panic!("the hostile AWS has no {other}"),
    }
    Ok(json!({}))
}

fn create(ctx: &mut Ctx<'_>, name: &str, input: &Value) -> Answer {
    let blocked = ctx.switches.queue_name_blocked;
    if ctx.state.deleted_queues.get(name).is_some_and(|deleted| ctx.now < *deleted + blocked) {
        let message = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
        return refuse("AWS.SimpleQueueService.QueueDeletedRecently", message);
    }
    check_dead_letters(ctx, input)?;
    let wanted = attributes(input.get("Attributes"));
    if let Some(queue) = ctx.state.queues.get(name) {
        if wanted.iter().any(|(key, value)| queue.attributes.get(key) != Some(value)) {
            let message = "A queue already exists with the same name and a different value for an attribute";
            return refuse("QueueAlreadyExists", message);
        }
        return Ok(json!({ "QueueUrl": url(name) }));
    }
    let queue = Queue { attributes: wanted, tags: tags(input.get("tags")), messages: Vec::new() };
    ctx.state.queues.insert(name.to_owned(), queue);
    Ok(json!({ "QueueUrl": url(name) }))
}

/// The queue for what nobody could handle must be there.
fn check_dead_letters(ctx: &Ctx<'_>, input: &Value) -> Result<(), Refusal> {
    let policy = attributes(input.get("Attributes")).remove("RedrivePolicy").unwrap_or_default();
    let Ok(policy) = serde_json::from_str::<Value>(&policy) else { return Ok(()) };
    let target = text(&policy, "deadLetterTargetArn");
    if ctx.state.queues.contains_key(target.rsplit(':').next().unwrap_or_default()) {
        return Ok(());
    }
    refuse("InvalidParameterValue", format!("Value for parameter RedrivePolicy is invalid: {target}"))
}
