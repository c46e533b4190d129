//! Profiles that wait for the owner of an address.
//!
//! Whoever proves to own an address, at sign-up or with the first request, is linked to the profile that waits for it, as if
//! they had presented its invite: in one transaction, which uses the invite up. This gives nobody anything of theirs away: a
//! waiting profile has nothing in it but invitations, which they may decline. If several wait, the one that was created
//! first is linked: so nobody can prevent the link by creating another profile for the same address
//! ([ADR 22](../../../docs/adr/0022-addresses.md)).

use domain::address::Address;
use domain::id::UserId;
use domain::time::Timestamp;

use super::invitations::OFFERED;
use super::offers::ERASED_AT;
use super::profiles::{OPEN, WAITS, identity_rows, maker_of};
use super::unreadable;
use super::users::{Caller, User};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError};
use crate::keys::{self, EXPIRES};

impl Store {
    /// Links an identity to the profile that waits for its address, the oldest if there are several. The address must be
    /// the one that the user pool has just verified.
    ///
    /// # Errors
    /// Those of the database. [`StoreError::Busy`] if the profile is being taken over in another way at the same time.
    pub async fn link_waiting(
        &self,
        (issuer, subject): (&str, &str),
        email: &Address,
        now: Timestamp,
    ) -> Result<Option<User>> {
        let waits = keys::email_partition(email);
        let rows = self.directory_rows(&waits, keys::WAITING).await?;
        let Some((row, maker)) = self.first_open(&waits, &rows, now).await? else { return Ok(None) };
        let Caller { user, drive } = Caller::read(row)?;
        let profile = self.directory_row(&keys::user(&user)).await?;
        let waiting = profile.as_ref().filter(|profile| attr::get_text(profile, WAITS).ok() == Some(&*waits));
        let Some(invite) = waiting.and_then(|profile| attr::get_text(profile, OPEN).ok()) else {
            return Ok(None);
        };
        let [link, of_user] = identity_rows(issuer, subject, &user, &drive);
        let actions = vec![
            self.put_new(link)?,
            self.taken_action(&user, invite, Some(email))?,
            self.still_there(&maker)?,
            self.put_new(of_user)?,
            self.delete_action(&keys::profile_invite(invite), None)?,
            self.delete_action(&keys::waiting(&waits, &user), None)?,
        ];
        match self.transact_holding(actions, &user, Some(email)).await {
            Ok(()) => Ok(Some(self.user(&user).await?)),
            // The same person on two devices at once: whichever was first has decided.
            Err(error) if error.refused_at(0) => Ok(None),
            // Its maker was erased just now.
            Err(error) if error.refused_at(2) => Ok(None),
            // Somebody has presented the invite, or was given another one.
            Err(error) if error.refused_at(1) => {
                Err(StoreError::Busy("the profile is being taken over".into()))
            }
            Err(error) => Err(error),
        }
    }
    /// The first of these rows whose profile can be linked, with its maker. A profile no longer waits once it has
    /// expired, its maker was erased, or whoever had the address when it was offered was erased.
    async fn first_open<'r>(
        &self,
        waits: &str,
        rows: &'r [Row],
        now: Timestamp,
    ) -> Result<Option<(&'r Row, UserId)>> {
        let mut open = Vec::new();
        for row in rows {
            // DynamoDB removes what has expired only some time later.
            let expires: i64 = attr::get_number(row, EXPIRES).map_err(unreadable)?;
            if let Some(maker) = maker_of(row)?.filter(|_| expires > now.seconds()) {
                open.push((row, maker));
            }
        }
        if open.is_empty() {
            return Ok(None);
        }
        let erased = match self.directory_row(&keys::erased(waits)).await? {
            Some(row) => attr::get_number::<i64>(&row, ERASED_AT).map_err(unreadable)?,
            None => i64::MIN,
        };
        // Sort keys end with user ids, which begin with the time of creation.
        for (row, maker) in open {
            let offered = attr::get_time(row, OFFERED).map_err(unreadable)?;
            if offered.millis() > erased && self.directory_row(&keys::user(&maker)).await?.is_some() {
                return Ok(Some((row, maker)));
            }
        }
        Ok(None)
    }
}
