//! What one invocation of a function knows of itself.

use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::Context;

/// When Lambda ends the invocation, on the monotonic clock.
pub fn deadline(context: &Context) -> Instant {
    let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    // An hour at most: no function may run longer than 15 minutes, and a context made up by a test has no deadline.
    Instant::now() + left.min(Duration::from_secs(3600))
}
