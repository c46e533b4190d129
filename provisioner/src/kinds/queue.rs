//! SQS queues.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName as Name;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::typed::{At, Found, Seen, Tags, Typed, gone, lacking, optional, outputs, seen, surplus, tags};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry, wait_until};

/// The kind.
#[derive(Debug)]
pub struct Queue;

/// A queue; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes<T = String> {
    /// Its name.
    pub name: String,
    /// How long a message that was received stays hidden, in seconds.
    pub visibility_timeout: u32,
    /// How long messages are kept, in seconds.
    pub retention: u32,
    /// Where messages go that nobody could handle.
    pub redrive: Option<Redrive<T>>,
    /// Whether SQS encrypts with a key of its own.
    pub encrypted: bool,
    /// Its tags.
    pub tags: Tags,
}

/// Where messages go that nobody could handle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Redrive<T = String> {
    /// The ARN of a queue.
    pub queue: T,
    /// After how many receives.
    pub max_receives: u32,
}

/// A name is free again about a minute after its queue was deleted.
const DELETED: Duration = Duration::from_secs(90);

impl Typed for Queue {
    const NAME: &'static str = "queue";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(name) = at.text("name") else { return Ok(Seen::Missing) };
        let Some(url) = url(at.ctx, name).await? else { return Ok(Seen::Missing) };
        let sqs = at.ctx.clients.sqs();
        let answer = sqs.get_queue_attributes().queue_url(&url).attribute_names(Name::All).send().await;
        // A queue that was just deleted still has an address for a while.
        let Some(answer) = optional(answer.map_err(AwsError::from))? else { return Ok(Seen::Missing) };
        let Some(listed) =
            optional(sqs.list_queue_tags().queue_url(&url).send().await.map_err(AwsError::from))?
        else {
            return Ok(Seen::Missing);
        };
        let tags = tags(listed.tags.unwrap_or_default());
        if let Some(foreign) = at.foreign::<Self>(&format!("queue `{name}`"), &tags) {
            return Ok(Seen::Foreign(foreign));
        }
        let values = answer.attributes.unwrap_or_default();
        let arn = values.get(&Name::QueueArn).ok_or_else(|| lacking("the queue's ARN"))?.clone();
        let attributes = normalise(name, &values, tags);
        let outputs = outputs([("name", name), ("url", &url), ("arn", &arn)]);
        Ok(Seen::Owned(Found { id: url, attributes, outputs }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let sqs = at.ctx.clients.sqs();
        let there = if at.is_new() { None } else { Self::find(at).await?.ours()? };
        let have = match there {
            Some(have) => have,
            None => match create(at.ctx, &want).await? {
                Some(made) => return Ok(made),
                None => seen::<Self>(at).await?,
            },
        };
        if have.attributes == want {
            return Ok(have);
        }
        let changes = changes(&have.attributes, &want);
        if !changes.is_empty() {
            sqs.set_queue_attributes().queue_url(&have.id).set_attributes(Some(changes)).send().await?;
        }
        if have.attributes.tags != want.tags {
            let wanted = want.tags.clone().into_iter().collect();
            sqs.tag_queue().queue_url(&have.id).set_tags(Some(wanted)).send().await?;
            let surplus = surplus(&have.attributes.tags, &want.tags);
            if !surplus.is_empty() {
                sqs.untag_queue().queue_url(&have.id).set_tag_keys(Some(surplus)).send().await?;
            }
        }
        // Attributes take up to a minute to be seen everywhere; nobody downstream depends on that.
        Ok(Found { attributes: want, ..have })
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let queue = &recorded.physical_id;
        gone(ctx.clients.sqs().delete_queue().queue_url(queue).send().await.map_err(AwsError::from))?;
        wait_until(&format!("queue `{queue}` to be gone"), DELETED, || async {
            let request =
                ctx.clients.sqs().get_queue_attributes().queue_url(queue).attribute_names(Name::QueueArn);
            Ok(optional(request.send().await.map_err(AwsError::from))?.is_none().then_some(()))
        })
        .await
    }

    fn effect(path: &str) -> Effect {
        if path == "name" { Effect::Replace } else { Effect::Update }
    }
}

async fn url(ctx: &Context, name: &str) -> Result<Option<String>, AwsError> {
    let answer = ctx.clients.sqs().get_queue_url().queue_name(name).send().await;
    Ok(optional(answer.map_err(AwsError::from))?.and_then(|answer| answer.queue_url))
}

/// Makes the queue; nothing is returned if one of that name was there already.
async fn create(ctx: &Context, want: &Attributes) -> Result<Option<Found<Attributes>>, AwsError> {
    let mut values = values(want);
    values.retain(|_, value| !value.is_empty());
    let request = ctx
        .clients
        .sqs()
        .create_queue()
        .queue_name(&want.name)
        .set_attributes(Some(values))
        .set_tags(Some(want.tags.clone().into_iter().collect()));
    let what = format!("to make queue `{}`", want.name);
    let made = retry(&what, Policy::lasting(DELETED), || async { Ok(request.clone().send().await?) }).await;
    let url = match made {
        Err(error) if error.kind == ErrorKind::AlreadyExists => return Ok(None),
        result => result?.queue_url.ok_or_else(|| lacking("the queue's address"))?,
    };
    let ask = ctx.clients.sqs().get_queue_attributes().queue_url(&url).attribute_names(Name::QueueArn);
    let what = format!("queue `{}` to be there", want.name);
    let arn = wait_until(&what, DELETED, || async {
        let answer = optional(ask.clone().send().await.map_err(AwsError::from))?;
        Ok(answer.and_then(|answer| answer.attributes?.remove(&Name::QueueArn)))
    })
    .await?;
    let outputs = outputs([("name", &want.name), ("url", &url), ("arn", &arn)]);
    Ok(Some(Found { id: url, attributes: want.clone(), outputs }))
}

/// The attributes as SQS takes them. An empty redrive policy removes the one that is there.
fn values(want: &Attributes) -> HashMap<Name, String> {
    let redrive = want.redrive.as_ref().map_or_else(String::new, |redrive| {
        json!({ "deadLetterTargetArn": redrive.queue, "maxReceiveCount": redrive.max_receives }).to_string()
    });
    HashMap::from([
        (Name::VisibilityTimeout, want.visibility_timeout.to_string()),
        (Name::MessageRetentionPeriod, want.retention.to_string()),
        (Name::SqsManagedSseEnabled, want.encrypted.to_string()),
        (Name::RedrivePolicy, redrive),
    ])
}

fn changes(have: &Attributes, want: &Attributes) -> HashMap<Name, String> {
    let before = values(have);
    values(want).into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect()
}

fn normalise(name: &str, values: &HashMap<Name, String>, tags: Tags) -> Attributes {
    let number = |name: &Name| values.get(name).and_then(|value| value.parse().ok()).unwrap_or_default();
    Attributes {
        name: name.to_owned(),
        visibility_timeout: number(&Name::VisibilityTimeout),
        retention: number(&Name::MessageRetentionPeriod),
        redrive: values.get(&Name::RedrivePolicy).and_then(|policy| redrive(policy)),
        encrypted: values.get(&Name::SqsManagedSseEnabled).is_some_and(|value| value == "true"),
        tags,
    }
}

fn redrive(policy: &str) -> Option<Redrive> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let count = policy.get("maxReceiveCount")?;
    // SQS gives the number back as it was sent, and people send texts.
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    let queue = policy.get("deadLetterTargetArn")?.as_str()?.to_owned();
    Some(Redrive { queue, max_receives: u32::try_from(count).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Attributes {
        Attributes {
            name: "q".into(),
            visibility_timeout: 360,
            retention: 1_209_600,
            redrive: Some(Redrive { queue: "arn:dead".into(), max_receives: 5 }),
            encrypted: true,
            tags: Tags::new(),
        }
    }

    #[test]
    fn what_is_sent_reads_back_equal() {
        assert_eq!(normalise("q", &values(&queue()), Tags::new()), queue());
        let plain = Attributes { redrive: None, encrypted: false, ..queue() };
        assert_eq!(normalise("q", &values(&plain), Tags::new()), plain);
    }

    #[test]
    fn a_count_that_was_sent_as_text_is_read() {
        let policy = r#"{"deadLetterTargetArn":"arn:dead","maxReceiveCount":"5"}"#;
        assert_eq!(redrive(policy), queue().redrive);
    }

    #[test]
    fn only_what_differs_is_sent_and_a_dropped_redrive_is_cleared() {
        let want = Attributes { redrive: None, ..queue() };
        assert_eq!(changes(&queue(), &want), HashMap::from([(Name::RedrivePolicy, String::new())]));
        assert!(changes(&queue(), &queue()).is_empty());
    }
}
