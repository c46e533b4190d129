//! Everything that is in the account, and what services have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::data::Data;
use crate::request::Service;
use crate::services::apigateway::Api;
use crate::services::cognito::Pool;
use crate::services::dynamodb::Table;
use crate::services::events::Rule;
use crate::services::iam::Role;
use crate::services::lambda::Function;
use crate::services::logs::LogGroup;
use crate::services::mappings::Mapping;
use crate::services::sqs::Queue;
use crate::switches::Switches;

/// Tags.
pub type Tags = BTreeMap<String, String>;

/// What is in the account. Public, so that tests can do by hand what people do at the console.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// By name.
    pub tables: BTreeMap<String, Table>,
    /// By name.
    pub roles: BTreeMap<String, Role>,
    /// By name.
    pub functions: BTreeMap<String, Function>,
    /// By id.
    pub mappings: BTreeMap<String, Mapping>,
    /// By name.
    pub queues: BTreeMap<String, Queue>,
    /// Names of deleted queues, and when that was.
    pub deleted_queues: BTreeMap<String, Duration>,
    /// By id.
    pub pools: BTreeMap<String, Pool>,
    /// The pools of sign-in addresses, by prefix.
    pub domains: BTreeMap<String, String>,
    /// By id.
    pub apis: BTreeMap<String, Api>,
    /// By name.
    pub log_groups: BTreeMap<String, LogGroup>,
    /// By name.
    pub rules: BTreeMap<String, Rule>,
    /// Functions whose creation has failed once.
    pub failed_once: BTreeSet<String>,
    /// How many calls each quota still has, and since when.
    pub(crate) tokens: BTreeMap<(Service, &'static str), (Duration, f64)>,
    serial: u64,
}

impl State {
    /// An id that nothing has had.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        self.serial += 1;
        format!("{prefix}{:06}", self.serial)
    }

    /// Everything that is there, by kind and name; what is there twice is listed twice.
    pub fn inventory(&self) -> Vec<String> {
        let mut list: Vec<String> = Vec::new();
        let mut add = |kind: &str, name: &str| list.push(format!("{kind} {name}"));
        self.tables.keys().for_each(|name| add("table", name));
        self.roles.keys().for_each(|name| add("role", name));
        self.functions.keys().for_each(|name| add("function", name));
        self.mappings.values().for_each(|mapping| add("mapping", &mapping.function));
        self.queues.keys().for_each(|name| add("queue", name));
        self.domains.keys().for_each(|prefix| add("domain", prefix));
        self.log_groups.keys().for_each(|name| add("log group", name));
        self.rules.keys().for_each(|name| add("rule", name));
        for (name, function) in &self.functions {
            // Ids of ours tell what is allowed, and so depend on the ids of others.
            let ours = |id: &str| if id.starts_with("freehold-") { "freehold" } else { id }.to_owned();
            function.statements.iter().for_each(|(id, _)| add("permission", &format!("{name} {}", ours(id))));
        }
        for pool in self.pools.values() {
            add("pool", pool.doc["Name"].as_str().unwrap_or_default());
            pool.clients.values().for_each(|c| add("client", c["ClientName"].as_str().unwrap_or_default()));
            pool.servers.keys().for_each(|identifier| add("resource server", identifier));
        }
        for api in self.apis.values() {
            add("api", api.doc["name"].as_str().unwrap_or_default());
            let parts = [("route", "routeKey"), ("integration", "description"), ("authorizer", "name")];
            for (kind, name) in parts {
                let docs = api.parts(kind).values();
                docs.for_each(|doc| add(kind, doc[name].as_str().unwrap_or_default()));
            }
            api.stages.keys().for_each(|name| add("stage", name));
        }
        list.sort();
        list
    }

    /// What is there more than once.
    pub fn duplicates(&self) -> Vec<String> {
        let list = self.inventory();
        let mut twice: Vec<String> =
            list.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
        twice.dedup();
        twice
    }
}

/// What a call is answered with.
pub(crate) struct Ctx<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) data: &'a Data,
    pub(crate) switches: &'a mut Switches,
    /// Since the account was opened.
    pub(crate) now: Duration,
}

impl Ctx<'_> {
    /// One page of a list whose token is a position in it.
    pub(crate) fn page(&self, items: Vec<Value>, token: Option<&str>) -> (Vec<Value>, Option<String>) {
        let from = token.and_then(|token| token.parse().ok()).unwrap_or(0);
        let size = if self.switches.pages_of_one { 1 } else { 50 };
        let next = (from + size < items.len()).then(|| (from + size).to_string());
        (items.into_iter().skip(from).take(size).collect(), next)
    }
}

pub(crate) fn text<'v>(input: &'v Value, key: &str) -> &'v str {
    input.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A document of the pairs that are not null.
pub(crate) fn object<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Tags from `{"a": "1"}` or `[{"Key": "a", "Value": "1"}]`.
pub(crate) fn tags(value: Option<&Value>) -> Tags {
    match value {
        Some(Value::Object(map)) => map
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        Some(Value::Array(list)) => {
            list.iter().map(|tag| (text(tag, "Key").to_owned(), text(tag, "Value").to_owned())).collect()
        }
        _ => Tags::new(),
    }
}

/// Takes away the tags of these keys.
pub(crate) fn untag(tags: &mut Tags, keys: Option<&Value>) {
    for key in keys.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        tags.remove(key);
    }
}

/// `[{"Key": "a", "Value": "1"}]`.
pub(crate) fn tag_list(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// Lays the members of `input` over those of `doc`, but for these.
pub(crate) fn overlay(doc: &mut Value, input: &Value, except: &[&str]) {
    let (Some(doc), Some(input)) = (doc.as_object_mut(), input.as_object()) else { return };
    let members = input.iter().filter(|(key, _)| !except.contains(&key.as_str()));
    doc.extend(members.map(|(key, value)| (key.clone(), value.clone())));
}

/// Only these members.
pub(crate) fn only(input: &Value, keys: &[&str]) -> Value {
    let members = input.as_object().cloned().unwrap_or_default().into_iter();
    Value::Object(members.filter(|(key, _)| keys.contains(&key.as_str())).collect::<Map<_, _>>())
}
