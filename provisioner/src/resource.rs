//! Resources as the planner sees them: an address, a document of desired attributes, references between them.
//!
//! Every kind describes what it wants as a plain JSON document. That one choice gives, for all kinds at once,
//! the dependency graph (from the references inside), `known after apply` (references whose target is not there
//! yet), attribute-level differences, and plans that can be saved and reviewed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a resource stands in the stack: `table.data`, `function.api`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    /// The kind's name, as in [`crate::kinds::Kind::name`].
    pub kind: String,
    /// The resource's name within the stack and kind.
    pub name: String,
}

impl Address {
    /// The address `kind.name`.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }
}
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
    }
}
impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}
impl TryFrom<String> for Address {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once('.') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(Self::new(kind, name)),
            _ => Err(format!("`{text}` is not an address such as `table.data`")),
        }
    }
}

/// Outputs of a resource that exists: `arn`, `url`, … Only texts.
pub type Outputs = BTreeMap<String, String>;

/// A text attribute that may come from another resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Known as written.
    Text(String),
    /// An output of another resource.
    Ref(Address, &'static str),
    /// Several, one after the other.
    Join(Vec<Input>),
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Input {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Serialize for Input {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl Input {
    /// The document form: a string, `{"$ref": "table.data#arn"}`, or `{"$join": […]}`.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::Ref(address, output) => serde_json::json!({ "$ref": format!("{address}#{output}") }),
            Self::Join(parts) => {
                serde_json::json!({ "$join": parts.iter().map(Self::to_value).collect::<Vec<_>>() })
            }
        }
    }
}

/// One resource that the stack wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Where it stands.
    pub address: Address,
    /// What is wanted, with references inside.
    pub attributes: Value,
}

/// A document whose references were replaced as far as they are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The document; what is not known yet reads `{"$unknown": "table.data#arn"}`.
    pub attributes: Value,
    /// Whether everything is known.
    pub complete: bool,
}

/// The resources whose outputs a document refers to.
pub fn dependencies(attributes: &Value) -> BTreeSet<Address> {
    let mut found = BTreeSet::new();
    walk(attributes, &mut |reference| {
        if let Some((address, _)) = split(reference) {
            found.insert(address);
        }
    });
    found
}

fn split(reference: &str) -> Option<(Address, &str)> {
    let (address, output) = reference.split_once('#')?;
    Some((Address::try_from(address.to_owned()).ok()?, output))
}

fn walk(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                visit(reference);
            }
            object.values().for_each(|v| walk(v, visit));
        }
        Value::Array(array) => array.iter().for_each(|v| walk(v, visit)),
        _ => {}
    }
}

/// Replaces references by outputs; `outputs` gives what is known of an address.
pub fn resolve(attributes: &Value, outputs: &dyn Fn(&Address) -> Option<Outputs>) -> Resolved {
    let mut complete = true;
    let attributes = resolve_value(attributes, outputs, &mut complete);
    Resolved { attributes, complete }
}

fn resolve_value(value: &Value, outputs: &dyn Fn(&Address) -> Option<Outputs>, complete: &mut bool) -> Value {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                let known =
                    split(reference).and_then(|(address, output)| outputs(&address)?.get(output).cloned());
                return known.map_or_else(
                    || {
                        *complete = false;
                        serde_json::json!({ "$unknown": reference })
                    },
                    Value::String,
                );
            }
            if let Some(Value::Array(parts)) = object.get("$join") {
                let parts: Vec<Value> =
                    parts.iter().map(|part| resolve_value(part, outputs, complete)).collect();
                let texts: Option<String> = parts.iter().map(Value::as_str).collect();
                return texts.map_or_else(|| serde_json::json!({ "$unknown": parts }), Value::String);
            }
            Value::Object(
                object.iter().map(|(k, v)| (k.clone(), resolve_value(v, outputs, complete))).collect(),
            )
        }
        Value::Array(array) => {
            Value::Array(array.iter().map(|v| resolve_value(v, outputs, complete)).collect())
        }
        other => other.clone(),
    }
}

/// Whether a (sub)document is a value that is known only after another resource was applied.
pub fn is_unknown(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.contains_key("$unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_give_dependencies_and_unknowns() {
        let table = Address::new("table", "data");
        let wanted = json!({
            "arn": Input::Ref(table.clone(), "arn").to_value(),
            "path": Input::Join(vec!["x/".into(), Input::Ref(table.clone(), "name")]).to_value(),
        });
        assert_eq!(dependencies(&wanted), BTreeSet::from([table.clone()]));
        let none = resolve(&wanted, &|_| None);
        assert!(
            !none.complete && is_unknown(&none.attributes["arn"]) && is_unknown(&none.attributes["path"])
        );
        let outputs = Outputs::from([("arn".into(), "A".into()), ("name".into(), "N".into())]);
        let all = resolve(&wanted, &|_| Some(outputs.clone()));
        assert_eq!((all.attributes, all.complete), (json!({"arn": "A", "path": "x/N"}), true));
    }
}
