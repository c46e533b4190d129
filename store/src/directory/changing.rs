//! Changes of a roster, and when what they did can be remembered.
//!
//! A transaction reaches its rows one after the other, in any order, and is acknowledged when it has reached all of them.
//! Until then somebody may find the group's row at its new revision and the roster not yet changed; if they remembered
//! that, the old roster would stand under the new revision until the next change. So a transaction also says in the
//! group's row that it is under way, and that is taken back when it was acknowledged. Who reads a roster meanwhile uses
//! what they find, and remembers nothing.
//!
//! Changes may overlap: each says so by a name of its own. If one's word cannot be taken back, since its process has died,
//! it counts no longer when nothing can be under way any more; until then every list reads the roster, which is right
//! and takes longer. Checked in every interleaving by `models::rosters`.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use domain::id::GroupId;
use domain::time::Timestamp;

use super::governing::LAST_OWNER;
use super::{GroupRow, built};
use crate::attr::{self, Row};
use crate::clock::now;
use crate::error::{Result, StoreError, sdk};
use crate::{Store, ids, keys};

/// The attribute of a group's row with the names of the changes of its roster that are under way.
const CHANGING: &str = "changing";

/// How often other changes of a roster may get in between.
const ATTEMPTS: u64 = 20;

/// After how long no change is under way any more, in milliseconds: functions end within 15 minutes.
const LONGEST: i64 = 20 * 60_000;

/// A change of a group's roster.
#[derive(Debug)]
pub(super) struct RosterChange(String);

impl RosterChange {
    /// One that begins now.
    pub(super) fn begin() -> Self {
        Self(format!("{}.{}", now(), ids::entry()))
    }

    fn name(&self) -> AttributeValue {
        AttributeValue::Ss(vec![self.0.clone()])
    }

    /// The action on the group's row as far as every change has it: its update has to `ADD changing :change`.
    pub(super) fn of_group(&self, store: &Store, group: &GroupId) -> UpdateBuilder {
        Update::builder()
            .table_name(&store.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(group))))
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":active", attr::text("active"))
            .expression_attribute_values(":change", self.name())
    }

    /// When the latest of the changes began that are under way, as far as a group's row says.
    pub(super) fn latest(row: &Row) -> Option<Timestamp> {
        let names = row.get(CHANGING)?.as_ss().ok()?;
        let begun = |name: &String| Timestamp::parse(name.rsplit_once('.')?.0).ok();
        names.iter().filter_map(begun).max()
    }
}

/// Whether nothing can be under way any more of which the latest began then.
pub(super) fn is_over(latest: Option<Timestamp>) -> bool {
    latest.is_none_or(|latest| latest.plus_millis(LONGEST) < now())
}

impl Store {
    /// The action on a group's row that a change of its roster begins with.
    pub(super) fn roster_changes(&self, group: &GroupId, change: &RosterChange) -> Result<TransactWriteItem> {
        let update = change
            .of_group(self, group)
            .update_expression("ADD rosterRev :one, changing :change")
            .condition_expression("#state = :active")
            .expression_attribute_values(":one", attr::number(1));
        Ok(TransactWriteItem::builder().update(update.build().map_err(built)?).build())
    }

    /// Changes a group's roster at its next revision, which the actions may name. It is tried again if the roster has
    /// changed since the group was read; then the actions are asked for again. Without one owner more than `owners`
    /// takes away, it is refused.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the group would lose its last owner, [`StoreError::Missing`] if it is gone,
    /// [`StoreError::Refused`] if one of the actions was, by its position behind the group's own.
    pub(super) async fn at_next_revision(
        &self,
        group: &GroupRow,
        owners: i32,
        actions: impl Fn(u64) -> Result<Vec<TransactWriteItem>>,
    ) -> Result<()> {
        let mut before = group.roster_rev;
        for attempt in 1..=ATTEMPTS {
            let change = RosterChange::begin();
            let condition = match owners {
                0.. => "#state = :active AND rosterRev = :before",
                _ => "#state = :active AND rosterRev = :before AND owners > :one",
            };
            let mut update = change
                .of_group(self, &group.id)
                .update_expression("ADD rosterRev :one, changing :change, owners :more")
                .condition_expression(condition)
                .expression_attribute_values(":one", attr::number(1))
                .expression_attribute_values(":before", attr::number(before));
            update = update.expression_attribute_values(":more", attr::number(owners));
            let mut all = vec![TransactWriteItem::builder().update(update.build().map_err(built)?).build()];
            all.extend(actions(before + 1)?);
            match self.change_roster(&group.id, &change, all).await {
                Err(error) if error.refused_only_at(0) => {}
                other => return other,
            }
            let now = self.group(&group.id).await?;
            if !now.active {
                return Err(StoreError::Missing("group"));
            }
            if now.roster_rev == before {
                return Err(StoreError::Conflict(LAST_OWNER));
            }
            before = now.roster_rev;
            tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(..5 * attempt))).await;
        }
        Err(StoreError::Busy("the roster keeps changing".into()))
    }

    /// Commits a change of the roster: what it gives and takes counts for every list that begins after this has returned.
    ///
    /// # Errors
    /// Those of [`Store::transact`].
    pub(super) async fn change_roster(
        &self,
        group: &GroupId,
        change: &RosterChange,
        actions: Vec<TransactWriteItem>,
    ) -> Result<()> {
        self.transact(actions).await?;
        let over = self
            .client
            .update_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(group))))
            .condition_expression("attribute_exists(pk)")
            .update_expression("DELETE changing :change")
            .expression_attribute_values(":change", change.name());
        match over.send().await.map_err(sdk) {
            Ok(_) | Err(StoreError::Condition) => {}
            // It is done all the same, and rosters are read for every list until it counts no longer.
            Err(error) => tracing::warn!(%group, %error, "a roster cannot be remembered for a while"),
        }
        Ok(())
    }
}
