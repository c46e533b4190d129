//! Users, their identities and their personal drives.

use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem};
use domain::address::Address;
use domain::id::{DriveId, UserId};
use domain::time::Timestamp;

use super::addresses::EMAIL;
use super::profiles::identity_rows;
use super::{built, unreadable};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError};
use crate::{ids, keys};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their identifier.
    pub id: UserId,
    /// The drive that is theirs alone.
    pub drive: DriveId,
    /// The address that the user pool had verified as theirs when it was last asked, if there was one. Only the pool
    /// knows whether it still is: nothing may be decided by this copy.
    pub email: Option<Address>,
    /// When the profile was made.
    pub created: Timestamp,
}

/// Who calls, as far as a token tells: the user behind an identity, and their drive. Neither ever changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user: the actor.
    pub user: UserId,
    /// Their personal drive: the tenant of the `/user` routes.
    pub drive: DriveId,
}

impl Caller {
    /// Whose a row is: that of an identity, of an invite, or of a profile that waits.
    pub(super) fn read(row: &Row) -> Result<Self> {
        let read = || -> std::result::Result<Self, String> {
            Ok(Self {
                user: UserId::parse(attr::get_text(row, "user")?).map_err(|e| e.to_string())?,
                drive: DriveId::parse(attr::get_text(row, "drive")?).map_err(|e| e.to_string())?,
            })
        };
        read().map_err(unreadable)
    }
}

impl User {
    /// The rows of the profile and its drive.
    pub(super) fn rows(&self) -> [Row; 2] {
        let common = || {
            [
                ("user", attr::text(self.id.as_str())),
                ("drive", attr::text(self.drive.as_str())),
                ("created", attr::text(self.created.to_string())),
            ]
        };
        let mut profile = attr::row(&keys::user(&self.id), common());
        if let Some(email) = &self.email {
            profile.insert(EMAIL.into(), attr::text(email.as_str()));
        }
        let mut drive = attr::row(&keys::drive(&self.drive), common());
        drive.insert("kind".into(), attr::text("personal"));
        [profile, drive]
    }

    pub(super) fn read(row: &Row) -> Result<Self> {
        let read = || -> std::result::Result<Self, String> {
            Ok(Self {
                id: UserId::parse(attr::get_text(row, "user")?).map_err(|e| e.to_string())?,
                drive: DriveId::parse(attr::get_text(row, "drive")?).map_err(|e| e.to_string())?,
                email: attr::get_text(row, EMAIL)
                    .ok()
                    .map(Address::parse)
                    .transpose()
                    .map_err(|e| e.to_string())?,
                created: attr::get_time(row, "created")?,
            })
        };
        read().map_err(unreadable)
    }
}

impl Store {
    /// Refused if a user has no profile any more, or is being erased.
    pub(super) fn still_there(&self, user: &UserId) -> Result<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::user(user))))
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(erasing)");
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(built)?).build())
    }

    /// Makes a profile, its drive and its link to an identity, in one transaction; the same identity gets the same
    /// profile again, and one whose address a profile waits for gets that one. Also returns whether it is new. The address
    /// is the one that the user pool has just verified; a profile that held it until now no longer does.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn create_user(
        &self,
        issuer: &str,
        subject: &str,
        email: Option<&Address>,
        now: Timestamp,
    ) -> Result<(User, bool)> {
        if let Some(caller) = self.caller(issuer, subject).await? {
            return Ok((self.user(&caller.user).await?, false));
        }
        if let Some(email) = email
            && let Some(user) = self.link_waiting((issuer, subject), email, now).await?
        {
            return Ok((user, false));
        }
        let user = User { id: ids::user(), drive: ids::drive(), email: email.cloned(), created: now };
        let rows = identity_rows(issuer, subject, &user.id, &user.drive).into_iter().chain(user.rows());
        let actions = rows.map(|row| self.put_new(row)).collect::<Result<_>>()?;
        match self.transact_holding(actions, &user.id, email).await {
            Ok(()) => Ok((user, true)),
            // The same person on two devices at once: the other one was first.
            Err(error) if error.refused_at(0) => {
                let caller = self.caller(issuer, subject).await?.ok_or(StoreError::Missing("user"))?;
                Ok((self.user(&caller.user).await?, false))
            }
            Err(error) => Err(error),
        }
    }

    /// The user behind an identity, if they have a profile.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn caller(&self, issuer: &str, subject: &str) -> Result<Option<Caller>> {
        let Some(row) = self.directory_row(&keys::identity(issuer, subject)).await? else { return Ok(None) };
        Caller::read(&row).map(Some)
    }

    /// The user whom a drive belongs to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn user_of(&self, drive: &DriveId) -> Result<Option<UserId>> {
        let Some(row) = self.directory_row(&keys::drive(drive)).await? else { return Ok(None) };
        Ok(Some(Caller::read(&row)?.user))
    }

    /// A user's profile.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none.
    pub async fn user(&self, user: &UserId) -> Result<User> {
        let row = self.directory_row(&keys::user(user)).await?.ok_or(StoreError::Missing("user"))?;
        User::read(&row)
    }
}
