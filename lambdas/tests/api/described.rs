//! What the API does, held against what its description says: every answer in these tests passes through here.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use domain::openapi;
use domain::routes::{Match, find};
use lambdas::api::{Request, Response};
use serde_json::{Value as Json, json};
use store::document::Document;

use crate::world::World;

/// The description of the stack of these tests.
pub static DESCRIPTION: LazyLock<Arc<Json>> = LazyLock::new(|| description(&crate::world::document()));

fn resolved<'a>(root: &'a Json, mut json: &'a Json) -> &'a Json {
    while let Some(reference) = json.get("$ref").and_then(Json::as_str) {
        json = root.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference}"));
    }
    json
}

/// Words of JSON Schema that say nothing about what is valid, or nothing that is checked here.
const SILENT: [&str; 6] = ["description", "examples", "default", "pattern", "format", "x-unit"];

/// What is wrong with a value by a schema, if anything. It knows the words that the description uses, and stops at any
/// other, so that none is passed over.
pub fn mistake(root: &Json, schema: &Json, value: &Json, at: &str) -> Option<String> {
    let schema = resolved(root, schema);
    let wrong = |what: String| Some(format!("{at}: {what}: {value}"));
    for (word, says) in schema.as_object().unwrap_or_else(|| panic!("{at}: {schema}")) {
        let each = |schemas: &Json| -> Vec<Option<String>> {
            schemas.as_array().unwrap().iter().map(|schema| mistake(root, schema, value, at)).collect()
        };
        let found = match word.as_str() {
            "type" => {
                let types = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                let fits = types.iter().any(|name| is_of_type(value, name.as_str().unwrap()));
                if fits { None } else { wrong(format!("is not {says}")) }
            }
            "enum" if !says.as_array().unwrap().contains(value) => wrong(format!("is none of {says}")),
            "const" if says != value => wrong(format!("is not {says}")),
            "required" => {
                let absent =
                    says.as_array().unwrap().iter().find(|name| value.get(name.as_str().unwrap()).is_none());
                absent.and_then(|name| wrong(format!("lacks {name}")))
            }
            "properties" => {
                says.as_object().unwrap().iter().find_map(|(name, schema)| {
                    mistake(root, schema, value.get(name)?, &format!("{at}.{name}"))
                })
            }
            "additionalProperties" if *says == json!(false) => {
                let known = &schema["properties"];
                let stranger =
                    value.as_object().into_iter().flatten().find(|(name, _)| known.get(name).is_none());
                stranger.and_then(|(name, _)| wrong(format!("has `{name}`, which is not described")))
            }
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
                .find_map(|(n, item)| mistake(root, says, item, &format!("{at}[{n}]"))),
            "allOf" => each(says).into_iter().flatten().next(),
            "oneOf" if each(says).iter().filter(|found| found.is_none()).count() != 1 => {
                wrong(format!("is not one of {:?}", each(says)))
            }
            "minimum" if value.as_f64() < says.as_f64() => wrong(format!("is below {says}")),
            "maximum" if value.as_f64() > says.as_f64() => wrong(format!("is above {says}")),
            "minItems" if value.as_array().unwrap().len() < size(says) => wrong("is too short".into()),
            "maxItems" if value.as_array().unwrap().len() > size(says) => wrong("is too long".into()),
            "minLength" if value.as_str().unwrap().chars().count() < size(says) => {
                wrong("is too short".into())
            }
            "maxLength" if value.as_str().unwrap().chars().count() > size(says) => {
                wrong("is too long".into())
            }
            "enum"
            | "const"
            | "oneOf"
            | "minimum"
            | "maximum"
            | "minItems"
            | "maxItems"
            | "minLength"
            | "maxLength"
            | "additionalProperties"
            | "uniqueItems"
            | "multipleOf" => None,
            silent if SILENT.contains(&silent) => None,
            unknown => panic!("{at}: what does `{unknown}` mean?"),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn size(json: &Json) -> usize {
    usize::try_from(json.as_u64().unwrap()).unwrap()
}

fn is_of_type(value: &Json, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("a type `{other}`?"),
    }
}

/// The description of a stack.
pub fn description(document: &Document) -> Arc<Json> {
    Arc::new(openapi::document(&document.data_types))
}

/// Holds an answer against the description of its operation.
pub fn check(description: &Json, request: &Request, response: &Response) {
    let Match::Route(route, _) = find(&request.method, &request.path) else { return };
    let operation = &description["paths"][route.path][route.method.to_lowercase()];
    let what = format!("{} {}: {}", route.method, route.path, response.status);
    let described = operation["responses"].get(response.status.to_string());
    let described = described.unwrap_or_else(|| panic!("{what} is not described: {}", response.body));
    let described = resolved(description, described);
    let headers: BTreeMap<_, _> = response.headers.iter().map(|(name, value)| (*name, value)).collect();
    for name in headers.keys().filter(|name| !COMMON.contains(name)) {
        assert!(described["headers"].get(name).is_some(), "{what}: the header `{name}` is not described");
    }
    let Some(content_type) = headers.get("content-type") else {
        assert!(response.body.is_empty() && described.get("content").is_none(), "{what}: {}", response.body);
        return;
    };
    let schema = &described["content"][content_type.as_str()]["schema"];
    assert!(!schema.is_null(), "{what}: {content_type} is not described");
    let body: Json = serde_json::from_str(&response.body).unwrap();
    if let Some(mistake) = mistake(description, schema, &body, "body") {
        panic!("{what}: {mistake}");
    }
    // What was taken has to be what the description says is taken.
    if (200..300).contains(&response.status) && !request.body.is_empty() {
        let media = request.header("content-type").unwrap().split(';').next().unwrap().trim().to_owned();
        let schema = &operation["requestBody"]["content"][&media]["schema"];
        // Some tests send `{}` where nothing is needed, as clients do.
        let sent: Json = serde_json::from_slice(&request.body).unwrap_or(json!({}));
        if !schema.is_null()
            && let Some(mistake) = mistake(description, schema, &sent, "request")
        {
            panic!("{what}, but {mistake}");
        }
    }
}

/// Headers of every answer, which the description does not repeat.
const COMMON: [&str; 6] = [
    "content-type",
    "cache-control",
    "x-content-type-options",
    "strict-transport-security",
    "content-security-policy",
    "referrer-policy",
];

#[test]
fn what_does_not_fit_the_description_is_noticed() {
    let found = |schema: Json, value: Json| mistake(&Json::Null, &schema, &value, "x");
    let closed = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false});
    assert_eq!(found(closed.clone(), json!({"a": 1})), None);
    for wrong in [json!({}), json!({"a": "1"}), json!({"a": 1, "b": 2}), json!([])] {
        assert!(found(closed.clone(), wrong).is_some());
    }
    assert!(found(json!({"oneOf": [{"type": "string"}, {"enum": ["a"]}]}), json!("a")).is_some());
    assert!(found(json!({"items": {"maximum": 1}}), json!([0, 2])).is_some());
}

