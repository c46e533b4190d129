//! Answers and refusals, as each service writes them.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::request::{Call, Service};

/// What a service says.
pub type Answer = Result<Value, Refusal>;

/// A refusal.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// AWS's code.
    pub code: String,
    /// What AWS says.
    pub message: String,
    /// The whole body, where it says more than that.
    pub body: Option<Box<Value>>,
}

impl Refusal {
    /// A refusal of the caller.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.into(), body: None }
    }

    /// The same with another status.
    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

/// `Err` of a refusal.
pub(crate) fn refuse<T>(code: &str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, message))
}

/// How each service says that there were too many calls.
pub(crate) fn throttled(service: Service) -> Refusal {
    match service {
        Service::Lambda | Service::ApiGateway => {
            Refusal::new("TooManyRequestsException", "Too Many Requests").status(429)
        }
        Service::Cognito => Refusal::new("TooManyRequestsException", "Rate exceeded"),
        Service::Iam | Service::Sts => Refusal::new("Throttling", "Rate exceeded"),
        Service::Sqs => Refusal::new("RequestThrottled", "Request is throttled.").status(403),
        Service::DynamoDb | Service::Logs | Service::Events => {
            Refusal::new("ThrottlingException", "Rate exceeded")
        }
    }
}

/// How each service says that it is broken.
pub(crate) fn broken(service: Service) -> Refusal {
    let code = match service {
        Service::DynamoDb => "InternalServerError",
        Service::Iam | Service::Sts => "ServiceFailure",
        Service::Lambda => "ServiceException",
        Service::Cognito => "InternalErrorException",
        Service::Events => "InternalException",
        _ => "InternalFailure",
    };
    Refusal::new(code, "An internal error occurred.").status(500)
}

/// The answer as an HTTP response.
pub(crate) fn encoded(call: &Call, answer: &Answer) -> HttpResponse {
    match (call.service, answer) {
        (Service::Iam | Service::Sts, Ok(value)) => {
            let operation = &call.operation;
            let result = xml(value);
            let body = format!(
                "<{operation}Response><{operation}Result>{result}</{operation}Result><ResponseMetadata>\
                 <RequestId>1</RequestId></ResponseMetadata></{operation}Response>"
            );
            response(200, body, &[("content-type", "text/xml")])
        }
        (Service::Iam | Service::Sts, Err(refusal)) => {
            let error = json!({"Type": "Sender", "Code": refusal.code, "Message": refusal.message});
            let body = format!(
                "<ErrorResponse><Error>{}</Error><RequestId>1</RequestId></ErrorResponse>",
                xml(&error)
            );
            response(refusal.status, body, &[("content-type", "text/xml")])
        }
        (_, Ok(value)) => response(200, value.to_string(), &[("content-type", "application/json")]),
        (service, Err(refusal)) => {
            let body = refusal
                .body
                .as_deref()
                .cloned()
                .unwrap_or_else(|| json!({"__type": refusal.code, "message": refusal.message}));
            let mut headers = vec![("x-amzn-errortype", refusal.code.as_str())];
            let old = format!("{};Sender", refusal.code);
            if service == Service::Sqs {
                headers.push(("x-amzn-query-error", &old));
            }
            response(refusal.status, body.to_string(), &headers)
        }
    }
}

fn response(status: u16, body: String, headers: &[(&'static str, &str)]) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().expect("a status of HTTP"), SdkBody::from(body));
    for (name, value) in headers {
        response.headers_mut().insert(*name, (*value).to_owned());
    }
    response
}

/// A document as XML: lists in `member`s, and nothing for what is null.
fn xml(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let shown = object.iter().filter(|(_, value)| !value.is_null());
            shown.map(|(key, value)| format!("<{key}>{}</{key}>", xml(value))).collect()
        }
        Value::Array(items) => items.iter().map(|item| format!("<member>{}</member>", xml(item))).collect(),
        Value::String(text) => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_become_xml() {
        let value = json!({"Tags": [{"Key": "a<b"}, {"Key": "c"}], "No": null, "Cut": false});
        assert_eq!(
            xml(&value),
            "<Tags><member><Key>a&lt;b</Key></member><member><Key>c</Key></member></Tags><Cut>false</Cut>"
        );
    }
}
