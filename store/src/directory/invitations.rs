//! Invitations: a role in a group, offered to a user or to an e-mail address.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem, Update};
use domain::address::Address;
use domain::id::{GroupId, InvitationId, UserId};
use domain::time::Timestamp;

use super::users::User;
use super::{built, unreadable};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError};
use crate::keys::{self, EXPIRES};
use crate::once::{Keyed, Stamp};

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
    /// Taken back by an owner.
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

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its identifier.
    pub id: InvitationId,
    /// The group.
    pub group: GroupId,
    /// The group's name when it was written.
    pub group_name: String,
    /// The role that is offered.
    pub role: Role,
    /// Whom it is for.
    pub invitee: Invitee,
    /// Who wrote it; none if the stack did.
    pub invited_by: Option<UserId>,
    /// When it was written.
    pub created: Timestamp,
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
        let invitees = keys::invitation_for(&self.invitee.partition(), &self.id);
        [self.row(&owners), self.row(&invitees)]
    }

    fn row(&self, key: &keys::Key) -> Row {
        let mut row = attr::row(
            key,
            [
                ("invitation", attr::text(self.id.as_str())),
                ("group", attr::text(self.group.as_str())),
                ("groupName", attr::text(&self.group_name)),
                ("role", attr::text(self.role.as_str())),
                ("created", attr::text(self.created.to_string())),
                ("expires", attr::text(self.expires.to_string())),
                ("status", attr::text(self.status.as_str())),
                (EXPIRES, attr::number(self.expires.seconds())),
            ],
        );
        match &self.invitee {
            Invitee::Email(address) => row.insert("email".into(), attr::text(address.as_str())),
            Invitee::User(user) => row.insert("user".into(), attr::text(user.as_str())),
        };
        if let Some(by) = &self.invited_by {
            row.insert("invitedBy".into(), attr::text(by.as_str()));
        }
        row
    }

    /// Both of an invitation row's keys; the group's last.
    pub(super) fn keys(row: &Row) -> Result<Vec<keys::Key>> {
        let invitation = Self::read(row)?;
        let for_invitee = keys::invitation_for(&invitation.invitee.partition(), &invitation.id);
        Ok(vec![for_invitee, keys::invitation(&invitation.group, &invitation.id)])
    }

    fn read(row: &Row) -> Result<Self> {
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
                group_name: attr::get_text(row, "groupName")?.to_owned(),
                role: Role::parse(attr::get_text(row, "role")?).ok_or("`role` is unknown")?,
                invitee: match user("user")? {
                    Some(user) => Invitee::User(user),
                    None => Invitee::Email(
                        Address::parse(attr::get_text(row, "email")?).map_err(|e| e.to_string())?,
                    ),
                },
                invited_by: user("invitedBy")?,
                created: attr::get_time(row, "created")?,
                expires: attr::get_time(row, "expires")?,
                status: status.1,
                answered_by: user("answeredBy")?,
            })
        };
        read().map_err(unreadable)
    }
}

impl Store {
    /// Writes an invitation, if its group is there.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the group is gone.
    pub async fn create_invitation(&self, invitation: &Invitation) -> Result<()> {
        self.create_invitation_once(invitation, None).await.map(|_| ())
    }

    /// Writes an invitation, if its group is there; at most once for a key. If that was done before, the stamp it was
    /// done with.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the group is gone, [`StoreError::KeyReused`] if the key stands for another request.
    pub async fn create_invitation_once(
        &self,
        invitation: &Invitation,
        once: Option<(&Keyed, &Stamp)>,
    ) -> Result<Option<Stamp>> {
        let mut actions = vec![self.group_is_active(&invitation.group)?];
        for row in invitation.rows() {
            actions.push(self.put_new(row)?);
        }
        match self.commit(actions, once).await {
            Err(error) if error.refused_at(0) => Err(StoreError::Missing("group")),
            other => other,
        }
    }

    pub(super) fn group_is_active(&self, group: &GroupId) -> Result<TransactWriteItem> {
        let check = aws_sdk_dynamodb::types::ConditionCheck::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(group))))
            .condition_expression("#state = :active")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":active", attr::text("active"));
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(built)?).build())
    }

    /// An invitation of a group.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none.
    pub async fn invitation(&self, group: &GroupId, invitation: &InvitationId) -> Result<Invitation> {
        let row = self.directory_row(&keys::invitation(group, invitation)).await?;
        Invitation::read(&row.ok_or(StoreError::Missing("invitation"))?)
    }

    /// A page of a group's invitations, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn group_invitations(
        &self,
        group: &GroupId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Invitation>, Option<String>)> {
        let pk = keys::group_partition(group);
        let (rows, next) = self.directory_page(&pk, "INVITE#", after, Some(limit)).await?;
        Ok((rows.iter().map(Invitation::read).collect::<Result<_>>()?, next))
    }

    /// The open invitations for a user, by their identifier and by their address, which must be the verified one of now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn user_invitations(&self, user: &User, now: Timestamp) -> Result<Vec<Invitation>> {
        let mut partitions = vec![keys::user_partition(&user.id)];
        partitions.extend(user.email.as_ref().map(keys::email_partition));
        let reads = partitions.iter().map(|pk| self.directory_rows(pk, "INVITE#"));
        let rows = futures::future::try_join_all(reads).await?;
        let mut found = rows.iter().flatten().map(Invitation::read).collect::<Result<Vec<_>>>()?;
        found.retain(|invitation| invitation.status == InvitationStatus::Pending && invitation.expires > now);
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    /// Declines an invitation. Declining it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was accepted.
    pub async fn decline(&self, invitation: &Invitation, by: &UserId, now: Timestamp) -> Result<()> {
        match self.transact(self.answer(invitation, InvitationStatus::Declined, by, now)?).await {
            Err(error) if error.refused_at(0) => {
                let current = self.invitation(&invitation.group, &invitation.id).await?;
                match current.status {
                    InvitationStatus::Declined => Ok(()),
                    InvitationStatus::Accepted => {
                        Err(StoreError::Conflict("the invitation was accepted already"))
                    }
                    InvitationStatus::Pending | InvitationStatus::Revoked => {
                        Err(StoreError::Missing("invitation"))
                    }
                }
            }
            other => other,
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
        let key = keys::invitation_for(&invitation.invitee.partition(), &invitation.id);
        let delete = Delete::builder().table_name(&self.tables.directory).set_key(Some(attr::key_row(&key)));
        Ok(vec![
            TransactWriteItem::builder().update(update.build().map_err(built)?).build(),
            TransactWriteItem::builder().delete(delete.build().map_err(built)?).build(),
        ])
    }
}
