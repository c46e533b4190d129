//! Who calls, and whether their token allows it.
//!
//! The gateway has checked the token; it is checked again here, because a route that somebody attached without its
//! authorizer must not be open. Checking the signature here as well is a later issue: it belongs at the top of
//! [`identify`], from `Request::bearer` and the issuer's keys.

use std::collections::HashMap;
use std::sync::Mutex;

use domain::routes::Route;
use domain::time::Timestamp;
use serde_json::Value as Json;
use store::directory::Caller;

use super::request::{Claims, Request};
use crate::problem::Problem;
use crate::settings::ApiSettings;

/// Who a token says that the caller is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity<'a> {
    /// Who says so.
    pub issuer: &'a str,
    /// Their name for the caller.
    pub subject: &'a str,
    /// The token itself.
    pub bearer: Option<&'a str>,
}

/// Checks that the token is one of ours, of now, for this route.
pub(super) fn identify<'a>(
    request: &'a Request,
    settings: &ApiSettings,
    route: &Route,
    now: Timestamp,
) -> Result<Identity<'a>, Problem> {
    let claims = request.claims.as_ref().ok_or_else(|| Problem::unauthorized("send an access token"))?;
    let issuer = text(claims, "iss").filter(|issuer| *issuer == settings.issuer);
    let issuer = issuer.ok_or_else(|| Problem::unauthorized("the token is of another issuer"))?;
    if text(claims, "token_use") != Some("access") {
        return Err(Problem::unauthorized(
            "the token is not an access token; an id token does not count here",
        ));
    }
    if text(claims, "client_id") != Some(settings.client_id.as_str()) {
        return Err(Problem::unauthorized("the token was made for another client"));
    }
    if seconds(claims, "exp").is_none_or(|end| end <= now.seconds()) {
        return Err(Problem::unauthorized("the token has expired; refresh it"));
    }
    let subject = text(claims, "sub").filter(|subject| !subject.is_empty());
    let subject = subject.ok_or_else(|| Problem::unauthorized("the token does not say whose it is"))?;
    let scope = route.scope.full();
    if !text(claims, "scope").unwrap_or_default().split(' ').any(|granted| granted == scope) {
        return Err(Problem::insufficient_scope(&scope));
    }
    Ok(Identity { issuer, subject, bearer: request.bearer() })
}

fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Json::as_str)
}

/// A time of a claim: a number in a token, a text once the gateway has passed it on.
fn seconds(claims: &Claims, name: &str) -> Option<i64> {
    match claims.get(name)? {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Callers that this process has met: whose identity belongs to which user never changes.
#[derive(Debug, Default)]
pub(super) struct KnownCallers(Mutex<HashMap<String, Caller>>);

/// Callers remembered at most; beyond that, they are read again.
const MOST: usize = 8192;

impl KnownCallers {
    pub(super) fn get(&self, subject: &str) -> Option<Caller> {
        self.0.lock().ok()?.get(subject).cloned()
    }

    pub(super) fn put(&self, subject: &str, caller: &Caller) {
        if let Ok(mut known) = self.0.lock() {
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(subject.to_owned(), caller.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::routes::ROUTES;
    use serde_json::json;

    fn check(change: impl FnOnce(&mut Claims)) -> Result<String, u16> {
        let settings = ApiSettings {
            issuer: "https://pool".into(),
            client_id: "client".into(),
            userinfo_url: String::new(),
        };
        let claims = json!({
            "iss": "https://pool", "token_use": "access", "client_id": "client", "exp": "1001", "sub": "s",
            "scope": "openid freehold/profile",
        });
        let Json::Object(mut claims) = claims else { panic!() };
        change(&mut claims);
        let request = Request { claims: Some(claims), ..Request::default() };
        let now = Timestamp::from_millis(1_000_000);
        identify(&request, &settings, &ROUTES[0], now).map(|i| i.subject.to_owned()).map_err(|p| p.status)
    }

    #[test]
    fn a_good_token_says_who_calls() {
        assert_eq!(check(|_| ()), Ok("s".into()));
        assert_eq!(check(|claims| drop(claims.insert("exp".into(), json!(1001)))), Ok("s".into()));
    }

    #[test]
    fn every_claim_is_checked_again() {
        for name in ["iss", "token_use", "client_id", "exp", "sub"] {
            assert_eq!(check(|claims| drop(claims.remove(name))), Err(401), "without {name}");
            assert_eq!(check(|claims| drop(claims.insert(name.into(), json!("")))), Err(401), "empty {name}");
        }
        assert_eq!(check(|claims| drop(claims.insert("exp".into(), json!("1000")))), Err(401));
        assert_eq!(check(|claims| drop(claims.insert("token_use".into(), json!("id")))), Err(401));
    }

    #[test]
    fn a_token_without_the_routes_scope_is_refused() {
        assert_eq!(check(|claims| drop(claims.remove("scope"))), Err(403));
        assert_eq!(
            check(|claims| drop(claims.insert("scope".into(), json!("freehold/profile2 profile")))),
            Err(403)
        );
    }
}
