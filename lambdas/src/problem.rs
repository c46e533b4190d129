//! Answers that are no success: problem details of RFC 9457, with types that never change.

use serde_json::{Map, Value as Json, json};
use store::StoreError;
use store::quotas::Quota;

/// A problem: what a caller is told, and what the log may say about its cause.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The last part of its type: `urn:freehold:problem:{slug}`.
    pub slug: &'static str,
    /// What it is, always the same for a type.
    pub title: &'static str,
    /// What it is this time, and what to do.
    pub detail: Box<str>,
    /// More members of the answer.
    pub more: Vec<(&'static str, Json)>,
    /// More headers of the answer.
    pub headers: Vec<(&'static str, String)>,
    /// What went wrong behind it, for the log: never content.
    pub cause: Option<Box<str>>,
}

/// One thing that is wrong with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Mistake {
    /// Where.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Mistake {
    /// A mistake at a place.
    pub fn at(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl From<domain::datatype::FieldError> for Mistake {
    fn from(error: domain::datatype::FieldError) -> Self {
        Self { field: error.field, message: error.message }
    }
}

impl Problem {
    /// A problem of a type.
    pub fn new(status: u16, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            slug,
            title,
            detail: detail.into().into(),
            more: Vec::new(),
            headers: Vec::new(),
            cause: None,
        }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a member.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.more.push((name, value.into()));
        self
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "bad-request", "the request cannot be understood", detail)
    }

    /// 400: a parameter of the query is wrong.
    pub fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        let name: String = name.chars().take(40).collect();
        Self::new(400, "invalid-parameter", "a parameter is wrong", format!("parameter `{name}`: {why}"))
            .with("parameter", name)
    }

    /// 401: the token does not count.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(401, "unauthorized", "a valid access token is needed", detail)
            .header("www-authenticate", "Bearer error=\"invalid_token\"")
    }

    /// 403: the token does not allow this.
    pub fn insufficient_scope(scope: &str) -> Self {
        let detail = format!("the token lacks the scope `{scope}`; sign in again and ask for it");
        Self::new(403, "insufficient-scope", "the token does not allow this", detail)
            .with("scope", scope)
            .header("www-authenticate", format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""))
    }

    /// The caller has signed in but has no profile.
    pub fn no_profile(status: u16) -> Self {
        let detail = "you have no profile yet; make it with `POST /user`";
        Self::new(status, "no-profile", "the caller has no profile", detail)
    }

    /// 403: a member, but not in the role that it takes.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, "forbidden", "your role does not allow this", detail)
    }

    /// 404: not there, or not there for this caller.
    pub fn not_found(what: &str) -> Self {
        Self::new(404, "not-found", "not found", format!("there is no such {what}"))
    }

    /// 405: the path has other methods.
    pub fn method(allowed: &[&str]) -> Self {
        let allowed = allowed.join(", ");
        let detail = format!("this path takes {allowed}");
        Self::new(405, "method-not-allowed", "the path does not take this method", detail)
            .header("allow", allowed)
    }

    /// 409: the state does not allow this.
    pub fn conflict(slug: &'static str, detail: impl Into<String>) -> Self {
        Self::new(409, slug, "the state does not allow this", detail)
    }

    /// 412: the item has another version than the caller thinks.
    pub fn precondition(version: u64) -> Self {
        let detail = format!("the item has version {version} now; read it again");
        Self::new(412, "version-mismatch", "the item has changed", detail)
            .with("version", version)
            .header("etag", format!("\"{version}\""))
    }

    /// 413: too much.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(413, "too-large", "the request is too large", detail)
    }

    /// 415: not JSON.
    pub fn media_type(expected: &str) -> Self {
        let detail = format!("send the body with `content-type: {expected}`");
        Self::new(415, "unsupported-media-type", "the body has another type than expected", detail)
            .header("accept", expected)
    }

    /// 415: compressed.
    pub fn encoded() -> Self {
        let detail = "send the body without `content-encoding`";
        Self::new(415, "unsupported-media-type", "the body is encoded", detail)
            .header("accept-encoding", "identity")
    }

    /// 422: understood, but not acceptable; every mistake is listed.
    pub fn invalid(mistakes: impl IntoIterator<Item = Mistake>) -> Self {
        let mistakes: Vec<Json> =
            mistakes.into_iter().map(|m| json!({ "field": m.field, "message": m.message })).collect();
        let detail = match mistakes.len() {
            1 => "one thing is wrong with it; see `errors`".to_owned(),
            n => format!("{n} things are wrong with it; see `errors`"),
        };
        Self::new(422, "invalid", "what was sent cannot be accepted", detail).with("errors", mistakes)
    }

    /// 429: slower.
    pub fn too_many(seconds: u32) -> Self {
        let detail = format!("you call too often; come back in {seconds} s");
        Self::new(429, "too-many-requests", "too many requests", detail)
            .header("retry-after", seconds.to_string())
    }

    /// 429: a quota of the person is used up.
    pub fn quota(quota: Quota, seconds: u32) -> Self {
        let detail = format!(
            "you may make at most {} {} in one {} (UTC); repeat in {seconds} s",
            quota.limit(),
            quota.name(),
            quota.period()
        );
        Self::new(429, "quota-exceeded", "a quota is used up", detail)
            .with("limit", quota.limit())
            .header("retry-after", seconds.to_string())
    }

    /// 503: later.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(503, "unavailable", "not possible at the moment", detail).header("retry-after", "2")
    }

    pub(crate) fn internal(cause: String) -> Self {
        let detail = "it is not your fault and was noted; tell the operators the instance";
        let mut problem = Self::new(500, "internal", "something is wrong on our side", detail);
        problem.cause = Some(cause.into());
        problem
    }

    /// The members of the answer.
    pub fn to_json(&self, request_id: &str) -> Json {
        let mut object = Map::new();
        object.insert("type".into(), format!("urn:freehold:problem:{}", self.slug).into());
        object.insert("title".into(), self.title.into());
        object.insert("status".into(), self.status.into());
        object.insert("detail".into(), (*self.detail).into());
        object.insert("instance".into(), format!("urn:freehold:request:{request_id}").into());
        object.extend(self.more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Json::Object(object)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing(what) => Self::not_found(what),
            StoreError::Conflict(detail) => Self::conflict("conflict", detail),
            StoreError::Condition | StoreError::Refused(_) => {
                Self::conflict("conflict", "somebody else changed it at the same time; look again and repeat")
            }
            StoreError::KeyReused => Self::new(
                422,
                "idempotency-mismatch",
                "the idempotency key stands for another request",
                "a request with this `idempotency-key` and another body was answered before; use a new key for each \
                 request, and the same one only to repeat it",
            ),
            StoreError::Quota { quota, seconds } => Self::quota(quota, seconds),
            StoreError::Forbidden(detail) => Self::forbidden(detail),
            StoreError::Busy(code) => Self { cause: Some(format!("busy: {}", word(&code)).into()), ..busy() },
            StoreError::Unavailable(text) => {
                Self { cause: Some(format!("unavailable: {}", word(&text)).into()), ..busy() }
            }
            // Names an action and a resource of ours, which is what an operator needs.
            StoreError::Denied(text) => Self::internal(format!("denied: {text}")),
            StoreError::Corrupt { table, .. } => Self::internal(format!("corrupt row in {table}")),
        }
    }
}

