//! Which invitations count: an offer ends with the right that made it ([ADR 21](../../../docs/adr/0021-offers.md)).
//!
//! An invitation records the group's roster revision at which it was offered. A user's row in the roster records the
//! revision since which they own the group, and every loss of a role records its revision for the person who lost it.
//! So the transaction that accepts an invitation decides from a constant number of rows that its writer has owned the
//! group without interruption since the offer, and that the invitee has lost no role since. Nothing has to search for
//! the invitations that a loss invalidates.
//!
//! What the stack offers counts as long as the group's row names it: a corrected `owner:` names another invitation.
//!
//! An invitee has one open invitation per group and role at most: their row for it is a slot. Whoever writes or resends
//! an invitation takes the slot and revokes the previous one in the same transaction. Checked in every interleaving by
//! `models::offers`.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::builders::{ConditionCheckBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem, Update};
use domain::id::{GroupId, UserId};
use domain::time::Timestamp;

use super::governing::NO_OWNER;
use super::invitations::{Invitation, InvitationStatus, Invitee, Role, Writer};
use super::members::{OWNS_SINCE, ROLES};
use super::users::{Caller, User};
use super::{GroupRow, built, unreadable};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, EXPIRES, Key};
use crate::once::{Keyed, Stamp};
use crate::rows::Freshness;

/// Open invitations per group at most, besides the one that the stack offers.
pub const MOST_OPEN: u64 = 1_000;
/// Why a group can offer no more.
pub const TOO_MANY_OPEN: &str =
    "the group has 1,000 open invitations; revoke some, or wait until they expire";
/// Why an answered invitation stays as it is.
const ANSWERED: &str = "the invitation was answered or revoked already; create another one";
/// The attribute of a group's row with the invitation that the stack offers.
pub(super) const STACK_OFFER: &str = "stackOffer";
/// The attribute of a group's row that counts the offers of owners, whatever became of them.
pub(super) const OFFERS: &str = "offers";
/// The attribute of a group's row with the count of offers at which open invitations have to be counted again.
pub(super) const OFFER_LIMIT: &str = "offerLimit";
/// The attribute of a role loss with its roster revision.
const LOST_AT: &str = "lostAt";
/// The attribute of a role loss with the partition of the user or the address.
pub(crate) const LOST_BY: &str = "lostBy";
/// The attribute of an erasure mark with its time, in milliseconds since 1970.
pub(crate) const ERASED_AT: &str = "erasedAt";
/// How long a role loss is kept, in days: longer than any invitation can be accepted.
const LOSS_DAYS: i64 = 400;
/// How often other offers to the same invitee or of the same group may get in between.
const ATTEMPTS: u32 = 8;

impl Store {
    /// Offers an invitation, for the first time or again, at most once for an idempotency key; returns the stamp of the
    /// earlier request if the key was used before. An open invitation of the same invitee to the same role is revoked.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the group is gone, [`StoreError::Forbidden`] if the writer no longer owns it,
    /// [`StoreError::Conflict`] if the invitation was answered or revoked, or the group has [`MOST_OPEN`] open ones,
    /// [`StoreError::KeyReused`] if the key stands for another request.
    pub async fn offer(
        &self,
        invitation: &Invitation,
        once: Option<(&Keyed, &Stamp)>,
    ) -> Result<Option<Stamp>> {
        const GROUP: usize = 0;
        const ROW: usize = 1;
        for _ in 0..ATTEMPTS {
            let current = self.directory_row(&invitation.slot()).await?;
            let current = current.as_ref().map(Invitation::read).transpose()?;
            let mut actions = vec![self.count_offer(invitation)?, self.put_if_open(invitation)?];
            actions.push(self.take_slot(invitation, current.as_ref())?);
            let writer = actions.len();
            actions.extend(self.writer_stands(invitation)?);
            // An expired invitation may be removed by TTL at any time, and needs no revocation.
            if let Some(previous) =
                current.filter(|current| current.id != invitation.id && current.expires > invitation.offered)
            {
                actions.push(self.revoke_row(&previous, "attribute_exists(pk)")?);
            }
            match self.commit(actions, once).await {
                Err(error) if matches!(invitation.writer, Writer::User(_)) && error.refused_at(writer) => {
                    return Err(StoreError::Forbidden(NO_OWNER));
                }
                Err(error) if error.refused_at(ROW) => return Err(StoreError::Conflict(ANSWERED)),
                Err(error) if error.refused_at(GROUP) => {
                    self.count_open(&invitation.group, invitation.offered).await?;
                }
                // Another offer to the same invitee took effect in between.
                Err(StoreError::Refused(_)) => {
                    tokio::time::sleep(Duration::from_millis(5 + fastrand::u64(..40))).await;
                }
                other => return other,
            }
        }
        Err(StoreError::Busy("other invitations keep being written".into()))
    }

