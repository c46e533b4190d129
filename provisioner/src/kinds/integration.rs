//! What answers requests to an API: a function. It belongs to its API.

use aws_sdk_apigatewayv2::Config;
use aws_sdk_apigatewayv2::config::retry::RetryConfig;
use aws_sdk_apigatewayv2::types::{Integration as AwsIntegration, IntegrationType};
use serde::{Deserialize, Serialize};

use super::http_api::serial_key;
use super::typed::{At, Found, Seen, Typed, create_once, gone, lacking, optional, outputs, seen};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, Policy, retry};
use crate::resource::Address;

/// The kind.
#[derive(Debug)]
pub struct Integration;

/// An integration; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes<T = String> {
    /// The id of the API.
    pub api: T,
    /// What it is called in its description; integrations have no names.
    pub name: String,
    /// The ARN of the function.
    pub function: T,
    /// How requests are handed over.
    pub payload_version: String,
    /// How long an answer may take.
    pub timeout_ms: i32,
}

impl Typed for Integration {
    const NAME: &'static str = "integration";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let (Some(api), Some(name)) = (at.text("api"), at.text("name")) else { return Ok(Seen::Missing) };
        let Some(found) = look(at.ctx, api, name).await? else { return Ok(Seen::Missing) };
        let id = found.integration_id().ok_or_else(|| lacking("the integration's id"))?.to_owned();
        let outputs = outputs([("id", &id)]);
        Ok(Seen::Owned(Found { id: format!("{api}/{id}"), attributes: normalise(api, name, found), outputs }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let gateway = at.ctx.clients.apigateway();
        let what = format!("to set integration `{}`", want.name);
        let there = if at.is_new() { None } else { Self::find(at).await?.ours()? };
        match there {
            Some(have) if have.attributes == want => return Ok(have),
            Some(have) => {
                let id = have.outputs.get("id").ok_or_else(|| lacking("the integration's id"))?;
                let request = gateway
                    .update_integration()
                    .api_id(&want.api)
                    .integration_id(id)
                    .integration_uri(&want.function)
                    .payload_format_version(&want.payload_version)
                    .timeout_in_millis(want.timeout_ms);
                retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
            }
            None => {
                let request = gateway
                    .create_integration()
                    .api_id(&want.api)
                    .description(&want.name)
                    .integration_type(IntegrationType::AwsProxy)
                    .integration_method("POST")
                    .integration_uri(&want.function)
                    .payload_format_version(&want.payload_version)
                    .timeout_in_millis(want.timeout_ms);
                let once = Config::builder().retry_config(RetryConfig::disabled());
                let made = create_once::<Self, _, _, _>(at, &what, || async {
                    Ok(request.clone().customize().config_override(once.clone()).send().await?)
                });
                if let Some(id) = made.await?.map(|made| made.integration_id) {
                    let id = id.ok_or_else(|| lacking("the integration's id"))?;
                    let outputs = outputs([("id", &id)]);
                    return Ok(Found { id: format!("{}/{id}", want.api), attributes: want, outputs });
                }
            }
        }
        seen::<Self>(at).await
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let Some((api, id)) = recorded.physical_id.split_once('/') else { return Ok(()) };
        let request = ctx.clients.apigateway().delete_integration().api_id(api).integration_id(id);
        let what = format!("to delete integration `{id}`");
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

async fn look(ctx: &Context, api: &str, name: &str) -> Result<Option<AwsIntegration>, AwsError> {
    let mut next = None;
    loop {
        let answer =
            ctx.clients.apigateway().get_integrations().api_id(api).set_next_token(next).send().await;
        let Some(page) = optional(answer.map_err(AwsError::from))? else { return Ok(None) };
        let found =
            page.items.unwrap_or_default().into_iter().find(|found| found.description() == Some(name));
        next = page.next_token;
        if found.is_some() || next.is_none() {
            return Ok(found);
        }
    }
}

fn normalise(api: &str, name: &str, found: AwsIntegration) -> Attributes {
    Attributes {
        api: api.to_owned(),
        name: name.to_owned(),
        function: found.integration_uri.unwrap_or_default(),
        payload_version: found.payload_format_version.unwrap_or_else(|| "1.0".to_owned()),
        timeout_ms: found.timeout_in_millis.unwrap_or(30_000),
    }
}
