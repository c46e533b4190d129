//! Keeps calls to what AWS takes in a second, so that nobody has to be throttled first: the quotas are the account's, and
//! whoever uses them up does so for everybody in it.
//!
//! Which calls count together is data, [`QUOTAS`]. Each attempt of a call takes its place in the row when it is about to
//! be sent, and waits for its turn on the way to the network: there is no earlier point that attempts pass and where one
//! may wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, Metadata};
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;
use tokio::time::{Instant, sleep};

/// How many calls of a kind an account may make in a region.
#[derive(Debug, Clone, Copy)]
struct Quota {
    /// The service as the SDK names it.
    service: &'static str,
    /// The operations; all others of the service if empty.
    operations: &'static [&'static str],
    /// Whether each operation has the quota for itself.
    each: bool,
    /// Calls in a second, over time.
    per_second: u32,
    /// Calls in a second, at once.
    burst: u32,
}

const fn together(service: &'static str, operations: &'static [&'static str], per_second: u32) -> Quota {
    Quota { service, operations, each: false, per_second, burst: per_second }
}

const fn each(service: &'static str, operations: &'static [&'static str], per_second: u32) -> Quota {
    Quota { each: true, ..together(service, operations, per_second) }
}

/// AWS's documented quotas, as of 2026. The first row that fits counts; what fits none is not held back: for IAM and for
/// what SQS does with queues AWS names no numbers, and for items of tables the table's capacity counts.
const QUOTAS: &[Quota] = &[
    // docs.aws.amazon.com/apigateway/latest/developerguide/limits.html: total operations.
    Quota { burst: 40, ..together("ApiGatewayV2", &[], 10) },
    // docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: API requests.
    each("Lambda", &["GetFunction"], 100),
    each("Lambda", &["GetPolicy"], 15),
    together("Lambda", &[], 15),
    // docs.aws.amazon.com/amazondynamodb/latest/APIReference: on each operation's own page.
    each("DynamoDB", &["TagResource", "UntagResource"], 5),
    each("DynamoDB", &["ListTagsOfResource", "DescribeContinuousBackups"], 10),
    // docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html, in the regions that allow least.
    each("CloudWatch Logs", &["CreateLogGroup", "DeleteLogGroup", "DescribeLogGroups"], 10),
    each("CloudWatch Logs", &[], 5),
    // docs.aws.amazon.com/cognito/latest/developerguide/limits.html: by category, and less for what belongs to one pool.
    each(
        "Cognito Identity Provider",
        &[
            "CreateUserPoolClient",
            "UpdateUserPoolClient",
            "DeleteUserPoolClient",
            "DescribeUserPoolClient",
            "ListUserPoolClients",
            "CreateResourceServer",
            "UpdateResourceServer",
            "DeleteResourceServer",
            "DescribeResourceServer",
        ],
        5,
    ),
    together("Cognito Identity Provider", &[], 15),
    // docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html: all other API requests.
    together("EventBridge", &[], 50),
];

/// The part of a quota that is ours: one in so many. The functions, and other people's tools, need some as well.
/// Half of it at once and half of it as time passes also is never more than the whole within any one second, however
/// AWS counts.
const SHARE: u32 = 2;

impl Quota {
    fn covers(&self, service: &str, operation: &str) -> bool {
        self.service == service && (self.operations.is_empty() || self.operations.contains(&operation))
    }

    /// The time between two calls when the burst is used up.
    fn apart(&self) -> Duration {
        Duration::from_secs(1) * SHARE / self.per_second.max(1)
    }

    /// Takes the next place: how long a call must wait that would be made `now`. A bucket of tokens, of which nothing is
    /// kept but when it will be full again.
    fn take(&self, full: &mut Instant, now: Instant) -> Duration {
        let at_once = (self.burst / SHARE).max(1) - 1;
        let wait = full.saturating_duration_since(now).saturating_sub(self.apart() * at_once);
        *full = now.max(*full) + self.apart();
        wait
    }
}

/// When calls may be made. Clones share their places.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace(Arc<Mutex<BTreeMap<(usize, String), Instant>>>);

impl Pace {
    fn take(&self, service: &str, operation: &str, now: Instant) -> Duration {
        let covering = QUOTAS.iter().enumerate().find(|(_, quota)| quota.covers(service, operation));
        let Some((row, quota)) = covering else { return Duration::ZERO };
        let operation = if quota.each { operation } else { "" };
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        quota.take(buckets.entry((row, operation.to_owned())).or_insert(now), now)
    }
}

/// How long a request has to wait.
#[derive(Debug, Clone, Copy)]
struct Turn(Duration);

impl Intercept for Pace {
    fn name(&self) -> &'static str {
        "FreeholdPace"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(called) = cfg.load::<Metadata>() {
            let wait = self.take(called.service(), called.name(), Instant::now());
            context.request_mut().add_extension(Turn(wait));
        }
        Ok(())
    }
}

/// A network on which requests wait for their turn.
#[derive(Debug)]
pub(super) struct Paced(pub(super) SharedHttpClient);

impl HttpClient for Paced {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Waiting(self.0.http_connector(settings, components)))
    }
    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.validate_base_client_config(components, cfg)
    }
    fn validate_final_config(&self, components: &RuntimeComponents, cfg: &ConfigBag) -> Result<(), BoxError> {
        self.0.validate_final_config(components, cfg)
    }
    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

