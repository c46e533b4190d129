//! 13: how many calls services take.

use std::time::Duration;

use crate::reply::{Refusal, throttled};
use crate::request::{Call, Service};
use crate::state::Ctx;

/// How many calls a service takes: a bucket of tokens.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// The service.
    pub service: Service,
    /// The operation; all that have no quota of their own if empty.
    pub operation: &'static str,
    /// Calls in a second, over time.
    pub per_second: u32,
    /// Calls at once.
    pub burst: u32,
}

impl Quota {
    /// So many calls in a second.
    pub fn of(service: Service, operation: &'static str, per_second: u32) -> Self {
        Self { service, operation, per_second, burst: per_second }
    }
}

/// What AWS documents of the operations that `provision` calls.
pub fn documented() -> Vec<Quota> {
    let each = |service, operations: &[&'static str], per_second| -> Vec<Quota> {
        operations.iter().map(|operation| Quota::of(service, operation, per_second)).collect()
    };
    let logs = [
        "PutRetentionPolicy",
        "DeleteRetentionPolicy",
        "ListTagsForResource",
        "TagResource",
        "UntagResource",
    ];
    let clients = [
        "CreateUserPoolClient",
        "UpdateUserPoolClient",
        "DeleteUserPoolClient",
        "DescribeUserPoolClient",
        "ListUserPoolClients",
        "CreateResourceServer",
        "UpdateResourceServer",
        "DeleteResourceServer",
        "DescribeResourceServer",
    ];
    [
        vec![Quota { burst: 40, ..Quota::of(Service::ApiGateway, "", 10) }],
        each(Service::Lambda, &["GetFunction"], 100),
        each(Service::Lambda, &["GetPolicy", ""], 15),
        each(Service::DynamoDb, &["TagResource", "UntagResource"], 5),
        each(Service::DynamoDb, &["ListTagsOfResource", "DescribeContinuousBackups"], 10),
        each(Service::Logs, &["CreateLogGroup", "DeleteLogGroup", "DescribeLogGroups"], 10),
        each(Service::Logs, &logs, 5),
        each(Service::Cognito, &clients, 5),
        each(Service::Cognito, &[""], 15),
        each(Service::Events, &[""], 50),
    ]
    .concat()
}

/// Takes a token for a call, or refuses it.
pub(crate) fn within(ctx: &mut Ctx<'_>, call: &Call) -> Result<(), Refusal> {
    let of_service = || ctx.switches.quotas.iter().filter(|quota| quota.service == call.service);
    let own = of_service().find(|quota| quota.operation == call.operation);
    let Some(quota) = own.or_else(|| of_service().find(|quota| quota.operation.is_empty())).copied() else {
        return Ok(());
    };
    let (second, burst) = (Duration::from_secs(1), f64::from(quota.burst));
    let bucket = ctx.state.tokens.entry((call.service, quota.operation)).or_insert((ctx.now, burst));
    let passed = (ctx.now.saturating_sub(bucket.0)).div_duration_f64(second);
    *bucket = (ctx.now, (bucket.1 + passed * f64::from(quota.per_second)).min(burst));
    if bucket.1 < 1.0 {
        return Err(throttled(call.service));
    }
    bucket.1 -= 1.0;
    Ok(())
}
