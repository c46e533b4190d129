//! What owners do to a group: its members' roles, who owns it.
//!
//! Guarantee: whoever does it is an owner *when it takes effect*, not only when it was asked for: the transaction checks
//! it. And a group never loses its last owner: the count is part of the condition, so of two owners who remove each
//! other at once exactly one succeeds.

use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem};
use domain::id::{GroupId, UserId};
use domain::time::Timestamp;

use super::built;
use super::changing::RosterChange;
use super::invitations::Role;
use super::members::{ROLES, UserMembership};
use crate::Store;
use crate::attr;
use crate::error::{Result, StoreError};
use crate::keys;

/// Why a group cannot lose an owner.
pub(super) const LAST_OWNER: &str =
    "the last owner cannot go; make somebody else an owner, or delete the group";
/// Why somebody who was an owner a moment ago cannot do it any more.
pub(super) const NO_OWNER: &str = "only owners of the group may do this";
/// Why a change of roles came too late.
const CHANGED: StoreError = StoreError::Missing("membership");

impl Store {
    /// Gives a member who reads or owns other roles of these two.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the group would lose its last owner, [`StoreError::Forbidden`] if `by` does not own
    /// it, [`StoreError::Missing`] if the membership is another one by now or the group is gone.
    pub async fn change_roles(
        &self,
        group: &GroupId,
        member: &UserMembership,
        roles: &[Role],
        by: &UserId,
        now: Timestamp,
    ) -> Result<()> {
        let owners = i32::from(roles.contains(&Role::Owner)) - i32::from(member.owns());
        let change = RosterChange::begin();
        let mut actions = vec![self.roster_changes(group, owners, &change)?];
        let begins = roles.contains(&Role::Consumer) && !member.roles.contains(&Role::Consumer);
        actions.extend(self.roles_become(group, member, roles, begins.then_some(now))?);
        // Whoever changes their own roles is guarded by those.
        if *by != member.user {
            actions.push(self.still_owns(group, by)?);
        }
        match self.change_roster(group, &change, actions).await {
            Err(error) if error.refused_at(0) => Err(self.why_not(group).await),
            Err(error) if error.refused_at(3) => Err(StoreError::Forbidden(NO_OWNER)),
            Err(StoreError::Refused(_)) => Err(CHANGED),
            other => other,
        }
    }

    /// Hands a group over: `to` owns it, `from` does so no longer, in one step.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if one of the memberships is another one by now or the group is gone.
    pub async fn transfer_group(
        &self,
        group: &GroupId,
        from: &UserMembership,
        to: &UserMembership,
    ) -> Result<()> {
        let mut gains = to.roles.clone();
        if !to.owns() {
            gains.insert(0, Role::Owner);
        }
        let keeps: Vec<Role> = from.roles.iter().copied().filter(|role| *role != Role::Owner).collect();
        let change = RosterChange::begin();
        let mut actions = vec![self.roster_changes(group, -i32::from(to.owns()), &change)?];
        actions.extend(self.roles_become(group, from, &keeps, None)?);
        actions.extend(self.roles_become(group, to, &gains, None)?);
        match self.change_roster(group, &change, actions).await {
            Err(error) if error.refused_at(0) => Err(self.why_not(group).await),
            Err(StoreError::Refused(_)) => Err(CHANGED),
            other => other,
        }
    }

    /// The groups that a user would leave without an owner: those they own alone.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn owned_alone(&self, user: &UserId) -> Result<Vec<super::GroupRow>> {
        let rows = self.directory_rows(&keys::user_partition(user), "MEMBER#").await?;
        let mut alone = Vec::new();
        for row in &rows {
            let member = super::members::member_from_row(row)?;
            if !member.roles.contains(&Role::Owner) {
                continue;
            }
            let group = self.group(&member.group).await?;
            if group.active && group.owners <= 1 {
                alone.push(group);
            }
        }
        Ok(alone)
    }

    /// Both rows of a user's membership with other roles, or gone if there are none; refused if it has changed.
    fn roles_become(
        &self,
        group: &GroupId,
        member: &UserMembership,
        roles: &[Role],
        reads: Option<Timestamp>,
    ) -> Result<Vec<TransactWriteItem>> {
        let before = attr::text(super::members::roles_text(&member.roles));
        let keys = [keys::roster_user(group, &member.user), keys::user_member(&member.user, group)];
        keys.iter()
            .map(|key| match roles.is_empty() {
                true => self.delete_if(key, ROLES, before.clone()),
                false => self.keep_roles(key, before.clone(), roles, reads),
            })
            .collect()
    }

    /// Why [`Store::roster_changes`] was refused.
    pub(super) async fn why_not(&self, group: &GroupId) -> StoreError {
        match self.group(group).await {
            Ok(group) if group.active => StoreError::Conflict(LAST_OWNER),
            Ok(_) => StoreError::Missing("group"),
            Err(error) => error,
        }
    }

    /// Refused if this user does not own the group any more.
    pub(super) fn still_owns(&self, group: &GroupId, user: &UserId) -> Result<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::roster_user(group, user))))
            .condition_expression("contains(#roles, :owner)")
            .expression_attribute_names("#roles", ROLES)
            .expression_attribute_values(":owner", attr::text(Role::Owner.as_str()));
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(built)?).build())
    }
}
