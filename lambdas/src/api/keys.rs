//! The keys that the user pool signs tokens with.
//!
//! They are fetched when the function starts and kept for ten minutes; so a key that the pool has withdrawn counts no
//! longer than that. While the pool does not answer, they are kept for up to an hour. A token that names another key has
//! them fetched again, at most once a minute, since pools change their keys now and then and anybody can write any key's
//! name into a token.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::time::Timestamp;
use futures::future::BoxFuture;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::jwt::{ListedKey, PublicKey};

/// A list of keys (RFC 7517).
#[derive(Debug, Clone, Deserialize)]
pub struct KeyList {
    /// The keys.
    pub keys: Vec<ListedKey>,
}

/// The pool does not answer, or not sensibly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keys of the user pool cannot be fetched")]
pub struct NoKeys;

/// Where the keys are.
pub trait KeySource: Send + Sync {
    /// Fetches them all.
    fn fetch(&self) -> BoxFuture<'_, Result<KeyList, NoKeys>>;
}

/// The pool's own list of its keys.
#[derive(Debug)]
pub struct HttpKeys {
    url: String,
    client: OnceLock<Option<reqwest::Client>>,
}

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Attempts at most.
const ATTEMPTS: u32 = 3;
/// Bytes of the list at most: a pool has two keys of half a kilobyte.
const MOST_BYTES: usize = 64 * 1024;

impl HttpKeys {
    /// The list at an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), client: OnceLock::new() }
    }

    async fn ask(&self) -> Result<KeyList, NoKeys> {
        let make = || {
            // Whose keys count is a matter of the address: nobody may lead elsewhere.
            let builder =
                reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
            builder.build().ok()
        };
        let client = self.client.get_or_init(make).as_ref().ok_or(NoKeys)?;
        let answer = client.get(&self.url).header("accept", "application/json").send().await;
        let answer = answer.map_err(|_| NoKeys)?;
        if answer.status().as_u16() != 200 || answer.content_length().is_some_and(|n| n > MOST_BYTES as u64) {
            return Err(NoKeys);
        }
        let bytes = answer.bytes().await.map_err(|_| NoKeys)?;
        if bytes.len() > MOST_BYTES {
            return Err(NoKeys);
        }
        serde_json::from_slice(&bytes).map_err(|_| NoKeys)
    }
}

impl KeySource for HttpKeys {
    fn fetch(&self) -> BoxFuture<'_, Result<KeyList, NoKeys>> {
        Box::pin(async move {
            for attempt in 1..ATTEMPTS {
                match self.ask().await {
                    Ok(keys) => return Ok(keys),
                    Err(NoKeys) => {
                        let jitter = Duration::from_millis(fastrand::u64(..100));
                        tokio::time::sleep(Duration::from_millis(100) * attempt + jitter).await;
                    }
                }
            }
            self.ask().await
        })
    }
}

/// Why there is no key of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// The pool has none.
    Unknown,
    /// The pool could not be asked.
    Unavailable,
}

/// Keys are fetched again for an unknown one no sooner than this, in milliseconds.
const AGAIN: i64 = 60_000;
/// Keys are fetched again for a known one when they are older than this, in milliseconds.
const FRESH: i64 = 600_000;
/// If that fails, they still count until they are older than this.
const USABLE: i64 = 3_600_000;
/// And after a failure no sooner than this, so that a pool that is down is not asked by every call.
const AFTER_FAILURE: i64 = 2_000;

/// The keys that are known.
pub struct KeyRing {
    source: Box<dyn KeySource>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: HashMap<String, Arc<PublicKey>>,
    fetched: Option<Timestamp>,
    failed: Option<Timestamp>,
}

impl KeyRing {
    /// No keys yet, and where they are.
    pub fn new(source: Box<dyn KeySource>) -> Self {
        Self { source, state: Mutex::default() }
    }

    /// The key of a name.
    ///
    /// # Errors
    /// If there is none, or the pool cannot be asked.
    pub async fn key(&self, name: &str, now: Timestamp) -> Result<Arc<PublicKey>, KeyError> {
        // Held while fetching: whoever comes meanwhile waits for the same answer.
        let mut state = self.state.lock().await;
        let known = |state: &State| state.keys.get(name).cloned();
        let before = known(&state);
        let limit = if before.is_some() { FRESH } else { AGAIN };
        if is_recent(state.fetched, now, limit) {
            return before.ok_or(KeyError::Unknown);
        }
        let usable = before.filter(|_| is_recent(state.fetched, now, USABLE));
        if is_recent(state.failed, now, AFTER_FAILURE) {
            return usable.ok_or(KeyError::Unavailable);
        }
        match self.fetch(&mut state, now).await {
            Ok(()) => known(&state).ok_or(KeyError::Unknown),
            Err(NoKeys) => usable.ok_or(KeyError::Unavailable),
        }
    }

    /// Fetches the keys ahead of the first call that needs them. It need not succeed.
    pub async fn warm(&self, now: Timestamp) {
        let mut state = self.state.lock().await;
        let _ = self.fetch(&mut state, now).await;
    }

    async fn fetch(&self, state: &mut State, now: Timestamp) -> Result<(), NoKeys> {
        match self.source.fetch().await {
            Ok(found) => {
                let usable = found.keys.iter().filter_map(ListedKey::usable);
                state.keys = usable.map(|(name, key)| (name, Arc::new(key))).collect();
                state.fetched = Some(now);
                Ok(())
            }
            Err(NoKeys) => {
                state.failed = Some(now);
                tracing::warn!(metric = "keys_not_fetched", "the keys of the user pool cannot be fetched");
                Err(NoKeys)
            }
        }
    }
}

fn is_recent(then: Option<Timestamp>, now: Timestamp, millis: i64) -> bool {
    then.is_some_and(|then| now < then.plus_millis(millis))
}
