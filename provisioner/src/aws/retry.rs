//! Waiting for AWS: retries of what will pass, and polling for a condition.
//!
//! Both look first and wait afterwards, so that a target where everything is ready at once is not slowed down.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::{AwsError, ErrorKind};

/// How often and how long to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The first pause; each one is twice the one before.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// When to give up.
    pub total: Duration,
}

/// The longest pause at first, where nobody is throttled.
const DENSE: Duration = Duration::from_secs(1);

impl Default for Policy {
    /// Dense at first, since most of what is waited for is there within two seconds, and for about a minute in all,
    /// which is what new roles and deleted queue names need at most.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(8),
            total: Duration::from_secs(75),
        }
    }
}

impl Policy {
    /// The default pauses, but giving up after `total`.
    pub fn lasting(total: Duration) -> Self {
        Self { total, ..Self::default() }
    }

    /// The pause before a retry, with a quarter of it left to chance so that siblings do not move in step.
    fn pause(self, retry: u32, waited: Duration, crowded: bool) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(retry)).min(self.longest);
        // Where there are too many calls, more of them do not help. Otherwise what is overslept is lost for everybody
        // who depends on it: a second at most, or a twentieth of a long wait.
        let full = if crowded { doubled } else { doubled.min(DENSE.max(waited / 20)) };
        full.mul_f64(0.75 + 0.25 * fastrand::f64())
    }
}

/// Calls until it succeeds, fails for good, or the policy's time is over. `what` is named when time runs out.
pub async fn retry<T, F, Fut>(what: &str, policy: Policy, mut call: F) -> Result<T, AwsError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, AwsError>>,
{
    let start = Instant::now();
    let mut retries = 0;
    loop {
        match call().await {
            Err(error) if error.kind.passes() => {
                let pause = policy.pause(retries, start.elapsed(), error.kind == ErrorKind::Throttled);
                if start.elapsed() + pause > policy.total {
                    let message =
                        format!("{} (tried {what} for {} s)", error.message, start.elapsed().as_secs());
                    return Err(AwsError { message, ..error });
                }
                tracing::debug!(what, retries, %error, "waiting before trying again");
                sleep(pause).await;
                retries += 1;
            }
            result => return result,
        }
    }
}

/// Looks until `check` finds what is waited for, fails, or the time is over.
pub async fn wait_until<T, F, Fut>(what: &str, timeout: Duration, mut check: F) -> Result<T, AwsError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>, AwsError>>,
{
    let policy =
        Policy { first: Duration::from_millis(100), longest: Duration::from_secs(5), total: timeout };
    let start = Instant::now();
    let mut looks = 0;
    loop {
        let crowded = match check().await {
            Ok(Some(found)) => return Ok(found),
            Err(error) if !error.kind.passes() => return Err(error),
            Err(error) => error.kind == ErrorKind::Throttled,
            Ok(None) => false,
        };
        let pause = policy.pause(looks, start.elapsed(), crowded);
        if start.elapsed() + pause > timeout {
            let message = format!("waited {} s for {what}", timeout.as_secs());
            return Err(AwsError::new(ErrorKind::Slow, message));
        }
        sleep(pause).await;
        looks += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn quick() -> Policy {
        Policy {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(2),
            total: Duration::from_millis(40),
        }
    }

    #[tokio::test]
    async fn what_passes_is_tried_again() {
        let calls = AtomicU32::new(0);
        let result = retry("a thing", quick(), || async {
            match calls.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Err(AwsError::new(ErrorKind::NotYetVisible, "soon")),
                n => Ok(n),
            }
        })
        .await;
        assert_eq!(result, Ok(2));
    }

    #[tokio::test]
    async fn what_does_not_pass_fails_at_once() {
        let calls = AtomicU32::new(0);
        let result: Result<(), _> = retry("a thing", quick(), || async {
            calls.fetch_add(1, Ordering::Relaxed);
            Err(AwsError::new(ErrorKind::Denied, "no"))
        })
        .await;
        assert_eq!((result.map_err(|e| e.kind), calls.into_inner()), (Err(ErrorKind::Denied), 1));
    }

    #[tokio::test]
    async fn giving_up_says_what_was_tried() {
        let result: Result<(), _> = retry("to make a function", quick(), || async {
            Err(AwsError::new(ErrorKind::Conflict, "busy"))
        })
        .await;
        assert!(result.unwrap_err().message.contains("tried to make a function"));
    }

    #[test]
    fn pauses_are_dense_unless_there_are_too_many_calls() {
        let (policy, second) = (Policy::default(), Duration::from_secs(1));
        let within = |pause: Duration, most: Duration| pause <= most && pause >= most.mul_f64(0.74);
        assert!(within(policy.pause(0, Duration::ZERO, false), Duration::from_millis(250)));
        assert!(within(policy.pause(5, 10 * second, false), second));
        assert!(within(policy.pause(9, 60 * second, false), 3 * second));
        assert!(within(policy.pause(9, 10 * second, true), 8 * second));
    }

    #[tokio::test]
    async fn a_condition_that_holds_is_not_waited_for() {
        let start = Instant::now();
        let found = wait_until("it", Duration::from_secs(60), || async { Ok(Some(7)) }).await;
        assert_eq!(found, Ok(7));
        assert!(start.elapsed() < Duration::from_millis(90));
    }
}
