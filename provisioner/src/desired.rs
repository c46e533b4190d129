//! From the checked stack to the resources that it wants. Pure: the same stack and options give the same resources.
//!
//! The control table is missing here on purpose: it holds the state that tells what is there, so the state module
//! makes it before anything is planned.

mod front;
mod outputs;
mod policy;

use std::collections::BTreeMap;

use domain::stack::{self as model, Stack};
use serde::Serialize;
use store::document::Document;

use crate::kinds::function::Code;
use crate::kinds::{
    REGION_TAG, STACK_TAG, function, group, log_group, mapping, permission, queue, role, schedule, stackdoc,
    table,
};
use crate::resource::{Address, Input, Resource};

pub use outputs::stack_outputs;
use policy::policy;

/// Where the stack shall run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// In an AWS account.
    Aws,
    /// On this machine, against the emulator at this address.
    Local {
        /// `http://127.0.0.1:4566`.
        endpoint: String,
    },
}

/// What the stack's file does not say.
#[derive(Debug, Clone)]
pub struct DesiredOptions {
    /// The account's number.
    pub account: String,
    /// The region.
    pub region: String,
    /// Where it shall run.
    pub target: Target,
    /// The code of each function, by the function's name: `api`, `replicator`, `worker`, `scrubber`, `identity`.
    pub code: BTreeMap<String, Code>,
    /// Grows with each restore from a backup; see `store::era`.
    pub era: u16,
    /// Whether functions are given the stack's document. Only tests of the AWS resources alone do without.
    pub with_stackdoc: bool,
}

/// The functions, with how long one invocation may take in seconds.
const FUNCTIONS: [(&str, i32); 5] =
    [("api", 10), ("replicator", 60), ("worker", 300), (SCRUBBER, 240), (IDENTITY, 5)];
/// The function that the user pool calls. Cognito waits five seconds for it, whatever its own limit.
const IDENTITY: &str = "identity";
/// The function that compares, and how often it does: less often than one invocation may take, so that they do not
/// overlap.
const SCRUBBER: &str = "scrubber";
const SCRUBBER_EVERY: &str = "rate(5 minutes)";
/// SQS advises six times the function's timeout, so that a message is not handed out twice while it is worked on.
const VISIBILITY_FACTOR: u32 = 6;
const DAY: u32 = 86_400;
/// The variable that says which era a function's processes were started in.
pub const ERA_VARIABLE: &str = "FREEHOLD_ERA";
/// The processor's runtime for compiled functions.
const RUNTIME: &str = "provided.al2023";
/// The one API, and what belongs to it.
const API: &str = "api";
const MAIN: &str = "main";

/// Everything that the stack wants in AWS.
pub fn desired(stack: &Stack, options: &DesiredOptions) -> Vec<Resource> {
    let mut resources = Resources { stack, options, list: Vec::new() };
    resources.tables();
    resources.queues();
    resources.functions();
    resources.mappings();
    resources.schedule();
    resources.identity();
    resources.api();
    if options.with_stackdoc {
        resources.contents();
    }
    resources.list
}

/// The tags of a resource: the file's, and those that say whose it is.
pub(crate) fn tags(stack: &Stack, region: &str, address: &Address) -> BTreeMap<String, String> {
    let mut tags = stack.tags.clone();
    tags.insert(STACK_TAG.to_owned(), stack.name.as_str().to_owned());
    tags.insert(REGION_TAG.to_owned(), region.to_owned());
    tags.insert("freehold:resource".to_owned(), address.to_string());
    tags
}

/// The execution role of a function. `role.<function>` is the role that versions before the region was part of its name
/// created: another resource, which goes as soon as no function has it.
pub fn execution_role(function: &str) -> Address {
    Address::new("role", format!("{function}-execution"))
}

struct Resources<'a> {
    stack: &'a Stack,
    options: &'a DesiredOptions,
    list: Vec<Resource>,
}

fn output(kind: &str, name: &str, output: &'static str) -> Input {
    Input::Ref(Address::new(kind, name), output)
}

