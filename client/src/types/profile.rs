//! Profiles, and what concerns a person.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Contract, InvitationToMe, Item, Progress, Role, RulesMode, words};

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct User {
    /// Who.
    pub id: String,
    /// Where their items live; what they are called where they provide.
    pub drive: String,
    /// Since when.
    pub created: String,
    /// The address that the user pool has verified, in the case in which it was verified and in Unicode NFC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A secret that takes a profile over, once.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Invite {
    /// The secret; it is shown here and nowhere else.
    pub token: String,
    /// Until when it counts.
    pub expires: String,
}

impl std::fmt::Debug for Invite {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invite").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// A profile of somebody who has not signed in yet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct MadeProfile {
    /// Who.
    pub id: String,
    /// Where their items will live.
    pub drive: String,
    /// Since when.
    pub created: String,
    /// What takes it over.
    pub invite: Invite,
}

/// Another invite for such a profile; the one before counts no more.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct MadeInvite {
    /// Whose profile.
    pub id: String,
    /// What takes it over.
    pub invite: Invite,
}

/// How far an erasure is; it does not say whose.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Erasure {
    /// Its identifier, for [`crate::Client::erasure`].
    pub id: String,
    /// Whether something is left.
    pub status: Progress,
    /// When it was asked for.
    pub requested: String,
    /// When nothing was left.
    pub finished: Option<String>,
    /// Items that were removed.
    pub items: u64,
    /// Rows of copies that were removed.
    pub copies: u64,
    /// Other rows that were removed, or had a name taken out.
    pub records: u64,
}

words!(
    /// As what a member is in a group.
    MemberKind {
        /// As a drive: they provide.
        Drive,
        /// As a user: they own or read.
        User,
    }
);

/// A membership of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Membership {
    /// The group.
    pub group: String,
    /// The group's name.
    pub group_name: String,
    /// As what.
    pub kind: MemberKind,
    /// The caller's user or drive.
    pub id: String,
    /// What they are.
    pub roles: Vec<Role>,
    /// Since when.
    pub joined: String,
    /// Of a group that the caller shares into: who reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumers: Option<Consumers>,
    /// Of a group that the caller shares into: how they take changes of its rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesMode>,
    /// Of a group that the caller shares into: the revision of its rules that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_revision: Option<u64>,
    /// The revision that the caller agreed to; `None` if they follow the rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed_revision: Option<u64>,
}

/// Who reads a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Consumers {
    /// How many.
    pub count: u64,
    /// Of them, those who came to read after the caller joined.
    pub new_count: u64,
    /// The latest of those.
    pub new: Vec<NewConsumer>,
}

/// Somebody who came to read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct NewConsumer {
    /// Who.
    pub id: String,
    /// Since when.
    pub since: String,
}

/// What was removed of the copies in a group, counted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Its identifier.
    pub id: String,
    /// The group.
    pub group: String,
    /// When the caller left it.
    pub left: String,
    /// When nothing was left of theirs.
    pub finished: String,
    /// Copies that there were.
    pub expected: u64,
    /// Copies that were deleted.
    pub deleted: u64,
    /// Copies that were found afterwards.
    pub remaining: u64,
}

/// What one page of a group's data showed of the caller's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Shown {
    /// The group.
    pub group: String,
    /// Who was shown it; none once they are erased.
    pub reader: Option<String>,
    /// When.
    pub at: String,
    /// How many items.
    pub count: u64,
    /// How many of which types.
    pub types: BTreeMap<String, u64>,
}

/// Something that is the caller's.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Exported {
    /// Their profile.
    Profile {
        /// It.
        profile: User,
    },
    /// A membership.
    Membership {
        /// It.
        membership: ExportedMembership,
    },
    /// An invitation to them.
    Invitation {
        /// It.
        invitation: InvitationToMe,
    },
    /// A receipt.
    Receipt {
        /// It.
        receipt: Receipt,
    },
    /// An entry of their ledger.
    Ledger {
        /// It.
        ledger: Shown,
    },
    /// An item.
    Item {
        /// It.
        item: Item,
    },
    /// Something that this client does not know.
    #[serde(other)]
    Unknown,
}

/// A membership with what the caller allows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExportedMembership {
    /// The group.
    pub group: String,
    /// What they are.
    pub roles: Vec<Role>,
    /// Since when.
    pub joined: String,
    /// What they allow, as provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contract>,
    /// How often they changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract_revision: Option<u64>,
    /// How they take changes of the group's rules, as provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesMode>,
    /// The revision of the rules that they agreed to; `None` if they follow the rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed_revision: Option<u64>,
}
