//! What can go wrong with a call.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::patience::is_passing;
use crate::request::Answer;
use crate::tokens::NoToken;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no access token. Nothing was sent.
    #[error("no access token: {0}")]
    NoToken(#[source] NoToken),
    /// What should be sent cannot be. Nothing was sent.
    #[error("the request cannot be sent: {why}")]
    Unsendable {
        /// Why.
        why: String,
    },
    /// No answer, or half of one. Whether the request was carried out is not known.
    #[error("no answer to {request}: {why}")]
    NoAnswer {
        /// The method and the path.
        request: String,
        /// Why.
        why: String,
    },
    /// The item has another version than the one that was expected (412). Nothing was changed.
    #[error("{request} expected another version of the item than {version}, which it has")]
    OtherVersion {
        /// The method and the path.
        request: String,
        /// The version that it has.
        version: u64,
    },
    /// The API refused.
    #[error("{request} was refused with {status}: {problem}")]
    Refused {
        /// The method and the path.
        request: String,
        /// The status of the answer.
        status: StatusCode,
        /// What the API said.
        problem: Box<Problem>,
    },
    /// The API answered something that this client does not understand. The request was most likely carried out.
    #[error("the answer to {request} is not understood: {why}")]
    Strange {
        /// The method and the path.
        request: String,
        /// Why.
        why: String,
    },
}

impl Error {
    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Refused { status, .. } => is_passing(*status),
            _ => false,
        }
    }

    /// The status, if the API refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(status.as_u16()),
            Self::OtherVersion { .. } => Some(412),
            _ => None,
        }
    }

    /// What the API said, if it refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// Whether the API refused with a problem of this kind, such as `not-found`.
    pub fn is(&self, kind: &str) -> bool {
        match self {
            Self::OtherVersion { .. } => kind == "version-mismatch",
            _ => self.problem().is_some_and(|problem| problem.kind == kind),
        }
    }

    /// What an answer says that is no good one.
    pub(crate) fn refusal(request: String, answer: &Answer) -> Self {
        let problem = Problem::of(answer);
        match problem.version {
            Some(version) if answer.status == StatusCode::PRECONDITION_FAILED => {
                Self::OtherVersion { request, version }
            }
            _ => Self::Refused { request, status: answer.status, problem: Box::new(problem) },
        }
    }
}

/// The beginning of all types of problems that the API has.
const KINDS: &str = "urn:freehold:problem:";
/// The beginning of what names a request.
const REQUESTS: &str = "urn:freehold:request:";
/// The kind of what has no kind (RFC 9457).
const NO_KIND: &str = "about:blank";

/// Problem details (RFC 9457).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(from = "Wire", into = "Wire")]
#[non_exhaustive]
pub struct Problem {
    /// What it is, such as `not-found`; never changes its meaning. `about:blank` if it was not the API that answered but
    /// something before it.
    pub kind: String,
    /// What it is, for people; always the same for a kind.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What it is this time, and what to do.
    pub detail: String,
    /// The request, for whoever asks the operators about it.
    pub request_id: Option<String>,
    /// What is wrong with what was sent.
    pub mistakes: Vec<Mistake>,
    /// The parameter that is wrong.
    pub parameter: Option<String>,
    /// The scope that the token lacks.
    pub scope: Option<String>,
    /// The version that the item has.
    pub version: Option<u64>,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// What this client does not know.
    pub more: Map<String, Value>,
}

/// One mistake of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Mistake {
    /// Where.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A problem as it is sent. Nothing in it is certain to be there: others than the API may have answered.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Wire {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    status: u16,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Mistake>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl From<Wire> for Problem {
    fn from(wire: Wire) -> Self {
        let kind = wire.kind.unwrap_or_else(|| NO_KIND.to_owned());
        let request = wire.instance.map(|id| id.strip_prefix(REQUESTS).unwrap_or(&id).to_owned());
        Self {
            kind: kind.strip_prefix(KINDS).unwrap_or(&kind).to_owned(),
            title: wire.title,
            status: wire.status,
            detail: wire.detail,
            request_id: request,
            mistakes: wire.errors,
            parameter: wire.parameter,
            scope: wire.scope,
            version: wire.version,
            retry_after: None,
            more: wire.more,
        }
    }
}

impl From<Problem> for Wire {
    fn from(problem: Problem) -> Self {
        // A type of somebody else's is an address.
        let is_ours = !problem.kind.contains(':');
        let kind = if is_ours { format!("{KINDS}{}", problem.kind) } else { problem.kind };
        Self {
            kind: Some(kind),
            title: problem.title,
            status: problem.status,
            detail: problem.detail,
            instance: problem.request_id.map(|id| format!("{REQUESTS}{id}")),
            errors: problem.mistakes,
            parameter: problem.parameter,
            scope: problem.scope,
            version: problem.version,
            more: problem.more,
        }
    }
}

/// Characters of a body that is no problem document which are repeated.
const EXCERPT: usize = 120;

impl Problem {
    /// What an answer says, whoever gave it: the API, the gateway before it with a mere `message`, or anything else on
    /// the way.
    fn of(answer: &Answer) -> Self {
        let mut problem: Self =
            serde_json::from_value(answer.body.clone()).unwrap_or_else(|_| Wire::default().into());
        if problem.title.is_empty() {
            problem.title = answer.status.canonical_reason().unwrap_or("refused").to_lowercase();
        }
        if problem.detail.is_empty() {
            problem.detail = match answer.body.get("message").and_then(Value::as_str) {
                Some(message) => message.to_owned(),
                None => answer.text.trim().chars().take(EXCERPT).collect(),
            };
        }
        problem.status = answer.status.as_u16();
        problem.request_id = answer.request_id.clone().or(problem.request_id);
        problem.retry_after = answer.retry_after;
        problem
    }
}

impl fmt::Display for Problem {
    /// In one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for Mistake { field, message } in &self.mistakes {
            write!(f, "; `{field}`: {message}")?;
        }
        Ok(())
    }
}

/// The innermost reason, which is the one that helps.
pub(crate) fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
