//! For this change of an item, this membership and these rules: which copy, or none.

use std::sync::Arc;

use super::order::{MOST, Order};
use super::shard::{Shard, Spread};
use crate::id::{DriveId, GroupId, ItemId, Name};
use crate::item::Item;
use crate::rules::{Carried, CompiledRules, Question, Terms};
use crate::time::Timestamp;

/// A drive's membership of a group as provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderMembership {
    /// The group.
    pub group: GroupId,
    /// The drive whose items are shared.
    pub drive: DriveId,
    /// The group's `roster_rev` when it joined.
    pub epoch: u64,
    /// What the membership adds to the rules.
    pub terms: Terms,
}

/// A group's rules at one revision.
#[derive(Debug, Clone)]
pub struct Rulebook {
    /// Grows with every change of the rules.
    pub revision: u32,
    /// Grows after a restore.
    pub era: u16,
    /// When this revision began to count.
    pub since: Timestamp,
    /// Over which partitions copies are spread; it changes with the revision only.
    pub spread: Spread,
    /// The rules; shared, because every batch asks them.
    pub rules: Arc<CompiledRules>,
}

/// What happened to an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Change<'a> {
    /// It was created or changed, and reads so now.
    Present(&'a Item),
    /// It was deleted when it had this version.
    Deleted {
        /// Its identifier.
        id: &'a ItemId,
        /// Its data type.
        data_type: &'a Name,
        /// Its last version.
        version: u64,
    },
}

/// Where a copy lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaKey {
    /// The group.
    pub group: GroupId,
    /// The data type.
    pub data_type: Name,
    /// The partition among those of the group and type.
    pub shard: Shard,
    /// The item's identifier, which begins with its time.
    pub id: ItemId,
    /// The provider's drive.
    pub drive: DriveId,
}

/// What to do about one copy. Both writes are conditional: only if there is no copy, or one of a lesser order.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Write the copy.
    Write {
        /// Where.
        key: ReplicaKey,
        /// Its order.
        order: Order,
        /// What it carries.
        carried: Carried,
        /// When the item's retention ends.
        expires: Option<Timestamp>,
    },
    /// Leave a tombstone, so that nothing earlier can come back.
    Bury {
        /// Where.
        key: ReplicaKey,
        /// Its order.
        order: Order,
    },
    /// Nothing: there is no copy and there was none.
    Nothing,
}

/// How far the clocks of two machines may be apart, in milliseconds.
pub const CLOCK_SLACK: i64 = 60_000;

/// Whether what a record of the stream says of an item may be older than the provider's membership, or than the rules
/// of now, so that the source must be asked instead.
///
/// The trouble is an item that was deleted before. It may have left no tombstone where copies are written now: there was
/// no membership, or no rule about its type, or other partitions. A late record of its creation would bring it back.
/// What was written clearly after both began has every later deletion's tombstone against it.
pub fn must_ask_source(written: Option<Timestamp>, terms: &Terms, book: &Rulebook) -> bool {
    let began = terms.joined.max(book.since);
    written.is_none_or(|written| written < began.plus_millis(CLOCK_SLACK))
}

/// Decides about one copy.
pub fn decide(change: &Change<'_>, membership: &ProviderMembership, book: &Rulebook) -> Decision {
    let (id, data_type, version) = match change {
        Change::Present(item) => (&item.id, &item.data_type, item.version),
        // The version after the last: no write of the item itself can ever reach it.
        Change::Deleted { id, data_type, version } => (*id, *data_type, version.saturating_add(1).min(MOST)),
    };
    let place = Place { id, data_type, version, membership, book };
    if let Change::Present(item) = change {
        if let Some(carried) = book.rules.replica(question(item, &membership.terms)) {
            return place.write(carried, item.expires);
        }
        if version <= 1 {
            return Decision::Nothing;
        }
    }
    // Rules of an earlier revision may have shared a type that today's do not: its copies must not outlive the
    // item, or they would come back with the type. Before the first change of rules there is no such copy.
    if !book.rules.covers(data_type) && book.revision <= 1 {
        return Decision::Nothing;
    }
    place.bury()
}

pub(super) fn question<'a>(item: &'a Item, terms: &'a Terms) -> Question<'a> {
    Question { data_type: &item.data_type, time: item.time(), fields: &item.fields, terms }
}

/// A version of an item, in a group.
pub(super) struct Place<'a> {
    pub(super) id: &'a ItemId,
    pub(super) data_type: &'a Name,
    pub(super) version: u64,
    pub(super) membership: &'a ProviderMembership,
    pub(super) book: &'a Rulebook,
}

impl Place<'_> {
    fn key(&self) -> ReplicaKey {
        ReplicaKey {
            group: self.membership.group.clone(),
            data_type: self.data_type.clone(),
            shard: self.book.spread.shard_of(self.id),
            id: self.id.clone(),
            drive: self.membership.drive.clone(),
        }
    }

    fn order(&self, dead: bool) -> Order {
        Order {
            era: self.book.era,
            epoch: self.membership.epoch,
            version: self.version,
            rule_revision: self.book.revision,
            contract_revision: self.membership.terms.contract.revision,
            dead,
        }
    }

    pub(super) fn write(&self, carried: Carried, expires: Option<Timestamp>) -> Decision {
        Decision::Write { key: self.key(), order: self.order(false), carried, expires }
    }

    pub(super) fn bury(&self) -> Decision {
        Decision::Bury { key: self.key(), order: self.order(true) }
    }
}
