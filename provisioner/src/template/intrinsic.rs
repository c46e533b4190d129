//! References as CloudFormation writes them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::DOCUMENT;
use crate::resource::{Address, Resource, dependencies};

/// All resources, by their addresses, with the ids that they have in the template.
pub(super) struct Scope<'a> {
    resources: BTreeMap<&'a Address, &'a Resource>,
    ids: BTreeMap<&'a Address, String>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(resources: &'a [Resource]) -> Self {
        let mut taken = BTreeSet::new();
        let mut ids = BTreeMap::new();
        for resource in resources {
            let wanted = logical_id(&resource.address);
            // Names may differ by characters only that ids cannot have.
            let mut id = wanted.clone();
            let mut n = 2;
            while !taken.insert(id.clone()) {
                id = format!("{wanted}{n}");
                n += 1;
            }
            ids.insert(&resource.address, id);
        }
        Self { resources: resources.iter().map(|r| (&r.address, r)).collect(), ids }
    }

    /// A resource's id in the template.
    pub(super) fn id(&self, address: &Address) -> String {
        self.ids.get(address).cloned().unwrap_or_else(|| logical_id(address))
    }

    /// An output of a resource, if CloudFormation knows it.
    pub(super) fn output(&self, address: &Address, output: &str) -> Option<Value> {
        let id = self.ids.get(address)?;
        let attribute = |name: &str| Some(json!({ "Fn::GetAtt": [id, name] }));
        let sign_in = |path: &str| {
            let url = format!("https://${{{id}}}.auth.${{AWS::Region}}.amazoncognito.com{path}");
            Some(json!({ "Fn::Sub": url }))
        };
        match (address.kind.as_str(), output) {
            ("stackdoc", "hash") => Some(json!({ "Ref": DOCUMENT })),
            // CloudFormation's own ends with `:*`, ours does not.
            ("log_group", "arn") => {
                let arn = format!(
                    "arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:${{{id}}}"
                );
                Some(json!({ "Fn::Sub": arn }))
            }
            ("queue", "name") => attribute("QueueName"),
            ("user_pool", "issuer") => attribute("ProviderURL"),
            ("user_pool_domain", "baseUrl") => sign_in(""),
            ("user_pool_domain", "authorizeUrl") => sign_in("/oauth2/authorize"),
            ("user_pool_domain", "tokenUrl") => sign_in("/oauth2/token"),
            ("user_pool_domain", "userInfoUrl") => sign_in("/oauth2/userInfo"),
            // Known as written; that it has to be there first is said by `DependsOn`.
            ("resource_server", "identifier") => {
                self.resources.get(address)?.attributes.get("identifier").cloned()
            }
            ("http_api", "endpoint") => attribute("ApiEndpoint"),
            (_, "arn") => attribute("Arn"),
            (_, "streamArn") => attribute("StreamArn"),
            (_, "roleId") => attribute("RoleId"),
            ("table" | "role" | "function" | "log_group" | "schedule", "name")
            | (_, "id" | "url" | "prefix") => Some(json!({ "Ref": id })),
            _ => None,
        }
    }

    /// The ids of resources that attributes refer to by texts that are known beforehand.
    pub(super) fn named(&self, attributes: &Value) -> Vec<String> {
        let named = dependencies(attributes).into_iter().filter(|address| address.kind == "resource_server");
        named.map(|address| self.id(&address)).collect()
    }

    /// A document with CloudFormation's functions in the place of references.
    pub(super) fn intrinsic(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    return self.reference(reference);
                }
                if let Some(parts) = fields.get("$join").and_then(Value::as_array) {
                    return self.join(parts);
                }
                fields.iter().map(|(key, value)| (key.clone(), self.intrinsic(value))).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.intrinsic(item)).collect(),
            Value::String(text) if text.contains("${AWS::") => json!({ "Fn::Sub": text }),
            other => other.clone(),
        }
    }

    fn reference(&self, reference: &str) -> Value {
        let found = reference
            .split_once('#')
            .and_then(|(address, output)| self.output(&Address::try_from(address.to_owned()).ok()?, output));
        // A kind whose outputs are not in the table above: a checker will say so.
        found.unwrap_or_else(|| json!({ "Ref": reference }))
    }

    /// Texts and references, one after the other, as one substitution where that can be said.
    fn join(&self, parts: &[Value]) -> Value {
        let parts: Vec<Value> = parts.iter().map(|part| self.intrinsic(part)).collect();
        let texts: Option<Vec<String>> = parts.iter().map(inline).collect();
        match texts.map(|texts| texts.concat()) {
            Some(text) if text.contains("${") => json!({ "Fn::Sub": text }),
            Some(text) => Value::String(text),
            None => json!({ "Fn::Join": ["", parts] }),
        }
    }
}

/// A part as it stands within `Fn::Sub`.
fn inline(part: &Value) -> Option<String> {
    if let Some(text) = part.as_str() {
        return Some(text.to_owned());
    }
    if let Some(text) = part.get("Fn::Sub").and_then(Value::as_str) {
        return Some(text.to_owned());
    }
    if let Some(id) = part.get("Ref").and_then(Value::as_str) {
        return Some(format!("${{{id}}}"));
    }
    let attribute = part.get("Fn::GetAtt")?.as_array()?;
    let names: Vec<&str> = attribute.iter().filter_map(Value::as_str).collect();
    Some(format!("${{{}}}", names.join(".")))
}

/// `route.get-user-data` as `RouteGetUserData`.
fn logical_id(address: &Address) -> String {
    let words = [address.kind.as_str(), address.name.as_str()];
    let words = words.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric()));
    words.fold(String::new(), |mut id, word| {
        let mut chars = word.chars();
        id.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        id.extend(chars);
        id
    })
}
