//! How long to wait before trying again.

use std::time::Duration;

/// The longest wait.
const MOST: Duration = Duration::from_secs(5);

/// The wait before attempt number `attempt` (from 1): doubling from 100 ms, with half of it left to chance, so that
/// many who were refused together do not come back together.
pub fn pause(attempt: u32) -> Duration {
    let full = Duration::from_millis(100).saturating_mul(1 << attempt.min(10)).min(MOST);
    full / 2 + full.mul_f64(fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        assert!(pause(1) <= Duration::from_millis(200) && pause(1) >= Duration::from_millis(100));
        assert!(pause(1000) <= MOST && pause(1000) >= MOST / 2);
    }
}
