//! `/profiles`: profiles for people who have not signed in yet, and how they take them over.
//!
//! The answer with an invite is the only place where its secret is ever seen: no log, no table and no later answer has
//! it. That is also why these requests have no idempotency key: repeat them for another invite.

use domain::id::UserId;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::StoreError;
use store::directory::InviteToken;

use super::addresses;
use super::auth::Identity;
use super::request::{SINGLE_BODY, given};
use super::response::Response;
use super::{Answer, Call};
use crate::problem::Problem;

/// How long an invite can be used, in days.
const OPEN_DAYS: i64 = 7;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ProfileToMake {
    #[serde(default, deserialize_with = "given")]
    email: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    invite: String,
}

/// The same for every invite that does not count, whatever the reason.
fn no_invite() -> Problem {
    Problem::new(
        404,
        "no-invite",
        "the invite does not count",
        "it was never made, was used, or has expired; ask for another one",
    )
}

impl Call<'_> {
    fn fresh_invite(&self) -> (InviteToken, domain::time::Timestamp) {
        (InviteToken::new(), self.now.plus_millis(OPEN_DAYS * 86_400_000))
    }

    /// Makes a profile for somebody else, and an invite to take it over. It can be invited into groups at once. The answer
    /// is the same whether or not an address that it waits for is anybody's.
    pub(super) async fn create_profile(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let sent: ProfileToMake = if self.request.body.is_empty() {
            ProfileToMake::default()
        } else {
            self.request.json(SINGLE_BODY)?
        };
        let email = sent.email.as_deref().map(addresses::read).transpose();
        let email = email.map_err(|mistake| Problem::invalid([mistake]))?;
        let (token, expires) = self.fresh_invite();
        let user =
            self.store().create_profile(&caller.user, email.as_ref(), (&token, expires), self.now).await?;
        let mut body = super::user::profile(&user);
        if let Some(body) = body.as_object_mut() {
            body.insert("invite".into(), invite_json(&token, expires));
        }
        Ok(Response::json(201, &body))
    }

    /// Makes another invite; the one before counts no longer.
    pub(super) async fn reissue_invite(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let user = UserId::parse(self.variable("user_id")).map_err(|_| Problem::not_found("profile"))?;
        let (token, expires) = self.fresh_invite();
        self.store().reissue_invite(&user, &caller.user, &token, (self.now, expires)).await?;
        Ok(Response::json(201, &json!({ "id": user.as_str(), "invite": invite_json(&token, expires) })))
    }

    /// Takes over the profile that an invite is for.
    pub(super) async fn claim_profile(&self) -> Answer {
        self.request.parameters(&[])?;
        if self.own_profile().await?.is_some() {
            let detail = "you have a profile already; an identity belongs to one profile only";
            return Err(Problem::conflict("has-profile", detail));
        }
        let sent: Claim = self.request.json(SINGLE_BODY)?;
        let identity = self.identity.as_ref().ok_or_else(|| Problem::unauthorized("send an access token"))?;
        let email = self.ask_for_address().await?;
        let Identity { issuer, subject, .. } = identity;
        let token = InviteToken::presented(&sent.invite);
        let claimed =
            self.store().claim_profile((*issuer, subject.as_str()), email.as_ref(), &token, self.now).await;
        let user = claimed.map_err(|error| match error {
            StoreError::Missing("invite") => no_invite(),
            StoreError::Conflict(detail) => Problem::conflict("has-profile", detail),
            error => error.into(),
        })?;
        Ok(Response::json(200, &super::user::profile(&user)).header("location", "/user"))
    }
}

fn invite_json(token: &InviteToken, expires: domain::time::Timestamp) -> Json {
    json!({ "token": token.secret(), "expires": expires.to_string() })
}
