//! The lock: a lease with a heartbeat and a fencing token.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::{Lock, Owner, StateError, StateStore, now};

/// How long a lease holds and how often it is renewed.
#[derive(Debug, Clone, Copy)]
pub struct LeaseTimes {
    /// How long others must leave the lock alone after a heartbeat.
    pub lease: Duration,
    /// The time between heartbeats.
    pub heartbeat: Duration,
    /// Whether every holder is a process of this machine, as on the local target: then one that died can be told
    /// from one that lives, and its lock is taken over at once.
    pub one_machine: bool,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self { lease: Duration::from_secs(60), heartbeat: Duration::from_secs(10), one_machine: false }
    }
}

/// A lock that is held. Give it back with [`Lease::release`]; if it is only dropped, its heartbeats end and others
/// may take it over when it expires.
pub struct Lease {
    store: Arc<dyn StateStore>,
    lock: Arc<Mutex<Lock>>,
    token: u64,
    lost: watch::Receiver<bool>,
    heart: JoinHandle<()>,
    /// Who held it before, if it had expired without being given back.
    pub taken_over: Option<Lock>,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("token", &self.token).finish_non_exhaustive()
    }
}

impl Lease {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`StateError::Held`] if somebody else holds it.
    pub async fn acquire(
        store: Arc<dyn StateStore>,
        owner: Owner,
        times: LeaseTimes,
    ) -> Result<Self, StateError> {
        Self::acquire_above(store, owner, times, 0).await
    }

    /// Takes the lock with a token that is greater than `floor`, for a state that was lost and began anew.
    ///
    /// # Errors
    /// [`StateError::Held`] if somebody else holds it.
    pub async fn acquire_above(
        store: Arc<dyn StateStore>,
        owner: Owner,
        times: LeaseTimes,
        floor: u64,
    ) -> Result<Self, StateError> {
        let before = store.lock().await?;
        let at = now();
        if let Some(held) =
            before.as_ref().filter(|lock| lock.holds_at(at) && !(times.one_machine && is_dead(&lock.owner)))
        {
            return Err(StateError::Held(Box::new(held.clone())));
        }
        let lock = Lock {
            token: before.as_ref().map_or(0, |lock| lock.token).max(floor) + 1,
            owner,
            acquired: at,
            heartbeat: at,
            lease_ms: i64::try_from(times.lease.as_millis()).unwrap_or(i64::MAX),
            released: false,
        };
        if !store.swap_lock(before.as_ref(), &lock).await? {
            // Somebody was faster between our look and our write, unless it was an earlier attempt of this very write
            // whose answer was lost.
            let winner = store.lock().await?.unwrap_or_else(|| lock.clone());
            if winner.owner.id != lock.owner.id {
                return Err(StateError::Held(Box::new(winner)));
            }
        }
        let token = lock.token;
        let taken_over = before.filter(|lock| !lock.released);
        let lock = Arc::new(Mutex::new(lock));
        let (tell_lost, lost) = watch::channel(false);
        let heart = tokio::spawn(beat(store.clone(), lock.clone(), times.heartbeat, tell_lost));
        Ok(Self { store, lock, token, lost, heart, taken_over })
    }

    /// The fencing token that every write must carry.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Says when the lock was lost to somebody else.
    pub fn lost(&self) -> watch::Receiver<bool> {
        self.lost.clone()
    }

    /// Who holds it and since when.
    pub async fn held(&self) -> Lock {
        self.lock.lock().await.clone()
    }

    /// Gives the lock back. Whoever took it over meanwhile keeps it.
    pub async fn release(self) -> Result<(), StateError> {
        self.heart.abort();
        let held = self.lock.lock().await.clone();
        let released = Lock { released: true, ..held.clone() };
        if self.store.swap_lock(Some(&held), &released).await? {
            return Ok(());
        }
        // A heartbeat that was cut off may have been written without our knowing.
        match self.store.lock().await? {
            Some(current) if current.token == held.token && !current.released => {
                let released = Lock { released: true, ..current.clone() };
                self.store.swap_lock(Some(&current), &released).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }
}

/// Takes a lock away from whoever holds it, and gives the row as it is now; none if they gave it back, or lost it, by
/// themselves. A heartbeat in between changes nothing: it is the same holder's.
///
/// # Errors
/// Those of the store.
pub async fn take_away(store: &dyn StateStore, lock: &Lock) -> Result<Option<Lock>, StateError> {
    let mut current = Some(lock.clone());
    while let Some(held) = current.filter(|held| held.token == lock.token && !held.released) {
        let released = Lock { released: true, ..held.clone() };
        if store.swap_lock(Some(&held), &released).await? {
            return Ok(Some(released));
        }
        current = store.lock().await?;
    }
    Ok(None)
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

async fn beat(
    store: Arc<dyn StateStore>,
    lock: Arc<Mutex<Lock>>,
    every: Duration,
    lost: watch::Sender<bool>,
) {
    loop {
        tokio::time::sleep(every).await;
        let mut held = lock.lock().await;
        let next = Lock { heartbeat: now(), ..held.clone() };
        match store.swap_lock(Some(&held), &next).await {
            Ok(true) => *held = next,
            Ok(false) => {
                // Ours all the same if only an answer of an earlier beat was lost.
                match store.lock().await {
                    Ok(Some(current)) if current.token == held.token && !current.released => *held = current,
                    Ok(_) => {
                        lost.send_replace(true);
                        return;
                    }
                    Err(_) => {}
                }
            }
            // The next beat tries again, as long as nobody may have taken over.
            Err(_) if held.holds_at(now()) => {}
            Err(_) => {
                lost.send_replace(true);
                return;
            }
        }
    }
}

/// Whether an owner's process on this machine has ended, as far as the system tells.
fn is_dead(owner: &Owner) -> bool {
    let processes = std::path::Path::new("/proc");
    processes.join("self").exists() && !processes.join(owner.pid.to_string()).exists()
}

/// Variables that hold the address of a CI run: GitLab's, Jenkins's, CircleCI's, Buildkite's.
const RUN_URLS: [&str; 4] = ["CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL", "BUILDKITE_BUILD_URL"];

impl Owner {
    /// This process.
    pub fn current() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let host = variable("HOSTNAME")
            .or_else(|| {
                std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned())
            })
            .unwrap_or_else(|| "unknown".to_owned());
        let run_url =
            match (variable("GITHUB_SERVER_URL"), variable("GITHUB_REPOSITORY"), variable("GITHUB_RUN_ID")) {
                (Some(server), Some(repository), Some(run)) => {
                    Some(format!("{server}/{repository}/actions/runs/{run}"))
                }
                _ => RUN_URLS.into_iter().find_map(variable),
            };
        Self {
            user: variable("USER")
                .or_else(|| variable("LOGNAME"))
                .or_else(|| variable("USERNAME"))
                .unwrap_or_else(|| "unknown".to_owned()),
            host,
            pid: std::process::id(),
            id: format!("{:016x}", fastrand::u64(..)),
            run_url,
        }
    }
}
