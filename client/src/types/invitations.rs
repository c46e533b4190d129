//! Invitations into groups.

use serde::{Deserialize, Serialize};

use super::{Contract, Job, Role, RulesMode, words};

/// Whom an invitation is for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Invitee {
    /// Whoever has this address, as the user pool verifies it.
    Email(String),
    /// A user.
    UserId(String),
}

impl Invitee {
    /// Whoever has this address, as the user pool verifies it when they look. Two addresses are the same if they are equal in
    /// Unicode NFC and ASCII lower case.
    pub fn email(address: &str) -> Self {
        Self::Email(address.to_owned())
    }

    /// A user.
    pub fn user(id: &str) -> Self {
        Self::UserId(id.to_owned())
    }
}

words!(
    /// What became of an invitation.
    InvitationStatus {
        /// It can be accepted.
        Pending,
        /// It was accepted.
        Accepted,
        /// It was declined.
        Declined,
        /// It was revoked or replaced by a newer one, or the right behind it has ended.
        Revoked,
        /// Its time is over.
        Expired,
    }
);

/// An invitation as the group's owners see it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Invitation {
    /// Its identifier.
    pub id: String,
    /// The group.
    pub group: String,
    /// The role that is offered.
    pub role: Role,
    /// Since when.
    pub created: String,
    /// Until when it can be accepted.
    pub expires: String,
    /// Who invited; none if the stack did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<String>,
    /// The address that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The user that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// What became of it.
    pub status: InvitationStatus,
}

/// An invitation as whom it is for sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InvitationToMe {
    /// Its identifier.
    pub id: String,
    /// The group.
    pub group: String,
    /// The group's name.
    pub group_name: String,
    /// Its purpose; none if its owners gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_description: Option<String>,
    /// The role that is offered.
    pub role: Role,
    /// Since when.
    pub created: String,
    /// Until when it can be accepted.
    pub expires: String,
    /// Who invited; none if the stack did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<String>,
}

/// What of the past comes along. It becomes the `from` of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Past {
    /// All that the group's rules let.
    All,
    /// Nothing.
    None,
    /// What is of this time or later.
    Since(String),
}

/// What a provider says when they join; nothing said is everything allowed. Others say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Acceptance {
    /// What of the past comes along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub past: Option<Past>,
    /// What they allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contract>,
    /// How they take later changes of the rules; they are asked if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesMode>,
    /// The revision of the rules that they have seen; refused if it is not the current one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

impl Acceptance {
    /// Nothing but yes.
    pub fn plain() -> Self {
        Self::default()
    }

    /// With so much of the past.
    #[must_use]
    pub fn past(self, past: Past) -> Self {
        Self { past: Some(past), ..self }
    }

    /// Allowing no more than this.
    #[must_use]
    pub fn contract(self, contract: Contract) -> Self {
        Self { contract: Some(contract), ..self }
    }

    /// Sharing by later rules without being asked.
    #[must_use]
    pub fn following(self) -> Self {
        Self { rules: Some(RulesMode::Follow), ..self }
    }

    /// Only if the rules are still of this revision: [`Preview::rule_revision`].
    #[must_use]
    pub fn of_revision(self, revision: u64) -> Self {
        Self { revision: Some(revision), ..self }
    }
}

/// Who joined what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Joined {
    /// The group.
    pub group: String,
    /// As what.
    pub role: Role,
    /// What they are called in it: their user or their drive.
    pub member_id: String,
    /// What copies their past, if any of it comes along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
}

/// What accepting would share, and with whom.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Preview {
    /// The group.
    pub group: String,
    /// The group's name.
    pub group_name: String,
    /// Its purpose; none if its owners gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_description: Option<String>,
    /// The role that is offered.
    pub role: Role,
    /// What would be shared now, by type.
    pub types: Vec<PreviewOfType>,
    /// Who would see it.
    pub consumers: PreviewOfConsumers,
    /// The revision of the rules that this is told by.
    pub rule_revision: u64,
}

/// What accepting would share of one type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct PreviewOfType {
    /// The data type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// How many items.
    pub items: u64,
    /// Whether all items were looked at; otherwise `items` is a lower bound.
    pub complete: bool,
    /// The time of the oldest.
    pub oldest: Option<String>,
    /// The time of the newest.
    pub newest: Option<String>,
    /// The fields that would be seen.
    pub fields: Vec<String>,
}

/// Who would see what is shared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct PreviewOfConsumers {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<PreviewOfConsumer>,
}

/// Somebody who would see it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct PreviewOfConsumer {
    /// Who.
    pub id: String,
    /// Their address, if the user pool had verified one when they called last.
    pub email: Option<String>,
}
