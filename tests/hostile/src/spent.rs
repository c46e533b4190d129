//! An apply from nothing under delays, beside what it must take at least.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use provision::resource::Address;
use provision::{Approval, Options};
use tokio::time::Instant;

use crate::chain::{Run, Worth};
use crate::world::Timed;
use crate::{Aws, Latency, Record, Service, Switches, World};

/// How long a new table is busy.
const TABLE: Duration = Duration::from_secs(8);
/// How long a new event source mapping takes.
const MAPPING: Duration = Duration::from_secs(15);
/// How long a new role cannot be assumed.
const ROLE: Duration = Duration::from_secs(10);

/// What an apply took.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// Resources that were made.
    pub resources: usize,
    /// How long it took.
    pub took: Duration,
    /// How long its longest chain takes.
    pub least: Duration,
}

impl Spent {
    /// How many times its longest chain it took.
    pub fn ratio(&self) -> f64 {
        self.took.as_secs_f64() / self.least.as_secs_f64()
    }
}

/// Calls that take between 50 and 400 ms by chance of this seed, and things that take their time to become ready.
pub fn switches(seed: u64) -> Switches {
    Switches {
        latency: Latency::Between(Duration::from_millis(50), Duration::from_millis(400), seed),
        table_settles: TABLE,
        mapping_settles: MAPPING,
        role_assumable: ROLE,
        ..Switches::default()
    }
}

/// The usual stack with so many more groups.
pub fn large(groups: usize) -> String {
    let groups: String = (0..groups)
        .map(|number| {
            format!("  group-{number}:\n    owner: owner@example.org\n    rules:\n      - types: [glucose]\n")
        })
        .collect();
    crate::world::usual().replacen("\ngroups:\n", &format!("\ngroups:\n{groups}"), 1)
}

/// The resource that a call is about, by the names in it.
fn subject(record: &Record, groups: &[Address]) -> Option<Address> {
    let text = record.call.input.to_string();
    if record.is_bookkeeping() {
        // `"sk": {"S": "table.data"}` of the resource's own row.
        let row =
            text.split("\"sk\":{\"S\":\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
        return row.filter_map(|key| Address::try_from(key.to_owned()).ok()).next();
    }
    let short = |key: &str| {
        let name = record.call.text(key).rsplit(['/', ':']).next().unwrap_or_default();
        name.strip_prefix("acme-").unwrap_or(name).to_owned()
    };
    let (service, operation) = (record.call.service, record.call.operation.as_str());
    let (kind, name) = match (service, operation) {
        (Service::DynamoDb, "TransactWriteItems") => {
            return groups.iter().find(|group| text.contains(&format!("\"{}\"", group.name))).cloned();
        }
        (Service::DynamoDb, "PutItem") => ("stackdoc", "main".to_owned()),
        (Service::DynamoDb, _) => ("table", short("TableName")),
        (Service::Iam, _) => {
            let name = short("RoleName");
            let function =
                name.strip_prefix(crate::REGION).map_or(&*name, |rest| rest.trim_start_matches('-'));
            return Some(provision::desired::execution_role(function));
        }
        (Service::Logs, _) => ("log_group", short("logGroupName")),
        (Service::Sqs, _) => ("queue", short("QueueName")),
        (Service::Lambda, "AddPermission") => ("permission", short("FunctionName")),
        (Service::Lambda, "CreateEventSourceMapping") => ("mapping", short("FunctionName")),
        (Service::Lambda, _) => ("function", short("FunctionName")),
        (Service::Events, _) => ("schedule", "scrubber".to_owned()),
        (Service::Cognito, "CreateUserPoolDomain") => ("user_pool_domain", "main".to_owned()),
        (Service::Cognito, "CreateResourceServer") => ("resource_server", "main".to_owned()),
        (Service::Cognito, "CreateUserPoolClient") => ("user_pool_client", "main".to_owned()),
        (Service::Cognito, _) => ("user_pool", "main".to_owned()),
        (Service::ApiGateway, "CreateRoute") => {
            let key = record.call.text("routeKey").to_lowercase().replace(['{', '}'], "");
            ("route", key.replace([' ', '/'], "-").replace("--", "-"))
        }
        (Service::ApiGateway, "CreateApi") => ("http_api", "api".to_owned()),
        (Service::ApiGateway, other) => {
            (&*other.strip_prefix("Create")?.to_lowercase().leak(), "api".to_owned())
        }
        _ => return None,
    };
    Some(Address::new(kind, name))
}

/// The name of a function's role.
fn role_of(function: &Address) -> String {
    provision::desired::execution_role(&function.name).name
}

/// What the server made each resource's work take at least.
fn worth(calls: &[Record], run: &Run) -> Worth {
    let groups: Vec<Address> = run.work.keys().filter(|address| address.kind == "group").cloned().collect();
    let (mut worth, mut roles, mut first) = (Worth::new(), BTreeMap::new(), BTreeMap::new());
    for record in calls.iter().filter(|record| record.call.is_mutating()) {
        let Some(address) = subject(record, &groups).filter(|address| run.work.contains_key(address)) else {
            continue;
        };
        if record.call.operation == "CreateFunction" {
            first.entry(address.clone()).or_insert(record.begun);
        }
        if record.refused.is_some() {
            continue;
        }
        if record.call.operation == "CreateRole" {
            roles.insert(address.name.clone(), record.ended);
        }
        *worth.entry(address).or_default() += record.ended - record.begun;
    }
    for (address, least) in &mut worth {
        // The shortest read that tells that it is ready.
        let read = Duration::from_millis(50);
        *least += match address.kind.as_str() {
            "table" => TABLE + read,
            "mapping" => MAPPING + read,
            "function" => read + (roles[&role_of(address)] + ROLE).saturating_sub(first[address]),
            "queue" | "log_group" | "user_pool_domain" => read,
            _ => Duration::ZERO,
        };
    }
    worth
}

/// Applies a stack from nothing; the clock has to be paused.
pub async fn apply(yaml: &str, seed: u64) -> Spent {
    let world = World::with(Aws::new(switches(seed)), yaml);
    let events = Arc::new(Timed::default());
    let options = Options { events: events.clone(), ..world.options() };
    let start = Instant::now();
    provision::apply(&options, &Approval::Given).await.unwrap();
    let run = Run::of(start, Instant::now(), &events.events());
    let worth = worth(&world.aws.take_calls(), &run);
    let missing: Vec<_> = run.work.keys().filter(|address| !worth.contains_key(*address)).collect();
    assert!(missing.is_empty(), "no calls were found of {missing:?}");
    let key = |address: &Address| {
        provision::kinds::find(&address.kind)?.serial_key(address, &serde_json::Value::Null)
    };
    Spent { resources: run.work.len(), took: run.whole(), least: run.least(&worth, &key) }
}
