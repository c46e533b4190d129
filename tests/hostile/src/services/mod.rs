//! The services, one file each.

pub mod apigateway;
pub mod cognito;
pub mod dynamodb;
pub mod events;
pub mod iam;
pub mod lambda;
pub mod logs;
pub mod mappings;
pub mod sqs;

use serde_json::json;

use crate::ACCOUNT;
use crate::quotas;
use crate::reply::Answer;
use crate::request::{Call, Service};
use crate::state::Ctx;

/// Answers a call.
pub(crate) fn answer(ctx: &mut Ctx<'_>, call: &Call) -> Answer {
    quotas::within(ctx, call)?;
    let (operation, input) = (call.operation.as_str(), &call.input);
    match call.service {
        Service::DynamoDb => dynamodb::answer(ctx, operation, input),
        Service::Iam => iam::answer(ctx, operation, input),
        Service::Lambda if operation.contains("EventSourceMapping") => {
            mappings::answer(ctx, operation, input)
        }
        Service::Lambda => lambda::answer(ctx, operation, input),
        Service::Sqs => sqs::answer(ctx, operation, input),
        Service::Cognito => cognito::answer(ctx, operation, input),
        Service::ApiGateway => apigateway::answer(ctx, operation, input),
        Service::Logs => logs::answer(ctx, operation, input),
        Service::Events => events::answer(ctx, operation, input),
        Service::Sts => Ok(json!({
            "Account": ACCOUNT, "UserId": "AIDA", "Arn": format!("arn:aws:iam::{ACCOUNT}:user/test"),
        })),
    }
}
