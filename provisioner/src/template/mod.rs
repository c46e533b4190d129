//! The stack as a CloudFormation template, for whoever reads templates: reviewers and template checkers.
//!
//! It says what `provision` makes, in the words of CloudFormation. It is not how a stack is deployed: what CloudFormation
//! has no type for (the declared groups, the document that functions run with) is left out and listed.

mod api;
mod compute;
mod data;
mod identity;
mod intrinsic;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::resource::{Address, Resource};
use intrinsic::Scope;

/// What stands for the account and the region in texts, and becomes CloudFormation's own.
pub const ACCOUNT: &str = "${AWS::AccountId}";
/// See [`ACCOUNT`].
pub const REGION: &str = "${AWS::Region}";

/// Where the functions' code lies is only known to whoever uploads it.
const BUCKET: &str = "FunctionsBucket";
/// The hash of the document that functions run with, which CloudFormation cannot make.
const DOCUMENT: &str = "StackDocumentHash";

/// A resource in the words of CloudFormation.
struct Typed {
    kind: &'static str,
    properties: Value,
    fate: Fate,
}

/// What becomes of a resource when its stack goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// As usual.
    Unsaid,
    /// It stays: people's data is in it.
    Stays,
    /// It goes, although something is in it: nothing that people own.
    Goes,
}

impl Typed {
    fn new(kind: &'static str, properties: Value) -> Option<Self> {
        Some(Self { kind, properties, fate: Fate::Unsaid })
    }

    fn with(self, fate: Fate) -> Self {
        Self { fate, ..self }
    }
}

/// The template of a stack's resources.
pub fn cloudformation(stack: &str, resources: &[Resource]) -> Value {
    let scope = Scope::new(resources);
    let mut made = Map::new();
    let mut left_out = BTreeMap::<&str, usize>::new();
    for resource in resources {
        let Some(typed) = typed(resource, &scope) else {
            *left_out.entry(resource.address.kind.as_str()).or_default() += 1;
            continue;
        };
        let mut body = json!({ "Type": typed.kind, "Properties": without_nulls(typed.properties) });
        if let Some(body) = body.as_object_mut() {
            if typed.fate != Fate::Unsaid {
                let policy = if typed.fate == Fate::Stays { "Retain" } else { "Delete" };
                body.insert("DeletionPolicy".into(), policy.into());
                body.insert("UpdateReplacePolicy".into(), policy.into());
            }
            let named = scope.named(&resource.attributes);
            if !named.is_empty() {
                body.insert("DependsOn".into(), named.into());
            }
        }
        made.insert(scope.id(&resource.address), body);
    }
    let left_out: Vec<String> = left_out.iter().map(|(kind, n)| format!("{kind}: {n}")).collect();
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("The Freehold stack {stack}, as `provision` makes it. For reading and checking."),
        "Metadata": { "Freehold": { "LeftOut": left_out } },
        "Parameters": parameters(),
        "Resources": made,
        "Outputs": outputs(&scope),
    })
}

fn parameters() -> Value {
    json!({
        BUCKET: { "Type": "String", "Description": "The bucket that the packed functions are in" },
        DOCUMENT: {
            "Type": "String",
            "Description": "The hash of the document that functions run with; provision writes both",
        },
    })
}

fn outputs(scope: &Scope<'_>) -> Value {
    let output = |kind: &str, name: &str, what: &str, text: &str| {
        let value = scope.output(&Address::new(kind, name), what)?;
        Some(json!({ "Description": text, "Value": value }))
    };
    let all = [
        ("ApiUrl", output("http_api", "api", "endpoint", "Where the API is")),
        ("ClientId", output("user_pool_client", "main", "id", "The client that people sign in with")),
        ("PoolId", output("user_pool", "main", "id", "The user pool")),
    ];
    let all: Map<String, Value> =
        all.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect();
    Value::Object(all)
}

/// A resource in the words of CloudFormation, if it has words for it.
fn typed(resource: &Resource, scope: &Scope<'_>) -> Option<Typed> {
    let of = Attributes { scope, all: &resource.attributes };
    match resource.address.kind.as_str() {
        "table" => data::table(&of),
        "queue" => data::queue(&of),
        "log_group" => compute::log_group(&of),
        "role" => compute::role(&of),
        "function" => compute::function(&of, &resource.address.name),
        "mapping" => compute::mapping(&of),
        "permission" => compute::permission(&of),
        "schedule" => compute::schedule(&of),
        "user_pool" => identity::user_pool(&of),
        "user_pool_client" => identity::user_pool_client(&of),
        "user_pool_domain" => identity::user_pool_domain(&of),
        "resource_server" => identity::resource_server(&of),
        "http_api" => api::http_api(&of),
        "authorizer" => api::authorizer(&of),
        "integration" => api::integration(&of),
        "route" => api::route(&of),
        "stage" => api::stage(&of),
        _ => None,
    }
}

/// A resource's attributes with CloudFormation's functions in the place of references.
struct Attributes<'a> {
    scope: &'a Scope<'a>,
    all: &'a Value,
}

impl Attributes<'_> {
    /// The attribute at a path such as `billing/mode`; null if it has none.
    fn get(&self, path: &str) -> Value {
        self.at(path).map_or(Value::Null, |value| self.scope.intrinsic(value))
    }

    fn at(&self, path: &str) -> Option<&Value> {
        path.split('/').try_fold(self.all, |value, key| value.get(key)).filter(|value| !value.is_null())
    }

    /// Whether there is such an attribute, and it is not null.
    fn has(&self, path: &str) -> bool {
        self.at(path).is_some()
    }

    fn is(&self, path: &str, value: &str) -> bool {
        self.at(path).and_then(Value::as_str) == Some(value)
    }

    fn truth(&self, path: &str) -> bool {
        self.at(path).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Tags as a list, as most types want them.
    fn tag_list(&self) -> Value {
        let tags = self.at("tags").and_then(Value::as_object);
        let tag =
            |(key, value): (&String, &Value)| json!({ "Key": key, "Value": self.scope.intrinsic(value) });
        let tags = tags.into_iter().flatten().map(tag);
        tags.collect()
    }
}

/// Takes away what is not said: CloudFormation has no null.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
