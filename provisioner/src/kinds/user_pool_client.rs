//! The client that people sign in with: authorization code with PKCE, no secret. It belongs to its pool.
//!
//! An update resets what it does not mention, so it begins with what is there, as with the pool.

use aws_sdk_cognitoidentityprovider::Config;
use aws_sdk_cognitoidentityprovider::config::retry::RetryConfig;
use aws_sdk_cognitoidentityprovider::types::{
    ExplicitAuthFlowsType, OAuthFlowType, PreventUserExistenceErrorTypes, TimeUnitsType,
    TokenValidityUnitsType, UserPoolClientType,
};
use serde::{Deserialize, Serialize};

use super::typed::{At, Found, Seen, Typed, create_once, gone, lacking, optional, outputs, seen};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, Policy, retry};

/// The kind.
#[derive(Debug)]
pub struct UserPoolClient;

/// A client; `T` is [`crate::resource::Input`] while some of it is unknown. Lists are sorted: their order means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes<T = String> {
    /// The id of the pool.
    pub pool: T,
    /// Its name.
    pub name: String,
    /// Where the sign-in page may return to.
    pub callback_urls: Vec<String>,
    /// Where it may return to after signing out.
    pub logout_urls: Vec<String>,
    /// How tokens are got: `code`.
    pub flows: Vec<String>,
    /// What tokens may carry.
    pub scopes: Vec<T>,
    /// Which ways of signing in the API of the pool takes, besides the page.
    pub auth_flows: Vec<String>,
    /// How long access and identity tokens are good, in minutes.
    pub token_minutes: i32,
    /// How long refresh tokens are good, in days.
    pub refresh_days: i32,
    /// Whether answers hide if a user exists.
    pub hides_users: bool,
    /// Whether tokens can be revoked.
    pub revocable: bool,
}

impl Typed for UserPoolClient {
    const NAME: &'static str = "user_pool_client";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(client) = look(at).await? else { return Ok(Seen::Missing) };
        Ok(Seen::Owned(found(&client)?))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let there = if at.is_new() { None } else { look(at).await? };
        match there {
            Some(client) if normalise(&client) == want => return found(&client),
            Some(client) => update(at.ctx, client, &want).await?,
            None => {
                if let Some(client) = create(at, &want).await? {
                    return found(&client);
                }
            }
        }
        seen::<Self>(at).await
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let Some((pool, id)) = recorded.physical_id.split_once('/') else { return Ok(()) };
        let request = ctx.clients.cognito().delete_user_pool_client().user_pool_id(pool).client_id(id);
        let what = format!("to delete client `{id}`");
        gone(retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await)
    }

    fn effect(path: &str) -> Effect {
        if path == "pool" { Effect::Replace } else { Effect::Update }
    }
}

fn found(client: &UserPoolClientType) -> Result<Found<Attributes>, AwsError> {
    let (pool, id) = ids(client)?;
    let outputs = outputs([("id", id), ("pool", pool)]);
    Ok(Found { id: format!("{pool}/{id}"), attributes: normalise(client), outputs })
}

fn ids(client: &UserPoolClientType) -> Result<(&str, &str), AwsError> {
    let found = client.user_pool_id().zip(client.client_id());
    found.ok_or_else(|| lacking("the client's id"))
}

async fn look(at: At<'_>) -> Result<Option<UserPoolClientType>, AwsError> {
    let (Some(pool), Some(name)) = (at.text("pool"), at.text("name")) else { return Ok(None) };
    if let Some((of, id)) = at.id().and_then(|id| id.split_once('/'))
        && of == pool
        && let Some(client) = describe(at.ctx, pool, id).await?
    {
        return Ok(Some(client));
    }
    let mut next = None;
    loop {
        let request = at.ctx.clients.cognito().list_user_pool_clients().user_pool_id(pool).max_results(60);
        let answer = request.set_next_token(next).send().await;
        let Some(page) = optional(answer.map_err(AwsError::from))? else { return Ok(None) };
        let found = page.user_pool_clients().iter().find(|client| client.client_name() == Some(name));
        if let Some(id) = found.and_then(|client| client.client_id()) {
            return describe(at.ctx, pool, id).await;
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(None);
        }
    }
}

async fn describe(ctx: &Context, pool: &str, id: &str) -> Result<Option<UserPoolClientType>, AwsError> {
    let answer =
        ctx.clients.cognito().describe_user_pool_client().user_pool_id(pool).client_id(id).send().await;
    Ok(optional(answer.map_err(AwsError::from))?.and_then(|answer| answer.user_pool_client))
}

fn sorted<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Vec<String> {
    let mut texts: Vec<String> = texts.into_iter().map(|text| text.as_ref().to_owned()).collect();
    texts.sort();
    texts
}

