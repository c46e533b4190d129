//! What a user pool's tokens give access to: an identifier and its scopes. It belongs to its pool.

use aws_sdk_cognitoidentityprovider::types::{ResourceServerScopeType, ResourceServerType};
use serde::{Deserialize, Serialize};

use super::typed::{At, Found, Seen, Typed, gone, optional, outputs, seen};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry};
use crate::resource::Outputs;

/// The kind.
#[derive(Debug)]
pub struct ResourceServer;

/// A resource server; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes<T = String> {
    /// The id of the pool.
    pub pool: T,
    /// What its scopes begin with.
    pub identifier: String,
    /// Its name.
    pub name: String,
    /// Its scopes, by name.
    pub scopes: Vec<Scope>,
}

/// A scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// Its name below the identifier.
    pub name: String,
    /// What it allows, for people.
    pub description: String,
}

impl Typed for ResourceServer {
    const NAME: &'static str = "resource_server";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let (Some(pool), Some(identifier)) = (at.text("pool"), at.text("identifier")) else {
            return Ok(Seen::Missing);
        };
        let request =
            at.ctx.clients.cognito().describe_resource_server().user_pool_id(pool).identifier(identifier);
        let answer = optional(request.send().await.map_err(AwsError::from))?;
        let Some(server) = answer.and_then(|answer| answer.resource_server) else { return Ok(Seen::Missing) };
        let (id, outputs) = named(pool, identifier);
        Ok(Seen::Owned(Found { id, attributes: normalise(pool, identifier, server), outputs }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let cognito = at.ctx.clients.cognito();
        let scopes = || want.scopes.iter().map(aws_scope).collect::<Result<Vec<_>, _>>();
        let what = format!("to set the scopes of `{}`", want.identifier);
        let mut there = if at.is_new() { None } else { Self::find(at).await?.ours()? };
        if there.is_none() {
            let request =
                cognito.create_resource_server().user_pool_id(&want.pool).identifier(&want.identifier);
            let request = request.name(&want.name).set_scopes(Some(scopes()?));
            match retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await {
                // An earlier attempt of this very call got through.
                Err(error) if error.kind == ErrorKind::AlreadyExists => {
                    there = Some(seen::<Self>(at).await?);
                }
                result => {
                    result?;
                }
            }
        }
        match there {
            Some(have) if have.attributes == want => return Ok(have),
            Some(_) => {
                let request =
                    cognito.update_resource_server().user_pool_id(&want.pool).identifier(&want.identifier);
                let request = request.name(&want.name).set_scopes(Some(scopes()?));
                retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
            }
            None => {}
        }
        let (id, outputs) = named(&want.pool, &want.identifier);
        Ok(Found { id, attributes: want, outputs })
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let Some((pool, identifier)) = recorded.physical_id.split_once('/') else { return Ok(()) };
        let request =
            ctx.clients.cognito().delete_resource_server().user_pool_id(pool).identifier(identifier);
        let what = format!("to delete the scopes of `{identifier}`");
        gone(retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await)
    }

    fn effect(path: &str) -> Effect {
        match path {
            "pool" | "identifier" => Effect::Replace,
            _ => Effect::Update,
        }
    }
}

fn named(pool: &str, identifier: &str) -> (String, Outputs) {
    (format!("{pool}/{identifier}"), outputs([("identifier", identifier)]))
}

fn aws_scope(scope: &Scope) -> Result<ResourceServerScopeType, AwsError> {
    let builder =
        ResourceServerScopeType::builder().scope_name(&scope.name).scope_description(&scope.description);
    Ok(builder.build()?)
}

/// The order of scopes means nothing and AWS does not keep it, so they are sorted on both sides.
fn normalise(pool: &str, identifier: &str, server: ResourceServerType) -> Attributes {
    let scopes = server.scopes.unwrap_or_default().into_iter();
    let mut scopes: Vec<_> =
        scopes.map(|scope| Scope { name: scope.scope_name, description: scope.scope_description }).collect();
    scopes.sort();
    Attributes {
        pool: pool.to_owned(),
        identifier: identifier.to_owned(),
        name: server.name.unwrap_or_default(),
        scopes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_scopes_means_nothing() {
        let scope = |name: &str| Scope { name: name.into(), description: "d".into() };
        let server = ["b", "a"].iter().fold(ResourceServerType::builder(), |server, name| {
            server.scopes(aws_scope(&scope(name)).unwrap())
        });
        assert_eq!(normalise("p", "i", server.build()).scopes, [scope("a"), scope("b")]);
    }
}
