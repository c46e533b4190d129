//! How long to wait, and how often to try.

use std::time::Duration;

use reqwest::StatusCode;

/// How patient a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How often what can be repeated is tried, the first time included.
    pub attempts: u32,
    /// The wait before the second attempt, at most; it doubles with each.
    pub first_wait: Duration,
    /// The longest wait that the client chooses.
    pub longest_wait: Duration,
    /// The longest wait that the API may ask for by `Retry-After`; if it asks for more, the call ends with its answer.
    pub longest_asked: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(40),
            attempts: 8,
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(5),
            longest_asked: Duration::from_secs(60),
        }
    }
}

impl Patience {
    /// Every request once.
    #[must_use]
    pub fn once() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// With so many attempts.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// With so long for one attempt.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The wait after attempt number `attempt` (from 1): doubling, with half of it left to chance, so that many who were
    /// refused together do not come back together.
    pub fn pause(&self, attempt: u32) -> Duration {
        let doubled = 1_u32 << attempt.saturating_sub(1).min(16);
        let full = self.first_wait.saturating_mul(doubled).min(self.longest_wait);
        full / 2 + full.mul_f64(fastrand::f64() / 2.0)
    }

    /// The wait after an attempt, if there is to be another one.
    pub(crate) fn wait(&self, attempt: u32, asked: Option<Duration>) -> Option<Duration> {
        if attempt >= self.attempts || asked.is_some_and(|asked| asked > self.longest_asked) {
            return None;
        }
        let pause = self.pause(attempt);
        // Not all at the very moment that was named to all.
        Some(asked.map_or(pause, |asked| asked + pause.min(self.first_wait)))
    }
}

/// Whether a status says that trying again later may help.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        let patience = Patience::default();
        for (attempt, most) in [(1, 200), (2, 400), (5, 3200), (6, 5000), (u32::MAX, 5000)] {
            let most = Duration::from_millis(most);
            for _ in 0..100 {
                let pause = patience.pause(attempt);
                assert!(pause <= most && pause >= most / 2, "{attempt}: {pause:?}");
            }
        }
    }

    #[test]
    fn what_the_api_asks_for_is_waited_for_unless_it_is_too_much() {
        let patience = Patience::default();
        let asked = Duration::from_secs(7);
        assert!(patience.wait(1, Some(asked)).unwrap() > asked);
        assert_eq!(patience.wait(1, Some(Duration::from_secs(61))), None);
        assert_eq!(patience.wait(8, None), None, "the eighth attempt is the last");
        assert!(patience.wait(7, None).is_some());
        assert_eq!(Patience::once().wait(1, None), None);
    }
}
