//! The routes of an API, one resource each. They belong to their API.

use aws_sdk_apigatewayv2::types::{AuthorizationType, Route as AwsRoute};
use serde::{Deserialize, Serialize};

use super::http_api::{serial_key, sorted};
use super::typed::{At, Found, Seen, Typed, gone, lacking, optional, outputs, seen};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry};
use crate::resource::Address;

/// The kind.
#[derive(Debug)]
pub struct Route;

/// A route; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes<T = String> {
    /// The id of the API.
    pub api: T,
    /// Method and path: `GET /user`.
    pub key: String,
    /// The id of the authorizer; empty on a route that takes no token.
    pub authorizer: T,
    /// The scopes of which a token must carry one, sorted.
    pub scopes: Vec<T>,
    /// The id of the integration.
    pub integration: T,
}

impl Typed for Route {
    const NAME: &'static str = "route";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let (Some(api), Some(key)) = (at.text("api"), at.text("key")) else { return Ok(Seen::Missing) };
        let Some(found) = look(at, api, key).await? else { return Ok(Seen::Missing) };
        let id = found.route_id().ok_or_else(|| lacking("the route's id"))?.to_owned();
        let outputs = outputs([("id", &id)]);
        Ok(Seen::Owned(Found { id: format!("{api}/{id}"), attributes: normalise(api, found), outputs }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let gateway = at.ctx.clients.apigateway();
        let target = format!("integrations/{}", want.integration);
        let what = format!("to set route `{}`", want.key);
        let mut there = if at.is_new() { None } else { Self::find(at).await?.ours()? };
        if there.is_none() {
            let request = gateway
                .create_route()
                .api_id(&want.api)
                .route_key(&want.key)
                .authorization_type(authorization(&want))
                .set_authorizer_id(authorizer(&want))
                .set_authorization_scopes(Some(want.scopes.clone()))
                .target(&target);
            match retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await {
                // An earlier attempt of this very call got through.
                Err(error) if error.kind == ErrorKind::AlreadyExists => {
                    there = Some(seen::<Self>(at).await?);
                }
                result => {
                    let id = result?.route_id.ok_or_else(|| lacking("the route's id"))?;
                    let outputs = outputs([("id", &id)]);
                    return Ok(Found { id: format!("{}/{id}", want.api), attributes: want, outputs });
                }
            }
        }
        match there {
            Some(have) if have.attributes == want => return Ok(have),
            Some(have) => {
                let id = have.outputs.get("id").ok_or_else(|| lacking("the route's id"))?;
                let request = gateway
                    .update_route()
                    .api_id(&want.api)
                    .route_id(id)
                    .authorization_type(authorization(&want))
                    .set_authorizer_id(authorizer(&want))
                    .set_authorization_scopes(Some(want.scopes.clone()))
                    .target(target);
                retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
            }
            None => {}
        }
        seen::<Self>(at).await
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let Some((api, id)) = recorded.physical_id.split_once('/') else { return Ok(()) };
        let request = ctx.clients.apigateway().delete_route().api_id(api).route_id(id);
        let what = format!("to delete route `{id}`");
        gone(retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await)
    }

    fn effect(path: &str) -> Effect {
        match path {
            "api" | "key" => Effect::Replace,
            _ => Effect::Update,
        }
    }
    fn key(_address: &Address) -> Option<String> {
        serial_key()
    }
}

/// Whether tokens are checked.
fn authorization(want: &Attributes) -> AuthorizationType {
    if want.authorizer.is_empty() { AuthorizationType::None } else { AuthorizationType::Jwt }
}

fn authorizer(want: &Attributes) -> Option<String> {
    Some(want.authorizer.clone()).filter(|id| !id.is_empty())
}

async fn look(at: At<'_>, api: &str, key: &str) -> Result<Option<AwsRoute>, AwsError> {
    let recorded = at.id().and_then(|id| id.strip_prefix(api)?.strip_prefix('/'));
    let mut other = None;
    for route in at.ctx.listings.routes(api, || list(at.ctx, api)).await? {
        if recorded.is_some() && route.route_id() == recorded {
            return Ok(Some(route));
        }
        other = if route.route_key() == Some(key) { Some(route) } else { other };
    }
    Ok(other)
}

/// All routes of an API; none without an API.
async fn list(ctx: &Context, api: &str) -> Result<Vec<AwsRoute>, AwsError> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let answer = ctx.clients.apigateway().get_routes().api_id(api).set_next_token(next).send().await;
        let Some(page) = optional(answer.map_err(AwsError::from))? else { return Ok(Vec::new()) };
        found.extend(page.items.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(found);
        }
    }
}

fn normalise(api: &str, found: AwsRoute) -> Attributes {
    let target = found.target.unwrap_or_default();
    Attributes {
        api: api.to_owned(),
        key: found.route_key.unwrap_or_default(),
        // Without a check of tokens there is no authorizer, whatever the id says.
        authorizer: match found.authorization_type {
            Some(AuthorizationType::Jwt) => found.authorizer_id.unwrap_or_default(),
            _ => String::new(),
        },
        scopes: sorted(found.authorization_scopes),
        integration: target.trim_start_matches("integrations/").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_was_opened_by_hand_differs() {
        let route =
            AwsRoute::builder().authorization_type(AuthorizationType::None).authorizer_id("a").build();
        assert_eq!(normalise("api", route).authorizer, "");
    }
}