impl Resources<'_> {
    fn add(&mut self, kind: &str, name: &str, attributes: impl Serialize) {
        // Serialising these documents cannot fail: their keys are texts and nothing in them is fallible.
        let attributes = serde_json::to_value(attributes).unwrap_or_default();
        self.list.push(Resource { address: Address::new(kind, name), attributes });
    }

    fn physical(&self, name: &str) -> String {
        format!("{}-{name}", self.stack.name.as_str())
    }

    /// The name of a resource that AWS has once for all regions. At most 64 characters, since the stack's name has at
    /// most 32, a region 20 and a function's name 10.
    fn global(&self, name: &str) -> String {
        format!("{}-{}-{name}", self.stack.name.as_str(), self.options.region)
    }

    fn tags(&self, kind: &str, name: &str) -> BTreeMap<String, String> {
        tags(self.stack, &self.options.region, &Address::new(kind, name))
    }

    fn tables(&mut self) {
        let protection = self.stack.protection;
        for (name, streamed) in [("data", true), ("replicas", false), ("directory", true)] {
            let attributes = table::Attributes {
                name: self.physical(name),
                keys: table::Keys { hash: "pk".to_owned(), range: "sk".to_owned() },
                billing: table::Billing::OnDemand,
                stream: streamed.then(|| "NEW_AND_OLD_IMAGES".to_owned()),
                ttl: Some("exp".to_owned()),
                point_in_time_recovery: protection.point_in_time_recovery,
                deletion_protection: protection.deletion_protection,
                encryption: match protection.encryption {
                    model::Encryption::AwsOwned => table::Encryption::AwsOwned,
                    model::Encryption::CustomerManaged => table::Encryption::CustomerManaged,
                },
                tags: self.tags("table", name),
            };
            self.add("table", name, attributes);
        }
    }

    /// What lies in the directory from the start: the stack's document and the declared groups.
    fn contents(&mut self) {
        let directory = || output("table", "directory", "name");
        self.list.push(stackdoc::resource(&Document::of(self.stack), directory()));
        // Groups come after the functions: their rules may name types that functions of before do not know.
        let functions: Vec<Input> =
            FUNCTIONS.iter().map(|(name, _)| output("function", name, "name")).collect();
        for declared in self.stack.groups.values() {
            self.list.push(group::resource(declared, directory(), &functions));
        }
    }

    fn queues(&mut self) {
        let jobs = FUNCTIONS
            .iter()
            .find(|(name, _)| *name == "worker")
            .map_or(30, |(_, timeout)| timeout.unsigned_abs());
        let dead = queue::Redrive { queue: output("queue", "jobs-dead", "arn"), max_receives: 5 };
        let queues = [
            ("jobs-dead", 30, 14 * DAY, None),
            ("jobs", jobs * VISIBILITY_FACTOR, 4 * DAY, Some(dead)),
            ("replicator-failed", 30, 14 * DAY, None),
        ];
        for (name, visibility_timeout, retention, redrive) in queues {
            let attributes = queue::Attributes {
                name: self.physical(name),
                visibility_timeout,
                retention,
                redrive,
                encrypted: true,
                tags: self.tags("queue", name),
            };
            self.add("queue", name, attributes);
        }
    }

    fn functions(&mut self) {
        for (name, timeout) in FUNCTIONS {
            let function = self.physical(name);
            let retention = i32::try_from(self.stack.functions.log_retention_days).ok();
            let group = log_group::Attributes {
                name: format!("/aws/lambda/{function}"),
                retention_days: retention,
                tags: self.tags("log_group", name),
            };
            self.add("log_group", name, group);
            let address = execution_role(name);
            let role = role::Attributes {
                name: self.global(name),
                description: format!("What function {function} may do"),
                trust: role::trust("lambda.amazonaws.com"),
                policy: policy(name),
                tags: self.tags("role", &address.name),
            };
            self.add("role", &address.name, role);
            let code = self.options.code.get(name).cloned();
            let attributes = function::Attributes {
                name: function,
                role: Input::Ref(address.clone(), "arn"),
                role_id: Input::Ref(address, "roleId"),
                runtime: RUNTIME.to_owned(),
                architecture: match self.stack.functions.architecture {
                    model::Architecture::X86_64 => "x86_64".to_owned(),
                    model::Architecture::Arm64 => "arm64".to_owned(),
                },
                memory: i32::try_from(self.stack.functions.memory).unwrap_or(i32::MAX),
                timeout,
                code: code.unwrap_or_else(|| Code { path: String::new(), sha256: String::new() }),
                environment: self.environment(name),
                log_group: output("log_group", name, "name"),
                tags: self.tags("function", name),
            };
            self.add("function", name, attributes);
        }
    }

    fn environment(&self, function: &str) -> BTreeMap<String, Input> {
        let mut variables = vec![
            ("FREEHOLD_STACK", Input::from(self.stack.name.as_str())),
            ("FREEHOLD_DATA_TABLE", output("table", "data", "name")),
            ("FREEHOLD_REPLICAS_TABLE", output("table", "replicas", "name")),
            ("FREEHOLD_DIRECTORY_TABLE", output("table", "directory", "name")),
            ("FREEHOLD_LOG", Input::from("info")),
            // Functions read the era itself where it lies; this is what makes Lambda start new processes for a new one.
            (ERA_VARIABLE, Input::from(self.options.era.to_string())),
        ];
        if self.options.with_stackdoc {
            // The content hash of the stack's document: a new document is a new environment, which is what makes
            // running functions read it.
            variables.push(("FREEHOLD_CONFIG", output("stackdoc", MAIN, "hash")));
        }
        if !["replicator", IDENTITY].contains(&function) {
            variables.push(("FREEHOLD_JOBS_QUEUE_URL", output("queue", "jobs", "url")));
        }
        if function == API {
            variables.push(("FREEHOLD_ISSUER", output("user_pool", MAIN, "issuer")));
            variables.push(("FREEHOLD_CLIENT_ID", output("user_pool_client", MAIN, "id")));
            variables.push(("FREEHOLD_USERINFO_URL", output("user_pool_domain", MAIN, "userInfoUrl")));
            variables.push(("FREEHOLD_KEYS_URL", self.keys_url()));
            let calls = self.stack.api.per_person_rate_limit.to_string();
            variables.push(("FREEHOLD_CALLS_PER_SECOND", Input::from(calls.as_str())));
        }
        if function == "worker" {
            let writes = self.stack.functions.job_writes_per_second.to_string();
            variables.push(("FREEHOLD_WRITES_PER_SECOND", Input::from(writes.as_str())));
        }
        if let Target::Local { endpoint } = &self.options.target {
            variables.push(("AWS_ENDPOINT_URL", Input::from(endpoint.as_str())));
        }
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Where the keys are that tokens are signed with. The emulator's issuer is AWS's; its keys are its own.
    fn keys_url(&self) -> Input {
        let below = match &self.options.target {
            Target::Local { endpoint } => {
                vec![endpoint.as_str().into(), "/".into(), output("user_pool", MAIN, "id")]
            }
            Target::Aws => vec![output("user_pool", MAIN, "issuer")],
        };
        Input::Join(below.into_iter().chain(["/.well-known/jwks.json".into()]).collect())
    }

    fn mappings(&mut self) {
        let replicator = mapping::Attributes {
            function: output("function", "replicator", "name"),
            source: output("table", "data", "streamArn"),
            enabled: true,
            batch_size: 100,
            batch_window: 0,
            reports_failures: true,
            filters: Vec::new(),
            stream: Some(mapping::Stream {
                bisect: true,
                retries: 30,
                // Half of what the stream keeps, so that whoever is told of a failure can still read the records.
                record_age: 43_200,
                on_failure: output("queue", "replicator-failed", "arn"),
            }),
        };
        self.add("mapping", "replicator", replicator);
        let worker = mapping::Attributes {
            function: output("function", "worker", "name"),
            source: output("queue", "jobs", "arn"),
            enabled: true,
            batch_size: 1,
            batch_window: 0,
            reports_failures: true,
            filters: Vec::new(),
            stream: None,
        };
        self.add("mapping", "worker", worker);
    }

    fn schedule(&mut self) {
        let attributes = schedule::Attributes {
            name: self.physical(SCRUBBER),
            description: "Compares what groups see with what they should see".to_owned(),
            expression: SCRUBBER_EVERY.to_owned(),
            enabled: true,
            function: output("function", SCRUBBER, "arn"),
            tags: self.tags("schedule", SCRUBBER),
        };
        self.add("schedule", SCRUBBER, attributes);
        let permission = permission::Attributes {
            function: output("function", SCRUBBER, "name"),
            principal: "events.amazonaws.com".to_owned(),
            action: "lambda:InvokeFunction".to_owned(),
            source: output("schedule", SCRUBBER, "arn"),
        };
        self.add("permission", SCRUBBER, permission);
    }
}

#[cfg(test)]
mod proportion;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::example;
