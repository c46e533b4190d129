//! HTTP APIs and what belongs to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::REGION;
use crate::reply::{Answer, Refusal};
use crate::state::{Ctx, object, overlay, text, untag};

/// An API.
#[derive(Debug, Clone, Default)]
pub struct Api {
    /// Its settings.
    pub doc: Value,
    /// Its routes, by id.
    pub routes: BTreeMap<String, Value>,
    /// Its integrations, by id.
    pub integrations: BTreeMap<String, Value>,
    /// Its authorizers, by id.
    pub authorizers: BTreeMap<String, Value>,
    /// Its stages, by name.
    pub stages: BTreeMap<String, Value>,
}

impl Api {
    /// Its parts of a kind.
    pub fn parts(&self, kind: &str) -> &BTreeMap<String, Value> {
        match kind {
            "route" => &self.routes,
            "integration" => &self.integrations,
            "authorizer" => &self.authorizers,
            _ => &self.stages,
        }
    }

    fn parts_mut(&mut self, kind: &str) -> &mut BTreeMap<String, Value> {
        match kind {
            "route" => &mut self.routes,
            "integration" => &mut self.integrations,
            "authorizer" => &mut self.authorizers,
            _ => &mut self.stages,
        }
    }
}

/// What an API has: the word in operations, its id's member, and the member that is unique, if any.
const PARTS: [(&str, &str, &str, &str); 4] = [
    ("Route", "route", "routeId", "routeKey"),
    ("Integration", "integration", "integrationId", ""),
    ("Authorizer", "authorizer", "authorizerId", "name"),
    ("Stage", "stage", "stageName", "stageName"),
];

fn missing() -> Refusal {
    Refusal::new("NotFoundException", "Invalid API identifier specified").status(404)
}

pub(crate) fn answer(ctx: &mut Ctx<'_>, operation: &str, input: &Value) -> Answer {
    if operation.ends_with("Tags") || operation.contains("tagResource") || operation == "TagResource" {
        return tagging(ctx, operation, input);
    }
    let id = text(input, "apiId").to_owned();
    match operation {
        "CreateApi" => {
            let id = ctx.state.id("api");
            let mut doc = input.clone();
            let endpoint = format!("https://{id}.execute-api.{REGION}.amazonaws.com");
            overlay(&mut doc, &json!({"apiId": id, "apiEndpoint": endpoint}), &[]);
            ctx.state.apis.insert(id, Api { doc: doc.clone(), ..Api::default() });
            return Ok(doc);
        }
        "GetApis" => {
            let all = ctx.state.apis.values().map(|api| api.doc.clone()).collect();
            return Ok(paged(ctx, all, input));
        }
        _ => {}
    }
    let api = ctx.state.apis.get_mut(&id).ok_or_else(missing)?;
    match operation {
        "GetApi" => Ok(api.doc.clone()),
        "UpdateApi" => {
            overlay(&mut api.doc, input, &["apiId"]);
            Ok(api.doc.clone())
        }
        "DeleteCorsConfiguration" => {
            api.doc.as_object_mut().unwrap().remove("corsConfiguration");
            Ok(json!({}))
        }
        "DeleteApi" => {
            ctx.state.apis.remove(&id);
            Ok(json!({}))
        }
        _ => part(ctx, &id, operation, input),
    }
}

fn paged(ctx: &Ctx<'_>, all: Vec<Value>, input: &Value) -> Value {
    let (page, next) = ctx.page(all, input.get("nextToken").and_then(Value::as_str));
    object([("items", page.into()), ("nextToken", json!(next))])
}

fn part(ctx: &mut Ctx<'_>, api: &str, operation: &str, input: &Value) -> Answer {
    let (word, kind, member, unique) =
        *PARTS.iter().find(|(word, ..)| operation.contains(word)).expect("a part of an API");
    let new = ctx.state.id(kind);
    if operation == format!("Get{word}s") {
        let all = ctx.state.apis[api].parts(kind).values().cloned().collect();
        return Ok(paged(ctx, all, input));
    }
    let parts = ctx.state.apis.get_mut(api).ok_or_else(missing)?.parts_mut(kind);
    let id = text(input, member).to_owned();
    match operation.strip_suffix(word).unwrap_or_default() {
        "Create" => {
            let same = |doc: &Value| !unique.is_empty() && doc[unique] == input[unique];
            if parts.values().any(same) {
                let message = format!("{word} with key {} already exists for this API", input[unique]);
                return Err(Refusal::new("ConflictException", message).status(409));
            }
            let id = if member == "stageName" { id } else { new };
            let mut doc = input.clone();
            overlay(&mut doc, &json!({ member: id }), &[]);
            parts.insert(id, doc.clone());
            Ok(doc)
        }
        "Get" => parts.get(&id).cloned().ok_or_else(missing),
        "Update" => {
            let doc = parts.get_mut(&id).ok_or_else(missing)?;
            overlay(doc, input, &["apiId"]);
            Ok(doc.clone())
        }
        "Delete" => parts.remove(&id).map(|_| json!({})).ok_or_else(missing),
        other => panic!("the hostile AWS has no {other}{word}"),
    }
}

/// `arn:aws:apigateway:region::/apis/id` or `…/apis/id/stages/name`.
fn tagging(ctx: &mut Ctx<'_>, operation: &str, input: &Value) -> Answer {
    let arn = text(input, "resourceArn");
    let mut path = arn.split("/apis/").nth(1).unwrap_or_default().split('/');
    let api = ctx.state.apis.get_mut(path.next().unwrap_or_default()).ok_or_else(missing)?;
    let doc = match path.nth(1) {
        Some(stage) => api.stages.get_mut(stage).ok_or_else(missing)?,
        None => &mut api.doc,
    };
    let mut tags = crate::state::tags(doc.get("tags"));
    match operation {
        "GetTags" => return Ok(json!({ "tags": tags })),
        "TagResource" => tags.extend(crate::state::tags(input.get("tags"))),
        _ => untag(&mut tags, input.get("tagKeys")),
    }
    doc["tags"] = json!(tags);
    Ok(json!({}))
}
