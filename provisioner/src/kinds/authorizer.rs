//! What checks the tokens of requests to an API. It belongs to its API.

use aws_sdk_apigatewayv2::types::{Authorizer as AwsAuthorizer, AuthorizerType, JwtConfiguration};
use serde::{Deserialize, Serialize};

use super::http_api::{serial_key, sorted};
use super::typed::{At, Found, Seen, Typed, gone, lacking, optional, outputs, seen};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry};
use crate::resource::Address;

/// The kind.
#[derive(Debug)]
pub struct Authorizer;

/// An authorizer; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes<T = String> {
    /// The id of the API.
    pub api: T,
    /// Its name.
    pub name: String,
    /// Whose tokens it takes.
    pub issuer: T,
    /// For whom tokens must be made.
    pub audience: Vec<T>,
}

/// Where requests carry their token.
const TOKEN: &str = "$request.header.Authorization";

impl Typed for Authorizer {
    const NAME: &'static str = "authorizer";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let (Some(api), Some(name)) = (at.text("api"), at.text("name")) else { return Ok(Seen::Missing) };
        let Some(found) = look(at.ctx, api, name).await? else { return Ok(Seen::Missing) };
        let id = found.authorizer_id().ok_or_else(|| lacking("the authorizer's id"))?.to_owned();
        let outputs = outputs([("id", &id)]);
        Ok(Seen::Owned(Found { id: format!("{api}/{id}"), attributes: normalise(api, name, found), outputs }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let gateway = at.ctx.clients.apigateway();
        let jwt = JwtConfiguration::builder()
            .issuer(&want.issuer)
            .set_audience(Some(want.audience.clone()))
            .build();
        let what = format!("to set authorizer `{}`", want.name);
        let mut there = if at.is_new() { None } else { Self::find(at).await?.ours()? };
        if there.is_none() {
            let request = gateway
                .create_authorizer()
                .api_id(&want.api)
                .name(&want.name)
                .authorizer_type(AuthorizerType::Jwt)
                .identity_source(TOKEN)
                .jwt_configuration(jwt.clone());
            match retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await {
                // An earlier attempt of this very call got through.
                Err(error) if error.kind == ErrorKind::AlreadyExists => {
                    there = Some(seen::<Self>(at).await?);
                }
                result => {
                    let id = result?.authorizer_id.ok_or_else(|| lacking("the authorizer's id"))?;
                    let outputs = outputs([("id", &id)]);
                    return Ok(Found { id: format!("{}/{id}", want.api), attributes: want, outputs });
                }
            }
        }
        match there {
            Some(have) if have.attributes == want => return Ok(have),
            Some(have) => {
                let id = have.outputs.get("id").ok_or_else(|| lacking("the authorizer's id"))?;
                let request =
                    gateway.update_authorizer().api_id(&want.api).authorizer_id(id).jwt_configuration(jwt);
                retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
            }
            None => {}
        }
        seen::<Self>(at).await
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let Some((api, id)) = recorded.physical_id.split_once('/') else { return Ok(()) };
        let request = ctx.clients.apigateway().delete_authorizer().api_id(api).authorizer_id(id);
        let what = format!("to delete authorizer `{id}`");
        gone(retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await)
    }

    fn effect(path: &str) -> Effect {
        match path {
            "api" | "name" => Effect::Replace,
            _ => Effect::Update,
        }
    }
    fn key(_address: &Address) -> Option<String> {
        serial_key()
    }
}

async fn look(ctx: &Context, api: &str, name: &str) -> Result<Option<AwsAuthorizer>, AwsError> {
    let mut next = None;
    loop {
        let answer = ctx.clients.apigateway().get_authorizers().api_id(api).set_next_token(next).send().await;
        let Some(page) = optional(answer.map_err(AwsError::from))? else { return Ok(None) };
        let found = page.items.unwrap_or_default().into_iter().find(|found| found.name() == Some(name));
        next = page.next_token;
        if found.is_some() || next.is_none() {
            return Ok(found);
        }
    }
}

fn normalise(api: &str, name: &str, found: AwsAuthorizer) -> Attributes {
    let jwt = found.jwt_configuration;
    let (issuer, audience) = jwt.map(|jwt| (jwt.issuer, jwt.audience)).unwrap_or_default();
    Attributes {
        api: api.to_owned(),
        name: name.to_owned(),
        issuer: issuer.unwrap_or_default(),
        audience: sorted(audience),
    }
}
