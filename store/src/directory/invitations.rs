//! Invitations: a role in a group, offered to a user or to an e-mail address.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use domain::address::Address;
use domain::id::{GroupId, InvitationId, UserId};
use domain::time::Timestamp;

use super::users::Caller;
use super::{built, unreadable};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError};
use crate::keys::{self, EXPIRES};

/// A role in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Administers it.
    Owner,
    /// Shares into it.
    Provider,
    /// Reads from it.
    Consumer,
}

impl Role {
    /// Every role with its name.
    pub const ALL: [(&'static str, Self); 3] =
        [("owner", Self::Owner), ("provider", Self::Provider), ("consumer", Self::Consumer)];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }
    /// The role of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, role)| *role)
    }
}

/// Whom an invitation is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invitee {
    /// Whoever has this address, as the user pool verifies it.
    Email(Address),
    /// This user.
    User(UserId),
}

impl Invitee {
    pub(super) fn partition(&self) -> String {
        match self {
            Self::Email(address) => keys::email_partition(address),
            Self::User(user) => keys::user_partition(user),
        }
    }
}

/// What became of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationStatus {
    /// Neither accepted nor declined.
    Pending,
    /// Accepted.
    Accepted,
    /// Declined.
    Declined,
    /// Revoked by an owner or replaced by a newer one, or the right behind it has ended.
    Revoked,
}

impl InvitationStatus {
    const ALL: [(&'static str, Self); 4] = [
        ("pending", Self::Pending),
        ("accepted", Self::Accepted),
        ("declined", Self::Declined),
        ("revoked", Self::Revoked),
    ];
    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, status)| *status == self).map_or("", |(name, _)| name)
    }
}

/// Who offers an invitation: its writer, or the owner who last resent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    /// stack.yaml, for the first owner of a declared group.
    Stack,
    /// A user, who must still own the group.
    User(UserId),
    /// A user who was erased since. The invitation no longer counts.
    Erased,
}

/// The attribute that says when something was last offered. Erasures read it.
pub(crate) const OFFERED: &str = "offered";
/// The attribute with the roster revision of an offer.
const REVISION: &str = "revision";
/// The attribute of an invitation that the stack wrote.
const BY_STACK: &str = "byStack";
/// Why an invitation cannot be accepted or declined.
pub(super) const CLOSED: &str = "the invitation is no longer open";

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its identifier.
    pub id: InvitationId,
    /// The group.
    pub group: GroupId,
    /// The role that is offered.
    pub role: Role,
    /// Whom it is for.
    pub invitee: Invitee,
    /// Who offers it.
    pub writer: Writer,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last offered: created or resent.
    pub offered: Timestamp,
    /// The group's roster revision when it was last offered. It no longer counts once its writer or its invitee loses
    /// a role at a later revision.
    pub revision: u64,
    /// Until when it can be accepted.
    pub expires: Timestamp,
    /// What became of it.
    pub status: InvitationStatus,
    /// Who accepted or declined it.
    pub answered_by: Option<UserId>,
}

impl Invitation {
    /// Both of its rows: where owners find it and where the invitee does.
    pub(crate) fn rows(&self) -> [Row; 2] {
        let owners = keys::invitation(&self.group, &self.id);
        [self.row(&owners), self.row(&self.slot())]
    }

    /// The row in which the invitee finds the open invitation to this role.
    pub(super) fn slot(&self) -> keys::Key {
        keys::invitation_for(&self.invitee.partition(), &self.group, self.role.as_str())
    }

    fn row(&self, key: &keys::Key) -> Row {
        let mut row = attr::row(
            key,
            [
                ("invitation", attr::text(self.id.as_str())),
                ("group", attr::text(self.group.as_str())),
                ("role", attr::text(self.role.as_str())),
                ("created", attr::text(self.created.to_string())),
                (OFFERED, attr::text(self.offered.to_string())),
                (REVISION, attr::number(self.revision)),
                ("expires", attr::text(self.expires.to_string())),
                ("status", attr::text(self.status.as_str())),
                (EXPIRES, attr::number(self.expires.seconds())),
            ],
        );
        match &self.invitee {
            Invitee::Email(address) => row.insert("email".into(), attr::text(address.as_str())),
            Invitee::User(user) => row.insert("user".into(), attr::text(user.as_str())),
        };
        match &self.writer {
            Writer::Stack => row.insert(BY_STACK.into(), AttributeValue::Bool(true)),
            Writer::User(by) => row.insert("invitedBy".into(), attr::text(by.as_str())),
            Writer::Erased => None,
        };
        row
    }

