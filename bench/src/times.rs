//! Times of one thing, done several times.

use std::sync::OnceLock;
use std::time::Instant;

/// Seconds since this was first asked.
pub fn since_start() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// Seconds that this thread had a core for; where the system does not say, seconds.
pub fn of_this_thread() -> f64 {
    let nanos = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    nanos().map_or_else(since_start, |nanos| nanos / 1e9)
}

/// Some times, in their order.
#[derive(Debug, Clone)]
pub struct Times(Vec<f64>);

impl Times {
    /// Puts times in order.
    pub fn sorted(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }
    /// The least.
    pub fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }
    /// The one in the middle.
    pub fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }
    /// The greatest.
    pub fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }
}
