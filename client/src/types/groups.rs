//! Groups, and who is in them.

use serde::{Deserialize, Serialize};

use super::{Job, MemberKind, Role, words};

/// A group to create.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct NewGroup {
    /// Its name: 1 to 100 characters.
    pub name: String,
    /// Its purpose: plain text of 1 to 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl NewGroup {
    /// A group of this name, without a purpose.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), description: None }
    }

    /// With a purpose, which members and invitees see.
    #[must_use]
    pub fn description(self, purpose: &str) -> Self {
        Self { description: Some(purpose.to_owned()), ..self }
    }
}

impl From<&str> for NewGroup {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Group {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its purpose; none if its owners gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Since when.
    pub created: String,
    /// The caller's roles.
    pub roles: Vec<Role>,
    /// What it receives: what any of these selects.
    pub rules: Vec<Rule>,
    /// How many are in it.
    pub members: MemberCounts,
    /// Grows with every change of its rules.
    pub rule_revision: u64,
    /// Whether stack.yaml declares it; then its name, purpose and rules change there.
    pub declared: bool,
}

/// How many are in a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct MemberCounts {
    /// Those who govern it.
    pub owners: u64,
    /// Those who share with it.
    pub providers: u64,
    /// Those who read it.
    pub consumers: u64,
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct GroupSummary {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its purpose; none if its owners gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Since when.
    pub created: String,
    /// The caller's roles.
    pub roles: Vec<Role>,
    /// Whether stack.yaml declares it.
    pub declared: bool,
}

/// Which items a group receives, and what of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Rule {
    /// Of these data types.
    pub types: Vec<String>,
    /// Those that meet this condition, a Cedar expression; all if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// These fields of them; all if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// How far back a joining provider's past is copied at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

impl Rule {
    /// Everything of these data types.
    pub fn of(types: &[&str]) -> Self {
        Self { types: texts(types), ..Self::default() }
    }

    /// Only what meets a condition.
    #[must_use]
    pub fn when(self, condition: &str) -> Self {
        Self { when: Some(condition.to_owned()), ..self }
    }

    /// Only these fields.
    #[must_use]
    pub fn fields(self, fields: &[&str]) -> Self {
        Self { fields: Some(texts(fields)), ..self }
    }

    /// With so much of the past.
    #[must_use]
    pub fn history(self, history: History) -> Self {
        Self { history: Some(history), ..self }
    }
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// How far back a joining provider's past is copied at most.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum History {
    /// All of it.
    All,
    /// Nothing of it.
    None,
    /// So many days before they join.
    Days(u32),
    /// Since this time.
    Since(String),
}

/// A group's rules after they were replaced.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct RulesState {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Grows with every change.
    pub revision: u64,
    /// What brings the copies along, if they have to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
}

words!(
    /// What a revision of a group's rules changed for its consumers.
    Verdict {
        /// They see the same as before.
        Unchanged,
        /// They see less, and nothing more.
        Narrows,
        /// They see more, and nothing less.
        Widens,
        /// They see some things no longer, and others for the first time.
        Both,
        /// It may be either.
        Undecided,
    }
);

words!(
    /// How a verdict is known.
    Evidence {
        /// By a proof over all possible items.
        Proved,
        /// By every case that the conditions can tell apart.
        Enumerated,
        /// It is not known.
        Undecided,
    }
);

/// One revision of a group's rules.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct RulesRevision {
    /// Its number; the first one is 1.
    pub revision: u64,
    /// When it began to count.
    pub since: String,
    /// When its rules were last put in other words, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reworded: Option<String>,
    /// The rules. None for consumers, unless it is the current revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<Rule>>,
    /// What it changed; none for the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// How that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Member {
    /// Their user or drive.
    pub id: String,
    /// As what.
    pub kind: MemberKind,
    /// What they are.
    pub roles: Vec<Role>,
    /// Since when.
    pub joined: String,
}

/// A member's roles after they were changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct MemberRoles {
    /// Who.
    pub id: String,
    /// As what.
    pub kind: MemberKind,
    /// What they are now.
    pub roles: Vec<Role>,
}