    /// Both of an invitation row's keys; the group's last.
    pub(super) fn keys(row: &Row) -> Result<Vec<keys::Key>> {
        let invitation = Self::read(row)?;
        Ok(vec![invitation.slot(), keys::invitation(&invitation.group, &invitation.id)])
    }

    pub(super) fn read(row: &Row) -> Result<Self> {
        let read = || -> std::result::Result<Self, String> {
            let user = |name: &str| -> std::result::Result<Option<UserId>, String> {
                attr::get_text(row, name).ok().map(UserId::parse).transpose().map_err(|e| e.to_string())
            };
            let status = attr::get_text(row, "status")?;
            let status = InvitationStatus::ALL
                .iter()
                .find(|(name, _)| *name == status)
                .ok_or("`status` is unknown")?;
            Ok(Self {
                id: InvitationId::parse(attr::get_text(row, "invitation")?).map_err(|e| e.to_string())?,
                group: GroupId::parse(attr::get_text(row, "group")?).map_err(|e| e.to_string())?,
                role: Role::parse(attr::get_text(row, "role")?).ok_or("`role` is unknown")?,
                invitee: match user("user")? {
                    Some(user) => Invitee::User(user),
                    None => Invitee::Email(
                        Address::parse(attr::get_text(row, "email")?).map_err(|e| e.to_string())?,
                    ),
                },
                writer: match user("invitedBy")? {
                    _ if row.contains_key(BY_STACK) => Writer::Stack,
                    Some(user) => Writer::User(user),
                    None => Writer::Erased,
                },
                created: attr::get_time(row, "created")?,
                offered: attr::get_time(row, OFFERED)?,
                revision: attr::get_number(row, REVISION)?,
                expires: attr::get_time(row, "expires")?,
                status: status.1,
                answered_by: user("answeredBy")?,
            })
        };
        read().map_err(unreadable)
    }
}

impl Store {
    /// An invitation of a group.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none.
    pub async fn invitation(&self, group: &GroupId, invitation: &InvitationId) -> Result<Invitation> {
        let row = self.directory_row(&keys::invitation(group, invitation)).await?;
        Invitation::read(&row.ok_or(StoreError::Missing("invitation"))?)
    }

    /// Declines an invitation. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is no longer open, [`StoreError::Missing`] if the group is gone.
    pub async fn decline(&self, invitation: &Invitation, caller: &Caller, now: Timestamp) -> Result<()> {
        let mut actions = self.answer(invitation, InvitationStatus::Declined, &caller.user, now)?;
        let group = actions.len();
        actions.push(self.group_offers(invitation)?);
        actions.extend(self.offer_stands(invitation, caller)?);
        match invitation.writer {
            // There is no row that could be checked.
            Writer::Erased => return self.declined_before(invitation).await,
            Writer::Stack | Writer::User(_) => actions.extend(self.writer_stands(invitation)?),
        }
        match self.transact(actions).await {
            Err(error) if error.refused_at(0) => self.declined_before(invitation).await,
            Err(error) if error.refused_at(group) && !self.group(&invitation.group).await?.active => {
                Err(StoreError::Missing("group"))
            }
            Err(StoreError::Refused(_)) => Err(StoreError::Conflict(CLOSED)),
            other => other,
        }
    }

    /// The result of an earlier decline.
    async fn declined_before(&self, invitation: &Invitation) -> Result<()> {
        match self.invitation(&invitation.group, &invitation.id).await?.status {
            InvitationStatus::Declined => Ok(()),
            InvitationStatus::Accepted => Err(StoreError::Conflict("the invitation was accepted already")),
            InvitationStatus::Pending | InvitationStatus::Revoked => Err(StoreError::Conflict(CLOSED)),
        }
    }

    /// The two actions that answer an invitation; the first is refused if it is no longer open.
    pub(super) fn answer(
        &self,
        invitation: &Invitation,
        status: InvitationStatus,
        by: &UserId,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>> {
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::invitation(&invitation.group, &invitation.id))))
            .update_expression("SET #status = :status, answeredBy = :by, answered = :now")
            .condition_expression("#status = :pending AND #exp > :seconds")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#exp", EXPIRES)
            .expression_attribute_values(":status", attr::text(status.as_str()))
            .expression_attribute_values(":pending", attr::text(InvitationStatus::Pending.as_str()))
            .expression_attribute_values(":by", attr::text(by.as_str()))
            .expression_attribute_values(":now", attr::text(now.to_string()))
            .expression_attribute_values(":seconds", attr::number(now.seconds()));
        Ok(vec![
            TransactWriteItem::builder().update(update.build().map_err(built)?).build(),
            self.vacate_slot(invitation)?,
        ])
    }
}
