//! Permissions of services to call a function.
//!
//! Lambda can add and remove them but not change them, so a statement's id carries the hash of what it says. The
//! permission of a function has the function's name.

use aws_sdk_lambda::operation::get_policy::GetPolicyOutput;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::function::serial_key;
use super::typed::{At, Found, Seen, Typed, gone, optional, outputs, seen};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry};
use crate::resource::Address;

/// The kind.
#[derive(Debug)]
pub struct Permission;

/// A permission; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes<T = String> {
    /// The name of the function.
    pub function: T,
    /// The service that may call it.
    pub principal: String,
    /// What it may do.
    pub action: String,
    /// On whose behalf: an ARN, perhaps with a `*`.
    pub source: T,
}

impl Typed for Permission {
    const NAME: &'static str = "permission";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(function) = at.text("function") else { return Ok(Seen::Missing) };
        let found = statements(at.ctx, function).await?.into_iter().find(|(id, _)| is_ours(at.address, id));
        Ok(found.map_or(Seen::Missing, |(id, statement)| {
            let outputs = outputs([("statementId", &id)]);
            Seen::Owned(Found {
                id: format!("{function}/{id}"),
                attributes: normalise(function, &statement),
                outputs,
            })
        }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let wanted = statement_id(at.address, &want);
        let mut there = false;
        let known = if at.is_new() { Vec::new() } else { statements(at.ctx, &want.function).await? };
        for (id, statement) in known {
            // What it says counts as well as its id: somebody may have put another under the same.
            if id == wanted && normalise(&want.function, &statement) == want {
                there = true;
            } else if is_ours(at.address, &id) {
                remove(at.ctx, &want.function, &id).await?;
            }
        }
        if !there {
            let request = at
                .ctx
                .clients
                .lambda()
                .add_permission()
                .function_name(&want.function)
                .statement_id(&wanted)
                .principal(&want.principal)
                .action(&want.action)
                .source_arn(&want.source);
            let what = format!("to let `{}` call function `{}`", want.principal, want.function);
            match retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await {
                Err(error) if error.kind == ErrorKind::AlreadyExists => {}
                result => {
                    result?;
                    let id = format!("{}/{wanted}", want.function);
                    let outputs = outputs([("statementId", &wanted)]);
                    return Ok(Found { id, attributes: want, outputs });
                }
            }
        }
        seen::<Self>(at).await
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        match recorded.physical_id.split_once('/') {
            Some((function, statement)) => remove(ctx, function, statement).await,
            None => Ok(()),
        }
    }

    fn effect(path: &str) -> Effect {
        if path == "function" { Effect::Replace } else { Effect::Update }
    }
    fn key(address: &Address) -> Option<String> {
        Some(serial_key(&address.name))
    }
}

fn prefix(address: &Address) -> String {
    format!("freehold-{}-", address.name)
}

fn is_ours(address: &Address, statement: &str) -> bool {
    statement.starts_with(&prefix(address))
}

fn statement_id(address: &Address, want: &Attributes) -> String {
    let said = format!("{}\n{}\n{}", want.principal, want.action, want.source);
    let hash = Sha256::digest(said.as_bytes());
    let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    prefix(address) + &hash
}

async fn statements(ctx: &Context, function: &str) -> Result<Vec<(String, Value)>, AwsError> {
    let answer = ctx.clients.lambda().get_policy().function_name(function).send().await;
    Ok(optional(answer.map_err(AwsError::from))?.as_ref().map(parse).unwrap_or_default())
}

fn parse(answer: &GetPolicyOutput) -> Vec<(String, Value)> {
    let policy: Value = answer.policy().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let statements = policy.get("Statement").and_then(Value::as_array).cloned().unwrap_or_default();
    let id = |statement: &Value| Some(statement.get("Sid")?.as_str()?.to_owned());
    statements.into_iter().filter_map(|statement| Some((id(&statement)?, statement))).collect()
}

fn normalise(function: &str, statement: &Value) -> Attributes {
    let text =
        |pointer: &str| statement.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let source = ["/Condition/ArnLike/AWS:SourceArn", "/Condition/ArnLike/aws:SourceArn"];
    Attributes {
        function: function.to_owned(),
        principal: text("/Principal/Service"),
        action: text("/Action"),
        source: source.into_iter().map(text).find(|arn| !arn.is_empty()).unwrap_or_default(),
    }
}

async fn remove(ctx: &Context, function: &str, statement: &str) -> Result<(), AwsError> {
    let request = ctx.clients.lambda().remove_permission().function_name(function).statement_id(statement);
    let what = format!("to remove a permission of function `{function}`");
    gone(retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(source: &str) -> Attributes {
        Attributes {
            function: "f".into(),
            principal: "apigateway.amazonaws.com".into(),
            action: "lambda:InvokeFunction".into(),
            source: source.into(),
        }
    }

    #[test]
    fn another_content_has_another_id_and_is_still_recognised() {
        let address = Address::new("permission", "api");
        let (a, b) =
            (statement_id(&address, &permission("arn:a")), statement_id(&address, &permission("arn:b")));
        assert_ne!(a, b);
        assert!(is_ours(&address, &a) && is_ours(&address, &b));
        assert!(!is_ours(&address, "made-by-hand"));
    }

    #[test]
    fn a_statement_reads_back_as_it_was_sent() {
        let policy = r#"{"Statement":[{"Sid":"freehold-api-1","Effect":"Allow","Action":"lambda:InvokeFunction",
            "Principal":{"Service":"apigateway.amazonaws.com"},"Resource":"arn:f",
            "Condition":{"ArnLike":{"AWS:SourceArn":"arn:a"}}}]}"#;
        let found = parse(&GetPolicyOutput::builder().policy(policy).build());
        assert_eq!(found.first().map(|(_, statement)| normalise("f", statement)), Some(permission("arn:a")));
    }
}
