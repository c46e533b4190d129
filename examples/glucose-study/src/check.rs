//! Waits until the group shows what its rule promises, then checks that it shows exactly that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use freehold_client::{Client, SharedItem};
use serde_json::Value;

use crate::load::{Subject, held};
use crate::readings::{HIGH, TYPE, high};
use crate::study::StudyError;
use crate::talk::Bar;

/// Replication that makes no headway for so long has failed.
const STALL: Duration = Duration::from_secs(120);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Items on a page: few enough that the study's result takes several.
pub const PAGE: usize = 200;

/// What a consumer sees, as (subject, time, mg/dL).
pub type Seen = BTreeSet<(String, String, i64)>;

/// Counts every subject's readings in their drives: all of them, each once.
///
/// # Errors
/// If some are missing or there twice.
pub async fn drives(subjects: &[Subject], bar: &Bar) -> Result<usize, StudyError> {
    let (mut total, mut missing, mut twice, mut strange) = (0, 0, 0, 0);
    for subject in subjects {
        let held = held(&subject.client, None).await?;
        let wanted: BTreeSet<&str> =
            subject.readings.iter().map(|reading| reading.taken_at.as_str()).collect();
        total += held.values().sum::<usize>();
        twice += held.values().map(|count| count - 1).sum::<usize>();
        missing += wanted.iter().filter(|time| !held.contains_key(**time)).count();
        strange += held.keys().filter(|time| !wanted.contains(time.as_str())).count();
        bar.add(subject.readings.len());
    }
    if missing + twice + strange > 0 {
        return Err(StudyError::Drives { missing, twice, strange });
    }
    Ok(total)
}

/// Waits until the consumer sees as many readings as the rule selects of `subjects`.
///
/// # Errors
/// If replication stalls: with the numbers.
pub async fn wait(
    consumer: &Client,
    group: &str,
    subjects: &[Subject],
    bar: &Bar,
) -> Result<Vec<SharedItem>, StudyError> {
    let expected = expected(subjects).len();
    let (mut most, mut since) = (0, Instant::now());
    loop {
        let items = consumer.group_items_of(group, TYPE).limit(PAGE).all().await?;
        bar.set(items.len().min(expected));
        if items.len() >= expected {
            return Ok(items);
        }
        if items.len() > most {
            (most, since) = (items.len(), Instant::now());
        }
        if since.elapsed() > STALL {
            return Err(StudyError::Stalled { seen: items.len(), expected, seconds: STALL.as_secs() });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What the rule selects of the subjects' readings.
pub fn expected(subjects: &[Subject]) -> Seen {
    high(subjects.iter().flat_map(|subject| &subject.readings))
}

/// Checks each copy, and that together they are what the rule selects: no less, no more, nothing twice.
///
/// # Errors
/// With what is wrong.
pub fn exactly(items: &[SharedItem], subjects: &[Subject]) -> Result<Seen, StudyError> {
    let drives: BTreeMap<&str, &str> = subjects.iter().map(|s| (s.drive.as_str(), s.id.as_str())).collect();
    let mut seen = Seen::new();
    for item in items {
        let (subject, taken_at, mgdl) = one(item, &drives)?;
        if !seen.insert((subject, taken_at, mgdl)) {
            return Err(wrong(item, "it is there twice"));
        }
    }
    let expected = expected(subjects);
    let (less, more) = (expected.difference(&seen).count(), seen.difference(&expected).count());
    if less + more > 0 {
        return Err(StudyError::Differs {
            expected: expected.len(),
            seen: seen.len(),
            missing: less,
            extra: more,
        });
    }
    Ok(seen)
}

/// One copy: from a subject of the study, with the projected fields alone, and above the limit.
fn one(item: &SharedItem, drives: &BTreeMap<&str, &str>) -> Result<(String, String, i64), StudyError> {
    let names: Vec<&str> = item.fields.keys().map(String::as_str).collect();
    if BTreeSet::from_iter(names.iter().copied()) != BTreeSet::from(["takenAt", "mgdl"]) {
        return Err(wrong(item, &format!("it shows the fields {}", names.join(", "))));
    }
    let subject = drives.get(item.provider.as_str());
    let subject =
        subject.ok_or_else(|| wrong(item, "it is from nobody of the study; `--fresh` begins anew"))?;
    let taken_at = item.fields.get("takenAt").and_then(Value::as_str);
    let mgdl = item.fields.get("mgdl").and_then(Value::as_i64);
    let (Some(taken_at), Some(mgdl)) = (taken_at, mgdl) else {
        return Err(wrong(item, "a field has another type"));
    };
    if mgdl <= HIGH {
        return Err(wrong(item, &format!("it says {mgdl} mg/dL, and the rule asks for more than {HIGH}")));
    }
    Ok(((*subject).to_owned(), taken_at.to_owned(), mgdl))
}

fn wrong(item: &SharedItem, why: &str) -> StudyError {
    StudyError::Copy { id: item.id.clone(), why: why.to_owned() }
}
