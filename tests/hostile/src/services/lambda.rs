//! Functions and who may call them.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::reply::{Answer, Refusal, refuse};
use crate::services::logs::LogGroup;
use crate::state::{Ctx, Tags, only, overlay, tags, text, untag};
use crate::{ACCOUNT, REGION};

/// A function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its configuration, as it was given.
    pub doc: Value,
    /// The hash of its code.
    pub code: String,
    /// The id of the role that its grants are for.
    pub role_id: String,
    /// Until when its creation takes, and whether it fails.
    pub creation: (Duration, bool),
    /// Until when its last change takes.
    pub change: Duration,
    /// Who may call it: ids of statements with what they say.
    pub statements: Vec<(String, Value)>,
    /// Its tags.
    pub tags: Tags,
}

const CONFIGURATION: [&str; 8] =
    ["Role", "Runtime", "Handler", "MemorySize", "Timeout", "Environment", "LoggingConfig", "Architectures"];

pub(crate) fn arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}

pub(crate) fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

fn missing(name: &str) -> Refusal {
    let message = format!("Function not found: {}", arn(name));
    Refusal::new("ResourceNotFoundException", message).status(404)
}

pub(crate) fn answer(ctx: &mut Ctx<'_>, operation: &str, input: &Value) -> Answer {
    let name = match input.get("Resource").and_then(Value::as_str) {
        Some(arn) => name_of(arn).to_owned(),
        None => text(input, "FunctionName").to_owned(),
    };
    if operation == "CreateFunction" {
        return create(ctx, &name, input);
    }
    let now = ctx.now;
    if operation.starts_with("UpdateFunction") {
        return update(ctx, operation, &name, input);
    }
    let function = ctx.state.functions.get_mut(&name).ok_or_else(|| missing(&name))?;
    match operation {
        "GetFunction" => {
            let tags = if function.tags.is_empty() { Value::Null } else { json!(function.tags) };
            Ok(json!({ "Configuration": described(&name, function, now), "Tags": tags }))
        }
        "DeleteFunction" => {
            ctx.state.functions.remove(&name);
            Ok(json!({}))
        }
        "GetPolicy" => policy(&name, function),
        "AddPermission" => permit(&name, function, now, input),
        "RemovePermission" => {
            let before = function.statements.len();
            function.statements.retain(|(id, _)| id != text(input, "StatementId"));
            if function.statements.len() == before {
                let message = "Statement is not found in resource policy.";
                return Err(Refusal::new("ResourceNotFoundException", message).status(404));
            }
            Ok(json!({}))
        }
        "TagResource" => {
            function.tags.extend(tags(input.get("Tags")));
            Ok(json!({}))
        }
        "UntagResource" => {
            untag(&mut function.tags, input.get("tagKeys"));
            Ok(json!({}))
        }
        other => panic!("the hostile AWS has no {other}"),
    }
}

fn described(name: &str, function: &Function, now: Duration) -> Value {
    let mut doc = function.doc.clone();
    let created = now >= function.creation.0;
    let state = match (created, function.creation.1) {
        (false, _) => "Pending",
        (true, true) => "Failed",
        (true, false) => "Active",
    };
    let changed = if now < function.change { "InProgress" } else { "Successful" };
    let more = json!({
        "FunctionName": name, "FunctionArn": arn(name), "CodeSha256": function.code, "State": state,
        "StateReason": if state == "Failed" { json!("no capacity") } else { Value::Null },
        "LastUpdateStatus": changed,
    });
    overlay(&mut doc, &more, &[]);
    doc
}

/// The role's id, if Lambda can assume it by now.
fn assumed(ctx: &Ctx<'_>, role: &str) -> Result<String, Refusal> {
    let found = ctx.state.roles.get(role.rsplit('/').next().unwrap_or_default());
    match found.filter(|role| ctx.now >= role.made + ctx.switches.role_assumable) {
        Some(role) => Ok(role.id.clone()),
        None => refuse(
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
        ),
    }
}

