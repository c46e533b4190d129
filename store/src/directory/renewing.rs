//! Invitations that are taken back, or offered for longer.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};
use domain::time::Timestamp;

use super::built;
use super::invitations::{Invitation, InvitationStatus};
use crate::Store;
use crate::attr;
use crate::error::{Result, StoreError};
use crate::keys;

/// Why an answered invitation stays as it is.
const ANSWERED: &str = "the invitation was answered or revoked already; make another one";

impl Store {
    /// Takes an open invitation back: whoever accepts it at the same time either was first, or is refused. Taking it
    /// back again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was accepted or declined.
    pub async fn revoke_invitation(&self, invitation: &Invitation) -> Result<()> {
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::invitation(&invitation.group, &invitation.id))))
            .update_expression("SET #status = :revoked")
            .condition_expression("#status = :pending")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":revoked", attr::text(InvitationStatus::Revoked.as_str()))
            .expression_attribute_values(":pending", attr::text(InvitationStatus::Pending.as_str()));
        let key = keys::invitation_for(&invitation.invitee.partition(), &invitation.id);
        let delete = Delete::builder().table_name(&self.tables.directory).set_key(Some(attr::key_row(&key)));
        let actions = vec![
            TransactWriteItem::builder().update(update.build().map_err(built)?).build(),
            TransactWriteItem::builder().delete(delete.build().map_err(built)?).build(),
        ];
        match self.transact(actions).await {
            Err(error) if error.refused_at(0) => {
                match self.invitation(&invitation.group, &invitation.id).await?.status {
                    InvitationStatus::Revoked => Ok(()),
                    _ => Err(StoreError::Conflict(ANSWERED)),
                }
            }
            other => other,
        }
    }

    /// Offers an open invitation for longer, also one that is over; where the invitee finds it, too.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was answered or revoked, [`StoreError::Missing`] if the group is gone.
    pub async fn renew_invitation(&self, invitation: &Invitation, until: Timestamp) -> Result<Invitation> {
        let renewed = Invitation { expires: until, ..invitation.clone() };
        let [owners, invitees] = renewed.rows();
        let put = Put::builder()
            .table_name(&self.tables.directory)
            .set_item(Some(owners))
            .condition_expression("attribute_not_exists(pk) OR #status = :pending")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":pending", attr::text(InvitationStatus::Pending.as_str()));
        let actions = vec![
            TransactWriteItem::builder().put(put.build().map_err(built)?).build(),
            self.put(invitees)?,
            self.group_is_active(&invitation.group)?,
        ];
        match self.transact(actions).await {
            Ok(()) => Ok(renewed),
            Err(error) if error.refused_at(2) => Err(StoreError::Missing("group")),
            Err(error) if error.refused_at(0) => Err(StoreError::Conflict(ANSWERED)),
            Err(error) => Err(error),
        }
    }
}
