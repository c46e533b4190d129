//! The stage under which an API is served. It belongs to its API.

use aws_sdk_apigatewayv2::operation::get_stage::GetStageOutput;
use aws_sdk_apigatewayv2::types::RouteSettings;
use serde::{Deserialize, Serialize};

use super::http_api::{read_tags, serial_key, sync_tags};
use super::typed::{At, Found, Seen, Tags, Typed, gone, optional, outputs, seen};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry};
use crate::resource::Address;

/// The kind.
#[derive(Debug)]
pub struct Stage;

/// A stage; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes<T = String> {
    /// The id of the API.
    pub api: T,
    /// Its name; `$default` is served without a name in the address.
    pub name: String,
    /// Whether a change of the API is live at once.
    pub auto_deploy: bool,
    /// Requests a second, for all callers together.
    pub rate_limit: u32,
    /// Requests at once, for all callers together.
    pub burst_limit: u32,
    /// Its tags.
    pub tags: Tags,
}

impl Typed for Stage {
    const NAME: &'static str = "stage";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let (Some(api), Some(name)) = (at.text("api"), at.text("name")) else { return Ok(Seen::Missing) };
        let answer = at.ctx.clients.apigateway().get_stage().api_id(api).stage_name(name).send().await;
        let Some(found) = optional(answer.map_err(AwsError::from))? else { return Ok(Seen::Missing) };
        let tags = read_tags(at.ctx, &path(api, name)).await?;
        let attributes = normalise(api, name, &found, tags);
        Ok(Seen::Owned(Found { id: format!("{api}/{name}"), attributes, outputs: outputs([("name", name)]) }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let gateway = at.ctx.clients.apigateway();
        let what = format!("to set stage `{}`", want.name);
        let there = if at.is_new() { None } else { Self::find(at).await?.ours()? };
        let Some(have) = there else {
            let request = gateway
                .create_stage()
                .api_id(&want.api)
                .stage_name(&want.name)
                .auto_deploy(want.auto_deploy)
                .default_route_settings(throttling(&want))
                .set_tags(Some(want.tags.clone().into_iter().collect()));
            return match retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await
            {
                Err(error) if error.kind == ErrorKind::AlreadyExists => seen::<Self>(at).await,
                result => {
                    result?;
                    let (id, outputs) =
                        (format!("{}/{}", want.api, want.name), outputs([("name", &want.name)]));
                    Ok(Found { id, attributes: want, outputs })
                }
            };
        };
        if have.attributes == want {
            return Ok(have);
        }
        let untagged = |attributes: &Attributes| Attributes { tags: Tags::new(), ..attributes.clone() };
        if untagged(&have.attributes) != untagged(&want) {
            let request = gateway
                .update_stage()
                .api_id(&want.api)
                .stage_name(&want.name)
                .auto_deploy(want.auto_deploy)
                .default_route_settings(throttling(&want));
            retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
        }
        if have.attributes.tags != want.tags {
            sync_tags(at.ctx, &path(&want.api, &want.name), &have.attributes.tags, &want.tags).await?;
        }
        seen::<Self>(at).await
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let Some((api, name)) = recorded.physical_id.split_once('/') else { return Ok(()) };
        let request = ctx.clients.apigateway().delete_stage().api_id(api).stage_name(name);
        let what = format!("to delete stage `{name}`");
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

fn throttling(want: &Attributes) -> RouteSettings {
    RouteSettings::builder()
        .throttling_rate_limit(f64::from(want.rate_limit))
        .throttling_burst_limit(i32::try_from(want.burst_limit).unwrap_or(i32::MAX))
        .build()
}

fn path(api: &str, stage: &str) -> String {
    format!("/apis/{api}/stages/{stage}")
}

fn normalise(api: &str, name: &str, found: &GetStageOutput, tags: Tags) -> Attributes {
    let limits = found.default_route_settings();
    let rate = limits.and_then(|limits| limits.throttling_rate_limit()).unwrap_or(0.0);
    let burst = limits.and_then(|limits| limits.throttling_burst_limit()).unwrap_or(0);
    Attributes {
        api: api.to_owned(),
        name: name.to_owned(),
        auto_deploy: found.auto_deploy().unwrap_or(false),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, and 10,000 at most"
        )]
        rate_limit: rate.round() as u32,
        burst_limit: u32::try_from(burst).unwrap_or(0),
        tags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_back_as_they_were_sent() {
        let want = Attributes {
            api: "a".into(),
            name: "$default".into(),
            auto_deploy: true,
            rate_limit: 50,
            burst_limit: 100,
            tags: Tags::new(),
        };
        let found =
            GetStageOutput::builder().auto_deploy(true).default_route_settings(throttling(&want)).build();
        assert_eq!(normalise("a", "$default", &found, Tags::new()), want);
    }
}