fn with_schemas() -> impl Iterator<Item = (&'static String, &'static Json)> {
    DESCRIPTION["components"]["schemas"].as_object().unwrap().iter()
}

#[test]
fn every_example_fits_its_form() {
    let mut seen = 0;
    let general = openapi::document(&BTreeMap::new());
    for (name, schema) in general["components"]["schemas"].as_object().unwrap() {
        for example in schema["examples"].as_array().into_iter().flatten() {
            seen += 1;
            assert_eq!(mistake(&general, schema, example, name), None);
        }
    }
    assert!(seen >= 8, "{seen} examples");
    assert!(with_schemas().count() > 20);
}

/// Every body that is an example does what it should: sent to the API, it is taken.
#[tokio::test]
async fn every_example_of_a_body_is_taken() {
    let world = World::new().await;
    let (ann, bob, zoe) = (world.person("ann").await, world.person("bob").await, world.visitor("zoe"));
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "provider", &ann).await;
    let item = ann.reading("2014-01-01T00:00:00Z", 100).await;
    let general = openapi::document(&BTreeMap::new());
    let mut sent = 0;
    for (path, operations) in general["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let body = &operation["requestBody"];
            for (media, content) in body["content"].as_object().into_iter().flatten() {
                let examples = &resolved(&general, &content["schema"])["examples"];
                assert!(examples.is_array(), "{method} {path}: a body without an example");
                for example in examples.as_array().unwrap() {
                    let mut example = example.clone();
                    let mut group = group.clone();
                    let mut who = if path.ends_with("/accept") { &bob } else { &ann };
                    if path.ends_with("/transfer") {
                        group = ann.group("Handed over").await;
                        ann.admit(&group, "consumer", &bob).await;
                        example["to"] = bob.id().await.into();
                    }
                    if path.ends_with("/consent") {
                        let consent = ann.get(&format!("/groups/{group}/consent")).await.expect(200);
                        example["revision"] = consent["currentRevision"].clone();
                    }
                    if path == "/user/claim" {
                        let made = ann.post("/profiles", Json::Null).await.expect(201);
                        example["invite"] = made["invite"]["token"].clone();
                        who = &zoe;
                    }
                    let invitation = ann.invite(&group, "provider", "bob").await;
                    let target = path
                        .replace("/groups/{group_id}/invitations/{invitation_id}", &invitation)
                        .replace("{group_id}", &group)
                        .replace("{member_id}", &ann.id().await)
                        .replace("{data_id}", &item);
                    let mut request = who.request(&method.to_uppercase(), &target, example);
                    request.headers.insert("content-type".into(), media.clone());
                    let reply = who.send(request).await;
                    assert!((200..300).contains(&reply.status), "{method} {path}: {:#}", reply.json);
                    sent += 1;
                }
            }
        }
    }
    assert!(sent >= 8, "{sent} bodies");
}
