//! How fast one person may call.
//!
//! The gateway limits all calls of a stack together, and says no more than 429. This is the limit of one person, so that
//! nobody uses up what is everybody's, and it says when to come back. Each process counts for itself, what it sees: with
//! many of them at work a person gets that much more through, which the gateway's limit ends.

use std::collections::HashMap;
use std::sync::Mutex;

use domain::time::Timestamp;

/// People counted at most; beyond that, counting begins anew.
const MOST: usize = 8192;
/// Calls that may come at once, in seconds of the rate.
const BURST_SECONDS: i64 = 4;

/// What one person has left.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Thousandths of calls.
    left: i64,
    filled: Timestamp,
}

/// What people have left.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: i64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Pace {
    pub fn new(per_second: u32) -> Self {
        Self { per_second: i64::from(per_second.max(1)), buckets: Mutex::default() }
    }

    /// Takes a call of somebody's share.
    ///
    /// # Errors
    /// If there is none left: in how many seconds there is one again.
    pub fn take(&self, who: &str, now: Timestamp) -> Result<(), u32> {
        // A lock that somebody died with counts for nothing: rather too many calls than none.
        let Ok(mut buckets) = self.buckets.lock() else { return Ok(()) };
        if buckets.len() >= MOST && !buckets.contains_key(who) {
            buckets.clear();
        }
        let most = self.per_second * BURST_SECONDS * 1000;
        let bucket = buckets.entry(who.to_owned()).or_insert(Bucket { left: most, filled: now });
        let passed = (now.millis() - bucket.filled.millis()).clamp(0, BURST_SECONDS * 1000);
        bucket.left = (bucket.left + passed * self.per_second).min(most);
        bucket.filled = bucket.filled.max(now);
        if bucket.left < 1000 {
            return Err(1);
        }
        bucket.left -= 1000;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_a_burst_and_then_a_rate_and_nobody_takes_anothers() {
        let pace = Pace::new(10);
        let at = |millis| Timestamp::from_millis(millis);
        for _ in 0..40 {
            assert_eq!(pace.take("ann", at(0)), Ok(()));
        }
        assert_eq!(pace.take("ann", at(0)), Err(1));
        assert_eq!(pace.take("bob", at(0)), Ok(()));
        assert_eq!(pace.take("ann", at(100)), Ok(()), "one in a tenth of a second");
        assert_eq!(pace.take("ann", at(100)), Err(1));
        assert_eq!(pace.take("ann", at(50)), Err(1), "a clock that goes back gives nothing");
        let later = (0..100).filter(|_| pace.take("ann", at(1_000_000)).is_ok()).count();
        assert_eq!(later, 40, "and never more than the burst");
    }
}
