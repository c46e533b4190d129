//! How much happens in a model, and what of the protocol is left out of it.

use crate::terms::{Contract, Reading, Rule};

/// How a consumer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A list begins and ends at one instant; every instant is tried.
    AtOnce,
    /// A list asks for one thing after the other, and anything may happen in between.
    Stepwise,
}

/// What may happen, and how often.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// A name for people.
    pub name: &'static str,
    /// Items, each created, changed and deleted on its own.
    pub items: u8,
    /// What an item may say.
    pub readings: &'static [Reading],
    /// An item's greatest version.
    pub versions: u8,
    /// Whether items can be deleted.
    pub deletes: bool,
    /// The greatest `roster_rev`: the group begins with 1, and every join and leave makes it one more.
    pub roster: u8,
    /// Whether the drive is a member from the beginning.
    pub member: bool,
    /// With which contracts it may join.
    pub contracts: &'static [Contract],
    /// Whether the provider's changes are about the rules: to follow them, or to agree to the current ones.
    pub asks: bool,
    /// The greatest revision of a contract; it begins with 0.
    pub contract_revisions: u8,
    /// The rules at first.
    pub rule: Rule,
    /// The greatest revision of the rules; they begin with 1.
    pub rule_revisions: u8,
    /// The numbers of shards that a change of the rules may set; the first counts from the beginning.
    pub shards: &'static [u8],
    /// Whether the group can be deleted.
    pub deletion: bool,
    /// How often the source may be restored from a backup.
    pub restores: u8,
    /// Whether a restore waits until nobody of the former era is in the middle of anything.
    pub fence: bool,
    /// Whether tombstones are collected.
    pub collection: bool,
    /// Writers that work for the stream at once.
    pub writers: u8,
    /// Requests at once.
    pub requests: u8,
    /// Invocations of the job function at once.
    pub workers: u8,
    /// Items on a page of a job.
    pub page: u8,
    /// Whether a writer reads the membership first and the group later, not both at one instant.
    pub split: bool,
    /// How the consumer reads.
    pub reader: Reader,
}

impl Scenario {
    /// One item, one member, one of everything; nothing happens but writes.
    pub const SMALL: Self = Self {
        name: "small",
        items: 1,
        readings: &[Reading::High],
        versions: 1,
        deletes: false,
        roster: 2,
        member: false,
        contracts: &[Contract::Open],
        asks: false,
        contract_revisions: 0,
        rule: Rule::High,
        rule_revisions: 1,
        shards: &[1],
        deletion: false,
        restores: 0,
        fence: true,
        collection: false,
        writers: 1,
        requests: 1,
        workers: 1,
        page: 1,
        split: false,
        reader: Reader::AtOnce,
    };
}

/// The protocol, or one that somebody might take for it. Each but the first must fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// As it is.
    Protocol,
    /// Readers keep a list of who left, from which a timer takes them again once their copies are purged.
    RevokedList,
    /// Readers check copies only while a job is under way.
    GuardDuringJobs,
    /// Memberships have no epochs.
    NoEpoch,
    /// The order has no rule revision.
    NoRuleRevision,
    /// The order has no contract revision.
    NoContractRevision,
    /// Copies are removed, not buried.
    NoTombstone,
    /// Writers remember the membership from before the batch.
    StaleMembership,
    /// An identifier is used again, with versions from 1.
    VersionsRestart,
    /// Tombstones are collected while older writes may still come.
    CollectAnyTime,
    /// What takes away is left to the stream.
    StreamOnly,
    /// Records from before a join are believed.
    TrustRecords,
    /// A purge deletes copies and tombstones, while lists may be under way that began before the leave.
    PurgeDeletes,
    /// A purge removes copies of any epoch.
    PurgeAnyEpoch,
    /// A job notes how far it is before the page is written.
    CheckpointFirst,
    /// A group that is being deleted can be joined.
    JoinUnchecked,
    /// A restore does not begin a new era.
    NoEra,
    /// Records from before a change of the number of shards are believed.
    TrustLayouts,
    /// A number of shards that counts again uses the partitions of the first time again.
    PartitionsAgain,
    /// Readers remember the roster without asking whether it is still the same.
    RememberedRoster,
    /// Readers apply the current rules to a provider who has not agreed to them.
    ReaderIgnoresAgreement,
    /// Writers apply the current rules to a provider who has not agreed to them.
    WriterIgnoresAgreement,
}
