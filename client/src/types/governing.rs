//! What providers allow.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::groups::texts;
use super::{Progress, Rule, Verdict, words};

/// What a provider allows on top of the group's rules; what is left out allows everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Contract {
    /// Only these data types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// Only items of this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only items before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Only items that meet this condition, a Cedar expression about each of `types`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

impl Contract {
    /// Everything that the group's rules select.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Only these data types.
    #[must_use]
    pub fn types(self, types: &[&str]) -> Self {
        Self { types: Some(texts(types)), ..self }
    }

    /// Only items of this time or later.
    #[must_use]
    pub fn from(self, time: &str) -> Self {
        Self { from: Some(time.to_owned()), ..self }
    }

    /// Only items before this time.
    #[must_use]
    pub fn to(self, time: &str) -> Self {
        Self { to: Some(time.to_owned()), ..self }
    }

    /// Only items that meet a condition.
    #[must_use]
    pub fn when(self, condition: &str) -> Self {
        Self { when: Some(condition.to_owned()), ..self }
    }
}

/// A data job.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Job {
    /// Its identifier.
    pub id: String,
    /// How far it is.
    pub status: Progress,
}

words!(
    /// How a provider takes changes of the group's rules that share more.
    RulesMode {
        /// They are asked, and share no more until they agree.
        Ask,
        /// They share by the current rules, whatever these are.
        Follow,
    }
);

/// The caller's contract with a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ContractState {
    /// What they allow.
    pub contract: Contract,
    /// Grows with every change of the contract or of the consent.
    pub revision: u64,
    /// How they take changes of the group's rules.
    pub rules: RulesMode,
    /// The revision of the rules that they agreed to; `None` if they follow the rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed_revision: Option<u64>,
    /// What brings the copies along, if they have to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
}

/// Which of the group's rules the caller agreed to.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Consent {
    /// The group.
    pub group: String,
    /// The group's name; not in the response to an agreement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    /// The group's purpose, if it has one; not in the response to an agreement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_description: Option<String>,
    /// How they take changes of the group's rules.
    pub rules: RulesMode,
    /// The revision that they agreed to; `None` if they follow the rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed_revision: Option<u64>,
    /// The revision that counts.
    pub current_revision: u64,
    /// Whether the current rules share anything that they have not agreed to.
    pub pending: bool,
    /// Data types of which the current rules share more; not in the response to an agreement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<ConsentOfType>>,
    /// What brings the copies along, if they have to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
}

/// What the current rules share of a data type beyond the agreed ones.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ConsentOfType {
    /// The data type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// What the current rules mean compared with the agreed ones.
    pub verdict: Verdict,
    /// What was agreed to.
    pub agreed: RulesOfType,
    /// What counts now.
    pub current: RulesOfType,
    /// How many of the caller's items would be shared, or more of them.
    pub items: u64,
    /// Whether all items were looked at; otherwise `items` is a lower bound.
    pub complete: bool,
    /// An item of which more would be shared, if one was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<ConsentExample>,
}

/// What a revision of the rules says about a data type.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct RulesOfType {
    /// The fields that may be seen.
    pub fields: Vec<String>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// An item as two revisions of the rules share it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ConsentExample {
    /// Its fields.
    pub fields: Map<String, Value>,
    /// When its provider joined: history windows end there.
    pub joined: String,
    /// The fields that consumers see by the agreed rules; `None` if they do not see the item.
    pub agreed: Option<Vec<String>>,
    /// The fields that consumers see by the current rules; `None` if they do not see the item.
    pub current: Option<Vec<String>>,
}

words!(
    /// Whether a provider is asked before somebody new reads what they share.
    AudienceMode {
        /// Whoever reads the group reads what they share.
        Open,
        /// Whom they agreed to.
        Ask,
    }
);

/// Who sees what the caller shares with a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Audience {
    /// Whether they are asked.
    pub audience: AudienceMode,
    /// Consumers who see it; where they are asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Vec<String>>,
    /// Consumers who see nothing of it; where they are asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Vec<String>>,
}
