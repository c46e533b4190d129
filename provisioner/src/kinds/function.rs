//! Lambda functions.
//!
//! Lambda refuses a change while another is going on, so calls on one function have one serial key, and each change
//! is waited for. A function whose creation failed cannot be changed at all: it is deleted and made again.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Architecture, Environment, FunctionCode, FunctionConfiguration, LastUpdateStatus, LoggingConfig, Runtime,
    State,
};
use serde::{Deserialize, Serialize};

use super::typed::{At, Found, Seen, Tags, Typed, gone, lacking, optional, outputs, seen, surplus, tags};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry, wait_until};
use crate::resource::Address;

/// The kind.
#[derive(Debug)]
pub struct Function;

/// A function; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes<T = String> {
    /// Its name.
    pub name: String,
    /// The ARN of the role that it runs as.
    pub role: T,
    /// The id of that role. A role that was made again under its name is another one, and the function's grant on
    /// its encryption key must be renewed; that is why the function remembers it, in a tag.
    pub role_id: T,
    /// What it runs on.
    pub runtime: String,
    /// Its processor.
    pub architecture: String,
    /// Its memory in MB.
    pub memory: i32,
    /// How long an invocation may take, in seconds.
    pub timeout: i32,
    /// Its code.
    pub code: Code,
    /// Its environment.
    pub environment: BTreeMap<String, T>,
    /// The name of its log group.
    pub log_group: T,
    /// Its tags.
    pub tags: Tags,
}

/// The code of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The zip file on this machine; not compared.
    pub path: String,
    /// The SHA-256 of the zip in base64, as Lambda gives it.
    pub sha256: String,
}

const ROLE_TAG: &str = "freehold:role";
/// How long a function may take until it is ready.
const READY: Duration = Duration::from_secs(300);

/// The key of a function's calls. A permission has the name of its function and the same key.
pub(super) fn serial_key(function: &str) -> String {
    format!("function/{function}")
}

impl Typed for Function {
    const NAME: &'static str = "function";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(name) = at.text("name") else { return Ok(Seen::Missing) };
        let Some(answer) = get(at.ctx, name).await? else { return Ok(Seen::Missing) };
        let mut tags = tags(answer.tags.unwrap_or_default());
        if let Some(foreign) = at.foreign::<Self>(&format!("function `{name}`"), &tags) {
            return Ok(Seen::Foreign(foreign));
        }
        let role_id = tags.remove(ROLE_TAG).unwrap_or_default();
        let found = answer.configuration.ok_or_else(|| lacking("the function's configuration"))?;
        let arn = found.function_arn().ok_or_else(|| lacking("the function's ARN"))?;
        let outputs = outputs([("name", name), ("arn", arn)]);
        let attributes = normalise(name, &found, role_id, tags);
        Ok(Seen::Owned(Found { id: name.to_owned(), attributes, outputs }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let ctx = at.ctx;
        let mut there = !at.is_new() && Self::find(at).await?.ours()?.is_some();
        if there && state(ctx, &want.name).await? == Some(State::Failed) {
            delete(ctx, &want.name).await?;
            there = false;
        }
        if !there && let Some(arn) = create(ctx, &want).await? {
            wait_ready(ctx, &want.name).await?;
            let outputs = outputs([("name", &want.name), ("arn", &arn)]);
            return Ok(Found { id: want.name.clone(), attributes: want, outputs });
        }
        wait_ready(ctx, &want.name).await?;
        let mut have = seen::<Self>(at).await?;
        have.attributes.code.path.clone_from(&want.code.path);
        if have.attributes == want {
            return Ok(have);
        }
        sync(ctx, &have, &want).await?;
        let mut have = seen::<Self>(at).await?;
        have.attributes.code.path = want.code.path;
        Ok(have)
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        delete(ctx, &recorded.physical_id).await
    }

    fn effect(path: &str) -> Effect {
        if path == "name" { Effect::Replace } else { Effect::Update }
    }
    fn write_only() -> &'static [&'static str] {
        &["code/path"]
    }
    fn key(address: &Address) -> Option<String> {
        Some(serial_key(&address.name))
    }
}

fn normalise(name: &str, found: &FunctionConfiguration, role_id: String, tags: Tags) -> Attributes {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let environment =
        found.environment().and_then(|environment| environment.variables()).cloned().unwrap_or_default();
    let log_group = found.logging_config().and_then(|logging| logging.log_group());
    Attributes {
        name: name.to_owned(),
        role: text(found.role()),
        role_id,
        runtime: text(found.runtime().map(Runtime::as_str)),
        architecture: found.architectures().first().map_or("x86_64", Architecture::as_str).to_owned(),
        memory: found.memory_size().unwrap_or(128),
        timeout: found.timeout().unwrap_or(3),
        code: Code { path: String::new(), sha256: text(found.code_sha256()) },
        environment: environment.into_iter().collect(),
        log_group: log_group.map_or_else(|| format!("/aws/lambda/{name}"), str::to_owned),
        tags,
    }
}

async fn get(ctx: &Context, name: &str) -> Result<Option<GetFunctionOutput>, AwsError> {
    optional(ctx.clients.lambda().get_function().function_name(name).send().await.map_err(AwsError::from))
}

async fn state(ctx: &Context, name: &str) -> Result<Option<State>, AwsError> {
    Ok(get(ctx, name).await?.and_then(|answer| answer.configuration).and_then(|found| found.state))
}

