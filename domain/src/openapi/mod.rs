//! The description of the API, as OpenAPI 3.1.
//!
//! It is generated: the paths and scopes from [`crate::routes::ROUTES`], what each operation takes and gives from
//! [`operations`], the forms from `schemas.json`, the problems from [`PROBLEMS`], and the fields of items from the stack's
//! data types. `docs/openapi.json` is that of no stack in particular; the API serves its own. What keeps it true is that
//! every answer in the tests of the API is held against it.

mod links;
mod operations;
mod problems;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::datatype::DataType;
use crate::id::Name;
use crate::routes::{ROUTES, Route, Scope};
use operations::Doc;
pub use problems::{PROBLEMS, ProblemType};

const SCHEMAS: &str = include_str!("schemas.json");

/// The description of the API: of one stack, or with no data types of any.
pub fn document(data_types: &BTreeMap<Name, DataType>) -> Json {
    let (mut paths, mut shared) = (Map::new(), Map::new());
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            let described = operation(route, &operations::doc(route.operation), &mut shared);
            path.insert(route.method.to_lowercase(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Freehold",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A datastore that belongs to the people whose data it keeps",
            "description": "Every answer says `x-request-id`, which is also the `instance` of a problem. A list gives \
                `next`, a cursor, as long as there is more, even if a page is short or empty. Problems are those of \
                RFC 9457, with types that never change.",
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": operations::TAGS.iter().map(|(name, text)| json!({"name": name, "description": text})).collect::<Vec<_>>(),
        "paths": paths,
        "components": components(data_types, shared),
    })
}

/// `GetGroup` as `getGroup`.
fn operation_id(route: &Route) -> String {
    let name = format!("{:?}", route.operation);
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// The description of one operation. Answers that many operations have are put into `shared`, by their names.
fn operation(route: &Route, doc: &Doc, shared: &mut Map<String, Json>) -> Json {
    let mut parameters: Vec<Json> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .chain(doc.parameters.iter().copied())
        .map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }))
        .collect();
    parameters.dedup();
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [doc.tag],
        "summary": doc.summary,
        "description": doc.description,
        "parameters": parameters,
        "responses": responses(route, doc, shared),
        "security": match route.scope {
            Some(scope) => json!([{ "people": [scope.full()] }]),
            None => json!([]),
        },
    });
    if let (Some((schema, needed)), Some(members)) = (doc.body, operation.as_object_mut()) {
        let content: Map<String, Json> = doc
            .media
            .iter()
            .map(|media| ((*media).to_owned(), json!({ "schema": reference(schema) })))
            .collect();
        members.insert("requestBody".into(), json!({ "required": needed, "content": content }));
    }
    operation
}

fn reference(schema: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn headers(extra: &[&str]) -> Map<String, Json> {
    ["x-request-id"]
        .iter()
        .chain(extra)
        .map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })))
        .collect()
}

fn responses(route: &Route, doc: &Doc, shared: &mut Map<String, Json>) -> Json {
    let mut found: BTreeMap<u16, Json> = BTreeMap::new();
    for (status, text, schema) in &doc.answers {
        let mut answer = json!({ "description": text, "headers": headers(&doc.headers) });
        if let (Some(schema), Some(members)) = (schema, answer.as_object_mut()) {
            members.insert("content".into(), json!({ "application/json": { "schema": reference(schema) } }));
        }
        if let (Some(links), Some(members)) = (links::links(route, *status), answer.as_object_mut()) {
            members.insert("links".into(), links);
        }
        found.insert(*status, answer);
    }
    let mut problems: BTreeMap<u16, Vec<&ProblemType>> = BTreeMap::new();
    for problem in PROBLEMS.iter().filter(|problem| problem.concerns(route, doc)) {
        problems.entry(problem.status).or_default().push(problem);
    }
    for (status, kinds) in problems {
        let name = kinds.iter().map(|kind| kind.slug).collect::<Vec<_>>().join("-or-");
        let name = format!("{status}-{name}");
        found.insert(status, json!({ "$ref": format!("#/components/responses/{name}") }));
        shared.insert(name, refused(status, &kinds));
    }
    found.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect::<Map<_, _>>().into()
}

/// An answer that is a problem of one of these types.
fn refused(status: u16, kinds: &[&ProblemType]) -> Json {
    let text: Vec<String> = kinds.iter().map(|kind| format!("`{}`: {}", kind.slug, kind.meaning)).collect();
    let slugs: Vec<String> = kinds.iter().map(|kind| kind.urn()).collect();
    let schema = json!({ "allOf": [
        reference("Problem"),
        { "properties": { "type": { "enum": slugs }, "status": { "const": status } } },
    ]});
    let mut content = json!({ "application/problem+json": { "schema": schema } });
    // The gateway answers some by itself, before the function is asked.
    if let (401 | 403 | 413 | 429 | 500 | 503, Some(content)) = (status, content.as_object_mut()) {
        content.insert("application/json".into(), json!({ "schema": reference("GatewayMessage") }));
    }
    let extra: Vec<&str> = kinds.iter().flat_map(|kind| kind.headers).copied().collect();
    json!({ "description": text.join("\n\n"), "headers": headers(&extra), "content": content })
}

fn components(data_types: &BTreeMap<Name, DataType>, responses: Map<String, Json>) -> Json {
    // A test reads it; what cannot be read would be missing from the description and from nothing else.
    let mut components: Json = serde_json::from_str(SCHEMAS).unwrap_or_default();
    types::insert(&mut components, data_types);
    let scopes: Map<String, Json> =
        Scope::ALL.iter().map(|scope| (scope.full(), scope.description().into())).collect();
    let flow = json!({
        "authorizationUrl": "https://example.auth.eu-west-1.amazoncognito.com/oauth2/authorize",
        "tokenUrl": "https://example.auth.eu-west-1.amazoncognito.com/oauth2/token",
        "scopes": scopes,
    });
    if let Some(components) = components.as_object_mut() {
        let people = json!({
            "type": "oauth2",
            "description": "An access token of the stack's user pool, by the authorization code flow with PKCE. \
                `provision outputs` tells the pool's addresses.",
            "flows": { "authorizationCode": flow },
        });
        components.insert("responses".into(), responses.into());
        components.insert("securitySchemes".into(), json!({ "people": people }));
    }
    components
}
