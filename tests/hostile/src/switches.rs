//! What makes this AWS hostile, switch by switch. All are off at first: then everything is there at once.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::quotas::Quota;
use crate::request::Call;

/// Numbers are those of the list of gotchas.
#[derive(Debug, Clone, Default)]
pub struct Switches {
    /// Lists come one at a time.
    pub pages_of_one: bool,
    /// How long calls take.
    pub latency: Latency,
    /// 1: how long Lambda cannot assume a new role.
    pub role_assumable: Duration,
    /// 2: how long an event source mapping does not see a role's newest policy.
    pub policy_seen_by_mappings: Duration,
    /// 2: in which of its ways Lambda says so.
    pub mapping_refusal: usize,
    /// 3: how long a function's creation or change takes, during which it takes no other.
    pub function_settles: Duration,
    /// 3: functions whose first creation fails.
    pub creation_fails: BTreeSet<String>,
    /// 4 and 5: how long a mapping takes to come to a state in which it can be changed.
    pub mapping_settles: Duration,
    /// 4: how long a mapping that is deleted is still there.
    pub mapping_deletes: Duration,
    /// 6 and 8: how long a table is busy with its creation or change.
    pub table_settles: Duration,
    /// 8: how long a table that is deleted is still there.
    pub table_deletes: Duration,
    /// 8: how many tables may be made at once.
    pub tables_at_once: Option<usize>,
    /// 9: how long the time to live cannot be changed again.
    pub ttl_cools: Duration,
    /// 10: how long recovery is not available for a new table.
    pub recovery_lags: Duration,
    /// 10: how long tags that were written are not listed.
    pub tags_lag: Duration,
    /// 11: how often a change of the billing mode is accepted and not done.
    pub billing_dropped: usize,
    /// 12: prefixes of sign-in addresses that somebody else in the region has.
    pub taken_prefixes: BTreeSet<String>,
    /// 13: whether changes of one API that overlap are refused.
    pub api_conflicts: bool,
    /// 13: how many calls services take in a second.
    pub quotas: Vec<Quota>,
    /// 15: how long policies of a role that was just made are malformed.
    pub role_malformed: Duration,
    /// 16: how long the name of a deleted queue cannot be used.
    pub queue_name_blocked: Duration,
    /// 17: whether a function's first invocation comes at once and makes the log group that is not there.
    pub invoked_at_once: bool,
    /// 17: how often changes of log groups are refused because of others.
    pub log_conflicts: usize,
}

/// How long calls take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Latency {
    /// No time.
    #[default]
    None,
    /// Between these, by chance of this seed.
    Between(Duration, Duration, u64),
}

impl Latency {
    /// How long the so-manieth call takes.
    pub(crate) fn of(self, number: usize) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Between(least, most, seed) => {
                let mut chance = fastrand::Rng::with_seed(seed.wrapping_add(number as u64 * 0x9E37_79B9));
                least + (most - least).mul_f64(chance.f64())
            }
        }
    }
}

/// What can happen to any call.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operation; any if empty.
    pub operation: &'static str,
    /// What happens.
    pub what: What,
    /// To every so-manieth of its calls.
    pub every: usize,
    /// How often it still does.
    pub times: usize,
    /// How many of its calls there were.
    pub(crate) seen: usize,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// There are too many calls.
    Throttled,
    /// Something else is changing it.
    Conflict,
    /// The service is broken.
    Broken,
    /// The call takes effect, and the answer is an error of the service.
    BrokenAfter,
    /// The call takes effect, and the answer never comes.
    LostAnswer,
}

impl Fault {
    /// To the first so many calls of an operation.
    pub fn first(times: usize, operation: &'static str, what: What) -> Self {
        Self { operation, what, every: 1, times, seen: 0 }
    }

    /// To every so-manieth call of any operation.
    pub fn every(every: usize, what: What) -> Self {
        Self { operation: "", what, every, times: usize::MAX, seen: 0 }
    }

    /// Whether it happens to this call; then it is used up a little.
    pub(crate) fn happens(&mut self, call: &Call) -> Option<What> {
        if !(self.operation.is_empty() || self.operation == call.operation) || self.times == 0 {
            return None;
        }
        // What cannot take effect cannot have done so without saying.
        if matches!(self.what, What::BrokenAfter | What::LostAnswer) && !call.is_mutating() {
            return None;
        }
        self.seen += 1;
        // Now and then one sooner: else who asks again by as many calls as this counts would meet it each time.
        let shifted = self.seen + self.seen / (7 * self.every);
        let due = shifted.is_multiple_of(self.every);
        self.times -= usize::from(due);
        due.then_some(self.what)
    }
}
