//! Groups, and who is in them.

use serde_json::json;

use crate::Client;
use crate::error::Error;
use crate::list::List;
use crate::types::{
    Group, GroupSummary, Member, MemberRoles, NewGroup, Role, Rule, RulesRevision, RulesState,
};

impl Client {
    /// The groups that the caller is in.
    pub fn groups(&self) -> List<GroupSummary> {
        self.list(&["groups"])
    }

    /// Creates a group, which the caller owns, with the stack's defaults as its rules. A name alone is enough.
    ///
    /// # Errors
    /// `invalid`; see [`Error`].
    pub async fn create_group(&self, group: impl Into<NewGroup>) -> Result<Group, Error> {
        self.making(&["groups"]).json(&group.into()).read().await
    }

    /// A group.
    ///
    /// # Errors
    /// `not-found`, also if the caller is not in it; see [`Error`].
    pub async fn group(&self, group: &str) -> Result<Group, Error> {
        self.get(&["groups", group]).read().await
    }

    /// Gives a group another name.
    ///
    /// # Errors
    /// `declared-group` if stack.yaml names it; see [`Error`].
    pub async fn rename_group(&self, group: &str, name: &str) -> Result<Group, Error> {
        self.patch(&["groups", group]).merge_patch(&json!({ "name": name })).read().await
    }

    /// Gives a group another purpose, or none.
    ///
    /// # Errors
    /// `invalid`, `declared-group` if stack.yaml declares it; see [`Error`].
    pub async fn describe_group(&self, group: &str, purpose: Option<&str>) -> Result<Group, Error> {
        self.patch(&["groups", group]).merge_patch(&json!({ "description": purpose })).read().await
    }

    /// Deletes a group: it shows nothing to anybody when this returns.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_group(&self, group: &str) -> Result<(), Error> {
        self.delete(&["groups", group]).done().await
    }

    /// Makes another member the group's owner in the caller's place.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn transfer_group(&self, group: &str, to: &str) -> Result<(), Error> {
        self.post(&["groups", group, "transfer"]).json(&json!({ "to": to })).done().await
    }

    /// Replaces what a group receives, within what the stack allows.
    ///
    /// # Errors
    /// `invalid`, `declared-group`; see [`Error`].
    pub async fn set_rules(&self, group: &str, rules: &[Rule]) -> Result<RulesState, Error> {
        self.put(&["groups", group, "rules"]).json(&json!({ "rules": rules })).read().await
    }

    /// The revisions of a group's rules, newest first.
    pub fn rules_history(&self, group: &str) -> List<RulesRevision> {
        self.list(&["groups", group, "rules", "history"])
    }

    /// A group's members.
    pub fn members(&self, group: &str) -> List<Member> {
        self.list(&["groups", group, "members"])
    }

    /// Gives a member other roles: owner, consumer or both. Nobody is made a provider by others.
    ///
    /// # Errors
    /// `last-owner`; see [`Error`].
    pub async fn set_roles(&self, group: &str, member: &str, roles: &[Role]) -> Result<MemberRoles, Error> {
        self.patch(&["groups", group, "members", member]).json(&json!({ "roles": roles })).read().await
    }

    /// Removes a member, by the identifier of their user or drive: what they shared is gone when this returns.
    ///
    /// # Errors
    /// `last-owner`, `not-found`; see [`Error`].
    pub async fn remove_member(&self, group: &str, member: &str) -> Result<(), Error> {
        self.delete(&["groups", group, "members", member]).done().await
    }

    /// Leaves a group, or only a role in it: what the caller shared is gone when this returns.
    ///
    /// # Errors
    /// `last-owner`; see [`Error`].
    pub async fn leave_group(&self, group: &str, only: Option<Role>) -> Result<(), Error> {
        let request = self.post(&["groups", group, "leave"]);
        match only {
            Some(role) => request.query("role", role.word()).done().await,
            None => request.done().await,
        }
    }
}

impl Role {
    /// Its name in the API.
    fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Provider => "provider",
            Self::Consumer => "consumer",
            Self::Unknown => "unknown",
        }
    }
}
