//! An answer.

use serde_json::Value as Json;

use crate::problem::Problem;

/// An answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Headers by their lower-case names.
    pub headers: Vec<(&'static str, String)>,
    /// The body, empty if there is none.
    pub body: String,
}

/// Every answer is somebody's own: nothing on the way may keep it, no browser may guess what it is, show it as a page,
/// tell others where it came from, or ask for it without encryption.
const ALWAYS: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=63072000; includeSubDomains"),
];

impl Response {
    fn new(status: u16, content_type: Option<&str>, body: String) -> Self {
        let mut headers: Vec<_> = ALWAYS.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        headers.extend(content_type.map(|content_type| ("content-type", content_type.to_owned())));
        Self { status, headers, body }
    }

    /// An answer with a body of JSON.
    pub fn json(status: u16, body: &Json) -> Self {
        Self::new(status, Some("application/json"), body.to_string())
    }

    /// An answer without a body.
    pub fn empty() -> Self {
        Self::new(204, None, String::new())
    }

    /// An answer to somebody who has this version of an item already.
    pub fn not_modified(version: u64) -> Self {
        Self::new(304, None, String::new()).version(version)
    }

    /// A problem.
    pub fn problem(problem: &Problem, request_id: &str) -> Self {
        let body = problem.to_json(request_id).to_string();
        let mut response = Self::new(problem.status, Some("application/problem+json"), body);
        response.headers.extend(problem.headers.iter().cloned());
        response
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With the tag of an item's version.
    #[must_use]
    pub fn version(self, version: u64) -> Self {
        self.header("etag", format!("\"{version}\""))
    }
}