fn busy() -> Problem {
    Problem::unavailable("the database is busy or out of reach; repeat in a moment")
}

/// The first word of an error's text if it is a code; the rest may quote what people wrote.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    text.get(..end).filter(|word| !word.is_empty()).unwrap_or("no code")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_database_tells_the_caller_nothing_of_its_inside() {
        let text = "ValidationException: the value `secret` is wrong";
        let errors = [
            StoreError::Unavailable(text.into()),
            StoreError::Denied(text.into()),
            StoreError::Corrupt { table: "data", what: text.into() },
            StoreError::Refused(vec![text.into()]),
        ];
        for error in errors {
            let problem = Problem::from(error);
            assert!(!problem.to_json("r").to_string().contains("secret"), "{problem:?}");
        }
        let logged = Problem::from(StoreError::Unavailable(text.into())).cause.unwrap();
        assert_eq!(&*logged, "unavailable: ValidationException");
    }

    #[test]
    fn what_may_pass_says_when_to_come_back() {
        let problem = Problem::from(StoreError::Busy("ThrottlingException".into()));
        assert_eq!(problem.status, 503);
        assert!(problem.headers.iter().any(|(name, _)| *name == "retry-after"));
    }

    #[test]
    fn every_problem_has_the_members_of_the_rfc() {
        let json = Problem::precondition(7).to_json("abc");
        assert_eq!(json["type"], "urn:freehold:problem:version-mismatch");
        assert_eq!(json["status"], 412);
        assert_eq!(json["version"], 7);
        assert_eq!(json["instance"], "urn:freehold:request:abc");
    }
}
