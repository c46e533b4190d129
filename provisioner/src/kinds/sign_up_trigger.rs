//! The function that a user pool calls when somebody has signed up. It is an attribute of the pool, and a resource of its own
//! here: the pool is needed by what the function is needed for, and neither has to wait for the other.
//!
//! Other triggers of the pool are left as they are. One on the same event that is not ours is not replaced.

use aws_sdk_cognitoidentityprovider::types::{LambdaConfigType, UserPoolType};
use serde::{Deserialize, Serialize};

use super::typed::{At, Found, Seen, Typed, gone, lacking, optional};
use super::{Context, Effect, Recorded, user_pool};
use crate::aws::{AwsError, Policy, retry};
use crate::resource::Outputs;

/// The kind.
#[derive(Debug)]
pub struct SignUpTrigger;

/// A trigger; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes<T = String> {
    /// The id of the pool.
    pub pool: T,
    /// The ARN of the function.
    pub function: T,
    /// The permission by which the pool may call it, which must be there first: else people could not sign up.
    pub after: T,
}

impl Typed for SignUpTrigger {
    const NAME: &'static str = "sign_up_trigger";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(id) = at.text("pool") else { return Ok(Seen::Missing) };
        Ok(describe(at.ctx, id).await?.map_or(Seen::Missing, |pool| seen_at(at, id, &pool)))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let pool = describe(at.ctx, &want.pool).await?.ok_or_else(|| lacking("the user pool"))?;
        seen_at(at, &want.pool, &pool).ours()?;
        set(at.ctx, &want.pool, pool, Some(&want.function)).await?;
        Ok(Found { id: id(&want.pool), attributes: want, outputs: Outputs::new() })
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let text = |name: &str| recorded.attributes.get(name).and_then(|value| value.as_str());
        let (Some(pool), Some(ours)) = (text("pool"), text("function")) else { return Ok(()) };
        match describe(ctx, pool).await? {
            Some(found) if called(&found).as_deref() == Some(ours) => gone(set(ctx, pool, found, None).await),
            _ => Ok(()),
        }
    }

    fn effect(path: &str) -> Effect {
        if path == "pool" { Effect::Replace } else { Effect::Update }
    }
    fn write_only() -> &'static [&'static str] {
        &["after"]
    }
}

fn id(pool: &str) -> String {
    format!("{pool}/PostConfirmation")
}

/// What a pool calls after a sign-up, and whether that is ours.
fn seen_at(at: At<'_>, pool_id: &str, pool: &UserPoolType) -> Seen<Attributes> {
    let Some(function) = called(pool) else { return Seen::Missing };
    let wanted = at.desired.get("function").and_then(|function| function.as_str());
    if at.recorded.is_none() && wanted != Some(&*function) {
        return Seen::Foreign(format!(
            "user pool `{pool_id}` calls `{function}` after a sign-up, which is not of this stack"
        ));
    }
    let after = at.text("after").unwrap_or_default().to_owned();
    let attributes = Attributes { pool: pool_id.to_owned(), function, after };
    Seen::Owned(Found { id: id(pool_id), attributes, outputs: Outputs::new() })
}

fn called(pool: &UserPoolType) -> Option<String> {
    let function = pool.lambda_config()?.post_confirmation()?;
    Some(function.to_owned()).filter(|function| !function.is_empty())
}

async fn describe(ctx: &Context, pool: &str) -> Result<Option<UserPoolType>, AwsError> {
    let answer = ctx.clients.cognito().describe_user_pool().user_pool_id(pool).send().await;
    Ok(optional(answer.map_err(AwsError::from))?.and_then(|answer| answer.user_pool))
}

/// Sets which function is called, and leaves all else of the pool as it is.
async fn set(ctx: &Context, id: &str, pool: UserPoolType, function: Option<&str>) -> Result<(), AwsError> {
    if called(&pool).as_deref() == function {
        return Ok(());
    }
    let mfa = user_pool::mfa_of(&pool);
    let mut triggers = pool.lambda_config.clone().unwrap_or_else(|| LambdaConfigType::builder().build());
    triggers.post_confirmation = function.map(str::to_owned);
    let request = user_pool::as_it_is(ctx.clients.cognito().update_user_pool(), id, pool);
    let request = request.lambda_config(triggers);
    let what = format!("to change what user pool `{id}` calls after a sign-up");
    retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
    if mfa == user_pool::Mfa::Off {
        return Ok(());
    }
    // An update may reset the second factor.
    let request = user_pool::with_mfa(ctx.clients.cognito().set_user_pool_mfa_config(), id, mfa);
    let what = format!("to set the second factor of user pool `{id}`");
    retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_that_is_empty_or_of_another_event_is_none() {
        let with =
            |triggers: LambdaConfigType| called(&UserPoolType::builder().lambda_config(triggers).build());
        assert_eq!(with(LambdaConfigType::builder().pre_sign_up("arn").build()), None);
        assert_eq!(with(LambdaConfigType::builder().post_confirmation("").build()), None);
        assert_eq!(with(LambdaConfigType::builder().post_confirmation("arn").build()), Some("arn".into()));
        assert_eq!(called(&UserPoolType::builder().build()), None);
    }

    #[test]
    fn a_trigger_stays_with_its_pool() {
        assert_eq!(
            (SignUpTrigger::effect("pool"), SignUpTrigger::effect("function")),
            (Effect::Replace, Effect::Update)
        );
    }
}
