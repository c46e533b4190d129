//! User pools, with their clients, scopes and sign-in addresses.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::reply::{Answer, Refusal, refuse};
use crate::state::{Ctx, object, only, overlay, text};
use crate::{ACCOUNT, REGION};

/// A user pool.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its settings.
    pub doc: Value,
    /// Its clients, by id.
    pub clients: BTreeMap<String, Value>,
    /// Its resource servers, by identifier.
    pub servers: BTreeMap<String, Value>,
}

/// What a pool keeps whatever an update says. Everything else that an update does not mention is reset.
const FIXED: [&str; 7] = [
    "Id",
    "Name",
    "Arn",
    "UsernameAttributes",
    "UsernameConfiguration",
    "SchemaAttributes",
    "AliasAttributes",
];

fn arn(id: &str) -> String {
    format!("arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{id}")
}

fn missing(what: &str) -> Refusal {
    Refusal::new("ResourceNotFoundException", format!("{what} does not exist."))
}

pub(crate) fn answer(ctx: &mut Ctx<'_>, operation: &str, input: &Value) -> Answer {
    let id = match text(input, "ResourceArn") {
        "" => text(input, "UserPoolId").to_owned(),
        arn => arn.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    match operation {
        "CreateUserPool" => return Ok(json!({ "UserPool": create(ctx, input) })),
        "ListUserPools" => {
            let pools = ctx.state.pools.values();
            let all = pools.map(|pool| only(&pool.doc, &["Id", "Name"])).collect();
            let (page, next) = ctx.page(all, input.get("NextToken").and_then(Value::as_str));
            return Ok(object([("UserPools", page.into()), ("NextToken", json!(next))]));
        }
        "DescribeUserPoolDomain" => {
            let domain = text(input, "Domain");
            let found = ctx.state.domains.get(domain).map(|pool| {
                json!({"UserPoolId": pool, "Domain": domain, "Status": "ACTIVE", "AWSAccountId": ACCOUNT})
            });
            return Ok(json!({ "DomainDescription": found.unwrap_or_else(|| json!({})) }));
        }
        "ListUserPoolClients" => {
            let clients = ctx.state.pools.get(&id).ok_or_else(|| missing("User pool"))?.clients.values();
            let all = clients.map(|client| only(client, &["ClientId", "ClientName", "UserPoolId"])).collect();
            let (page, next) = ctx.page(all, input.get("NextToken").and_then(Value::as_str));
            return Ok(object([("UserPoolClients", page.into()), ("NextToken", json!(next))]));
        }
        "CreateUserPoolDomain" => return create_domain(ctx, &id, text(input, "Domain")),
        "DeleteUserPoolDomain" => {
            let Some(_) = ctx.state.domains.remove(text(input, "Domain")) else {
                return refuse("InvalidParameterException", "No such domain or user pool exists.");
            };
            return Ok(json!({}));
        }
        "DeleteUserPool" => return delete(ctx, &id),
        _ => {}
    }
    let client = ctx.state.id("client");
    let pool = ctx.state.pools.get_mut(&id).ok_or_else(|| missing("User pool"))?;
    match operation {
        "DescribeUserPool" => Ok(json!({ "UserPool": pool.doc })),
        "UpdateUserPool" => {
            let mut doc = only(&pool.doc, &FIXED);
            overlay(&mut doc, &defaults(), &[]);
            overlay(&mut doc, input, &["UserPoolId", "PoolName"]);
            pool.doc = doc;
            Ok(json!({}))
        }
        "SetUserPoolMfaConfig" => {
            pool.doc["MfaConfiguration"] = input["MfaConfiguration"].clone();
            Ok(json!({ "MfaConfiguration": input["MfaConfiguration"] }))
        }
        "TagResource" => {
            let tags = input.get("Tags").cloned().unwrap_or_default();
            overlay(&mut pool.doc["UserPoolTags"], &tags, &[]);
            Ok(json!({}))
        }
        "UntagResource" => {
            for key in input["TagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                pool.doc["UserPoolTags"].as_object_mut().unwrap().remove(key);
            }
            Ok(json!({}))
        }
        _ if operation.contains("ResourceServer") => server(pool, operation, input),
        _ => of_client(pool, &id, &client, operation, input),
    }
}

fn defaults() -> Value {
    json!({ "MfaConfiguration": "OFF", "DeletionProtection": "INACTIVE", "UserPoolTags": {} })
}

fn create(ctx: &mut Ctx<'_>, input: &Value) -> Value {
    let id = ctx.state.id(&format!("{REGION}_"));
    let mut doc = defaults();
    overlay(&mut doc, input, &["PoolName"]);
    overlay(&mut doc, &json!({"Id": id, "Arn": arn(&id), "Name": input["PoolName"]}), &[]);
    let pool = Pool { doc: doc.clone(), clients: BTreeMap::new(), servers: BTreeMap::new() };
    ctx.state.pools.insert(id, pool);
    doc
}

fn delete(ctx: &mut Ctx<'_>, id: &str) -> Answer {
    let pool = ctx.state.pools.get(id).ok_or_else(|| missing("User pool"))?;
    if pool.doc["DeletionProtection"] == "ACTIVE" {
        let message = "The user pool cannot be deleted because deletion protection is activated.";
        return refuse("InvalidParameterException", message);
    }
    if ctx.state.domains.values().any(|of| of == id) {
        let message = "User pool cannot be deleted. It has a domain configured that should be deleted first.";
        return refuse("InvalidParameterException", message);
    }
    ctx.state.pools.remove(id);
    Ok(json!({}))
}

fn create_domain(ctx: &mut Ctx<'_>, id: &str, domain: &str) -> Answer {
    if ctx.state.domains.contains_key(domain) || ctx.switches.taken_prefixes.contains(domain) {
        return refuse("InvalidParameterException", "Domain already associated with another user pool.");
    }
    if !ctx.state.pools.contains_key(id) {
        return Err(missing("User pool"));
    }
    ctx.state.domains.insert(domain.to_owned(), id.to_owned());
    Ok(json!({}))
}

fn server(pool: &mut Pool, operation: &str, input: &Value) -> Answer {
    let identifier = text(input, "Identifier").to_owned();
    let there = pool.servers.contains_key(&identifier);
    match operation {
        "CreateResourceServer" if there => {
            return refuse("InvalidParameterException", format!("{identifier} already exists in user pool."));
        }
        "CreateResourceServer" => drop(pool.servers.insert(identifier.clone(), input.clone())),
        _ if !there => return Err(missing("Resource server")),
        "UpdateResourceServer" => drop(pool.servers.insert(identifier.clone(), input.clone())),
        "DescribeResourceServer" => {}
        "DeleteResourceServer" => {
            pool.servers.remove(&identifier);
            return Ok(json!({}));
        }
        other => panic!("the hostile AWS has no {other}"),
    }
    Ok(json!({ "ResourceServer": pool.servers[&identifier] }))
}

/// Scopes of ours must be there before a client may carry them.
fn check_scopes(pool: &Pool, input: &Value) -> Result<(), Refusal> {
    let scopes = input["AllowedOAuthScopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for scope in scopes.filter(|scope| scope.contains('/')) {
        let known = pool.servers.values().any(|server| {
            let of = server["Scopes"].as_array().into_iter().flatten();
            of.into_iter()
                .any(|s| format!("{}/{}", text(server, "Identifier"), text(s, "ScopeName")) == *scope)
        });
        if !known {
            return refuse("ScopeDoesNotExistException", format!("{scope} does not exist."));
        }
    }
    Ok(())
}

fn of_client(pool: &mut Pool, of: &str, new: &str, operation: &str, input: &Value) -> Answer {
    let id = match operation {
        "CreateUserPoolClient" => new.to_owned(),
        _ => text(input, "ClientId").to_owned(),
    };
    if operation != "CreateUserPoolClient" && !pool.clients.contains_key(&id) {
        return Err(missing("User pool client"));
    }
    match operation {
        // An update resets what it does not mention, as if the client were made again.
        "CreateUserPoolClient" | "UpdateUserPoolClient" => {
            check_scopes(pool, input)?;
            let mut doc = input.clone();
            overlay(&mut doc, &json!({"ClientId": id, "UserPoolId": of}), &[]);
            pool.clients.insert(id.clone(), doc);
        }
        "DescribeUserPoolClient" => {}
        "DeleteUserPoolClient" => {
            pool.clients.remove(&id);
            return Ok(json!({}));
        }
        other => panic!("the hostile AWS has no {other}"),
    }
    Ok(json!({ "UserPoolClient": pool.clients[&id] }))
}
