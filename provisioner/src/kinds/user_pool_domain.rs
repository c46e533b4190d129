//! The address of a user pool's sign-in page. Its prefix is unique in the whole region, over all accounts.

use std::time::Duration;

use aws_sdk_cognitoidentityprovider::types::{DomainDescriptionType, DomainStatusType};
use serde::{Deserialize, Serialize};

use super::typed::{At, Found, Seen, Typed, gone, outputs};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, Clients, ErrorKind, Policy, retry, wait_until};
use crate::resource::Outputs;

/// The kind.
#[derive(Debug)]
pub struct UserPoolDomain;

/// A domain; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes<T = String> {
    /// The beginning of the address.
    pub prefix: String,
    /// The id of the pool.
    pub pool: T,
}

/// How long a domain may take until it answers.
const READY: Duration = Duration::from_secs(300);

impl Typed for UserPoolDomain {
    const NAME: &'static str = "user_pool_domain";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(prefix) = at.text("prefix") else { return Ok(Seen::Missing) };
        let Some(domain) = describe(at.ctx, prefix).await? else { return Ok(Seen::Missing) };
        let pool = domain.user_pool_id.unwrap_or_default();
        // A domain has no tags: it belongs to its pool. If the pool is not known yet, the domain is of another one.
        let ours = [at.desired.get("pool").and_then(|pool| pool.as_str()), recorded_pool(at)];
        if !ours.contains(&Some(pool.as_str())) {
            return Ok(Seen::Foreign(taken(prefix)));
        }
        let outputs = outputs_of(&at.ctx.clients, prefix);
        let attributes = Attributes { prefix: prefix.to_owned(), pool };
        Ok(Seen::Owned(Found { id: prefix.to_owned(), attributes, outputs }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        if at.is_new() || Self::find(at).await?.ours()?.is_none() {
            let request = at.ctx.clients.cognito().create_user_pool_domain();
            let request = request.domain(&want.prefix).user_pool_id(&want.pool);
            let what = format!("to make the sign-in address `{}`", want.prefix);
            match retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await {
                // By somebody else, unless an earlier attempt of this very call got through.
                Err(error) if error.kind == ErrorKind::AlreadyExists => {
                    let owner = describe(at.ctx, &want.prefix).await?.and_then(|domain| domain.user_pool_id);
                    if owner.as_deref() != Some(want.pool.as_str()) {
                        return Err(AwsError { message: taken(&want.prefix), ..error });
                    }
                }
                result => {
                    result?;
                }
            }
        }
        wait_until(&format!("the sign-in address `{}` to be ready", want.prefix), READY, || async {
            let status = describe(at.ctx, &want.prefix).await?.and_then(|domain| domain.status);
            Ok(matches!(status, Some(DomainStatusType::Active)).then_some(()))
        })
        .await?;
        Ok(Found {
            id: want.prefix.clone(),
            outputs: outputs_of(&at.ctx.clients, &want.prefix),
            attributes: want,
        })
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let prefix = &recorded.physical_id;
        let Some(pool) = recorded.attributes.get("pool").and_then(|pool| pool.as_str()) else {
            return Ok(());
        };
        if describe(ctx, prefix).await?.is_none_or(|domain| domain.user_pool_id() != Some(pool)) {
            return Ok(());
        }
        let request = ctx.clients.cognito().delete_user_pool_domain().domain(prefix).user_pool_id(pool);
        let what = format!("to delete the sign-in address `{prefix}`");
        gone(retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await)?;
        wait_until(&format!("the sign-in address `{prefix}` to be gone"), READY, || async {
            Ok(describe(ctx, prefix).await?.is_none().then_some(()))
        })
        .await
    }

    fn effect(_path: &str) -> Effect {
        Effect::Replace
    }
}

fn outputs_of(clients: &Clients, prefix: &str) -> Outputs {
    let base = base_url(clients, prefix);
    outputs([
        ("prefix", prefix),
        ("baseUrl", &base),
        ("authorizeUrl", &format!("{base}/oauth2/authorize")),
        ("tokenUrl", &format!("{base}/oauth2/token")),
        ("userInfoUrl", &format!("{base}/oauth2/userInfo")),
    ])
}

fn recorded_pool<'a>(at: At<'a>) -> Option<&'a str> {
    at.recorded?.attributes.get("pool")?.as_str()
}

fn taken(prefix: &str) -> String {
    format!(
        "the sign-in address `{prefix}` is taken; choose another with `identity.domainPrefix` in stack.yaml"
    )
}

/// The domain, if there is one: AWS answers with an empty description where there is none.
async fn describe(ctx: &Context, prefix: &str) -> Result<Option<DomainDescriptionType>, AwsError> {
    let answer = ctx.clients.cognito().describe_user_pool_domain().domain(prefix).send().await;
    let answer = super::typed::optional(answer.map_err(AwsError::from))?;
    Ok(answer.and_then(|answer| answer.domain_description).filter(|domain| domain.user_pool_id.is_some()))
}

/// Where the sign-in page is; the emulator serves it, for all pools, at its own address.
fn base_url(clients: &Clients, prefix: &str) -> String {
    clients.endpoint().filter(|_| clients.is_local()).map_or_else(
        || format!("https://{prefix}.auth.{}.amazoncognito.com", clients.region()),
        |endpoint| endpoint.trim_end_matches('/').to_owned(),
    )
}
