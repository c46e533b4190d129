//! What went wrong in a history, counted: a fault that never happens proves nothing.

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident = $name:literal,)*) => {
        /// Something that goes wrong around the protocol.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault { $($(#[$doc])* $fault,)* }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$fault,)*];

            /// What it is called.
            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }
        }
    };
}

faults! {
    /// A batch was delivered again after it was acknowledged.
    Duplicate = "duplicate batches",
    /// A record had its effect before an earlier one of another drive.
    Reorder = "records reordered across drives",
    /// An invocation was frozen and went on after its records had been given to another one.
    Late = "late writes of frozen invocations",
    /// An invocation or a request died between two calls.
    Crash = "crashes between two calls",
    /// The same, with some copies written and some not.
    CrashBetweenWrites = "crashes between two writes of copies",
    /// An invocation was frozen between reading memberships and reading their groups' rules.
    TornRead = "reads of memberships and rules torn apart",
    /// A request died between two calls, and was repeated by its sender.
    Repeated = "requests repeated after a crash",
    /// The database asked to slow down.
    Throttle = "throttled calls",
    /// What could not be written for long was parked.
    ThrottledParked = "copies parked after throttling",
    /// An answer named the records that failed.
    Partial = "partial batch responses",
    /// A batch that failed was cut in two.
    Bisect = "batches bisected",
    /// A record was given up after its last retry, or for its age, and told to the on-failure destination.
    GivenUp = "records given up",
    /// A record could not be read.
    Poison = "poison records",
    /// A repair failed and was noted again.
    RepairFailed = "repairs that failed",
    /// A record was dropped after a day.
    Trim = "records trimmed",
    /// A batch waited for its window.
    Window = "batches that waited for a window",
    /// A shard was closed, and others follow it.
    Split = "shard splits",
    /// Two batches of one shard were worked on at once.
    Parallel = "parallel batches of one shard",
    /// A join or a leave while a backfill was under way.
    RosterDuringBackfill = "joins and leaves during a backfill",
    /// A change of rules while a backfill was under way.
    RulesDuringBackfill = "rule changes during a backfill",
    /// A change of the number of shards.
    Reshard = "changes of the number of shards",
    /// A number of shards that was given up came back.
    ReshardBack = "numbers of shards that came back",
    /// A contract was changed.
    Contract = "contract changes",
    /// A contract was changed while a job was at work on the copies.
    ContractDuringJob = "contract changes during a job",
    /// Rules were widened beyond what a provider agreed to.
    Widening = "rules widened beyond an agreement",
    /// A provider agreed to other rules.
    Agreement = "agreements to other rules",
    /// A group was deleted while somebody joined it.
    DeletedDuringJoin = "group deletions during a join",
    /// A group was deleted while a backfill was under way.
    DeletedDuringBackfill = "group deletions during a backfill",
    /// Two requests were about the same item.
    TwoDevices = "two devices at once",
    /// An item was refused for its size.
    Oversize = "oversize items refused",
    /// A copy was refused for its size.
    OversizeCopy = "oversize copies parked",
    /// A machine's clock was off.
    ClockJump = "clocks that jumped",
    /// A job was delivered twice.
    DoubleJob = "jobs delivered twice",
    /// A tombstone was removed by its time to live.
    Expired = "tombstones expired",
    /// The source was asked instead of believing a record.
    Asked = "sources asked",
    /// A write came too late.
    Superseded = "writes superseded",
    /// The scrubber repaired a copy.
    Scrubbed = "copies repaired by the scrubber",
    /// Rules were narrowed from the copies alone.
    Sift = "rules narrowed from the copies alone",
    /// A copy said too little, and its source was asked.
    SiftAsked = "sources asked for copies that say too little",
    /// A purge wrote its receipt.
    Receipt = "receipts checked",
}

/// How often each fault really happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults([u64; Fault::ALL.len()]);

impl Default for Faults {
    fn default() -> Self {
        Self([0; Fault::ALL.len()])
    }
}

impl Faults {
    /// Counts one.
    pub fn note(&mut self, fault: Fault) {
        if let Some(count) = self.0.get_mut(fault as usize) {
            *count += 1;
        }
    }

    /// Adds another history's counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// Every count with its name.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Fault::ALL.iter().map(|fault| fault.name()).zip(self.0)
    }
}
