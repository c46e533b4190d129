//! Waiting for conditions.

use std::time::{Duration, Instant};

/// Longer than anything here takes on a slow machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(60);

/// Looks until there is something, and gives it. Fails with `what` after a minute and a half.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look).await
}

/// Looks until there is something, for so long at most.
pub async fn until_within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < patience, "waited {patience:?} in vain until {what}");
        tokio::time::sleep(LOOK).await;
    }
}
