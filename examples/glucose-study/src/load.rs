//! Loads readings: in batches, several subjects at once, and no reading twice.
//!
//! Two things make it safe to run again and to be interrupted. It begins by asking what a subject's drive holds
//! already, and sends the rest. The client repeats a batch under one idempotency key, which makes it once. And after a
//! batch whose outcome is not known even so (no answer however often, or some items refused because the database was busy)
//! it asks again about that stretch of time before it sends anything under another key. A request that was given up and is
//! still carried out later can slip through; that is why everything is counted at the end.

use std::collections::BTreeMap;

use freehold_client::{Client, Error, MOST_ITEMS_OF_A_PAGE, MOST_OF_A_BATCH, Patience};
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use crate::readings::{Reading, TYPE};
use crate::study::StudyError;
use crate::talk::Bar;

/// How often a batch is tried.
const ATTEMPTS: u32 = 10;

/// A subject with what they shall hold.
#[derive(Clone)]
pub struct Subject {
    /// Who, as the file calls them.
    pub id: String,
    /// Their drive.
    pub drive: String,
    /// The API, as them.
    pub client: Client,
    /// Their readings, in the order of time.
    pub readings: Vec<Reading>,
}

/// What loading did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Readings that were there already.
    pub found: usize,
    /// Readings that were sent and acknowledged.
    pub sent: usize,
    /// Batches that had to be sent again, in part or as a whole.
    pub repeated: usize,
}

/// Loads what is missing, `at_once` subjects at a time.
///
/// # Errors
/// If a batch is refused, or cannot be sent however often it is tried.
pub async fn load(subjects: &[Subject], at_once: usize, bar: &Bar) -> Result<Loaded, StudyError> {
    let loads = subjects.iter().map(|subject| load_one(subject, bar));
    let loaded: Vec<Loaded> =
        futures::stream::iter(loads).buffer_unordered(at_once.max(1)).try_collect().await?;
    Ok(loaded.into_iter().fold(Loaded::default(), |sum, one| Loaded {
        found: sum.found + one.found,
        sent: sum.sent + one.sent,
        repeated: sum.repeated + one.repeated,
    }))
}

async fn load_one(subject: &Subject, bar: &Bar) -> Result<Loaded, StudyError> {
    let held = held(&subject.client, None).await?;
    let missing: Vec<&Reading> =
        subject.readings.iter().filter(|reading| !held.contains_key(&reading.taken_at)).collect();
    let mut loaded = Loaded { found: subject.readings.len() - missing.len(), ..Loaded::default() };
    bar.add(loaded.found);
    for batch in missing.chunks(MOST_OF_A_BATCH) {
        loaded.repeated += send(subject, batch).await?;
        loaded.sent += batch.len();
        bar.add(batch.len());
    }
    Ok(loaded)
}

/// Sends a batch until all of it is there. Says how often it was sent again.
async fn send(subject: &Subject, batch: &[&Reading]) -> Result<usize, StudyError> {
    let mut left = batch.to_vec();
    let mut attempt: u32 = 0;
    loop {
        if attempt > 0 {
            tokio::time::sleep(Patience::default().pause(attempt)).await;
            left = missing(&subject.client, &left).await?;
            if left.is_empty() {
                break;
            }
        }
        attempt += 1;
        let items: Vec<Value> = left.iter().map(|reading| reading.item()).collect();
        let (status, passing) = match subject.client.create_items(&items).await {
            Ok(results) => match results.iter().find(|result| !result.is_done()) {
                None => break,
                Some(refused) => (refused.status, refused.is_passing()),
            },
            Err(error) if error.is_passing() => (error.status().unwrap_or(503), true),
            Err(error) => return Err(error.into()),
        };
        if !passing || attempt >= ATTEMPTS {
            return Err(StudyError::Batch { subject: subject.id.clone(), status, attempts: attempt });
        }
    }
    Ok(attempt.saturating_sub(1) as usize)
}

/// Those of a batch that its subject's drive does not hold.
async fn missing<'r>(client: &Client, batch: &[&'r Reading]) -> Result<Vec<&'r Reading>, Error> {
    let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(Vec::new()) };
    // The end is not included, so it is put a moment later: `…12Z` becomes `…12.001Z`.
    let end = format!("{}.001Z", last.taken_at.trim_end_matches('Z'));
    let held = held(client, Some((&first.taken_at, &end))).await?;
    Ok(batch.iter().copied().filter(|reading| !held.contains_key(&reading.taken_at)).collect())
}

/// How often a drive holds a reading of each time.
///
/// # Errors
/// Those of the API.
pub async fn held(client: &Client, between: Option<(&str, &str)>) -> Result<BTreeMap<String, usize>, Error> {
    let mut items = client.items_of(TYPE).limit(MOST_ITEMS_OF_A_PAGE);
    if let Some((from, to)) = between {
        items = items.from(from).to(to);
    }
    let mut held = BTreeMap::new();
    while let Some(item) = items.next().await? {
        let time = item.fields.get("takenAt").and_then(Value::as_str).unwrap_or_default();
        *held.entry(time.to_owned()).or_default() += 1;
    }
    Ok(held)
}
