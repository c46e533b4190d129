//! How a drive's memberships are written: everything that makes, changes or ends one is here.
//!
//! A membership has a row in the roster and one with its drive. A third one, the drive's *shares*, names all groups that
//! the drive shares into, each with the epoch and the contract's revision of now: these three numbers never mean another
//! membership, so whoever has read a membership before knows from this one row whether it is still the same, and that
//! there are no others. It is written in the same transaction as the membership, whatever happens to that.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};
use domain::id::{DriveId, GroupId, UserId};
use domain::replication::ProviderMembership;
use domain::rules::{Agreement, CompiledContract};

use super::contracts::{self, WrittenMembership};
use super::{built, unreadable};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, PK, SK};

/// The groups that a drive shares into, by what tells one membership from every other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shares(BTreeMap<String, String>);

fn entry(epoch: u64, contract: u32) -> String {
    format!("{epoch}.{contract}")
}

impl Shares {
    /// Those of these memberships.
    pub(crate) fn of<'a>(memberships: impl IntoIterator<Item = &'a ProviderMembership>) -> Self {
        let each = memberships.into_iter().map(|membership| {
            let ProviderMembership { group, epoch, terms, .. } = membership;
            (group.as_str().to_owned(), entry(*epoch, terms.contract.revision))
        });
        Self(each.collect())
    }

    /// What a drive's row says; without a row, that there are none.
    pub(crate) fn read(row: Option<&Row>) -> Self {
        let named = row.into_iter().flatten().filter(|(name, _)| *name != PK && *name != SK);
        // What is no text is no entry of ours: it is kept, so that it agrees with nothing.
        let text = |value: &AttributeValue| value.as_s().cloned().unwrap_or_default();
        Self(named.map(|(name, value)| (name.clone(), text(value))).collect())
    }
}

impl Store {
    /// A membership that begins.
    pub(super) fn share_begins(
        &self,
        membership: &ProviderMembership,
        agreement: Agreement,
        user: &UserId,
    ) -> Result<Vec<TransactWriteItem>> {
        let ProviderMembership { group, drive, epoch, terms } = membership;
        let mut actions = Vec::with_capacity(3);
        for key in [keys::roster_provider(group, drive), keys::provides(drive, group)] {
            let mut row = attr::row(
                &key,
                [
                    ("group", attr::text(group.as_str())),
                    ("drive", attr::text(drive.as_str())),
                    ("joinedBy", attr::text(user.as_str())),
                    ("epoch", attr::number(epoch)),
                    ("joined", attr::text(terms.joined.to_string())),
                ],
            );
            row.extend(contracts::attributes(&terms.contract, agreement));
            actions.push(self.put_new(row)?);
        }
        actions.push(self.note_share(drive, group, Some(entry(*epoch, terms.contract.revision)))?);
        Ok(actions)
    }

    /// A membership that gets another contract or agreement; refused if it has changed.
    pub(super) fn share_changes(
        &self,
        membership: &ProviderMembership,
        contract: &CompiledContract,
    ) -> Result<Vec<TransactWriteItem>> {
        let ProviderMembership { group, drive, epoch, terms } = membership;
        let text = serde_json::to_string(contract.written()).unwrap_or_default();
        let before = terms.contract.revision;
        let mut actions = Vec::with_capacity(3);
        for key in [keys::roster_provider(group, drive), keys::provides(drive, group)] {
            let update = Update::builder()
                .table_name(&self.tables.directory)
                .set_key(Some(attr::key_row(&key)))
                .update_expression(
                    "SET contract = :contract, contractRev = :revision, #agreement = :agreement",
                )
                .expression_attribute_names("#agreement", contracts::AGREEMENT)
                .expression_attribute_values(
                    ":agreement",
                    attr::text(contracts::agreement_text(contract.agreement())),
                )
                .condition_expression(same_contract(before))
                .expression_attribute_values(":contract", attr::text(&text))
                .expression_attribute_values(":revision", attr::number(contract.revision))
                .expression_attribute_values(":epoch", attr::number(epoch))
                .expression_attribute_values(":before", attr::number(before));
            actions.push(TransactWriteItem::builder().update(update.build().map_err(built)?).build());
        }
        actions.push(self.note_share(drive, group, Some(entry(*epoch, contract.revision)))?);
        Ok(actions)
    }

