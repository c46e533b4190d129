//! Telling the worker that there is a data job.
//!
//! The job itself is a row of the directory; a message only says where to look, so losing one loses no work.

use std::time::Duration;

use aws_sdk_sqs::config::BehaviorVersion;
use aws_sdk_sqs::config::retry::RetryConfig;
use domain::id::{GroupId, JobId};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use store::AwsEnvironment;
use store::directory::{Job, JobKind};

/// Seconds that a queue can hold a message back.
const LONGEST_PAUSE: i32 = 900;

/// A message that could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue of data jobs did not take the message")]
pub struct NotSent;

/// Where jobs are announced.
pub trait Jobs: Send + Sync {
    /// Announces a job, to be looked at after a pause of at most 15 minutes; trying a few times.
    fn send_after<'a>(&'a self, job: &'a Job, pause: Duration) -> BoxFuture<'a, Result<(), NotSent>>;

    /// Announces a job, to be looked at at once.
    fn send<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), NotSent>> {
        self.send_after(job, Duration::ZERO)
    }
}

/// The stack's queue.
#[derive(Debug, Clone)]
pub struct SqsJobs {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl SqsJobs {
    /// The queue at an address.
    pub fn new(environment: &AwsEnvironment, url: impl Into<String>) -> Self {
        let mut config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(environment.region.clone())
            .credentials_provider(environment.credentials.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(store::timeouts());
        if let Some(endpoint) = &environment.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Self { client: aws_sdk_sqs::Client::from_conf(config.build()), url: url.into() }
    }
}

/// Where a job is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The job.
    pub job: JobId,
    /// Its group.
    pub group: GroupId,
    /// The revision of the group's rules that the job asks for, so that they can be read along with it. A hint: a message
    /// without it costs a request more and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<u32>,
}

impl Message {
    /// That of a job.
    pub fn of(job: &Job) -> Self {
        let rules = match &job.kind {
            JobKind::Purge(departure) => Some(departure.rule_revision),
            _ => None,
        };
        Self { job: job.id.clone(), group: job.group.clone(), rules }
    }
}

/// The text of a job's message.
pub fn message(job: &Job) -> String {
    serde_json::to_string(&Message::of(job)).unwrap_or_default()
}

impl Jobs for SqsJobs {
    fn send_after<'a>(&'a self, job: &'a Job, pause: Duration) -> BoxFuture<'a, Result<(), NotSent>> {
        Box::pin(async move {
            let pause = i32::try_from(pause.as_secs()).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
            let message = self
                .client
                .send_message()
                .queue_url(&self.url)
                .message_body(message(job))
                .delay_seconds(pause);
            let sent = message.send().await;
            sent.map(|_| ()).map_err(|error| {
                let code = aws_sdk_sqs::error::ProvideErrorMetadata::code(&error).unwrap_or("none");
                tracing::warn!(code, "a message to the queue of data jobs was not taken");
                NotSent
            })
        })
    }
}
