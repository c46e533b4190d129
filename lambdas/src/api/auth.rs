//! Who calls, and whether their token allows it.
//!
//! The gateway has checked the token. The function checks it again, all of it, its signature first: a route that
//! somebody attached without its authorizer must not be open, and whoever may invoke the function could write any
//! claims into an event. So what the gateway says about the token is not even read.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use domain::routes::Route;
use domain::time::Timestamp;
use serde::Deserialize;
use store::directory::Caller;

use super::jwt::Token;
use super::keys::{KeyError, KeyRing};
use super::request::Request;
use crate::problem::Problem;
use crate::settings::ApiSettings;

/// How far ahead of ours the clock of the pool may be, in seconds.
const SKEW: i64 = 60;

/// Who a token says that the caller is.
#[derive(Debug, Clone)]
pub(super) struct Identity<'a> {
    /// Who says so.
    pub issuer: &'a str,
    /// Their name for the caller.
    pub subject: String,
    /// The token itself.
    pub bearer: &'a str,
}

/// What a token says. What else it says does not matter.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    token_use: String,
    client_id: String,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    #[serde(default)]
    scope: String,
}

fn unauthorized(why: &str) -> Problem {
    Problem::unauthorized(why)
}

/// Checks that the token is one of ours, of now, for this route. None on a route that takes no token.
pub(super) async fn identify<'a>(
    request: &'a Request,
    settings: &'a ApiSettings,
    keys: &KeyRing,
    route: &Route,
    now: Timestamp,
) -> Result<Option<Identity<'a>>, Problem> {
    let Some(scope) = route.scope else { return Ok(None) };
    let bearer = request.bearer().ok_or_else(|| unauthorized("send an access token"))?;
    let token = Token::read(bearer).map_err(|rejected| unauthorized(&rejected.to_string()))?;
    let key = keys.key(&token.key, now).await.map_err(|error| match error {
        KeyError::Unknown => unauthorized("the token was signed by somebody else"),
        KeyError::Unavailable => {
            let mut problem =
                Problem::unavailable("the user pool does not answer; nothing was done, repeat in a moment");
            problem.cause = Some("the keys of the user pool cannot be fetched".into());
            problem
        }
    })?;
    let claims: Claims = token.claims(&key).map_err(|rejected| unauthorized(&rejected.to_string()))?;
    if claims.iss != settings.issuer {
        return Err(unauthorized("the token is of another issuer"));
    }
    if claims.token_use != "access" {
        return Err(unauthorized("the token is not an access token; an id token does not count here"));
    }
    if claims.client_id != settings.client_id {
        return Err(unauthorized("the token was made for another client"));
    }
    if claims.exp <= now.seconds() {
        return Err(unauthorized("the token has expired; refresh it"));
    }
    if [claims.nbf, claims.iat].into_iter().flatten().any(|begin| begin > now.seconds() + SKEW) {
        return Err(unauthorized("the token does not count yet"));
    }
    if claims.sub.is_empty() {
        return Err(unauthorized("the token does not say whose it is"));
    }
    let scope = scope.full();
    if !claims.scope.split(' ').any(|granted| granted == scope) {
        return Err(Problem::insufficient_scope(&scope));
    }
    Ok(Some(Identity { issuer: &settings.issuer, subject: claims.sub, bearer }))
}

/// Callers that this process has met a moment ago. Whose identity belongs to which user changes only when they are
/// erased; what a process does that has not heard of it yet is removed by the erasure's job.
#[derive(Debug, Default)]
pub(super) struct KnownCallers(Mutex<HashMap<String, (Caller, Instant)>>);

/// How long a caller is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Callers remembered at most; beyond that, they are read again.
const MOST: usize = 8192;

impl KnownCallers {
    pub(super) fn get(&self, subject: &str) -> Option<Caller> {
        let known = self.0.lock().ok()?.get(subject).cloned();
        known.filter(|(_, met)| met.elapsed() < REMEMBERED).map(|(caller, _)| caller)
    }

    pub(super) fn put(&self, subject: &str, caller: &Caller) {
        if let Ok(mut known) = self.0.lock() {
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(subject.to_owned(), (caller.clone(), Instant::now()));
        }
    }

    pub(super) fn forget(&self, subject: &str) {
        if let Ok(mut known) = self.0.lock() {
            known.remove(subject);
        }
    }
}
