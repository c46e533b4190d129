//! Freehold's data plane on DynamoDB: keys, paged reads, conditional writes.
//!
//! Three tables with one purpose each: *data* (what people own, streamed), *replicas* (what groups see), *directory*
//! (who is who: users, groups, memberships, invitations, jobs). No table has an index; memberships are read from
//! their base table, consistently. Decisions are `domain`'s; this crate fetches what they need and writes what they
//! say.
#![deny(missing_docs)]

pub mod attr;
mod batches;
pub mod census;
pub mod clock;
pub mod cursor;
pub mod data;
pub mod directory;
pub mod document;
pub mod era;
pub mod erasure;
pub mod error;
pub mod heartbeat;
pub mod ids;
pub mod keys;
pub mod layout;
pub mod ledger;
pub mod once;
pub mod page;
pub mod quotas;
pub mod receipts;
mod remembered;
pub mod removal;
pub mod repairs;
pub mod replicas;
mod rows;
pub mod scrub;
pub mod sharing;
pub mod sift;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};

pub use error::{Result, StoreError};

/// The names of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// What people own.
    pub data: String,
    /// What groups see.
    pub replicas: String,
    /// Who is who.
    pub directory: String,
}

impl Tables {
    /// The tables of a stack, by its name.
    pub fn of_stack(stack: &str) -> Self {
        Self {
            data: format!("{stack}-data"),
            replicas: format!("{stack}-replicas"),
            directory: format!("{stack}-directory"),
        }
    }
}

/// The data plane. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    tables: Arc<Tables>,
    rules: Arc<sharing::RulesCache>,
    contracts: Arc<sharing::ContractsCache>,
    rosters: Arc<directory::RosterCache>,
    layouts: Arc<directory::LayoutCache>,
    remembered: Arc<remembered::Memory>,
}

impl Store {
    /// The data plane over a client and its tables.
    pub fn new(client: Client, tables: Tables) -> Self {
        Self {
            client,
            tables: Arc::new(tables),
            rules: Arc::default(),
            contracts: Arc::default(),
            rosters: Arc::default(),
            layouts: Arc::default(),
            remembered: Arc::default(),
        }
    }

    /// The underlying client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The names of the tables.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }
}

/// What a function's environment says about AWS.
///
/// Read directly rather than through the SDK's credential chain: inside a function the environment is the chain, and
/// its other links (files, profiles, the metadata service) only cost start-up time.
#[derive(Debug, Clone)]
pub struct AwsEnvironment {
    /// The region.
    pub region: Region,
    /// The function's own role, for a while.
    pub credentials: Credentials,
    /// Where AWS is, on the local target.
    pub endpoint: Option<String>,
}

impl AwsEnvironment {
    /// Reads the variables that the Lambda runtime sets.
    ///
    /// # Errors
    /// If one is missing; the text names it.
    pub fn read() -> std::result::Result<Self, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let needed =
            |name: &str| variable(name).ok_or_else(|| format!("the environment variable {name} is not set"));
        Ok(Self {
            region: Region::new(needed("AWS_REGION").or_else(|_| needed("AWS_DEFAULT_REGION"))?),
            credentials: Credentials::new(
                needed("AWS_ACCESS_KEY_ID")?,
                needed("AWS_SECRET_ACCESS_KEY")?,
                variable("AWS_SESSION_TOKEN"),
                None,
                "environment",
            ),
            endpoint: variable("AWS_ENDPOINT_URL"),
        })
    }

    /// A client with bounded waits: a call that hangs is given up and tried again, a few times, with jitter.
    pub fn dynamodb(&self) -> Client {
        self.dynamodb_within(LONGEST_CALL)
    }

    /// The same, for a function that lives shorter: so long may a call take with all of its attempts.
    pub fn dynamodb_within(&self, longest: Duration) -> Client {
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .retry_config(
                RetryConfig::standard().with_max_attempts(5).with_initial_backoff(Duration::from_millis(50)),
            )
            .timeout_config(timeouts_within(longest));
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Client::from_conf(config.build())
    }
}

/// How long one call may take with all of its attempts: less than the 10 s that an invocation of the API's function may
/// take, so that a caller is told what is wrong before the invocation is cut off.
pub const LONGEST_CALL: Duration = Duration::from_secs(8);

/// How long one call may take: DynamoDB answers in milliseconds, so a second of silence is a lost connection.
pub fn timeouts() -> TimeoutConfig {
    timeouts_within(LONGEST_CALL)
}

fn timeouts_within(longest: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(longest)
        .build()
}
