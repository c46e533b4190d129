//! Profiles that exist before their first sign-in, and the one-time invites by which people take them over.
//!
//! An invite is a token of 256 random bits, known to whoever it was given to and to nobody else: its row is found by its
//! hash, and holds nothing it could be made of. Taking a profile over is one transaction that uses the invite up, links
//! the identity, and notes at the profile that it is taken. So of any number at once one wins, and an identity comes to
//! exactly one profile. A wrong, a used and an expired invite are answered alike, by the same single read.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::address::Address;
use domain::id::{DriveId, UserId};
use domain::time::Timestamp;

use super::invitations::OFFERED;
use super::users::{Caller, User};
use super::{built, unreadable};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError};
use crate::ids;
use crate::keys::{self, EXPIRES, Key};
use crate::quotas::Quota;

/// The secret of an invite. It is shown once and kept nowhere.
#[derive(Clone)]
pub struct InviteToken(String);

impl std::fmt::Debug for InviteToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InviteToken(…)")
    }
}

impl InviteToken {
    /// A new one, of the operating system's randomness.
    pub fn new() -> Self {
        Self(URL_SAFE_NO_PAD.encode(ids::secret()))
    }

    /// One that somebody presents.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The secret itself, to be given to whom it is for.
    pub fn secret(&self) -> &str {
        &self.0
    }

    fn hash(&self) -> String {
        keys::digest(&[b"profile invite", self.0.as_bytes()])
    }
}

impl Default for InviteToken {
    fn default() -> Self {
        Self::new()
    }
}

/// The attribute of a profile that nobody has taken over: the hash of its only invite.
pub(super) const OPEN: &str = "openInvite";
/// The attribute of such a profile, and of its invite, that says for which address it waits: the address's partition, which
/// is a hash of it. The address itself is noted when its owner has come, not before.
pub(crate) const WAITS: &str = "waitsFor";
/// The attribute that says who made a profile for somebody else.
pub(crate) const MADE_BY: &str = "madeBy";

/// An identity, in both directions: who belongs to it, and what belongs to whom.
pub(super) fn identity_rows(issuer: &str, subject: &str, user: &UserId, drive: &DriveId) -> [Row; 2] {
    let link = keys::identity(issuer, subject);
    let of_user = keys::identity_of(user, &link);
    [link, of_user].map(|key| {
        attr::row(&key, [("user", attr::text(user.as_str())), ("drive", attr::text(drive.as_str()))])
    })
}

/// The rows by which a profile is found that nobody has taken over: the invite's, and one at the address that it waits
/// for. They count as long as whoever offers the profile has one.
fn open_rows(
    (token, by): (&InviteToken, &UserId),
    user: &User,
    waits: Option<&str>,
    (offered, expires): (Timestamp, Timestamp),
) -> Vec<Row> {
    let at = |key: &Key| {
        let row = attr::row(
            key,
            [
                ("user", attr::text(user.id.as_str())),
                ("drive", attr::text(user.drive.as_str())),
                (MADE_BY, attr::text(by.as_str())),
                (OFFERED, attr::text(offered.to_string())),
                (EXPIRES, attr::number(expires.seconds())),
            ],
        );
        row.into_iter().chain(waits.map(|waits| (WAITS.to_owned(), attr::text(waits)))).collect()
    };
    let waiting = waits.map(|waits| keys::waiting(waits, &user.id));
    [Some(keys::profile_invite(&token.hash())), waiting].iter().flatten().map(at).collect()
}

/// Who offers a profile that nobody has taken over; none if they were erased since.
pub(super) fn maker_of(row: &Row) -> Result<Option<UserId>> {
    let maker = attr::get_text(row, MADE_BY).ok().map(UserId::parse).transpose();
    maker.map_err(|error| unreadable(error.to_string()))
}

impl Store {
    /// Makes a profile, with its drive, for somebody who has not signed in yet, and an invite to take it over. If it has an
    /// address, whoever proves to be its owner needs no invite: see [`Store::link_waiting`].
    ///
    /// # Errors
    /// [`StoreError::Quota`] if the person has made too many; else those of the database.
    pub async fn create_profile(
        &self,
        by: &UserId,
        email: Option<&Address>,
        (token, expires): (&InviteToken, Timestamp),
        now: Timestamp,
    ) -> Result<User> {
        let user = User { id: ids::user(), drive: ids::drive(), email: None, created: now };
        let waits = email.map(keys::email_partition);
        let [mut profile, drive] = user.rows();
        profile.insert(OPEN.into(), attr::text(token.hash()));
        profile.insert(MADE_BY.into(), attr::text(by.as_str()));
        profile.insert(OFFERED.into(), attr::text(now.to_string()));
        if let Some(waits) = &waits {
            profile.insert(WAITS.into(), attr::text(waits));
        }
        let open = open_rows((token, by), &user, waits.as_deref(), (now, expires));
        let rows = [profile, drive].into_iter().chain(open);
        let counted = self.count_against(Quota::Profiles, by, now)?;
        let actions = [Ok(counted)].into_iter().chain(rows.map(|row| self.put_new(row)));
        match self.transact(actions.collect::<Result<_>>()?).await {
            Ok(()) => Ok(user),
            Err(error) if error.refused_at(0) => Err(Quota::Profiles.exceeded(now)),
            Err(error) => Err(error),
        }
    }

