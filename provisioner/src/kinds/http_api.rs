//! HTTP APIs of API Gateway (version 2).
//!
//! API Gateway refuses concurrent changes of one API and allows few calls a second, so everything of an API has one
//! serial key. What is inside an API (routes, stage, …) belongs to it; its tag says whose it is.

use aws_sdk_apigatewayv2::Config;
use aws_sdk_apigatewayv2::config::retry::RetryConfig;
use aws_sdk_apigatewayv2::operation::create_api::CreateApiOutput;
use aws_sdk_apigatewayv2::types::{Api, Cors as AwsCors, ProtocolType};
use serde::{Deserialize, Serialize};

use super::typed::{At, Found, Seen, Tags, Typed, create_once, gone, lacking, outputs, seen, surplus, tags};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, Policy, retry};
use crate::resource::{Address, Outputs};

/// The kind.
#[derive(Debug)]
pub struct HttpApi;

/// An API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// Its name.
    pub name: String,
    /// Which web pages may call it, and how; none if none.
    pub cors: Option<Cors>,
    /// Its tags.
    pub tags: Tags,
}

/// Which web pages may call an API, and how. Lists are sorted: their order means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cors {
    /// Their origins.
    pub origins: Vec<String>,
    /// The methods that they may use.
    pub methods: Vec<String>,
    /// The headers that they may send.
    pub headers: Vec<String>,
    /// The headers of answers that they may read.
    #[serde(default)]
    pub exposes: Vec<String>,
    /// How long browsers remember this, in seconds.
    pub max_age: i32,
}

/// The key of all calls on APIs.
pub(super) fn serial_key() -> Option<String> {
    Some("http_api".to_owned())
}

