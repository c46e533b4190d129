//! Who holds an address: one row per address, so that no two profiles hold the same one.
//!
//! A profile's `email` and the row of that address change in one transaction only, so they always agree: a profile has an
//! address exactly if the address's row names the user. The user pool is the authority. When it says that an address is
//! verified as somebody's, they get it, and the profile that held it until then no longer has it
//! ([ADR 22](../../../docs/adr/0022-addresses.md)). Callers must therefore pass only what the pool has just answered.

use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use domain::address::Address;
use domain::id::UserId;

use super::users::User;
use super::{built, unreadable};
use crate::Store;
use crate::attr;
use crate::error::{Result, StoreError};
use crate::keys;

/// The attribute of a profile with its address, in the case in which it was verified.
pub(crate) const EMAIL: &str = "email";
/// The attribute of an address's row that names the user whose profile holds it.
pub(crate) const HOLDER: &str = "user";
/// How often a transaction is tried whose address keeps changing hands.
const ATTEMPTS: usize = 8;

impl Store {
    /// The user whose profile holds an address.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn address_holder(&self, address: &Address) -> Result<Option<UserId>> {
        let row = self.directory_row(&keys::address(address)).await?;
        let holder = row.as_ref().map(|row| attr::get_text(row, HOLDER)).transpose().map_err(unreadable)?;
        holder.map(UserId::parse).transpose().map_err(|error| unreadable(error.to_string()))
    }

    /// Makes a profile's address what the user pool has just said that it is. If it is another profile's, that profile
    /// loses it. Does nothing if the profile is gone.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if the address keeps changing hands.
    pub async fn set_address(&self, user: &User, verified: Option<&Address>) -> Result<()> {
        let mut current = user.clone();
        for _ in 0..ATTEMPTS {
            let before = current.email.as_ref();
            if before.map(Address::as_str) == verified.map(Address::as_str) {
                return Ok(());
            }
            let mut actions = vec![self.replace_email(&current, verified)?];
            let moves = before != verified;
            if let Some(before) = before.filter(|_| moves) {
                let holder = attr::text(user.id.as_str());
                actions.push(self.delete_if(&keys::address(before), HOLDER, holder)?);
            }
            match self.transact_holding(actions, &user.id, verified.filter(|_| moves)).await {
                Ok(()) => return Ok(()),
                // Another request has changed it, or another user holds it now.
                Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
            current = match self.user(&user.id).await {
                Ok(current) => current,
                Err(StoreError::Missing(_)) => return Ok(()),
                Err(error) => return Err(error),
            };
        }
        Err(StoreError::Busy("the address keeps changing hands".into()))
    }

    /// Replaces the address of a profile that still has the one that was read.
    fn replace_email(&self, before: &User, after: Option<&Address>) -> Result<TransactWriteItem> {
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::user(&before.id))))
            .expression_attribute_names("#email", EMAIL);
        let update = match &before.email {
            Some(email) => update
                .condition_expression("#email = :before")
                .expression_attribute_values(":before", attr::text(email.as_str())),
            None => update.condition_expression("attribute_exists(pk) AND attribute_not_exists(#email)"),
        };
        let update = match after {
            Some(email) => update
                .update_expression("SET #email = :after")
                .expression_attribute_values(":after", attr::text(email.as_str())),
            None => update.update_expression("REMOVE #email"),
        };
        Ok(TransactWriteItem::builder().update(update.build().map_err(built)?).build())
    }

    /// Commits actions, of which one gives a user's profile this address, together with those that make the user its
    /// holder. Refusals of the given actions keep their positions.
    pub(super) async fn transact_holding(
        &self,
        actions: Vec<TransactWriteItem>,
        user: &UserId,
        address: Option<&Address>,
    ) -> Result<()> {
        let Some(address) = address else { return self.transact(actions).await };
        for _ in 0..ATTEMPTS {
            let all = self.with_holder(actions.clone(), user, address).await?;
            match self.transact(all).await {
                // The address has changed hands since its row was read.
                Err(error @ StoreError::Refused(_))
                    if !(0..actions.len()).any(|action| error.refused_at(action)) =>
                {
                    tokio::time::sleep(Duration::from_millis(5 + fastrand::u64(..40))).await;
                }
                other => return other,
            }
        }
        Err(StoreError::Busy("the address keeps changing hands".into()))
    }

    /// Actions together with those that make a user the holder of an address instead of whoever holds it.
    async fn with_holder(
        &self,
        mut actions: Vec<TransactWriteItem>,
        user: &UserId,
        address: &Address,
    ) -> Result<Vec<TransactWriteItem>> {
        let holder = self.address_holder(address).await?;
        let row = attr::row(&keys::address(address), [(HOLDER, attr::text(user.as_str()))]);
        let put = Put::builder().table_name(&self.tables.directory).set_item(Some(row));
        let put = match &holder {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(holder) => put
                .condition_expression("#holder = :holder")
                .expression_attribute_names("#holder", HOLDER)
                .expression_attribute_values(":holder", attr::text(holder.as_str())),
        };
        actions.push(TransactWriteItem::builder().put(put.build().map_err(built)?).build());
        let Some(former) = holder.filter(|holder| holder != user) else { return Ok(actions) };
        // A transaction has one action for a row. If the former holder's profile is checked already (they created the
        // profile that is being linked), the update takes the place of the check, with its condition. There is such a
        // profile: it would have been erased together with the row that was just read.
        let profile = attr::key_row(&keys::user(&former));
        let check = |action: &TransactWriteItem| {
            let check = action.condition_check().filter(|check| *check.key() == profile);
            check.map(|check| check.condition_expression().to_owned())
        };
        let checked = actions.iter().position(|action| check(action).is_some());
        let condition = actions.iter().find_map(check).unwrap_or_else(|| "attribute_exists(pk)".to_owned());
        let forget = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(profile.clone()))
            .condition_expression(condition)
            .update_expression("REMOVE #email")
            .expression_attribute_names("#email", EMAIL);
        let forget = TransactWriteItem::builder().update(forget.build().map_err(built)?).build();
        match checked.and_then(|at| actions.get_mut(at)) {
            Some(check) => *check = forget,
            None => actions.push(forget),
        }
        Ok(actions)
    }
}