    /// Makes another invite for a profile that nobody has taken over; the one before counts no longer.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is no such profile, somebody else made it, or it is taken.
    pub async fn reissue_invite(
        &self,
        user: &UserId,
        by: &UserId,
        token: &InviteToken,
        (now, expires): (Timestamp, Timestamp),
    ) -> Result<()> {
        const GONE: StoreError = StoreError::Missing("profile");
        let row = self.directory_row(&keys::user(user)).await?.ok_or(GONE)?;
        let before = attr::get_text(&row, OPEN).map_err(|_| GONE)?.to_owned();
        if attr::get_text(&row, MADE_BY).ok() != Some(by.as_str()) {
            return Err(GONE);
        }
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::user(user))))
            .update_expression("SET openInvite = :next, #offered = :now")
            .condition_expression("openInvite = :before")
            .expression_attribute_names("#offered", OFFERED)
            .expression_attribute_values(":next", attr::text(token.hash()))
            .expression_attribute_values(":now", attr::text(now.to_string()))
            .expression_attribute_values(":before", attr::text(&before));
        let mut actions = vec![
            TransactWriteItem::builder().update(update.build().map_err(built)?).build(),
            self.delete_action(&keys::profile_invite(&before), None)?,
        ];
        let waits = attr::get_text(&row, WAITS).ok();
        // The row at the address is there already, unless it has expired; it then waits as long as the invite.
        for row in open_rows((token, by), &User::read(&row)?, waits, (now, expires)) {
            actions.push(self.put(row)?);
        }
        match self.transact(actions).await {
            // Somebody has taken it over, or made another invite.
            Err(error) if error.refused_at(0) => Err(GONE),
            other => other,
        }
    }

    /// Links an identity to the profile that an invite is for, and uses the invite up. The address is the one that the user
    /// pool has just verified.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the invite does not count: never made, used, made anew since, expired, or made by
    /// somebody who was erased since.
    /// [`StoreError::Conflict`] if the identity has a profile already.
    pub async fn claim_profile(
        &self,
        (issuer, subject): (&str, &str),
        email: Option<&Address>,
        token: &InviteToken,
        now: Timestamp,
    ) -> Result<User> {
        const GONE: StoreError = StoreError::Missing("invite");
        let hash = token.hash();
        let invite = self.directory_row(&keys::profile_invite(&hash)).await?.ok_or(GONE)?;
        let Caller { user, drive } = Caller::read(&invite)?;
        let expires: i64 = attr::get_number(&invite, EXPIRES).map_err(unreadable)?;
        if expires <= now.seconds() {
            return Err(GONE);
        }
        let maker = maker_of(&invite)?.ok_or(GONE)?;
        let [link, of_user] = identity_rows(issuer, subject, &user, &drive);
        let mut actions = vec![
            self.delete_action(&keys::profile_invite(&hash), Some("attribute_exists(pk)"))?,
            self.put_new(link)?,
            self.taken_action(&user, &hash, email)?,
            self.still_there(&maker)?,
            self.put_new(of_user)?,
        ];
        if let Ok(waits) = attr::get_text(&invite, WAITS) {
            actions.push(self.delete_action(&keys::waiting(waits, &user), None)?);
        }
        match self.transact_holding(actions, &user, email).await {
            Ok(()) => self.user(&user).await,
            Err(error) if [0, 2, 3].iter().any(|check| error.refused_at(*check)) => Err(GONE),
            Err(error) if error.refused_at(1) => Err(StoreError::Conflict("you have a profile already")),
            // Met by others with the same invite, of whom one has won.
            Err(error) if error.is_contention() => Err(StoreError::Busy("the invite is being used".into())),
            Err(error) => Err(error),
        }
    }

    /// Notes at a profile that it is taken, if its open invite is this one.
    pub(super) fn taken_action(
        &self,
        user: &UserId,
        invite: &str,
        email: Option<&Address>,
    ) -> Result<TransactWriteItem> {
        let mut taken = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::user(user))))
            .condition_expression("openInvite = :hash")
            .expression_attribute_values(":hash", attr::text(invite));
        taken = match email {
            Some(email) => taken
                .update_expression("SET email = :email REMOVE openInvite, waitsFor")
                .expression_attribute_values(":email", attr::text(email.as_str())),
            None => taken.update_expression("REMOVE openInvite, waitsFor"),
        };
        Ok(TransactWriteItem::builder().update(taken.build().map_err(built)?).build())
    }
}
