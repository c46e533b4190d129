//! What providers allow.

use serde::{Deserialize, Serialize};

use super::groups::texts;
use super::{Progress, words};

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

/// The caller's contract with a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ContractState {
    /// What they allow.
    pub contract: Contract,
    /// How often they changed it.
    pub revision: u64,
    /// What brings the copies along, if they have to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
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