    /// A membership that ends; refused if it has ended, or is another one by now.
    pub(super) fn share_ends(&self, membership: &ProviderMembership) -> Result<Vec<TransactWriteItem>> {
        let ProviderMembership { group, drive, epoch, .. } = membership;
        let epoch = attr::number(epoch);
        Ok(vec![
            self.delete_if(&keys::roster_provider(group, drive), "epoch", epoch.clone())?,
            self.delete_if(&keys::provides(drive, group), "epoch", epoch)?,
            self.note_share(drive, group, None)?,
        ])
    }

    /// Forgets a membership of a group that was deleted, whose row in the roster is about to be. No transaction: in such a
    /// group nobody shares any more, whichever of its rows are still there.
    pub(super) async fn dissolve_share(&self, row: &Row) -> Result<()> {
        if !row.contains_key("drive") {
            return Ok(());
        }
        let WrittenMembership { group, drive, .. } = WrittenMembership::read(row)?;
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::shares(&drive))))
            .update_expression("REMOVE #group")
            .expression_attribute_names("#group", group.as_str())
            // Whoever was erased has no rows, and gets none.
            .condition_expression("attribute_exists(pk)");
        match update.send().await.map_err(sdk) {
            Ok(_) | Err(StoreError::Condition) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The part of a change of a membership that all memberships of the drive have in common.
    fn note_share(
        &self,
        drive: &DriveId,
        group: &GroupId,
        entry: Option<String>,
    ) -> Result<TransactWriteItem> {
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::shares(drive))))
            .expression_attribute_names("#group", group.as_str());
        let update = match entry {
            Some(entry) => update
                .update_expression("SET #group = :entry")
                .expression_attribute_values(":entry", attr::text(entry)),
            None => update.update_expression("REMOVE #group"),
        };
        Ok(TransactWriteItem::builder().update(update.build().map_err(built)?).build())
    }

    /// Makes a drive's shares say what its memberships are, and tells whether they did not: those of before there were
    /// shares, and those that a function of such a version made.
    ///
    /// Each entry in a transaction with its membership. So one that is changed at the same time is either seen or stands
    /// in the way, and no entry is ever put back to what it was.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn mend_shares(&self, drive: &DriveId) -> Result<bool> {
        let row = self.directory_row(&keys::shares(drive)).await?;
        let Shares(mut told) = Shares::read(row.as_ref());
        let rows = self.directory_rows(&keys::drive_partition(drive), "PROVIDES#").await?;
        let mut mended = false;
        for row in &rows {
            let WrittenMembership { group, epoch, revision, .. } = WrittenMembership::read(row)?;
            let real = entry(epoch, revision);
            if told.remove(group.as_str()).as_ref() == Some(&real) {
                continue;
            }
            // Changes nothing: it is there for its condition.
            let same = Update::builder()
                .table_name(&self.tables.directory)
                .set_key(Some(attr::key_row(&keys::provides(drive, &group))))
                .update_expression("SET epoch = :epoch")
                .condition_expression(same_contract(revision))
                .expression_attribute_values(":epoch", attr::number(epoch))
                .expression_attribute_values(":before", attr::number(revision));
            let same = TransactWriteItem::builder().update(same.build().map_err(built)?).build();
            mended |= self.mend(same, self.note_share(drive, &group, Some(real))?).await?;
        }
        for name in told.keys() {
            let group = GroupId::parse(name).map_err(|error| unreadable(error.to_string()))?;
            // Deletes nothing, likewise.
            let none = Delete::builder()
                .table_name(&self.tables.directory)
                .set_key(Some(attr::key_row(&keys::provides(drive, &group))))
                .condition_expression("attribute_not_exists(pk)");
            let none = TransactWriteItem::builder().delete(none.build().map_err(built)?).build();
            mended |= self.mend(none, self.note_share(drive, &group, None)?).await?;
        }
        Ok(mended)
    }

    async fn mend(&self, only_if: TransactWriteItem, note: TransactWriteItem) -> Result<bool> {
        match self.transact(vec![only_if, note]).await {
            Ok(()) => Ok(true),
            // Whoever has changed it has written the entry too.
            Err(StoreError::Refused(_) | StoreError::Busy(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// That a membership has this contract. The first one has no revision of its own in the row.
fn same_contract(revision: u32) -> &'static str {
    match revision {
        0 => "epoch = :epoch AND (attribute_not_exists(contractRev) OR contractRev = :before)",
        _ => "epoch = :epoch AND contractRev = :before",
    }
}
