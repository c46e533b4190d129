//! The protocol, and what was left out of it.

use domain::replication::Order;

/// The protocol, or one with something left out: those must fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// As it is.
    Protocol,
    /// Without membership epochs.
    NoEpoch,
    /// Without rule revisions in the order.
    NoRuleRevision,
    /// Without contract revisions in the order.
    NoContractRevision,
    /// Copies are deleted, not buried.
    NoTombstone,
    /// Memberships are remembered from before the batch.
    StaleMemberships,
    /// Readers do not check rows.
    NoGuard,
    /// Readers do not ask whether a field is missing because nobody asked for it.
    NoAskedGuard,
    /// What takes away is left to the stream.
    StreamOnly,
    /// Records from before a join are believed.
    TrustRecords,
    /// Versions start over.
    NoVersion,
    /// A change of terms compares with the terms just before it, whatever jobs are unfinished.
    IncompleteFormer,
    /// A former layout is given up as soon as its jobs are handed out.
    SettleEarly,
    /// Of two copies of an item the first one found is shown.
    FirstLayout,
    /// A repair replays the record that could not be read.
    ReplayRecord,
    /// A record that cannot be read is passed over.
    DropPoison,
    /// The function relies on partial batch responses where nobody honours them.
    PartialOnly,
    /// Nobody compares after records were lost.
    NoScrubber,
    /// A purge removes the copies of its items and looks no further.
    NoSweep,
    /// A purge removes copies of later memberships too.
    BlindPurge,
    /// A copy that cannot be written fails its whole batch.
    NoParking,
    /// What a job compares with are the contracts of unfinished jobs alone.
    FormerOfOpenJobs,
    /// Copies do not say what the item has not.
    NoAbsence,
    /// A number of shards that comes back has its old partitions again.
    LayoutsComeBack,
    /// Copies stay in partitions that are given up, where no purge looks.
    FormerCopiesStay,
    /// Records from before the rules of now are believed.
    TrustOldRules,
    /// Copies alone are looked through after any change of the rules.
    SiftWidenings,
    /// Copies alone are looked through although they may be of several revisions, or lie in several layouts.
    SiftUnsettled,
    /// What a copy says nothing of is taken for absent while copies are looked through.
    SiftUntold,
    /// Whoever looks through copies passes over contracts that a late writer may still act upon.
    SiftForgetful,
    /// What a request has written is believed although a membership began after it.
    TrustRequests,
    /// Readers apply the current rules to a provider who has not agreed to them.
    ReaderIgnoresAgreement,
    /// Writers apply the current rules to a provider who has not agreed to them.
    WriterIgnoresAgreement,
}

impl Variant {
    /// Those that must fail.
    pub const FAILED: [Self; 29] = [
        Self::NoEpoch,
        Self::NoRuleRevision,
        Self::NoContractRevision,
        Self::NoTombstone,
        Self::StaleMemberships,
        Self::NoGuard,
        Self::NoAskedGuard,
        Self::StreamOnly,
        Self::TrustRecords,
        Self::NoVersion,
        Self::IncompleteFormer,
        Self::SettleEarly,
        Self::FirstLayout,
        Self::ReplayRecord,
        Self::DropPoison,
        Self::PartialOnly,
        Self::NoScrubber,
        Self::NoSweep,
        Self::BlindPurge,
        Self::NoParking,
        Self::NoAbsence,
        Self::LayoutsComeBack,
        Self::FormerCopiesStay,
        Self::TrustOldRules,
        Self::SiftWidenings,
        Self::SiftUnsettled,
        Self::SiftUntold,
        Self::ReaderIgnoresAgreement,
        Self::WriterIgnoresAgreement,
    ];

    /// Those that fail in histories too rare to wait for: `tests/scenarios.rs` tells them step by step.
    pub const RARE: [Self; 3] = [Self::FormerOfOpenJobs, Self::TrustRequests, Self::SiftForgetful];

    /// An order as this variant would write it.
    pub(crate) fn weaken(self, order: Order) -> Order {
        match self {
            Self::NoRuleRevision => Order { rule_revision: 0, ..order },
            Self::NoContractRevision => Order { contract_revision: 0, ..order },
            Self::NoVersion => Order { version: 1, ..order },
            _ => order,
        }
    }
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: &'static str,
    /// How.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(invariant: &'static str, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}