fn normalise(client: &UserPoolClientType) -> Attributes {
    let units = client.token_validity_units();
    let access = client.access_token_validity().unwrap_or(60);
    let refresh = client.refresh_token_validity();
    Attributes {
        pool: client.user_pool_id().unwrap_or_default().to_owned(),
        name: client.client_name().unwrap_or_default().to_owned(),
        callback_urls: sorted(client.callback_urls()),
        logout_urls: sorted(client.logout_urls()),
        flows: sorted(client.allowed_o_auth_flows().iter().map(OAuthFlowType::as_str)),
        scopes: sorted(client.allowed_o_auth_scopes()),
        auth_flows: sorted(client.explicit_auth_flows().iter().map(ExplicitAuthFlowsType::as_str)),
        token_minutes: match units.and_then(|units| units.access_token()) {
            Some(TimeUnitsType::Minutes) | None => access,
            Some(TimeUnitsType::Hours) => access * 60,
            Some(TimeUnitsType::Days) => access * 1440,
            _ => access / 60,
        },
        refresh_days: match units.and_then(|units| units.refresh_token()) {
            Some(TimeUnitsType::Hours) => refresh / 24,
            Some(TimeUnitsType::Minutes) => refresh / 1440,
            Some(TimeUnitsType::Seconds) => refresh / 86_400,
            _ => refresh,
        },
        hides_users: client.prevent_user_existence_errors() == Some(&PreventUserExistenceErrorTypes::Enabled),
        revocable: client.enable_token_revocation().unwrap_or(false),
    }
}

fn units() -> TokenValidityUnitsType {
    let minutes = TimeUnitsType::Minutes;
    TokenValidityUnitsType::builder()
        .access_token(minutes.clone())
        .id_token(minutes)
        .refresh_token(TimeUnitsType::Days)
        .build()
}

/// What creating and updating have in common; the SDK gives them types of their own.
macro_rules! settings {
    ($request:expr, $want:expr) => {
        $request
            .user_pool_id(&$want.pool)
            .client_name(&$want.name)
            .set_callback_urls(Some($want.callback_urls.clone()))
            .set_logout_urls(Some($want.logout_urls.clone()))
            .set_allowed_o_auth_flows(Some($want.flows.iter().map(|flow| flow.as_str().into()).collect()))
            .set_allowed_o_auth_scopes(Some($want.scopes.clone()))
            .allowed_o_auth_flows_user_pool_client(!$want.flows.is_empty())
            .set_explicit_auth_flows(Some($want.auth_flows.iter().map(|flow| flow.as_str().into()).collect()))
            .supported_identity_providers("COGNITO")
            .access_token_validity($want.token_minutes)
            .id_token_validity($want.token_minutes)
            .refresh_token_validity($want.refresh_days)
            .token_validity_units(units())
            .prevent_user_existence_errors(if $want.hides_users {
                PreventUserExistenceErrorTypes::Enabled
            } else {
                PreventUserExistenceErrorTypes::Legacy
            })
            .enable_token_revocation($want.revocable)
    };
}

/// Makes the client; nothing is returned if it came about without an answer.
async fn create(at: At<'_>, want: &Attributes) -> Result<Option<UserPoolClientType>, AwsError> {
    let request = settings!(at.ctx.clients.cognito().create_user_pool_client(), want).generate_secret(false);
    let what = format!("to make client `{}`", want.name);
    let once = Config::builder().retry_config(RetryConfig::disabled());
    let made = create_once::<UserPoolClient, _, _, _>(at, &what, || async {
        Ok(request.clone().customize().config_override(once.clone()).send().await?)
    });
    made.await?.map(|made| made.user_pool_client.ok_or_else(|| lacking("the client"))).transpose()
}

async fn update(ctx: &Context, have: UserPoolClientType, want: &Attributes) -> Result<(), AwsError> {
    let request = settings!(ctx.clients.cognito().update_user_pool_client(), want)
        .set_client_id(have.client_id)
        .set_read_attributes(have.read_attributes)
        .set_write_attributes(have.write_attributes)
        .set_default_redirect_uri(have.default_redirect_uri.filter(|url| want.callback_urls.contains(url)))
        .set_analytics_configuration(have.analytics_configuration)
        .set_enable_propagate_additional_user_context_data(have.enable_propagate_additional_user_context_data)
        .set_auth_session_validity(have.auth_session_validity)
        .set_refresh_token_rotation(have.refresh_token_rotation);
    let what = format!("to change client `{}`", want.name);
    retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_compare_whatever_their_order() {
        let client = UserPoolClientType::builder().callback_urls("b").callback_urls("a").build();
        assert_eq!(normalise(&client).callback_urls, ["a", "b"]);
    }

    #[test]
    fn validities_compare_whatever_their_unit() {
        let hours = TokenValidityUnitsType::builder().access_token(TimeUnitsType::Hours).build();
        let client =
            UserPoolClientType::builder().access_token_validity(1).token_validity_units(hours).build();
        assert_eq!(normalise(&client).token_minutes, 60);
    }
}
