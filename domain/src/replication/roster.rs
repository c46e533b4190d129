//! Who is in a group, and what that lets a reader see.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::Rulebook;
use super::order::Order;
use crate::id::{DriveId, ItemId, Name, UserId};
use crate::rules::{Carried, Question, Terms};
use crate::time::Timestamp;
use crate::value::Fields;

/// A provider as readers need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderTerms {
    /// Its membership's epoch.
    pub epoch: u64,
    /// What its membership adds to the rules.
    pub terms: Terms,
}

/// The active memberships of a group at one `roster_rev`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// Which state of the roster this is.
    pub revision: u64,
    /// The drives that share into the group.
    pub providers: BTreeMap<DriveId, ProviderTerms>,
    /// The users who may read.
    pub consumers: BTreeSet<UserId>,
    /// The users who administer the group.
    pub owners: BTreeSet<UserId>,
    /// Since when each consumer reads.
    pub reading_since: BTreeMap<UserId, Timestamp>,
    /// Of the drives that want to be asked about new consumers, whom they let read.
    pub audiences: BTreeMap<DriveId, Audience>,
}

/// Whom a provider lets read what they share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// Consumers, with the time since when they read: one who left and came back is another one.
    pub agreed: BTreeMap<UserId, Timestamp>,
}

impl Audience {
    /// Whether a consumer is one of those that the provider lets read.
    pub fn includes(&self, roster: &Roster, user: &UserId) -> bool {
        roster.reading_since.get(user).is_some_and(|since| self.agreed.get(user) == Some(since))
    }
}

impl Roster {
    /// Whether a provider lets a consumer read what they share: everybody does who has not asked to be asked.
    pub fn lets_read(&self, drive: &DriveId, user: &UserId) -> bool {
        self.audiences.get(drive).is_none_or(|audience| audience.includes(self, user))
    }
}

/// A copy as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaRow {
    /// The data type.
    pub data_type: Name,
    /// The item.
    pub id: ItemId,
    /// The provider's drive.
    pub drive: DriveId,
    /// Its order.
    pub order: Order,
    /// What it carries; empty if it is dead.
    pub carried: Carried,
    /// When its retention ends; TTL removes rows late, so readers look themselves.
    pub expires: Option<Timestamp>,
}

/// What a consumer sees of a copy: the guard on every read.
///
/// An allow-list that needs no timer and fails closed: the provider must be in the roster *with the epoch that wrote
/// the copy*, the copy must be of this era, alive and within its retention, and the rules and the contract of *now* must
/// still select it.
pub fn shown(row: &ReplicaRow, roster: &Roster, book: &Rulebook, now: Timestamp) -> Option<Fields> {
    let ProviderTerms { epoch, terms } = roster.providers.get(&row.drive)?;
    // After a restore nothing is shown that was not looked at since: a writer from before it may still be at work.
    if row.order.era != book.era
        || *epoch != row.order.epoch
        || row.order.dead
        || row.expires.is_some_and(|end| end <= now)
    {
        return None;
    }
    // A copy of other terms may lack a field because nobody asked for it then. A condition such as
    // `!(resource has note)` would take that for the item having none: hidden until the copy is written anew.
    if !row.carried.tells(book.rules.each_asked(&row.data_type, terms)) {
        return None;
    }
    let fields = &row.carried.fields;
    book.rules.visible(Question { data_type: &row.data_type, time: row.id.time(), fields, terms })
}
