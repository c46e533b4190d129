//! Who the caller is, and what concerns them.

use serde_json::{Value, json};

use crate::Client;
use crate::error::Error;
use crate::list::List;
use crate::types::{Erasure, Exported, MadeInvite, MadeProfile, Membership, Receipt, Shown, User};

impl Client {
    /// The caller's profile.
    ///
    /// # Errors
    /// `no-profile` if they have none yet; see [`Error`].
    pub async fn profile(&self) -> Result<User, Error> {
        self.get(&["user"]).read().await
    }

    /// The caller's profile, which is made if they have none yet.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ensure_profile(&self) -> Result<User, Error> {
        // The API's description says that repeating it changes nothing.
        self.post(&["user"]).repeatable().read().await
    }

    /// Erases the caller: their profile, their memberships and what groups saw of theirs are gone when this returns, and
    /// the rest within the hour. The record of it can be read with [`Client::erasure`] by whoever knows its identifier.
    ///
    /// # Errors
    /// `last-owner` if a group would be left without one; see [`Error`].
    pub async fn erase_profile(&self) -> Result<Erasure, Error> {
        self.delete(&["user"]).read().await
    }

    /// How far an erasure is.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn erasure(&self, id: &str) -> Result<Erasure, Error> {
        self.get(&["erasures", id]).read().await
    }

    /// Makes a profile for somebody who has not signed in yet: for whoever has its invite, and for whoever signs up with
    /// the address, if one is given. Not repeated: the secret is shown once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_profile(&self, email: Option<&str>) -> Result<MadeProfile, Error> {
        let body = email.map_or_else(|| json!({}), |email| json!({ "email": email }));
        self.post(&["profiles"]).json(&body).read().await
    }

    /// Makes another invite for such a profile; the one before counts no more.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn reissue_invite(&self, user: &str) -> Result<MadeInvite, Error> {
        self.post(&["profiles", user, "invite"]).read().await
    }

    /// Takes a profile over with the secret of an invite.
    ///
    /// # Errors
    /// `no-invite` if the secret counts for nothing, `has-profile` if the caller has a profile; see [`Error`].
    pub async fn claim_profile(&self, invite: &str) -> Result<User, Error> {
        self.post(&["user", "claim"]).json(&json!({ "invite": invite })).read().await
    }

    /// The caller's memberships.
    pub fn memberships(&self) -> List<Membership> {
        self.list(&["user", "members"])
    }

    /// What was removed of the caller's copies, group by group.
    pub fn receipts(&self) -> List<Receipt> {
        self.list(&["user", "receipts"])
    }

    /// Who was shown what of the caller's, latest first.
    pub fn ledger(&self) -> List<Shown> {
        self.list(&["user", "ledger"])
    }

    /// Everything that is the caller's.
    pub fn export(&self) -> List<Exported> {
        self.list(&["user", "data", "export"])
    }

    /// The API's own description (OpenAPI 3.1).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn description(&self) -> Result<Value, Error> {
        self.get(&["openapi.json"]).bearer(None).read().await
    }
}