#[derive(Debug)]
struct Waiting(SharedHttpConnector);

impl HttpConnector for Waiting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wait = request.extension::<Turn>().map_or(Duration::ZERO, |turn| turn.0);
        if wait.is_zero() {
            return self.0.call(request);
        }
        let network = self.0.clone();
        HttpConnectorFuture::new(async move {
            sleep(wait).await;
            network.call(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Timeouts;
    use crate::engine::CONCURRENCY;

    fn seconds(of: &[Duration]) -> Vec<f64> {
        of.iter().map(Duration::as_secs_f64).collect()
    }

    #[test]
    fn half_of_a_quota_goes_at_once_and_half_of_it_as_time_passes() {
        let (pace, start) = (Pace::default(), Instant::now());
        let take =
            |after: f64| pace.take("DynamoDB", "ListTagsOfResource", start + Duration::from_secs_f64(after));
        let waits: Vec<Duration> = (0..8).map(|_| take(0.0)).collect();
        assert_eq!(seconds(&waits), [0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 0.4, 0.6]);
        assert_eq!(take(0.7).as_secs_f64(), 0.1, "behind those that wait");
        assert_eq!(take(60.0), Duration::ZERO);
    }

    #[test]
    fn within_any_second_there_are_no_more_calls_than_the_quota() {
        for quota in QUOTAS {
            let (mut full, start, mut made) = (Instant::now(), Instant::now(), Vec::new());
            for call in 0..500_u32 {
                let now = start + Duration::from_millis(3) * call;
                made.push(now + quota.take(&mut full, now));
            }
            let most = |from: &Instant| {
                made.iter().filter(|at| (*from..*from + Duration::from_secs(1)).contains(at)).count()
            };
            let most = made.iter().map(most).max().unwrap_or_default();
            assert!(most <= quota.burst as usize, "{most} of {quota:?}");
        }
    }

    #[test]
    fn operations_with_a_quota_of_their_own_do_not_hold_up_each_other() {
        let (pace, now) = (Pace::default(), Instant::now());
        let use_up = |service, operation| (0..100).for_each(|_| _ = pace.take(service, operation, now));
        use_up("CloudWatch Logs", "TagResource");
        assert_eq!(pace.take("CloudWatch Logs", "UntagResource", now), Duration::ZERO);
        use_up("Lambda", "CreateFunction");
        assert!(pace.take("Lambda", "AddPermission", now) > Duration::from_secs(1), "these share one");
        assert_eq!(pace.take("Lambda", "GetFunction", now), Duration::ZERO);
        assert_eq!(pace.take("DynamoDB", "PutItem", now), Duration::ZERO);
        assert_eq!(pace.take("Another", "TagResource", now), Duration::ZERO);
    }

    #[test]
    fn nobody_waits_for_their_turn_longer_than_an_attempt_may_take() {
        // The engine works on so many resources at once, each of which makes one call at a time.
        let longest = QUOTAS.iter().map(|quota| quota.apart() * u32::try_from(CONCURRENCY).unwrap()).max();
        assert!(longest.unwrap() < Timeouts::default().attempt * 3 / 4, "{longest:?}");
    }
}