fn hash(input: &Value) -> String {
    STANDARD.encode(Sha256::digest(STANDARD.decode(text(input, "ZipFile")).unwrap_or_default()))
}

fn create(ctx: &mut Ctx<'_>, name: &str, input: &Value) -> Answer {
    if ctx.state.functions.contains_key(name) {
        let message = format!("Function already exist: {name}");
        return Err(Refusal::new("ResourceConflictException", message).status(409));
    }
    let role_id = assumed(ctx, text(input, "Role"))?;
    let fails = ctx.switches.creation_fails.contains(name) && ctx.state.failed_once.insert(name.to_owned());
    let function = Function {
        doc: only(input, &CONFIGURATION),
        code: hash(&input["Code"]),
        role_id,
        creation: (ctx.now + ctx.switches.function_settles, fails),
        change: Duration::ZERO,
        statements: Vec::new(),
        tags: tags(input.get("Tags")),
    };
    let answer = described(name, &function, ctx.now);
    ctx.state.functions.insert(name.to_owned(), function);
    let group = format!("/aws/lambda/{name}");
    if ctx.switches.invoked_at_once && !ctx.state.log_groups.contains_key(&group) {
        ctx.state.log_groups.insert(group, LogGroup::default());
    }
    Ok(answer)
}

fn busy(name: &str, function: &Function, now: Duration) -> Result<(), Refusal> {
    let conflict = |why: String| {
        let message = format!("The operation cannot be performed at this time. {why}");
        Err(Refusal::new("ResourceConflictException", message).status(409))
    };
    if now < function.creation.0 {
        return conflict("The function is currently in the following state: Pending".to_owned());
    }
    if function.creation.1 {
        return conflict("The function is currently in the following state: Failed".to_owned());
    }
    if now < function.change {
        return conflict(format!("An update is in progress for resource: {}", arn(name)));
    }
    Ok(())
}

fn update(ctx: &mut Ctx<'_>, operation: &str, name: &str, input: &Value) -> Answer {
    let (now, settles) = (ctx.now, ctx.switches.function_settles);
    let role_id = match input.get("Role").and_then(Value::as_str) {
        Some(role) => Some(assumed(ctx, role)?),
        None => None,
    };
    let function = ctx.state.functions.get_mut(name).ok_or_else(|| missing(name))?;
    busy(name, function, now)?;
    if operation == "UpdateFunctionCode" {
        function.code = hash(input);
    }
    overlay(&mut function.doc, &only(input, &CONFIGURATION), &[]);
    function.role_id = role_id.unwrap_or(std::mem::take(&mut function.role_id));
    function.change = now + settles;
    Ok(described(name, function, now))
}

fn policy(name: &str, function: &Function) -> Answer {
    if function.statements.is_empty() {
        let message = "The resource you requested does not exist.";
        return Err(Refusal::new("ResourceNotFoundException", message).status(404));
    }
    let statements: Vec<&Value> = function.statements.iter().map(|(_, statement)| statement).collect();
    let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": statements});
    Ok(json!({ "Policy": policy.to_string(), "RevisionId": name }))
}

fn permit(name: &str, function: &mut Function, now: Duration, input: &Value) -> Answer {
    busy(name, function, now)?;
    let id = text(input, "StatementId");
    if function.statements.iter().any(|(known, _)| known == id) {
        let message = format!(
            "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the \
             existing statement."
        );
        return Err(Refusal::new("ResourceConflictException", message).status(409));
    }
    let statement = json!({
        "Sid": id, "Effect": "Allow", "Action": input["Action"], "Resource": arn(name),
        "Principal": {"Service": input["Principal"]},
        "Condition": {"ArnLike": {"AWS:SourceArn": input["SourceArn"]}},
    });
    function.statements.push((id.to_owned(), statement.clone()));
    Ok(json!({ "Statement": statement.to_string() }))
}

/// The environment of a function.
pub fn environment(function: &Function) -> BTreeMap<String, String> {
    serde_json::from_value(function.doc["Environment"]["Variables"].clone()).unwrap_or_default()
}
