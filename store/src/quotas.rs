//! Quotas: how much of what is expensive one person may ask for in an hour or a day.
//!
//! A count is a row of its own in the partition of the person's own rows, one for each window of time. It is raised by
//! the transaction that makes the thing, on the condition that it is below the limit: of any number of requests at once,
//! in any number of processes, exactly as many succeed as the quota has left. A window ends by itself, so nothing is
//! ever counted down, and the row goes by TTL, or with the person.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::id::UserId;
use domain::time::Timestamp;

use crate::Store;
use crate::attr;
use crate::error::{Result, StoreError};
use crate::keys::{self, EXPIRES, Key};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// The attribute with the count.
const COUNT: &str = "count";

/// What is counted for each person. `docs/limits.md` has the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Groups made.
    Groups,
    /// Invitations written, resent ones included.
    Invitations,
    /// Profiles made for others.
    Profiles,
    /// Own profiles erased.
    Erasures,
    /// Changes of groups' rules, each of which makes a job.
    RuleChanges,
    /// Changes of own contracts, each of which makes a job.
    ContractChanges,
}

impl Quota {
    /// What is counted, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Invitations => "invitations",
            Self::Profiles => "profiles",
            Self::Erasures => "erasures",
            Self::RuleChanges => "changes of rules",
            Self::ContractChanges => "changes of contracts",
        }
    }

    /// How many a person may make within one window.
    pub fn limit(self) -> u32 {
        match self {
            Self::Groups | Self::Profiles => 1_000,
            Self::Invitations => 2_000,
            Self::Erasures => 10,
            Self::RuleChanges | Self::ContractChanges => 300,
        }
    }

    /// The length of a window in milliseconds. Windows begin at full hours and days of UTC.
    fn window(self) -> i64 {
        match self {
            Self::Groups | Self::Invitations | Self::Profiles | Self::Erasures => DAY,
            Self::RuleChanges | Self::ContractChanges => HOUR,
        }
    }

    /// The window's name.
    pub fn period(self) -> &'static str {
        if self.window() == DAY { "day" } else { "hour" }
    }

    /// The number of the window that a time lies in.
    fn window_at(self, now: Timestamp) -> i64 {
        now.millis().div_euclid(self.window())
    }

    /// When the window ends that a time lies in.
    fn ends(self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis((self.window_at(now) + 1).saturating_mul(self.window()))
    }

    /// The row that counts for somebody at a time.
    pub fn key(self, user: &UserId, now: Timestamp) -> Key {
        keys::quota(user, &format!("{self:?}"), self.window_at(now))
    }

    /// The row that counts erasures by an identity. A person who was erased and comes back has another user, so this
    /// count cannot be among the user's rows. Its key is a hash that is another one every day, and the row goes by TTL.
    pub fn key_of_erasures(issuer: &str, subject: &str, now: Timestamp) -> Key {
        keys::quota_of_identity(issuer, subject, Self::Erasures.window_at(now))
    }

    /// What is said when nothing is left of it.
    pub(crate) fn exceeded(self, now: Timestamp) -> StoreError {
        let millis = self.ends(now).millis().saturating_sub(now.millis());
        StoreError::Quota { quota: self, seconds: u32::try_from(millis / 1_000 + 1).unwrap_or(u32::MAX) }
    }
}

impl Store {
    /// Counts one thing against a person's quota: an action of the transaction that makes the thing. If it is refused
    /// (`error.refused_at(n)`), the quota is used up, and [`Quota::exceeded`] is the error to give.
    pub(crate) fn count_against(
        &self,
        quota: Quota,
        user: &UserId,
        now: Timestamp,
    ) -> Result<TransactWriteItem> {
        self.count_at(quota, &quota.key(user, now), now)
    }

    pub(crate) fn count_at(&self, quota: Quota, key: &Key, now: Timestamp) -> Result<TransactWriteItem> {
        // A day longer than it counts: the clocks of functions may be apart.
        let expires = quota.ends(now).plus_millis(DAY).seconds();
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(key)))
            .update_expression("SET #exp = :exp ADD #count :one")
            .condition_expression("attribute_not_exists(#count) OR #count < :limit")
            .expression_attribute_names("#exp", EXPIRES)
            .expression_attribute_names("#count", COUNT)
            .expression_attribute_values(":exp", attr::number(expires))
            .expression_attribute_values(":one", attr::number(1))
            .expression_attribute_values(":limit", attr::number(quota.limit()));
        let update = update.build().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_at_the_next_full_hour_or_day_and_another_row_counts_then() {
        let now = Timestamp::parse("2026-03-01T10:59:58Z").unwrap();
        let user = UserId::from_bits(1);
        for (quota, seconds) in [(Quota::RuleChanges, 3), (Quota::Groups, 13 * 3_600 + 3)] {
            let StoreError::Quota { seconds: told, .. } = quota.exceeded(now) else {
                panic!("another error")
            };
            assert_eq!(told, seconds);
            let later = |seconds: u32| quota.key(&user, now.plus_millis(i64::from(seconds) * 1_000));
            assert_eq!(later(seconds - 2), quota.key(&user, now));
            assert_ne!(later(seconds), quota.key(&user, now), "who comes back when told to is let through");
        }
    }
}
