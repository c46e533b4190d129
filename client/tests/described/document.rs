//! `docs/openapi.json`, as far as the tests ask it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::support::Seen;

pub struct Document(Value);

/// The same, without members that are null.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect(),
        Value::Array(values) => values.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

impl Document {
    pub fn read() -> Self {
        Self(serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap())
    }

    fn resolved<'a>(&'a self, mut value: &'a Value) -> &'a Value {
        while let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            value = self.0.pointer(reference.trim_start_matches('#')).unwrap();
        }
        value
    }

    fn each_operation(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        self.0["paths"].as_object().unwrap().iter().flat_map(|(path, operations)| {
            let operations =
                operations.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters");
            operations.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
        })
    }

    fn parameters<'a>(&'a self, operation: &'a Value) -> impl Iterator<Item = &'a Value> {
        operation["parameters"].as_array().into_iter().flatten().map(|parameter| self.resolved(parameter))
    }

    /// Every operation, with the parameters that are not in its path.
    pub fn operations(&self) -> BTreeMap<String, BTreeSet<String>> {
        let one = |(_, _, operation): (&str, &str, &Value)| {
            let parameters = self.parameters(operation).filter(|parameter| parameter["in"] != "path");
            let names = parameters.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect();
            (operation["operationId"].as_str().unwrap().to_owned(), names)
        };
        self.each_operation().map(one).collect()
    }

    /// The operation of a request; a path that is written out goes before one with variables.
    pub fn operation(&self, method: &str, path: &str) -> &Value {
        let fits = |template: &str| {
            let (template, path): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), path.split('/').collect());
            let same = |(wanted, is): (&&str, &&str)| wanted.starts_with('{') || wanted == is;
            template.len() == path.len() && template.iter().zip(&path).all(same)
        };
        let found = self
            .each_operation()
            .filter(|(known, template, _)| known.eq_ignore_ascii_case(method) && fits(template));
        let best = found.min_by_key(|(_, template, _)| template.matches('{').count());
        best.unwrap_or_else(|| panic!("no operation is `{method} {path}`")).2
    }

    /// What is wrong with a request.
    pub fn mistakes(&self, operation: &Value, request: &Seen) -> Vec<String> {
        let mut mistakes = Vec::new();
        let known: BTreeSet<&str> =
            self.parameters(operation).map(|parameter| parameter["name"].as_str().unwrap()).collect();
        let headers = ["idempotency-key", "if-match", "if-none-match"];
        let sent = request.query.iter().map(|(name, _)| name.as_str());
        let sent = sent.chain(headers.into_iter().filter(|name| request.header(name).is_some()));
        mistakes.extend(
            sent.filter(|name| !known.contains(name)).map(|name| format!("`{name}` is no parameter")),
        );
        let secured = operation["security"].as_array().is_some_and(|ways| !ways.is_empty());
        if request.header("authorization").is_some() != secured {
            mistakes.push("the token is missing, or there although nobody asked".to_owned());
        }
        let body = &operation["requestBody"];
        if request.body.is_empty() {
            if body["required"] == true {
                mistakes.push("the body is missing".to_owned());
            }
            return mistakes;
        }
        let media_type = request.header("content-type").unwrap_or_default();
        match body["content"].get(media_type) {
            Some(content) => self.check(&content["schema"], &request.json(), "body", &mut mistakes),
            None => mistakes.push(format!("a body of `{media_type}`")),
        }
        mistakes
    }

    /// The words that matter to what a client sends.
    fn check(&self, schema: &Value, value: &Value, at: &str, mistakes: &mut Vec<String>) {
        let schema = self.resolved(schema);
        let mut wrong = |what: String| mistakes.push(format!("{at}: {what}: {value}"));
        for name in schema["required"].as_array().into_iter().flatten() {
            if value.get(name.as_str().unwrap()).is_none() {
                wrong(format!("lacks {name}"));
            }
        }
        if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            wrong("is no such word".to_owned());
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            match schema["properties"].get(name) {
                Some(schema) => self.check(schema, value, &format!("{at}.{name}"), mistakes),
                None if schema["additionalProperties"] == false => {
                    mistakes.push(format!("{at}: `{name}` is not described"))
                }
                None => {}
            }
        }
        for value in value.as_array().into_iter().flatten().filter(|_| schema.get("items").is_some()) {
            self.check(&schema["items"], value, &format!("{at}[]"), mistakes);
        }
    }

    /// A good answer, with all that may be in it.
    pub fn answer(&self, operation: &Value) -> (u16, Option<Value>) {
        let responses = operation["responses"].as_object().unwrap();
        let (status, response) = responses.iter().find(|(status, _)| status.starts_with('2')).unwrap();
        let schema =
            self.resolved(response)["content"].get("application/json").map(|content| &content["schema"]);
        let mut body = schema.map(|schema| self.sample(schema, true));
        // One page is enough.
        if let Some(next) = body.as_mut().and_then(|body| body.get_mut("next")) {
            *next = Value::Null;
        }
        (status.parse().unwrap(), body)
    }

    pub fn schemas(&self) -> BTreeSet<&str> {
        self.0["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// The pages: whatever they are of is a schema itself, and is checked as such.
    pub fn pages(&self) -> BTreeMap<&str, Vec<String>> {
        let pages = self.schemas().into_iter().filter(|name| name.ends_with("Page"));
        let known = json!(["items", "next"]);
        pages
            .map(|name| {
                let page = &self.0["components"]["schemas"][name];
                let good =
                    page["required"] == known && page["properties"]["items"]["items"].get("$ref").is_some();
                (name, if good { Vec::new() } else { vec!["is no page".to_owned()] })
            })
            .collect()
    }

    /// Values of a schema: its examples, one with all that may be there, one with no more than what must; and one of each
    /// kind, if it has kinds.
    pub fn samples(&self, name: &str) -> Vec<Value> {
        let schema = &self.0["components"]["schemas"][name];
        let mut samples = vec![self.sample(schema, true), self.sample(schema, false)];
        if let Some(kinds) = schema["properties"]["kind"]["enum"].as_array().filter(|_| name == "Exported") {
            let of = |kind: &Value| {
                let word = kind.as_str().unwrap();
                json!({"kind": kind, word: self.sample(&schema["properties"][word], true)})
            };
            samples = kinds.iter().map(of).collect();
        }
        samples.extend(schema["enum"].as_array().into_iter().flatten().cloned());
        samples.extend(schema["examples"].as_array().into_iter().flatten().cloned());
        samples
    }

    /// The parts of the examples of a schema, which is a list of them under a name.
    pub fn examples(&self, schema: &str, parts: &str) -> Vec<Value> {
        let examples = self.0["components"]["schemas"][schema]["examples"].as_array().unwrap();
        let parts: Vec<Value> =
            examples.iter().flat_map(|example| example[parts].as_array().unwrap().clone()).collect();
        assert!(!parts.is_empty(), "{schema}");
        parts
    }

    fn sample(&self, schema: &Value, all: bool) -> Value {
        let schema = self.resolved(schema);
        let first = |word: &str| schema[word].as_array().and_then(|values| values.first()).cloned();
        if let Some(value) = first("enum") {
            return value;
        }
        if let Some(one) = schema["oneOf"].as_array().filter(|_| schema["type"] != "object") {
            // The one with most in it says most.
            return self.sample(if all { one.last().unwrap() } else { one.first().unwrap() }, all);
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) if all => kinds[0].clone(),
            Value::Array(_) => return Value::Null,
            kind => kind.clone(),
        };
        match kind.as_str().unwrap_or_default() {
            "object" => self.object(schema, all),
            "array" if all => json!([self.sample(&schema["items"], all)]),
            "array" => json!([]),
            "integer" => json!(schema["minimum"].as_i64().unwrap_or(0) + 1),
            "boolean" => json!(all),
            _ => first("examples").unwrap_or_else(|| {
                // The types of problems and the names of requests have a beginning.
                let pattern = schema["pattern"].as_str().unwrap_or_default();
                let beginning = pattern.strip_prefix("^urn:").and_then(|rest| rest.rsplit_once(':'));
                beginning.map_or(json!("text"), |(beginning, _)| json!(format!("urn:{beginning}:text")))
            }),
        }
    }

    fn object(&self, schema: &Value, all: bool) -> Value {
        let required =
            |name: &String| schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
        let properties = schema["properties"].as_object().into_iter().flatten();
        let mut members: Map<String, Value> = properties
            .filter(|(name, _)| all || required(name))
            .map(|(name, schema)| (name.clone(), self.sample(schema, all)))
            .collect();
        if schema.get("properties").is_none() && all {
            members.insert("glucose".to_owned(), json!(2));
        }
        Value::Object(members)
    }
}
