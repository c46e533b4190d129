//! Makes the SDK's clients: one configuration, each client built when it is first used.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::call::{Observer, Reporter};
use super::error::{AwsError, ErrorKind};
use super::pace::{Pace, Paced};

/// How long calls may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// One attempt of a call.
    pub attempt: Duration,
    /// A call with all its attempts.
    pub operation: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(20),
            operation: Duration::from_secs(60),
        }
    }
}

/// What calls to AWS's own addresses are sent through instead of the network, with keys that open nothing: a server
/// in this process, for tests.
#[derive(Debug, Clone)]
pub struct Network(pub SharedHttpClient);

/// Where and as whom to connect.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// The region.
    pub region: String,
    /// A profile of the AWS configuration files; what the environment says if none.
    pub profile: Option<String>,
    /// The local target's address. With one, the emulator's root keys are used and nothing is read from the
    /// environment, so that a stray profile can never send a local command to a real account. It has no quotas, and
    /// calls are not held back to any.
    pub endpoint: Option<String>,
    /// What to send calls through; the network if none.
    pub network: Option<Network>,
    /// Who is told of each call.
    pub observer: Option<Observer>,
    /// How long calls may take.
    pub timeouts: Timeouts,
}

/// Access key id and secret of the emulator's root user; tests without one use them as well.
const FIXED_KEYS: (&str, &str) = ("test", "test");

macro_rules! clients {
    ($($(#[$doc:meta])* $name:ident: $sdk:ident,)*) => {
        #[derive(Debug, Default)]
        struct Made { $($name: OnceLock<$sdk::Client>,)* }

        impl Clients {
            $($(#[$doc])*
            pub fn $name(&self) -> &$sdk::Client {
                self.0.made.$name.get_or_init(|| {
                    let budget = format!("{}-{}", stringify!($name), self.0.budget);
                    let budget = $sdk::config::retry::RetryPartition::new(budget);
                    let mut config =
                        $sdk::config::Builder::from(&self.0.config).retry_partition(budget);
                    if let Some(observer) = &self.0.observer {
                        config = config.interceptor(Reporter { observer: observer.clone() });
                    }
                    if let Some(pace) = &self.0.pace {
                        config = config.interceptor(pace.clone());
                    }
                    $sdk::Client::from_conf(config.build())
                })
            })*
        }
    };
}

/// The clients of one account and region. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Clients(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: SdkConfig,
    observer: Option<Observer>,
    local: bool,
    /// Keeps calls to AWS's quotas; none where there are none.
    pace: Option<Pace>,
    /// Names the budget that the SDK has for retries: otherwise all clients in a process share one for each service, and
    /// one command's bad luck would be another's.
    budget: u64,
    made: Made,
}

clients! {
    /// Tables.
    dynamodb: aws_sdk_dynamodb,
    /// Roles.
    iam: aws_sdk_iam,
    /// Functions, permissions and event source mappings.
    lambda: aws_sdk_lambda,
    /// Queues.
    sqs: aws_sdk_sqs,
    /// Schedules.
    events: aws_sdk_eventbridge,
    /// User pools.
    cognito: aws_sdk_cognitoidentityprovider,
    /// HTTP APIs.
    apigateway: aws_sdk_apigatewayv2,
    /// Log groups.
    logs: aws_sdk_cloudwatchlogs,
    /// Who we are.
    sts: aws_sdk_sts,
}

impl Clients {
    /// Connects as the options say. No call is made yet.
    pub async fn new(options: ConnectOptions) -> Result<Self, AwsError> {
        if options.endpoint.is_some() || options.network.is_some() {
            return Ok(Self::fixed(options));
        }
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Paced(network()))
            .retry_config(retries())
            .timeout_config(timeouts(options.timeouts));
        if !options.region.is_empty() {
            loader = loader.region(Region::new(options.region));
        }
        if let Some(profile) = options.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(name) = app_name() {
            loader = loader.app_name(name);
        }
        let config = loader.load().await;
        if config.region().is_none() {
            return Err(AwsError::new(
                ErrorKind::Invalid,
                "no region is set; write `region:` into stack.yaml or give `--region`",
            ));
        }
        Ok(Self::of(config, options.observer, false))
    }

    /// Reads nothing from the environment.
    fn fixed(options: ConnectOptions) -> Self {
        let (id, secret) = FIXED_KEYS;
        let local = options.endpoint.is_some();
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                id, secret, None, None, "fixed",
            )))
            .region(Region::new(options.region))
            .retry_config(retries())
            .timeout_config(timeouts(options.timeouts));
        config.set_endpoint_url(options.endpoint);
        let network = options.network.map(|network| network.0);
        config.set_http_client(if local {
            network
        } else {
            network.map(|network| SharedHttpClient::new(Paced(network)))
        });
        config.set_app_name(app_name());
        Self::of(config.build(), options.observer, local)
    }

    fn of(config: SdkConfig, observer: Option<Observer>, local: bool) -> Self {
        let pace = (!local).then(Pace::default);
        let budget = fastrand::u64(..);
        Self(Arc::new(Inner { config, observer, local, pace, budget, made: Made::default() }))
    }

    /// The region.
    pub fn region(&self) -> &str {
        self.0.config.region().map_or("", Region::as_ref)
    }

    /// Whether these talk to the local target.
    pub fn is_local(&self) -> bool {
        self.0.local
    }

    /// The local target's address.
    pub fn endpoint(&self) -> Option<&str> {
        self.0.config.endpoint_url()
    }

    /// The account that the credentials belong to.
    pub async fn account(&self) -> Result<String, AwsError> {
        let identity = self.sts().get_caller_identity().send().await?;
        identity.account.ok_or_else(|| {
            AwsError::new(ErrorKind::Credentials, "AWS did not say whose credentials these are")
        })
    }
}

/// The network as the SDK would make it; one for all services, which so read the machine's certificates once.
fn network() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}

/// Twice as many attempts as for a single request of somebody who waits: an apply makes hundreds of calls, beside whatever
/// else the account is asked, and one of them that is out of luck five times in a row would end it. They come sooner
/// than the SDK's own up to 20 seconds, so that AWS that cannot be reached is told of within the operation's time.
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(10).with_max_backoff(Duration::from_secs(5))
}

fn timeouts(timeouts: Timeouts) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(timeouts.connect)
        .operation_attempt_timeout(timeouts.attempt)
        .operation_timeout(timeouts.operation)
        .build()
}

fn app_name() -> Option<AppName> {
    AppName::new("freehold").ok()
}