impl Typed for HttpApi {
    const NAME: &'static str = "http_api";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(api) = look(at).await? else { return Ok(Seen::Missing) };
        let id = api.api_id().ok_or_else(|| lacking("the API's id"))?.to_owned();
        let endpoint = api.api_endpoint().unwrap_or_default().to_owned();
        let tags = read_tags(at.ctx, &format!("/apis/{id}")).await?;
        let attributes = normalise(api, tags);
        let what = format!("API `{}` ({id})", attributes.name);
        if let Some(foreign) = at.foreign::<Self>(&what, &attributes.tags) {
            return Ok(Seen::Foreign(foreign));
        }
        let outputs = outputs_of(&id, &endpoint, &attributes.name);
        Ok(Seen::Owned(Found { id, attributes, outputs }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let there = if at.is_new() { None } else { Self::find(at).await?.ours()? };
        let have = match there {
            Some(have) => have,
            None => match create(at, &want).await? {
                Some(made) => {
                    let id = made.api_id.ok_or_else(|| lacking("the API's id"))?;
                    let outputs = outputs_of(&id, &made.api_endpoint.unwrap_or_default(), &want.name);
                    return Ok(Found { id, attributes: want, outputs });
                }
                None => seen::<Self>(at).await?,
            },
        };
        if have.attributes == want {
            return Ok(have);
        }
        update(at.ctx, &have, &want).await?;
        seen::<Self>(at).await
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let id = &recorded.physical_id;
        let delete = || async { Ok(ctx.clients.apigateway().delete_api().api_id(id).send().await?) };
        gone(retry(&format!("to delete API `{id}`"), Policy::default(), delete).await)
    }

    fn effect(_path: &str) -> Effect {
        Effect::Update
    }
    fn key(_address: &Address) -> Option<String> {
        serial_key()
    }
}

fn outputs_of(id: &str, endpoint: &str, name: &str) -> Outputs {
    outputs([("id", id), ("endpoint", endpoint), ("name", name)])
}

/// The API of the recorded id, or else the one of this name; ours first, since names of APIs are not unique.
async fn look(at: At<'_>) -> Result<Option<Api>, AwsError> {
    let Some(name) = at.text("name") else { return Ok(None) };
    let (mut other, mut next) = (None, None);
    loop {
        let page = at.ctx.clients.apigateway().get_apis().set_next_token(next).send().await?;
        for api in page.items.unwrap_or_default() {
            let recorded = at.id().is_some() && api.api_id() == at.id();
            let named = api.name() == Some(name);
            if recorded || (named && api.tags.as_ref().is_some_and(|t| at.owns::<HttpApi>(&tags(t.clone()))))
            {
                return Ok(Some(api));
            }
            other = if named { Some(api) } else { other };
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(other);
        }
    }
}

pub(super) fn sorted(texts: Option<Vec<String>>) -> Vec<String> {
    let mut texts = texts.unwrap_or_default();
    texts.sort();
    texts
}

fn normalise(api: Api, tags: Tags) -> Attributes {
    let cors = api.cors_configuration.map(|cors| Cors {
        origins: sorted(cors.allow_origins),
        methods: sorted(cors.allow_methods),
        headers: sorted(cors.allow_headers),
        exposes: sorted(cors.expose_headers),
        max_age: cors.max_age.unwrap_or(0),
    });
    Attributes {
        name: api.name.unwrap_or_default(),
        cors: cors.filter(|cors| !cors.origins.is_empty()),
        tags,
    }
}

fn aws_cors(cors: &Cors) -> AwsCors {
    AwsCors::builder()
        .set_allow_origins(Some(cors.origins.clone()))
        .set_allow_methods(Some(cors.methods.clone()))
        .set_allow_headers(Some(cors.headers.clone()))
        .set_expose_headers(Some(cors.exposes.clone()))
        .max_age(cors.max_age)
        .build()
}

/// Makes the API; nothing is returned if it came about without an answer.
async fn create(at: At<'_>, want: &Attributes) -> Result<Option<CreateApiOutput>, AwsError> {
    let request = at
        .ctx
        .clients
        .apigateway()
        .create_api()
        .name(&want.name)
        .protocol_type(ProtocolType::Http)
        .set_cors_configuration(want.cors.as_ref().map(aws_cors))
        .set_tags(Some(want.tags.clone().into_iter().collect()));
    let what = format!("to make API `{}`", want.name);
    let once = Config::builder().retry_config(RetryConfig::disabled());
    create_once::<HttpApi, _, _, _>(at, &what, || async {
        Ok(request.clone().customize().config_override(once.clone()).send().await?)
    })
    .await
}

async fn update(ctx: &Context, have: &Found<Attributes>, want: &Attributes) -> Result<(), AwsError> {
    let (gateway, now) = (ctx.clients.apigateway(), &have.attributes);
    let what = format!("to change API `{}`", want.name);
    if now.name != want.name || (now.cors != want.cors && want.cors.is_some()) {
        let request = gateway.update_api().api_id(&have.id).name(&want.name);
        let request = request.set_cors_configuration(want.cors.as_ref().map(aws_cors));
        retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
    }
    if now.cors.is_some() && want.cors.is_none() {
        // Leaving it out of an update would keep it.
        let request = gateway.delete_cors_configuration().api_id(&have.id);
        retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
    }
    if now.tags != want.tags {
        sync_tags(ctx, &format!("/apis/{}", have.id), &now.tags, &want.tags).await?;
    }
    Ok(())
}

fn arn(ctx: &Context, path: &str) -> String {
    format!("arn:aws:apigateway:{}::{path}", ctx.clients.region())
}

/// The tags of what stands at this path, an API or a stage. The thing itself has a copy, which the emulator does not
/// keep up to date.
pub(super) async fn read_tags(ctx: &Context, path: &str) -> Result<Tags, AwsError> {
    let answer = ctx.clients.apigateway().get_tags().resource_arn(arn(ctx, path)).send().await?;
    Ok(tags(answer.tags.unwrap_or_default()))
}

/// Tags what stands at this path, an API or a stage.
pub(super) async fn sync_tags(ctx: &Context, path: &str, have: &Tags, want: &Tags) -> Result<(), AwsError> {
    let arn = arn(ctx, path);
    let gateway = ctx.clients.apigateway();
    let wanted = want.clone().into_iter().collect();
    gateway.tag_resource().resource_arn(&arn).set_tags(Some(wanted)).send().await?;
    let surplus = surplus(have, want);
    if !surplus.is_empty() {
        gateway.untag_resource().resource_arn(&arn).set_tag_keys(Some(surplus)).send().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cors_without_origins_is_none_and_its_order_means_nothing() {
        let none = Api::builder().cors_configuration(AwsCors::builder().build()).build();
        assert_eq!(normalise(none, Tags::new()).cors, None);
        let two = AwsCors::builder().allow_origins("b").allow_origins("a").build();
        let found = normalise(Api::builder().cors_configuration(two).build(), Tags::new());
        assert_eq!(found.cors.map(|cors| cors.origins), Some(vec!["a".into(), "b".into()]));
    }
}
