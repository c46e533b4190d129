//! How memberships end.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};
use domain::id::GroupId;
use domain::time::Timestamp;

use super::built;
use super::changing::RosterChange;
use super::governing::NO_OWNER;
use super::invitations::{Invitation, Role};
use super::members::{Leaving, MemberId, READS, ROLES, UserMembership, member_from_row, roles_text};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError};
use crate::keys;

impl Store {
    /// Ends memberships, in one transaction: gone for readers when this returns.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the group would lose its last owner, [`StoreError::Missing`] if a membership or
    /// the group is gone already.
    pub async fn leave(&self, group: &GroupId, leaving: &Leaving) -> Result<()> {
        let owned = leaving.user.as_ref().is_some_and(UserMembership::owns);
        let owner_goes = owned && !leaving.keeps.contains(&Role::Owner);
        let change = RosterChange::begin();
        let mut actions = vec![self.roster_changes(group, -i32::from(owner_goes), &change)?];
        if let Some((membership, job)) = &leaving.provider {
            actions.extend(self.share_ends(membership)?);
            actions.push(self.put_new(job.row())?);
        }
        if let Some(user) = &leaving.user {
            let roles = attr::text(roles_text(&user.roles));
            for key in [keys::roster_user(group, &user.user), keys::user_member(&user.user, group)] {
                actions.push(match leaving.keeps.is_empty() {
                    true => self.delete_if(&key, ROLES, roles.clone())?,
                    false => self.keep_roles(&key, roles.clone(), &leaving.keeps, None)?,
                });
            }
        }
        let by_whom = actions.len();
        if let Some(by) = &leaving.by {
            actions.push(self.still_owns(group, by)?);
        }
        match self.change_roster(group, &change, actions).await {
            Ok(()) => Ok(()),
            // First of all: who is no owner any more is not told whether others are.
            Err(error) if error.refused_at(by_whom) => Err(StoreError::Forbidden(NO_OWNER)),
            Err(error) if error.refused_at(0) => Err(self.why_not(group).await),
            Err(StoreError::Refused(_)) => Err(StoreError::Missing("membership")),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn delete_if(
        &self,
        key: &keys::Key,
        attribute: &str,
        guard: AttributeValue,
    ) -> Result<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(key)))
            .condition_expression("#guarded = :guard")
            .expression_attribute_names("#guarded", attribute)
            .expression_attribute_values(":guard", guard);
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(built)?).build())
    }

    pub(super) fn keep_roles(
        &self,
        key: &keys::Key,
        before: AttributeValue,
        kept: &[Role],
        reads: Option<Timestamp>,
    ) -> Result<TransactWriteItem> {
        let mut update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(key)))
            .condition_expression("#roles = :before")
            .expression_attribute_names("#roles", ROLES)
            .expression_attribute_values(":kept", attr::text(roles_text(kept)))
            .expression_attribute_values(":before", before);
        update = match reads {
            None => update.update_expression("SET #roles = :kept"),
            Some(since) => update
                .update_expression("SET #roles = :kept, #reads = :since")
                .expression_attribute_names("#reads", READS)
                .expression_attribute_values(":since", attr::text(since.to_string())),
        };
        Ok(TransactWriteItem::builder().update(update.build().map_err(built)?).build())
    }

    /// Removes a page of what a deleted group still has in the directory: memberships and invitations. How many rows
    /// were removed; 0 when nothing is left.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn dissolve_page(&self, group: &GroupId) -> Result<usize> {
        let pk = keys::group_partition(group);
        let mut removed = 0;
        for prefix in ["ROSTER#", "INVITE#"] {
            let (rows, _) = self.directory_page(&pk, prefix, None, Some(50)).await?;
            for row in &rows {
                self.dissolve_share(row).await?;
                for key in dissolved_keys(group, row)? {
                    let delete = self.client.delete_item().table_name(&self.tables.directory);
                    delete.set_key(Some(attr::key_row(&key))).send().await.map_err(crate::error::sdk)?;
                }
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Both keys of a membership or an invitation; the group's own row last, so that a crash leaves it to be found again.
fn dissolved_keys(group: &GroupId, row: &Row) -> Result<Vec<keys::Key>> {
    if row.contains_key("invitation") {
        return Invitation::keys(row);
    }
    let member = member_from_row(row)?;
    Ok(match member.id {
        MemberId::Drive(drive) => vec![keys::provides(&drive, group), keys::roster_provider(group, &drive)],
        MemberId::User(user) => vec![keys::user_member(&user, group), keys::roster_user(group, &user)],
    })
}