    /// Revokes an open invitation: an acceptance at the same time either takes effect first or is refused. Repeating it
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was accepted or declined.
    pub async fn revoke_invitation(&self, invitation: &Invitation, now: Timestamp) -> Result<()> {
        let mut actions = vec![self.revoke_row(invitation, "#status = :pending")?];
        // The slot of an expired invitation may be another invitation's by now.
        if invitation.expires > now {
            actions.push(self.vacate_slot(invitation)?);
        }
        match self.transact(actions).await {
            Err(StoreError::Refused(_)) => {
                match self.invitation(&invitation.group, &invitation.id).await?.status {
                    InvitationStatus::Revoked => Ok(()),
                    InvitationStatus::Pending => Err(StoreError::Busy("it is being sent again".into())),
                    InvitationStatus::Accepted | InvitationStatus::Declined => {
                        Err(StoreError::Conflict(ANSWERED))
                    }
                }
            }
            other => other,
        }
    }

    /// A page of a group's invitations in the order of their ids. Those that no longer count are shown as revoked.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn group_invitations(
        &self,
        group: &GroupId,
        now: Timestamp,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Invitation>, Option<String>)> {
        let pk = keys::group_partition(group);
        let (rows, next) = self.directory_page(&pk, "INVITE#", after, Some(limit)).await?;
        let mut invitations = rows.iter().map(Invitation::read).collect::<Result<Vec<_>>>()?;
        let facts = self.facts(&invitations, None, now).await?;
        for invitation in &mut invitations {
            if is_open(invitation, now) && !facts.stand(invitation)? {
                invitation.status = InvitationStatus::Revoked;
            }
        }
        Ok((invitations, next))
    }

    /// A page of the invitations that a user can accept, with the names of the groups: those to the user's id first,
    /// then those to the address. A page may have fewer entries than the limit although more follow.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn user_invitations(
        &self,
        user: &User,
        now: Timestamp,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<(Invitation, String)>, Option<String>)> {
        let places = [Some(keys::user_partition(&user.id)), user.email.as_deref().map(keys::email_partition)];
        let after = after.unwrap_or_default();
        let (from, start) = match after.split_at_checked(1) {
            Some((place, sort)) => (usize::from(place == "1"), Some(sort).filter(|sort| !sort.is_empty())),
            None => (0, None),
        };
        let (mut rows, mut next) = (Vec::new(), None);
        for (place, pk) in places.iter().enumerate().skip(from) {
            let Some(pk) = pk else { continue };
            if rows.len() >= limit {
                next = Some(place.to_string());
                break;
            }
            let start = start.filter(|_| place == from).map(str::to_owned);
            let (page, more) = self.directory_page(pk, "INVITE#", start, Some(limit - rows.len())).await?;
            rows.extend(page);
            if let Some(more) = more {
                next = Some(format!("{place}{more}"));
                break;
            }
        }
        let invitations = rows.iter().map(Invitation::read).collect::<Result<Vec<_>>>()?;
        let facts = self.facts(&invitations, Some(&user.id), now).await?;
        let mut open = Vec::new();
        for invitation in invitations {
            if is_open(&invitation, now) && facts.stand(&invitation)? {
                let name = facts.group(&invitation.group)?.map(|group| group.name).unwrap_or_default();
                open.push((invitation, name));
            }
        }
        Ok((open, next))
    }

    /// Whether a user could accept an invitation to them now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn is_acceptable(
        &self,
        invitation: &Invitation,
        user: &UserId,
        now: Timestamp,
    ) -> Result<bool> {
        let facts = self.facts(std::slice::from_ref(invitation), Some(user), now).await?;
        Ok(is_open(invitation, now) && facts.stand(invitation)?)
    }

    /// The invitation that the stack offers a declared group's first owner, whatever became of it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn stack_offer(&self, group: &GroupRow) -> Result<Option<Invitation>> {
        let Some(id) = &group.stack_offer else { return Ok(None) };
        match self.invitation(&group.id, id).await {
            Ok(invitation) => Ok(Some(invitation)),
            Err(StoreError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The action on the group's row that every offer begins with.
    fn count_offer(&self, invitation: &Invitation) -> Result<TransactWriteItem> {
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(&invitation.group))))
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":active", attr::text("active"));
        let update = match invitation.writer {
            // One at a time counts, and no owner must be able to keep it from being corrected.
            Writer::Stack => update
                .update_expression("SET #stack = :id")
                .condition_expression("#state = :active")
                .expression_attribute_names("#stack", STACK_OFFER)
                .expression_attribute_values(":id", attr::text(invitation.id.as_str())),
            Writer::User(_) | Writer::Erased => update
                .update_expression("ADD #offers :one")
                .condition_expression("#state = :active AND #offers < #limit")
                .expression_attribute_names("#offers", OFFERS)
                .expression_attribute_names("#limit", OFFER_LIMIT)
                .expression_attribute_values(":one", attr::number(1)),
        };
        action(update)
    }

    fn put_if_open(&self, invitation: &Invitation) -> Result<TransactWriteItem> {
        let [row, _] = invitation.rows();
        let put = Put::builder()
            .table_name(&self.tables.directory)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk) OR #status = :pending")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":pending", attr::text(InvitationStatus::Pending.as_str()));
        Ok(TransactWriteItem::builder().put(put.build().map_err(built)?).build())
    }

    /// Refused if another invitation than `current` has the slot.
    fn take_slot(&self, invitation: &Invitation, current: Option<&Invitation>) -> Result<TransactWriteItem> {
        let [_, row] = invitation.rows();
        let put = Put::builder().table_name(&self.tables.directory).set_item(Some(row));
        let put = match current {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(current) => put
                .condition_expression("attribute_not_exists(pk) OR invitation = :current")
                .expression_attribute_values(":current", attr::text(current.id.as_str())),
        };
        Ok(TransactWriteItem::builder().put(put.build().map_err(built)?).build())
    }

    /// Deletes the row in which the invitee finds an invitation; refused if it is another invitation's by now.
    pub(super) fn vacate_slot(&self, invitation: &Invitation) -> Result<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&invitation.slot())))
            .condition_expression("attribute_not_exists(pk) OR invitation = :id")
            .expression_attribute_values(":id", attr::text(invitation.id.as_str()));
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(built)?).build())
    }

    fn revoke_row(&self, invitation: &Invitation, condition: &str) -> Result<TransactWriteItem> {
        let mut update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::invitation(&invitation.group, &invitation.id))))
            .update_expression("SET #status = :revoked")
            .condition_expression(condition)
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":revoked", attr::text(InvitationStatus::Revoked.as_str()));
        if condition.contains(":pending") {
            let pending = attr::text(InvitationStatus::Pending.as_str());
            update = update.expression_attribute_values(":pending", pending);
        }
        action(update)
    }

    /// Counts a group's open invitations, and allows as many further offers as are missing to [`MOST_OPEN`]. An offer
    /// never opens more than one invitation, so there are never more than that; and answers need not be counted.
    async fn count_open(&self, group: &GroupId, now: Timestamp) -> Result<()> {
        let group = self.group(group).await?;
        if !group.active {
            return Err(StoreError::Missing("group"));
        }
        let mut open = 0;
        let mut after = None;
        loop {
            let (page, next) = self.group_invitations(&group.id, now, after, 100).await?;
            let counted =
                |invitation: &&Invitation| is_open(invitation, now) && invitation.writer != Writer::Stack;
            open += page.iter().filter(counted).count() as u64;
            if open >= MOST_OPEN {
                return Err(StoreError::Conflict(TOO_MANY_OPEN));
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(&group.id))))
            .update_expression("SET #limit = :limit")
            .condition_expression("#offers = :counted")
            .expression_attribute_names("#offers", OFFERS)
            .expression_attribute_names("#limit", OFFER_LIMIT)
            .expression_attribute_values(":limit", attr::number(group.offers + MOST_OPEN - open))
            .expression_attribute_values(":counted", attr::number(group.offers));
        match update.send().await.map_err(sdk) {
            // Others have offered meanwhile: the next attempt counts again.
            Ok(_) | Err(StoreError::Condition) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Records that a person lost a role at this roster revision: what was offered to them before no longer counts.
    pub(super) fn role_lost(
        &self,
        group: &GroupId,
        partition: &str,
        revision: u64,
        now: Timestamp,
    ) -> Result<TransactWriteItem> {
        self.put(attr::row(
            &keys::role_loss(group, partition),
            [
                (LOST_BY, attr::text(partition)),
                (LOST_AT, attr::number(revision)),
                ("created", attr::text(now.to_string())),
                (EXPIRES, attr::number(now.plus_millis(LOSS_DAYS * 86_400_000).seconds())),
            ],
        ))
    }

    /// The partitions by which invitations name a user: by id, and by the address that their profile has.
    pub(super) async fn partitions_of(&self, user: &UserId) -> Result<Vec<String>> {
        let address = match self.user(user).await {
            Ok(user) => user.email.as_deref().map(keys::email_partition),
            Err(StoreError::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        Ok([keys::user_partition(user)].into_iter().chain(address).collect())
    }

    /// Refused if the group is gone, or if the stack wrote the invitation and has offered another one since.
    pub(super) fn group_offers(&self, invitation: &Invitation) -> Result<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(&invitation.group))))
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":active", attr::text("active"));
        condition(match invitation.writer {
            Writer::Stack => check
                .condition_expression("#state = :active AND #stack = :id")
                .expression_attribute_names("#stack", STACK_OFFER)
                .expression_attribute_values(":id", attr::text(invitation.id.as_str())),
            Writer::User(_) | Writer::Erased => check.condition_expression("#state = :active"),
        })
    }

    /// Refused unless the writer has owned the group without interruption since the offer.
    pub(super) fn writer_stands(&self, invitation: &Invitation) -> Result<Option<TransactWriteItem>> {
        let Writer::User(by) = &invitation.writer else { return Ok(None) };
        let check = ConditionCheck::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::roster_user(&invitation.group, by))))
            .condition_expression("contains(#roles, :owner) AND #owns <= :revision")
            .expression_attribute_names("#roles", ROLES)
            .expression_attribute_names("#owns", OWNS_SINCE)
            .expression_attribute_values(":owner", attr::text(Role::Owner.as_str()))
            .expression_attribute_values(":revision", attr::number(invitation.revision));
        condition(check).map(Some)
    }

    /// Refused if the caller, or the address that was invited, has lost a role since the offer, or the address's owner
    /// was erased since.
    pub(super) fn offer_stands(
        &self,
        invitation: &Invitation,
        caller: &Caller,
    ) -> Result<Vec<TransactWriteItem>> {
        let no_loss = |partition: &str| {
            let check = ConditionCheck::builder()
                .table_name(&self.tables.directory)
                .set_key(Some(attr::key_row(&keys::role_loss(&invitation.group, partition))))
                .condition_expression("attribute_not_exists(pk) OR #lost <= :revision")
                .expression_attribute_names("#lost", LOST_AT)
                .expression_attribute_values(":revision", attr::number(invitation.revision));
            condition(check)
        };
        let mut checks = vec![no_loss(&keys::user_partition(&caller.user))?];
        if let Invitee::Email(_) = &invitation.invitee {
            let partition = invitation.invitee.partition();
            checks.push(no_loss(&partition)?);
            let not_erased = ConditionCheck::builder()
                .table_name(&self.tables.directory)
                .set_key(Some(attr::key_row(&keys::erased(&partition))))
                .condition_expression("attribute_not_exists(pk) OR #erased < :offered")
                .expression_attribute_names("#erased", ERASED_AT)
                .expression_attribute_values(":offered", attr::number(invitation.offered.millis()));
            checks.push(condition(not_erased)?);
        }
        Ok(checks)
    }

    /// What decides whether the open ones of these invitations count, in a number of requests that depends on their
    /// number only. `reader` is the user who would accept them.
    async fn facts(
        &self,
        invitations: &[Invitation],
        reader: Option<&UserId>,
        now: Timestamp,
    ) -> Result<Facts> {
        let mut wanted = Vec::new();
        for invitation in invitations.iter().filter(|invitation| is_open(invitation, now)) {
            wanted.push(keys::group(&invitation.group));
            if let Writer::User(by) = &invitation.writer {
                wanted.push(keys::roster_user(&invitation.group, by));
            }
            wanted.push(keys::erased(&invitation.invitee.partition()));
            wanted.extend(losses(invitation, reader));
        }
        let rows = match wanted.is_empty() {
            true => HashMap::new(),
            false => self.rows_at(&self.tables.directory, &wanted, Freshness::Consistent).await?,
        };
        Ok(Facts { rows, reader: reader.cloned() })
    }
}

