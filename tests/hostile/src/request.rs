//! Which service and operation an HTTP request is.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The services that `provision` calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Tables and their items.
    DynamoDb,
    /// Roles.
    Iam,
    /// Functions and event source mappings.
    Lambda,
    /// Queues.
    Sqs,
    /// User pools.
    Cognito,
    /// HTTP APIs.
    ApiGateway,
    /// Log groups.
    Logs,
    /// Schedules.
    Events,
    /// Who is calling.
    Sts,
}

/// A call, whatever its protocol: members of the path and the query stand in `input` like those of the body.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who is called.
    pub service: Service,
    /// What for: `CreateTable`.
    pub operation: String,
    /// With what.
    pub input: Value,
}

impl Call {
    /// Whether it changes anything.
    pub fn is_mutating(&self) -> bool {
        provision::aws::call::is_mutating(&self.operation)
    }

    /// A text of the input; empty if it has none.
    pub fn text(&self, key: &str) -> &str {
        self.input.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Services that name their operation in a header.
const TARGETS: &[(&str, Service)] = &[
    ("DynamoDB_20120810", Service::DynamoDb),
    ("AmazonSQS", Service::Sqs),
    ("AWSCognitoIdentityProviderService", Service::Cognito),
    ("Logs_20140328", Service::Logs),
    ("AWSEvents", Service::Events),
];

type Path = (&'static str, &'static str, &'static str);

#[rustfmt::skip]
const LAMBDA: &[Path] = &[
    ("POST", "/2015-03-31/functions", "CreateFunction"),
    ("GET", "/2015-03-31/functions/{FunctionName}", "GetFunction"),
    ("DELETE", "/2015-03-31/functions/{FunctionName}", "DeleteFunction"),
    ("PUT", "/2015-03-31/functions/{FunctionName}/code", "UpdateFunctionCode"),
    ("PUT", "/2015-03-31/functions/{FunctionName}/configuration", "UpdateFunctionConfiguration"),
    ("GET", "/2015-03-31/functions/{FunctionName}/policy", "GetPolicy"),
    ("POST", "/2015-03-31/functions/{FunctionName}/policy", "AddPermission"),
    ("DELETE", "/2015-03-31/functions/{FunctionName}/policy/{StatementId}", "RemovePermission"),
    ("POST", "/2015-03-31/event-source-mappings", "CreateEventSourceMapping"),
    ("GET", "/2015-03-31/event-source-mappings", "ListEventSourceMappings"),
    ("GET", "/2015-03-31/event-source-mappings/{UUID}", "GetEventSourceMapping"),
    ("PUT", "/2015-03-31/event-source-mappings/{UUID}", "UpdateEventSourceMapping"),
    ("DELETE", "/2015-03-31/event-source-mappings/{UUID}", "DeleteEventSourceMapping"),
    ("POST", "/2017-03-31/tags/{Resource}", "TagResource"),
    ("DELETE", "/2017-03-31/tags/{Resource}", "UntagResource"),
];

#[rustfmt::skip]
const API_GATEWAY: &[Path] = &[
    ("POST", "/v2/apis", "CreateApi"),
    ("GET", "/v2/apis", "GetApis"),
    ("GET", "/v2/apis/{apiId}", "GetApi"),
    ("PATCH", "/v2/apis/{apiId}", "UpdateApi"),
    ("DELETE", "/v2/apis/{apiId}", "DeleteApi"),
    ("DELETE", "/v2/apis/{apiId}/cors", "DeleteCorsConfiguration"),
    ("GET", "/v2/apis/{apiId}/authorizers", "GetAuthorizers"),
    ("POST", "/v2/apis/{apiId}/authorizers", "CreateAuthorizer"),
    ("PATCH", "/v2/apis/{apiId}/authorizers/{authorizerId}", "UpdateAuthorizer"),
    ("DELETE", "/v2/apis/{apiId}/authorizers/{authorizerId}", "DeleteAuthorizer"),
    ("GET", "/v2/apis/{apiId}/integrations", "GetIntegrations"),
    ("POST", "/v2/apis/{apiId}/integrations", "CreateIntegration"),
    ("PATCH", "/v2/apis/{apiId}/integrations/{integrationId}", "UpdateIntegration"),
    ("DELETE", "/v2/apis/{apiId}/integrations/{integrationId}", "DeleteIntegration"),
    ("GET", "/v2/apis/{apiId}/routes", "GetRoutes"),
    ("POST", "/v2/apis/{apiId}/routes", "CreateRoute"),
    ("PATCH", "/v2/apis/{apiId}/routes/{routeId}", "UpdateRoute"),
    ("DELETE", "/v2/apis/{apiId}/routes/{routeId}", "DeleteRoute"),
    ("POST", "/v2/apis/{apiId}/stages", "CreateStage"),
    ("GET", "/v2/apis/{apiId}/stages/{stageName}", "GetStage"),
    ("PATCH", "/v2/apis/{apiId}/stages/{stageName}", "UpdateStage"),
    ("DELETE", "/v2/apis/{apiId}/stages/{stageName}", "DeleteStage"),
    ("GET", "/v2/tags/{resourceArn}", "GetTags"),
    ("POST", "/v2/tags/{resourceArn}", "TagResource"),
    ("DELETE", "/v2/tags/{resourceArn}", "UntagResource"),
];

/// Reads a request. `uri` may be absolute.
pub(crate) fn read(method: &str, uri: &str, target: Option<&str>, body: &[u8]) -> Option<Call> {
    if let Some((prefix, operation)) = target.and_then(|target| target.split_once('.')) {
        let (_, service) = TARGETS.iter().find(|(known, _)| *known == prefix)?;
        return Some(Call { service: *service, operation: operation.to_owned(), input: json(body) });
    }
    let uri = uri.split_once("://").map_or(uri, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let path = path.trim_end_matches('/');
    for (service, table) in [(Service::Lambda, LAMBDA), (Service::ApiGateway, API_GATEWAY)] {
        for (_, pattern, operation) in table.iter().filter(|(verb, _, _)| *verb == method) {
            if let Some(members) = members(pattern, path) {
                let input = merged(json(body), members, query);
                return Some(Call { service, operation: (*operation).to_owned(), input });
            }
        }
    }
    (method == "POST" && path.is_empty()).then(|| form(std::str::from_utf8(body).unwrap_or_default()))?
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::Object(Map::new()))
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// What stands for the names in braces, if the path fits the pattern.
fn members(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    if pattern.len() != path.len() {
        return None;
    }
    let mut found = Vec::new();
    for (pattern, part) in pattern.iter().zip(path) {
        match pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => found.push((name.to_owned(), decoded(part))),
            None if *pattern == part => {}
            None => return None,
        }
    }
    Some(found)
}

fn merged(body: Value, members: Vec<(String, String)>, query: &str) -> Value {
    let Value::Object(mut input) = body else { return body };
    for (name, value) in members {
        input.insert(name, value.into());
    }
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match (name, input.get_mut(name)) {
            // Lists come as repetitions.
            ("tagKeys", Some(Value::Array(list))) => list.push(decoded(value).into()),
            ("tagKeys", _) => drop(input.insert(name.to_owned(), Value::Array(vec![decoded(value).into()]))),
            _ => drop(input.insert(name.to_owned(), decoded(value).into())),
        }
    }
    Value::Object(input)
}

/// The query protocol of the oldest services: `Action=CreateRole&Tags.member.1.Key=…`.
fn form(body: &str) -> Option<Call> {
    let pairs: BTreeMap<String, String> = body
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let service = match pairs.get("Version")?.as_str() {
        "2010-05-08" => Service::Iam,
        "2011-06-15" => Service::Sts,
        _ => return None,
    };
    let mut input = Value::Object(Map::new());
    for (name, value) in &pairs {
        let mut place = &mut input;
        for part in name.split('.') {
            place = place.as_object_mut()?.entry(part).or_insert_with(|| Value::Object(Map::new()));
        }
        *place = value.clone().into();
    }
    Some(Call { service, operation: pairs.get("Action")?.clone(), input: lists(input) })
}

/// `{"member": {"1": a, "2": b}}` is the list of `a` and `b`.
fn lists(value: Value) -> Value {
    let Value::Object(object) = value else { return value };
    if let Some(Value::Object(members)) = object.get("member") {
        let mut members: Vec<(usize, Value)> = members
            .iter()
            .filter_map(|(number, value)| Some((number.parse().ok()?, lists(value.clone()))))
            .collect();
        members.sort_by_key(|(number, _)| *number);
        return members.into_iter().map(|(_, value)| value).collect();
    }
    Value::Object(object.into_iter().map(|(key, value)| (key, lists(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_protocol_is_read() {
        let call = read("POST", "/", Some("DynamoDB_20120810.ListTables"), b"{\"Limit\":1}").unwrap();
        assert_eq!((call.service, call.operation.as_str()), (Service::DynamoDb, "ListTables"));
        let call =
            read("DELETE", "https://x/v2/tags/arn%3Aa%2Fb?tagKeys=a&tagKeys=b%20c", None, b"").unwrap();
        assert_eq!(call.operation, "UntagResource");
        assert_eq!(call.input, json!({"resourceArn": "arn:a/b", "tagKeys": ["a", "b c"]}));
        let body =
            b"Action=TagRole&Version=2010-05-08&RoleName=r&Tags.member.1.Key=a+b&Tags.member.1.Value=1";
        let call = read("POST", "https://iam.amazonaws.com/", None, body).unwrap();
        assert_eq!(call.input["Tags"], json!([{"Key": "a b", "Value": "1"}]));
        assert!(read("GET", "/v3/apis", None, b"").is_none());
    }
}
