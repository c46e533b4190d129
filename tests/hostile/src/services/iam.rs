//! Roles.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::ACCOUNT;
use crate::reply::{Answer, Refusal, refuse};
use crate::state::{Ctx, Tags, object, tag_list, tags, text, untag};

/// A role.
#[derive(Debug, Clone)]
pub struct Role {
    /// One that is made again under its name has another.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// Who may assume it.
    pub trust: String,
    /// Its inline policies.
    pub policies: BTreeMap<String, String>,
    /// The ARNs of policies that are attached to it.
    pub attached: BTreeSet<String>,
    /// Its tags.
    pub tags: Tags,
    /// When it was made.
    pub made: Duration,
    /// When what it may do was last changed.
    pub changed: Duration,
}

fn arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

fn missing(name: &str) -> Refusal {
    Refusal::new("NoSuchEntity", format!("The role with name {name} cannot be found.")).status(404)
}

fn encoded(document: &str) -> String {
    utf8_percent_encode(document, NON_ALPHANUMERIC).to_string()
}

fn described(name: &str, role: &Role) -> Value {
    json!({ "Role": {
        "Path": "/", "RoleName": name, "RoleId": role.id, "Arn": arn(name),
        "CreateDate": "2026-01-01T00:00:00Z", "Description": role.description,
        "AssumeRolePolicyDocument": encoded(&role.trust), "Tags": tag_list(&role.tags),
    }})
}

pub(crate) fn answer(ctx: &mut Ctx<'_>, operation: &str, input: &Value) -> Answer {
    let (now, name) = (ctx.now, text(input, "RoleName"));
    if operation == "CreateRole" {
        return create(ctx, name, input);
    }
    let malformed = ctx.switches.role_malformed;
    if matches!(operation, "ListRolePolicies" | "ListAttachedRolePolicies") {
        return list(ctx, operation, name, input);
    }
    let role = ctx.state.roles.get_mut(name).ok_or_else(|| missing(name))?;
    let policy = text(input, "PolicyName");
    match operation {
        "GetRole" => return Ok(described(name, role)),
        "PutRolePolicy" | "UpdateAssumeRolePolicy" if now < role.made + malformed => {
            let message = format!("Invalid principal in policy: \"AWS\":\"{}\"", arn(name));
            return refuse("MalformedPolicyDocument", message);
        }
        "PutRolePolicy" => {
            role.policies.insert(policy.to_owned(), text(input, "PolicyDocument").to_owned());
            role.changed = now;
        }
        "UpdateAssumeRolePolicy" => text(input, "PolicyDocument").clone_into(&mut role.trust),
        "UpdateRole" => text(input, "Description").clone_into(&mut role.description),
        "GetRolePolicy" => {
            let Some(document) = role.policies.get(policy) else {
                let message = format!("The role policy with name {policy} cannot be found.");
                return Err(Refusal::new("NoSuchEntity", message).status(404));
            };
            let document = encoded(document);
            return Ok(json!({"RoleName": name, "PolicyName": policy, "PolicyDocument": document}));
        }
        "DeleteRolePolicy" => drop(role.policies.remove(policy)),
        "DetachRolePolicy" => drop(role.attached.remove(text(input, "PolicyArn"))),
        "TagRole" => role.tags.extend(tags(input.get("Tags"))),
        "UntagRole" => untag(&mut role.tags, input.get("TagKeys")),
        "DeleteRole" if !role.policies.is_empty() || !role.attached.is_empty() => {
            let message = "Cannot delete entity, must detach all policies first.";
            return Err(Refusal::new("DeleteConflict", message).status(409));
        }
        "DeleteRole" => drop(ctx.state.roles.remove(name)),
        other => panic!("the hostile AWS has no {other}"),
    }
    Ok(json!({}))
}

fn create(ctx: &mut Ctx<'_>, name: &str, input: &Value) -> Answer {
    if ctx.state.roles.contains_key(name) {
        let message = format!("Role with name {name} already exists.");
        return Err(Refusal::new("EntityAlreadyExists", message).status(409));
    }
    let role = Role {
        id: ctx.state.id("AROA"),
        description: text(input, "Description").to_owned(),
        trust: text(input, "AssumeRolePolicyDocument").to_owned(),
        policies: BTreeMap::new(),
        attached: BTreeSet::new(),
        tags: tags(input.get("Tags")),
        made: ctx.now,
        changed: ctx.now,
    };
    let answer = described(name, &role);
    ctx.state.roles.insert(name.to_owned(), role);
    Ok(answer)
}

fn list(ctx: &Ctx<'_>, operation: &str, name: &str, input: &Value) -> Answer {
    let role = ctx.state.roles.get(name).ok_or_else(|| missing(name))?;
    let (key, all): (&str, Vec<Value>) = if operation == "ListRolePolicies" {
        ("PolicyNames", role.policies.keys().map(|name| name.as_str().into()).collect())
    } else {
        let attached = role.attached.iter();
        ("AttachedPolicies", attached.map(|arn| json!({"PolicyName": "by-hand", "PolicyArn": arn})).collect())
    };
    let (page, next) = ctx.page(all, input.get("Marker").and_then(Value::as_str));
    Ok(object([(key, page.into()), ("IsTruncated", next.is_some().into()), ("Marker", json!(next))]))
}
