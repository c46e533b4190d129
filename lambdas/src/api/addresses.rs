//! Which address is the caller's: what the user pool says, now or a few minutes ago.
//!
//! A profile has a copy of the address for others to see. Nothing is decided by that copy: an address changes hands, and the
//! pool is the only one to know. Its answer is remembered for [`REMEMBERED_MILLIS`], so an address that was taken from
//! somebody opens no door for longer than that. If the pool does not answer, the request fails with 503.

use std::collections::HashMap;
use std::sync::Mutex;

use domain::address::Address;
use domain::time::Timestamp;
use store::directory::User;

use super::Call;
use super::auth::Identity;
use super::userinfo::UserInfoError;
use crate::problem::{Mistake, Problem};

/// How long an answer of the user pool counts, in milliseconds.
pub const REMEMBERED_MILLIS: i64 = 5 * 60_000;
/// Answers remembered at most; beyond that, the pool is asked again.
const MOST: usize = 8192;

/// Reads the address that a request has in `email`.
pub(super) fn read(email: &str) -> Result<Address, Mistake> {
    Address::parse(email).map_err(|error| {
        Mistake::at("email", format!("{error}; send an address such as `somebody@example.org`"))
    })
}

/// What the user pool said of callers, by issuer and subject.
#[derive(Debug, Default)]
pub(super) struct VerifiedAddresses(Mutex<HashMap<(String, String), Remembered>>);

#[derive(Debug, Clone)]
struct Remembered {
    /// Their verified address, if they have one.
    address: Option<Address>,
    /// When the request began that asked.
    asked: Timestamp,
}

impl Remembered {
    /// A clock that went back makes it old, too.
    fn counts_at(&self, now: Timestamp) -> bool {
        (0..REMEMBERED_MILLIS).contains(&(now.millis() - self.asked.millis()))
    }
}

fn key(identity: &Identity<'_>) -> (String, String) {
    (identity.issuer.to_owned(), identity.subject.clone())
}

impl VerifiedAddresses {
    fn get(&self, identity: &Identity<'_>, now: Timestamp) -> Option<Option<Address>> {
        let remembered = self.0.lock().ok()?.get(&key(identity)).cloned();
        remembered.filter(|remembered| remembered.counts_at(now)).map(|remembered| remembered.address)
    }

    fn put(&self, identity: &Identity<'_>, address: Option<Address>, now: Timestamp) {
        let Ok(mut known) = self.0.lock() else { return };
        if known.len() >= MOST {
            known.retain(|_, remembered| remembered.counts_at(now));
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key(identity), Remembered { address, asked: now });
    }

    pub(super) fn forget(&self, identity: &Identity<'_>) {
        if let Ok(mut known) = self.0.lock() {
            known.remove(&key(identity));
        }
    }
}

impl Call<'_> {
    /// The caller's verified address, asked of the user pool now. What gives a profile an address needs this: an answer of
    /// before could take the address from whoever has it by now.
    pub(super) async fn ask_for_address(&self) -> Result<Option<Address>, Problem> {
        let identity = self.identity.as_ref().ok_or_else(|| Problem::unauthorized("send an access token"))?;
        let verified = self.api.userinfo.verified_email(identity.bearer, &identity.subject).await;
        let verified = verified.map_err(|error| match error {
            UserInfoError::Refused => Problem::unauthorized(
                "the user pool refuses the token: it has ended, or lacks the scope `openid`; sign in again",
            ),
            UserInfoError::Unavailable => {
                let mut problem = Problem::unavailable(
                    "the user pool does not answer, so your address cannot be checked; nothing was changed, repeat in a \
                     moment",
                );
                problem.cause = Some("userinfo does not answer".into());
                problem
            }
        })?;
        let address = verified.and_then(|email| {
            let parsed = Address::parse(&email);
            // Not which one: logs have no addresses.
            parsed.inspect_err(|_| tracing::warn!("the user pool has verified what is not an address")).ok()
        });
        self.api.addresses.put(identity, address.clone(), self.now);
        Ok(address)
    }

    /// The caller's profile with the address that the user pool has verified. The profile's copy is corrected if it differs.
    pub(super) async fn with_verified_address(&self, mut user: User) -> Result<User, Problem> {
        let is_copied = |address: &Option<Address>| {
            address.as_ref().map(Address::as_str) == user.email.as_ref().map(Address::as_str)
        };
        let remembered =
            self.identity.as_ref().and_then(|identity| self.api.addresses.get(identity, self.now));
        // A copy that differs from what is remembered was changed since, perhaps because the address is another user's now.
        let verified = match remembered.filter(is_copied) {
            Some(remembered) => remembered,
            None => self.ask_for_address().await?,
        };
        if !is_copied(&verified) {
            self.store().set_address(&user, verified.as_ref()).await?;
        }
        user.email = verified;
        Ok(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(subject: &str) -> Identity<'static> {
        Identity { issuer: "issuer", subject: subject.to_owned(), bearer: "token" }
    }

    #[test]
    fn an_answer_counts_for_five_minutes_and_not_before_it_was_given() {
        let (known, ann) = (VerifiedAddresses::default(), identity("ann"));
        let at = Timestamp::from_millis;
        let address = Address::parse("ann@example.org").ok();
        known.put(&ann, address.clone(), at(1_000));
        for (now, remembered) in [(1_000, true), (300_999, true), (301_000, false), (999, false)] {
            assert_eq!(known.get(&ann, at(now)), remembered.then(|| address.clone()), "{now}");
        }
        assert_eq!(known.get(&identity("bob"), at(1_000)), None);
        let elsewhere = Identity { issuer: "other", ..ann.clone() };
        assert_eq!(known.get(&elsewhere, at(1_000)), None, "another pool's subject");
        known.put(&ann, None, at(2_000));
        assert_eq!(known.get(&ann, at(2_000)), Some(None), "to have none is an answer");
        known.forget(&ann);
        assert_eq!(known.get(&ann, at(2_000)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let known = VerifiedAddresses::default();
        let at = Timestamp::from_millis;
        let size = || known.0.lock().unwrap().len();
        for number in 0..MOST {
            known.put(&identity(&number.to_string()), None, at(i64::from(number > 9) * 200_000));
        }
        assert_eq!(size(), MOST);
        known.put(&identity("new"), None, at(400_000));
        assert_eq!(size(), MOST - 10 + 1, "what counts no longer goes first");
        (0..20).for_each(|number| known.put(&identity(&format!("more {number}")), None, at(400_000)));
        assert!(size() <= MOST);
        assert_eq!(known.get(&identity("more 19"), at(400_000)), Some(None));
    }
}
