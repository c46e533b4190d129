//! The checked model of a stack. What is in here is consistent: names resolve and conditions compile.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::datatype::DataType;
use crate::id::Name;
use crate::purpose::Purpose;
use crate::time::Timestamp;

/// A stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stack {
    /// Its name; every resource's name begins with it.
    pub name: Name,
    /// The AWS region.
    pub region: String,
    /// Its data types.
    pub data_types: BTreeMap<Name, DataType>,
    /// The groups that the file declares.
    pub groups: BTreeMap<Name, DeclaredGroup>,
    /// What groups that people make through the API receive.
    pub group_defaults: Option<RuleSet>,
    /// How people sign in.
    pub identity: Identity,
    /// The HTTP API.
    pub api: Api,
    /// The functions.
    pub functions: Functions,
    /// What protects the data.
    pub protection: Protection,
    /// What was in the file and may now go, with the data in it.
    #[serde(default)]
    pub removed: Removed,
    /// Tags on every resource.
    pub tags: BTreeMap<String, String>,
}

/// What was in the file and may now go, with the data in it. What merely vanishes from the file is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// Groups, with their memberships and copies.
    pub groups: BTreeSet<Name>,
    /// Data types, whose items nobody can read or write any more.
    pub data_types: BTreeSet<Name>,
    /// Fields by data type. Items keep their values, which nobody can read or write any more.
    #[serde(default)]
    pub fields: BTreeMap<Name, BTreeSet<Name>>,
}

/// A group declared in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredGroup {
    /// Its name in the file.
    pub name: Name,
    /// Its purpose, which members and invitees see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Purpose>,
    /// The address of its first owner, who is invited when the group is made.
    pub owner: Address,
    /// What it receives.
    pub rules: RuleSet,
    /// Over how many partitions its copies of one type are spread.
    pub shards: u16,
    /// What it was called in the file before; its members and copies stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<Name>,
    /// The change of its rules that may share more than before, by the code that the plan prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
    /// Items that people wrote down beside the rules. Never deployed.
    #[serde(default, skip_serializing_if = "Examples::is_empty")]
    pub examples: Examples,
}

/// Items that a group's rules are held against by `provision rules test`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Examples {
    /// Items that consumers should see.
    #[serde(default)]
    pub should_share: Vec<ExampleItem>,
    /// Items that they should not see.
    #[serde(default)]
    pub should_not_share: Vec<ExampleItem>,
}

impl Examples {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.should_share.is_empty() && self.should_not_share.is_empty()
    }
}

/// An item that its data type takes, as an example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExampleItem {
    /// Its data type.
    #[serde(rename = "type")]
    pub data_type: Name,
    /// When its provider joined; by the time of the item if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Timestamp>,
    /// Its fields, as people write them to the API.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// What a group receives: an item is shared if any rule selects it; its visible fields are those of all rules that do.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleSet {
    /// The rules in the order of the file.
    pub rules: Vec<Rule>,
}

impl RuleSet {
    /// The same rules without data types that are not declared: rules and functions are deployed one after the other, so a
    /// type that only one side knows is not shared yet, or no longer, and stops nothing else.
    #[must_use]
    pub fn of_types(mut self, types: &BTreeMap<Name, DataType>) -> Self {
        for rule in &mut self.rules {
            rule.types.retain(|name| types.contains_key(name));
        }
        self
    }
}

/// One rule of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The data types it is about.
    pub types: Vec<Name>,
    /// A Cedar expression over `resource`; every item if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The fields that consumers see; every field if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<Name>>,
    /// How far back a joining provider's past is copied at most.
    #[serde(default)]
    pub history: History,
}

/// How much of the past a rule reaches when a provider joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum History {
    /// Nothing from before the provider joined.
    None,
    /// All of it.
    #[default]
    All,
    /// Items of the last so many days before the provider joined.
    Days(u32),
    /// Items at or after an instant.
    Since(Timestamp),
}

/// How people sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Where the hosted sign-in page may return to.
    pub callback_urls: Vec<String>,
    /// Where it may return to after signing out.
    pub logout_urls: Vec<String>,
    /// What a password must have.
    pub password_policy: PasswordPolicy,
    /// Whether people use a second factor.
    pub mfa: Mfa,
    /// Whether people may sign up by themselves.
    pub self_sign_up: bool,
    /// The prefix of the sign-in page's address; made from the stack's name and the account if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_prefix: Option<String>,
}

/// What a password must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordPolicy {
    /// The least number of characters: 8 to 99.
    pub minimum_length: u8,
    /// A lower-case letter.
    pub require_lowercase: bool,
    /// An upper-case letter.
    pub require_uppercase: bool,
    /// A digit.
    pub require_numbers: bool,
    /// Something else.
    pub require_symbols: bool,
}

/// Whether people use a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mfa {
    /// Never.
    Off,
    /// If they wish.
    Optional,
    /// Always.
    Required,
}

/// The HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    /// Which web pages may call it; none if empty.
    pub cors_origins: Vec<String>,
    /// Requests a second, for all callers together.
    pub rate_limit: u32,
    /// Requests at once, for all callers together.
    pub burst_limit: u32,
    /// Requests a second of one person, as one process of the function counts them.
    pub per_person_rate_limit: u32,
}

/// The functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Functions {
    /// Their processor.
    pub architecture: Architecture,
    /// Their memory in MB: 128 to 10,240.
    pub memory: u32,
    /// Writes a second that one data job may do.
    pub job_writes_per_second: u32,
    /// How long their logs are kept, in days.
    pub log_retention_days: u32,
}

/// A processor that functions run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 64-bit Intel and AMD.
    X86_64,
    /// 64-bit ARM.
    Arm64,
}

/// What protects the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protection {
    /// Whether tables and the user pool refuse to be deleted.
    pub deletion_protection: bool,
    /// Whether tables can be restored to any second of the last 35 days.
    pub point_in_time_recovery: bool,
    /// Whose key encrypts the tables.
    pub encryption: Encryption,
}

/// Whose key encrypts the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// A key that AWS owns.
    AwsOwned,
    /// A key in the customer's account (`aws/dynamodb`).
    CustomerManaged,
}
