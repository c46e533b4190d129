//! How memberships end.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};
use domain::id::GroupId;
use domain::time::Timestamp;

use super::governing::NO_OWNER;
use super::invitations::{Invitation, Role};
use super::members::{
    Leaving, MemberId, OWNS_SINCE, READS, ROLES, UserMembership, member_from_row, roles_text,
};
use super::offers::LOST_BY;
use super::{GroupRow, built};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError};
use crate::keys;

/// What a change of roles gives.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gains {
    /// Since when the member reads, if they did not before.
    pub(super) reads: Option<Timestamp>,
    /// Since which roster revision the member owns the group, if they did not before.
    pub(super) owns: Option<u64>,
}

impl Store {
    /// Ends memberships, in one transaction: gone for readers when this returns. What was offered to whoever lost them
    /// no longer counts, and neither does what a former owner has offered.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the group would lose its last owner, [`StoreError::Missing`] if a membership or
    /// the group is gone already, [`StoreError::Forbidden`] if `by` no longer owns the group.
    pub async fn leave(&self, group: &GroupRow, leaving: &Leaving, now: Timestamp) -> Result<()> {
        let owned = leaving.user.as_ref().is_some_and(UserMembership::owns);
        let owner_goes = owned && !leaving.keeps.contains(&Role::Owner);
        let people = match &leaving.who {
            Some(user) => self.partitions_of(user).await?,
            None => Vec::new(),
        };
        let actions = |revision| {
            let mut actions = Vec::new();
            if let Some(by) = &leaving.by {
                actions.push(self.still_owns(&group.id, by)?);
            }
            if let Some((membership, job)) = &leaving.provider {
                actions.extend(self.share_ends(membership)?);
                actions.push(self.put_new(job.row())?);
            }
            if let Some(user) = &leaving.user {
                actions.extend(self.roles_become(&group.id, user, &leaving.keeps, Gains::default())?);
            }
            for partition in &people {
                actions.push(self.role_lost(&group.id, partition, revision, now)?);
            }
            Ok(actions)
        };
        match self.at_next_revision(group, -i32::from(owner_goes), actions).await {
            // First of all: who is no owner any more is not told whether others are.
            Err(error) if leaving.by.is_some() && error.refused_at(1) => Err(StoreError::Forbidden(NO_OWNER)),
            Err(StoreError::Refused(_)) => Err(StoreError::Missing("membership")),
            other => other,
        }
    }

    pub(super) fn delete_if(
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
        gains: Gains,
    ) -> Result<TransactWriteItem> {
        let mut update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(key)))
            .condition_expression("#roles = :before")
            .expression_attribute_names("#roles", ROLES)
            .expression_attribute_values(":kept", attr::text(roles_text(kept)))
            .expression_attribute_values(":before", before);
        let mut sets = "SET #roles = :kept".to_owned();
        if let Some(since) = gains.reads {
            sets += ", #reads = :reads";
            update = update
                .expression_attribute_names("#reads", READS)
                .expression_attribute_values(":reads", attr::text(since.to_string()));
        }
        if let Some(since) = gains.owns {
            sets += ", #owns = :owns";
            update = update
                .expression_attribute_names("#owns", OWNS_SINCE)
                .expression_attribute_values(":owns", attr::number(since));
        }
        let update = update.update_expression(sets);
        Ok(TransactWriteItem::builder().update(update.build().map_err(built)?).build())
    }

    /// Removes a page of what a deleted group still has in the directory: memberships, invitations and role losses. How many rows
    /// were removed; 0 when nothing is left.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn dissolve_page(&self, group: &GroupId) -> Result<usize> {
        let pk = keys::group_partition(group);
        let mut removed = 0;
        for prefix in ["ROSTER#", "INVITE#", "ENDED#"] {
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

/// The keys of a membership, an invitation or a role loss; the group's own row last, so that a crash leaves it to be found again.
fn dissolved_keys(group: &GroupId, row: &Row) -> Result<Vec<keys::Key>> {
    if row.contains_key("invitation") {
        return Invitation::keys(row);
    }
    if let Ok(partition) = attr::get_text(row, LOST_BY) {
        return Ok(vec![keys::role_loss(group, partition)]);
    }
    let member = member_from_row(row)?;
    Ok(match member.id {
        MemberId::Drive(drive) => vec![keys::provides(&drive, group), keys::roster_provider(group, &drive)],
        MemberId::User(user) => vec![keys::user_member(&user, group), keys::roster_user(group, &user)],
    })
}
