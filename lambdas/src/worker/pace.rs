//! How fast jobs may write.

use std::time::{Duration, Instant};

/// A write-rate budget: jobs can wait, people who write and read cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    writes_per_second: u32,
}

impl Pace {
    /// At most so many writes a second.
    pub fn new(writes_per_second: u32) -> Self {
        Self { writes_per_second: writes_per_second.max(1) }
    }

    /// Waits until these writes, which began then, fit the budget.
    pub(super) async fn keep(self, writes: u64, begun: Instant) {
        let rest = self.due(writes).saturating_sub(begun.elapsed());
        if !rest.is_zero() {
            tokio::time::sleep(rest).await;
        }
    }

    /// How long so many writes may take at least.
    fn due(self, writes: u64) -> Duration {
        Duration::from_secs_f64(writes as f64 / f64::from(self.writes_per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_writes_takes_as_long_as_the_budget_says() {
        assert_eq!(Pace::new(500).due(200), Duration::from_millis(400));
        assert_eq!(Pace::new(0).due(2), Duration::from_secs(2), "there is always some budget");
    }
}