/// Neither answered nor revoked nor expired.
fn is_open(invitation: &Invitation, now: Timestamp) -> bool {
    invitation.status == InvitationStatus::Pending && invitation.expires > now
}

/// The keys of the role losses that end an invitation.
fn losses(invitation: &Invitation, reader: Option<&UserId>) -> impl Iterator<Item = Key> {
    let partitions = reader.map(keys::user_partition).into_iter().chain([invitation.invitee.partition()]);
    let group = invitation.group.clone();
    partitions.map(move |partition| keys::role_loss(&group, &partition))
}

fn action(update: UpdateBuilder) -> Result<TransactWriteItem> {
    Ok(TransactWriteItem::builder().update(update.build().map_err(built)?).build())
}

fn condition(check: ConditionCheckBuilder) -> Result<TransactWriteItem> {
    Ok(TransactWriteItem::builder().condition_check(check.build().map_err(built)?).build())
}

/// The rows that decide whether invitations count.
struct Facts {
    rows: HashMap<Key, Row>,
    reader: Option<UserId>,
}

impl Facts {
    fn group(&self, group: &GroupId) -> Result<Option<GroupRow>> {
        self.rows.get(&keys::group(group)).map(GroupRow::read).transpose()
    }

    /// The same decision as the conditions of an acceptance.
    fn stand(&self, invitation: &Invitation) -> Result<bool> {
        let Some(group) = self.group(&invitation.group)?.filter(|group| group.active) else {
            return Ok(false);
        };
        let writer_stands = match &invitation.writer {
            Writer::Stack => group.stack_offer.as_ref() == Some(&invitation.id),
            Writer::Erased => false,
            Writer::User(by) => self.rows.get(&keys::roster_user(&invitation.group, by)).is_some_and(|row| {
                let owns = attr::get_text(row, ROLES)
                    .is_ok_and(|roles| roles.split(',').any(|role| role == Role::Owner.as_str()));
                let since = attr::get_number::<u64>(row, OWNS_SINCE);
                owns && since.is_ok_and(|since| since <= invitation.revision)
            }),
        };
        for key in losses(invitation, self.reader.as_ref()) {
            let Some(row) = self.rows.get(&key) else { continue };
            if attr::get_number::<u64>(row, LOST_AT).map_err(unreadable)? > invitation.revision {
                return Ok(false);
            }
        }
        let erased = match self.rows.get(&keys::erased(&invitation.invitee.partition())) {
            Some(row) => {
                attr::get_number::<i64>(row, ERASED_AT).map_err(unreadable)? >= invitation.offered.millis()
            }
            None => false,
        };
        Ok(writer_stands && !erased)
    }
}
