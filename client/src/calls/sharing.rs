//! What groups share, and what providers allow.

use serde_json::json;

use crate::Client;
use crate::error::Error;
use crate::list::List;
use crate::types::{Audience, AudienceMode, Consent, Contract, ContractState, RulesMode, SharedItem};

impl Client {
    /// What a group shows the caller.
    pub fn group_items(&self, group: &str) -> List<SharedItem> {
        self.list(&["groups", group, "data"])
    }

    /// What a group shows the caller of one data type.
    pub fn group_items_of(&self, group: &str, data_type: &str) -> List<SharedItem> {
        self.list(&["groups", group, "data", "types", data_type])
    }

    /// What the caller allows a group as its provider.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn contract(&self, group: &str) -> Result<ContractState, Error> {
        self.get(&["groups", group, "contract"]).read().await
    }

    /// Replaces what the caller allows: what it takes away is gone for readers when this returns.
    ///
    /// # Errors
    /// `invalid`; see [`Error`].
    pub async fn set_contract(&self, group: &str, contract: &Contract) -> Result<ContractState, Error> {
        self.put(&["groups", group, "contract"]).json(contract).read().await
    }

    /// Which of a group's rules the caller agreed to as its provider, and what the current ones share beyond them.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn consent(&self, group: &str) -> Result<Consent, Error> {
        self.get(&["groups", group, "consent"]).read().await
    }

    /// Agrees to the current revision of a group's rules, and chooses how later changes are taken; as before if `None`.
    ///
    /// # Errors
    /// `rules-moved-on` if the revision is not the current one; see [`Error`].
    pub async fn set_consent(
        &self,
        group: &str,
        revision: u64,
        rules: Option<RulesMode>,
    ) -> Result<Consent, Error> {
        let mut body = json!({ "revision": revision });
        if let Some(rules) = rules {
            body["rules"] = json!(rules);
        }
        self.put(&["groups", group, "consent"]).json(&body).read().await
    }

    /// Who sees what the caller shares with a group.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn audience(&self, group: &str) -> Result<Audience, Error> {
        self.get(&["groups", group, "audience"]).read().await
    }

    /// Whether the caller wants to be asked before somebody new sees what they share.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_audience(&self, group: &str, mode: AudienceMode) -> Result<Audience, Error> {
        self.put(&["groups", group, "audience"]).json(&json!({ "audience": mode })).read().await
    }

    /// Lets a consumer see what the caller shares.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn agree_to(&self, group: &str, consumer: &str) -> Result<Audience, Error> {
        self.put(&["groups", group, "audience", consumer]).read().await
    }

    /// Lets a consumer see nothing of it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn refuse(&self, group: &str, consumer: &str) -> Result<Audience, Error> {
        self.delete(&["groups", group, "audience", consumer]).read().await
    }
}
