//! Every key of stack.yaml: one table from which the reader knows its keys, and from which the JSON Schema and
//! the tables of `docs/stack-yaml.md` are made.

mod keys;

pub use keys::*;
use serde_json::{Map, Value as Json, json};

/// A mapping with known keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Its name in the schema and the reference.
    pub name: &'static str,
    /// Where it stands: `dataTypes.<name>.fields.<name>`.
    pub path: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// One key of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What kind of value it has, for people.
    pub kind: &'static str,
    /// What it is if the key is left out: `required`, or a value.
    pub default: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Its JSON Schema.
    pub schema: &'static str,
}

const REQUIRED: &str = "required";
const TEXT: &str = r#"{"type":"string"}"#;

/// The JSON Schema of stack.yaml, for editors.
pub fn json_schema() -> Json {
    let mut defs: Map<String, Json> =
        SECTIONS.iter().skip(1).map(|section| (section.name.to_owned(), section_schema(section))).collect();
    defs.insert("variable".into(), json!({ "type": "string", "pattern": "\\$\\{[A-Za-z_]" }));
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Freehold stack",
    });
    if let (Some(schema), Json::Object(root)) = (schema.as_object_mut(), section_schema(&ROOT)) {
        schema.extend(root);
        schema.insert("$defs".into(), defs.into());
    }
    schema
}

fn section_schema(section: &Section) -> Json {
    let required: Vec<&str> = section.keys.iter().filter(|k| k.default == REQUIRED).map(|k| k.name).collect();
    let properties: Map<String, Json> =
        section.keys.iter().map(|key| (key.name.to_owned(), key_schema(key))).collect();
    let mut schema = json!({
        "description": section.doc, "type": "object", "additionalProperties": false, "properties": properties,
    });
    if let (Some(schema), false) = (schema.as_object_mut(), required.is_empty()) {
        schema.insert("required".into(), json!(required));
    }
    schema
}

fn key_schema(key: &Key) -> Json {
    let shape: Json = serde_json::from_str(key.schema).unwrap_or(Json::Null);
    let open = matches!(shape.get("type").and_then(Json::as_str), Some("object" | "array"))
        || shape.get("$ref").is_some()
        || key.schema == TEXT;
    // Where a value has a form, a `${VARIABLE}` may stand for it.
    let mut schema = if open { shape } else { json!({ "anyOf": [shape, { "$ref": "#/$defs/variable" }] }) };
    if let Some(schema) = schema.as_object_mut() {
        let default =
            if key.default == REQUIRED { String::new() } else { format!(" Default: {}.", key.default) };
        schema.insert("description".into(), format!("{}{default}", key.doc).into());
    }
    schema
}

/// The reference's table of one section, in Markdown.
pub fn markdown_table(section: &Section) -> String {
    let mut table = String::from("| key | value | default | meaning |\n|---|---|---|---|\n");
    for key in section.keys {
        let default = if key.default == REQUIRED { "**required**" } else { key.default };
        table.push_str(&format!(
            "| `{}` | {} | {default} | {} |\n",
            key.name,
            key.kind.replace('|', "\\|"),
            key.doc
        ));
    }
    table
}
