//! How much work a comparison may take: requests wait for their verdicts.

/// Work that is left, in evaluations of a short condition.
#[derive(Debug)]
pub struct Budget(pub(in crate::rules) u64);

/// Steps of a condition, as [`super::super::limits`] counts them, that take as long as an evaluation by itself.
pub(super) const STEPS: u64 = 2_500;
/// Bytes of a condition that cost as much as an evaluation by itself.
const BYTES: u64 = 64;
/// Combinations of answers, each with so many parts to look at, that cost as much as an evaluation.
const COMBINATIONS: u64 = 32;
const PARTS: u64 = 32;

impl Budget {
    /// As much as it takes. Enumeration is bounded all the same.
    pub fn unlimited() -> Self {
        Self(u64::MAX)
    }

    /// What a request may take: about a quarter of a second of a processor.
    pub fn request() -> Self {
        Self(100_000)
    }

    /// Takes work from the budget; false if there is not so much left.
    pub(super) fn take(&mut self, cost: u64) -> bool {
        let left = self.0.checked_sub(cost);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }

    /// Takes what so many combinations of answers cost.
    pub(super) fn take_combinations(&mut self, combinations: u64, parts: usize) -> bool {
        let each = 1 + parts as u64 / PARTS;
        self.take(combinations.saturating_mul(each) / COMBINATIONS + 1)
    }
}

/// What evaluating a condition costs.
pub(super) fn of_condition(condition: Option<&str>) -> u64 {
    1 + condition.map_or(0, |condition| condition.len() as u64 / BYTES)
}
