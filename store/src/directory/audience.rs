//! Providers who want to be asked before somebody new reads what they share.
//!
//! What a provider has agreed to stands in their row of the roster, so readers have it with the roster, and every change
//! of it is a change of the roster: what a provider takes back is gone when the call returns.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::id::{DriveId, GroupId, UserId};
use domain::replication::Audience;
use domain::time::Timestamp;

use super::changing::RosterChange;
use super::{built, unreadable};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError};
use crate::keys;

/// The attribute with whom a provider lets read; left out if they let everybody.
pub(crate) const AUDIENCE: &str = "audience";

/// What a provider's row of the roster says about its audience.
pub(super) fn audience_of(row: &Row) -> Result<Option<Audience>> {
    let Ok(text) = attr::get_text(row, AUDIENCE) else { return Ok(None) };
    let agreed: BTreeMap<UserId, Timestamp> =
        serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    Ok(Some(Audience { agreed }))
}

fn text_of(audience: &Audience) -> String {
    serde_json::to_string(&audience.agreed).unwrap_or_default()
}

impl Store {
    /// Says whom a provider lets read, if that is still what it was; none is everybody.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the group is gone, [`StoreError::Conflict`] if the membership or its audience is
    /// another one by now.
    pub async fn set_audience(
        &self,
        group: &GroupId,
        (drive, epoch): (&DriveId, u64),
        before: Option<&Audience>,
        after: Option<&Audience>,
    ) -> Result<()> {
        let mut update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::roster_provider(group, drive))))
            .expression_attribute_names("#audience", AUDIENCE)
            .expression_attribute_values(":epoch", attr::number(epoch));
        update = match before {
            None => update.condition_expression("epoch = :epoch AND attribute_not_exists(#audience)"),
            Some(before) => update
                .condition_expression("epoch = :epoch AND #audience = :before")
                .expression_attribute_values(":before", attr::text(text_of(before))),
        };
        update = match after {
            None => update.update_expression("REMOVE #audience"),
            Some(after) => update
                .update_expression("SET #audience = :after")
                .expression_attribute_values(":after", attr::text(text_of(after))),
        };
        let update = TransactWriteItem::builder().update(update.build().map_err(built)?).build();
        let change = RosterChange::begin();
        let actions = vec![self.roster_changes(group, &change)?, update];
        match self.change_roster(group, &change, actions).await {
            Err(error) if error.refused_at(0) => Err(StoreError::Missing("group")),
            Err(StoreError::Refused(_)) => {
                Err(StoreError::Conflict("the membership or its audience changed at the same time"))
            }
            other => other,
        }
    }
}
