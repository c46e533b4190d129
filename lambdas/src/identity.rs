//! What happens when somebody signs up: a profile that waits for their address becomes theirs.
//!
//! Cognito calls this when an address has been confirmed, and waits for it. A sign-up must not fail because of us: what
//! cannot be linked now is linked by the person's first request (`POST /user`), which does the same.
//!
//! Source: Amazon Cognito Developer Guide, *Post confirmation Lambda trigger*.

use domain::address::Address;
use domain::time::Timestamp;
use serde_json::Value as Json;
use store::{Store, StoreError};

/// The trigger that tells of a sign-up. There is another one for forgotten passwords, which tells of nobody new.
const SIGNED_UP: &str = "PostConfirmation_ConfirmSignUp";

/// The function.
#[derive(Debug)]
pub struct Identity {
    store: Store,
}

impl Identity {
    /// The function over a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Links whoever has signed up to the profile that waits for them. Whether there was one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn handle(&self, event: &Json, now: Timestamp) -> Result<bool, StoreError> {
        let Some((issuer, subject, email)) = signed_up(event) else { return Ok(false) };
        // Told twice, or known from an invite.
        if self.store.caller(&issuer, subject).await?.is_some() {
            return Ok(false);
        }
        Ok(self.store.link_waiting((&issuer, subject), &email, now).await?.is_some())
    }
}

/// Issuer, subject and verified address of whoever has signed up. The pool is the one that may call this function.
fn signed_up(event: &Json) -> Option<(String, &str, Address)> {
    let text = |name: &str| event.get(name).and_then(Json::as_str);
    let known = event.pointer("/request/userAttributes")?;
    let attribute = |name: &str| known.get(name).and_then(Json::as_str).filter(|value| !value.is_empty());
    if text("triggerSource")? != SIGNED_UP || attribute("email_verified")? != "true" {
        return None;
    }
    let issuer = format!("https://cognito-idp.{}.amazonaws.com/{}", text("region")?, text("userPoolId")?);
    Some((issuer, attribute("sub")?, Address::parse(attribute("email")?).ok()?))
}