/// Waits until nothing is going on with the function any more.
async fn wait_ready(ctx: &Context, name: &str) -> Result<(), AwsError> {
    wait_until(&format!("function `{name}` to be ready"), READY, || async {
        let Some(found) = get(ctx, name).await?.and_then(|answer| answer.configuration) else {
            return Ok(None);
        };
        if found.state() == Some(&State::Failed) {
            let reason = found.state_reason().unwrap_or("AWS gives no reason");
            return Err(AwsError::new(
                ErrorKind::Other,
                format!("function `{name}` failed to start: {reason}"),
            ));
        }
        if found.last_update_status() == Some(&LastUpdateStatus::Failed) {
            let reason = found.last_update_status_reason().unwrap_or("AWS gives no reason");
            return Err(AwsError::new(
                ErrorKind::Other,
                format!("the change of function `{name}` failed: {reason}"),
            ));
        }
        let pending = found.state() == Some(&State::Pending);
        let changing = found.last_update_status() == Some(&LastUpdateStatus::InProgress);
        Ok((!pending && !changing).then_some(()))
    })
    .await
}

/// Makes the function and gives its ARN; none if it was there already.
async fn create(ctx: &Context, want: &Attributes) -> Result<Option<String>, AwsError> {
    let request = ctx
        .clients
        .lambda()
        .create_function()
        .function_name(&want.name)
        .role(&want.role)
        .runtime(Runtime::from(want.runtime.as_str()))
        .handler("bootstrap")
        .architectures(Architecture::from(want.architecture.as_str()))
        .memory_size(want.memory)
        .timeout(want.timeout)
        .environment(environment(want))
        .logging_config(LoggingConfig::builder().log_group(&want.log_group).build())
        .code(FunctionCode::builder().zip_file(zip(&want.code).await?).build())
        .set_tags(Some(all_tags(want).into_iter().collect()));
    // The role may have been made a second ago, in which case Lambda cannot assume it yet.
    let what = format!("to make function `{}`", want.name);
    match retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await {
        Err(error) if error.kind == ErrorKind::AlreadyExists => Ok(None),
        result => result?.function_arn.ok_or_else(|| lacking("the function's ARN")).map(Some),
    }
}

async fn zip(code: &Code) -> Result<Blob, AwsError> {
    let bytes = tokio::fs::read(&code.path).await;
    let message =
        |e| AwsError::new(ErrorKind::Invalid, format!("the code at `{}` cannot be read: {e}", code.path));
    Ok(Blob::new(bytes.map_err(message)?))
}

fn environment(want: &Attributes) -> Environment {
    Environment::builder().set_variables(Some(want.environment.clone().into_iter().collect())).build()
}

fn all_tags(want: &Attributes) -> Tags {
    let mut tags = want.tags.clone();
    tags.insert(ROLE_TAG.to_owned(), want.role_id.clone());
    tags
}

async fn sync(ctx: &Context, have: &Found<Attributes>, want: &Attributes) -> Result<(), AwsError> {
    let (lambda, now) = (ctx.clients.lambda(), &have.attributes);
    let what = format!("to change function `{}`", want.name);
    if now.code.sha256 != want.code.sha256 || now.architecture != want.architecture {
        let request = lambda
            .update_function_code()
            .function_name(&want.name)
            .architectures(Architecture::from(want.architecture.as_str()))
            .zip_file(zip(&want.code).await?);
        retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
        wait_ready(ctx, &want.name).await?;
    }
    let configured = |a: &Attributes| {
        let Attributes { role, role_id, runtime, memory, timeout, environment, log_group, .. } = a.clone();
        (role, role_id, runtime, memory, timeout, environment, log_group)
    };
    if configured(now) != configured(want) {
        let request = lambda
            .update_function_configuration()
            .function_name(&want.name)
            .role(&want.role)
            .runtime(Runtime::from(want.runtime.as_str()))
            .memory_size(want.memory)
            .timeout(want.timeout)
            .environment(environment(want))
            .logging_config(LoggingConfig::builder().log_group(&want.log_group).build());
        retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
        wait_ready(ctx, &want.name).await?;
    }
    if now.tags != want.tags || now.role_id != want.role_id {
        let arn = have.outputs.get("arn").ok_or_else(|| lacking("the function's ARN"))?;
        lambda
            .tag_resource()
            .resource(arn)
            .set_tags(Some(all_tags(want).into_iter().collect()))
            .send()
            .await?;
        let surplus = surplus(&now.tags, &want.tags);
        if !surplus.is_empty() {
            lambda.untag_resource().resource(arn).set_tag_keys(Some(surplus)).send().await?;
        }
    }
    Ok(())
}

async fn delete(ctx: &Context, name: &str) -> Result<(), AwsError> {
    let request = ctx.clients.lambda().delete_function().function_name(name);
    let what = format!("to delete function `{name}`");
    gone(retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await)?;
    wait_until(&format!("function `{name}` to be gone"), READY, || async {
        Ok(get(ctx, name).await?.is_none().then_some(()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lambda_leaves_out_reads_as_its_default() {
        let found = normalise("f", &FunctionConfiguration::builder().build(), String::new(), Tags::new());
        assert_eq!((found.architecture.as_str(), found.memory, found.timeout), ("x86_64", 128, 3));
        assert_eq!(found.log_group, "/aws/lambda/f");
    }

    #[test]
    fn the_place_of_the_zip_is_not_compared() {
        assert_eq!(Function::write_only(), ["code/path"]);
    }

    #[test]
    fn a_function_and_its_permission_are_changed_one_after_the_other() {
        let key = |kind: &str| {
            super::super::find(kind).unwrap().serial_key(&Address::new(kind, "api"), &serde_json::Value::Null)
        };
        assert_eq!(key("function"), key("permission"));
        assert!(key("function").is_some());
    }
}
