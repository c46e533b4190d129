//! From API Gateway's payload (format 2.0) to a request, and from an answer back to it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::request::Request;
use super::response::Response;

/// The parts of the payload that matter here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    request_context: Context,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    http: Http,
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    stage: String,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: String,
}

/// What API Gateway makes a response of.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    status_code: u16,
    headers: BTreeMap<&'static str, String>,
    body: String,
    is_base64_encoded: bool,
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        let context = event.request_context;
        let body = event.body.unwrap_or_default();
        let body = match event.is_base64_encoded {
            // What is not base 64 is then not JSON either, and refused as that.
            true => STANDARD.decode(&body).unwrap_or_default(),
            false => body.into_bytes(),
        };
        Self {
            id: context.request_id,
            method: context.http.method.to_ascii_uppercase(),
            path: below_stage(&event.raw_path, &context.stage).to_owned(),
            query: event.raw_query_string,
            headers: event
                .headers
                .into_iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect(),
            body,
        }
    }
}

/// A named stage is the first segment of the path on AWS, but not on every emulator.
fn below_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    if stage.is_empty() || stage == "$default" {
        return path;
    }
    let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage));
    rest.filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path)
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self {
            status_code: response.status,
            headers: response.headers.into_iter().collect(),
            body: response.body,
            is_base64_encoded: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn event(change: impl FnOnce(&mut Json)) -> Request {
        let mut event = json!({
            "version": "2.0", "routeKey": "PATCH /user/data/{data_id}", "rawPath": "/user/data/x",
            "rawQueryString": "a=b", "headers": {"If-Match": "\"1\""},
            "requestContext": {
                "http": {"method": "PATCH", "path": "/user/data/x"}, "requestId": "r", "stage": "$default",
                "authorizer": {"jwt": {"claims": {"sub": "s", "exp": "1"}, "scopes": null}},
            },
            "body": "eyJhIjoxfQ==", "isBase64Encoded": true,
        });
        change(&mut event);
        serde_json::from_value::<Event>(event).unwrap().into()
    }

    #[test]
    fn a_payload_becomes_a_request() {
        let request = event(|_| ());
        assert_eq!((request.method.as_str(), request.path.as_str()), ("PATCH", "/user/data/x"));
        assert_eq!(request.body, br#"{"a":1}"#);
        assert_eq!(request.header("if-match"), Some("\"1\""));
    }

    #[test]
    fn a_named_stage_is_no_part_of_the_path() {
        let path = |stage: &str, path: &str| {
            event(|event| {
                event["requestContext"]["stage"] = stage.into();
                event["rawPath"] = path.into();
            })
            .path
        };
        assert_eq!(path("live", "/live/user"), "/user");
        assert_eq!(path("live", "/user"), "/user");
        assert_eq!(path("us", "/user"), "/user");
        assert_eq!(path("$default", "/user"), "/user");
    }

    #[test]
    fn a_request_without_a_body_is_a_request() {
        let request = event(|event| drop(event.as_object_mut().unwrap().remove("body")));
        assert!(request.body.is_empty());
    }
}
