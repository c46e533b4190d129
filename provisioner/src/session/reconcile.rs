//! The stack's data plane as its functions see it: comparing everything, and beginning an era.

use std::time::{Duration, Instant};

use serde_json::Value;
use store::clock::now;
use store::document::Document;
use store::scrub::{Counts, GRACE, Limits, Scrub, Walk};
use store::{Store, StoreError, Tables};

use super::Session;
use crate::desired::ERA_VARIABLE;
use crate::engine::Urgency;
use crate::error::Error;
use crate::event::Event;
use crate::kinds::stackdoc::{failed, no_table};
use crate::resource::Address;
use crate::state::Status;

/// Rows compared between two words about progress.
const STRETCH: u64 = 2_000;
/// How often a stretch is tried that the database does not answer.
const ATTEMPTS: u32 = 5;
/// The functions in the order in which they are switched to a new era: whoever takes away comes first.
const SWITCHED: [&str; 5] = ["api", "replicator", "worker", "scrubber", "identity"];
/// What an invocation may take beyond its timeout until it is over everywhere.
const OVER: Duration = Duration::from_secs(2);

/// What a comparison of everything found.
pub type Reconciled = Counts;

pub(super) fn store_of(session: &Session) -> Store {
    Store::new(session.clients.dynamodb().clone(), Tables::of_stack(session.name()))
}

/// The stack's tables, with the document that its functions run with: the file may say something newer.
///
/// # Errors
/// If the stack is not deployed, or its document cannot be read.
pub async fn data_plane(session: &Session) -> Result<(Store, Document), Error> {
    let entries = session.entries().await?;
    let missing = || Error::NotDeployed(session.name().to_owned());
    let entry = entries.get(&Address::new("stackdoc", "main")).ok_or_else(missing)?;
    let store = store_of(session);
    match store.current_document(&entry.recorded.physical_id).await {
        Ok(document) => Ok((store, document)),
        Err(StoreError::Missing(_)) => Err(missing()),
        Err(error) => Err(failed(&error).into()),
    }
}

/// The era that counts now; 0 for a stack that is not there yet.
pub(super) async fn era(session: &Session) -> Result<u16, Error> {
    match store_of(session).era().await {
        Ok(era) => Ok(era),
        Err(error) if no_table(&error) => Ok(0),
        Err(error) => Err(failed(&error).into()),
    }
}

/// Compares what every group sees with what it should see, and repairs the difference. What was written within the
/// last minutes is left to the stream unless `fresh` says otherwise.
///
/// # Errors
/// Those of the database, or if somebody asks to stop. What was repaired by then stays, and comparing all of it again is
/// right.
pub async fn reconcile(session: &Session, fresh: bool) -> Result<Reconciled, Error> {
    tokio::select! {
        biased;
        () = session.options.interrupt.changed_from(Urgency::Calm) => Err(Error::Interrupted { open: 0 }),
        compared = compare(session, fresh) => compared,
    }
}

async fn compare(session: &Session, fresh: bool) -> Result<Reconciled, Error> {
    let (store, document) = data_plane(session).await?;
    let scrub = Scrub::new(store, document.into());
    let mut walk = Walk::new(now());
    let grace = if fresh { 0 } else { GRACE };
    let mut attempt = 0;
    while !walk.is_done() {
        let limits = Limits { rows: STRETCH, until: Instant::now() + Duration::from_secs(60), grace };
        match scrub.slice(&mut walk, limits, now()).await {
            Ok(_) => attempt = 0,
            Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
            }
            Err(error) => return Err(failed(&error).into()),
        }
        let Counts { items, copies, .. } = walk.counts;
        let repaired = walk.counts.repaired();
        session.options.step(format!("compared {items} items and {copies} copies, {repaired} repaired"));
    }
    Ok(walk.counts)
}

/// Begins the next era and switches the functions to it, one after the other; `store::era` says why in this order. What
/// is compared after that belongs to the new era.
///
/// # Errors
/// If the lock is held, the era cannot be begun, a function cannot be switched, or somebody asks twice to stop, since all
/// of them have to be switched: then run it again.
pub async fn begin_era(session: &Session) -> Result<u16, Error> {
    let lease = session.lock().await?;
    let begun = tokio::select! {
        biased;
        () = session.options.interrupt.changed_from(Urgency::Drain) => {
            Err(Error::Interrupted { open: SWITCHED.len() })
        }
        begun = switch(session) => begun,
    };
    lease.release().await?;
    begun
}

async fn switch(session: &Session) -> Result<u16, Error> {
    let entries = session.entries().await?;
    let addresses = SWITCHED.map(|name| Address::new("function", name));
    let ready = |address: &Address| entries.get(address).filter(|entry| entry.status == Status::Ready);
    let unready: Vec<Address> =
        addresses.iter().filter(|address| ready(address).is_none()).cloned().collect();
    if !unready.is_empty() {
        // One that stayed behind would hide things in the former era that others show in the new one.
        return Err(Error::Unready(unready));
    }
    let store = store_of(session);
    let before = store.era().await.map_err(|error| Error::from(failed(&error)))?;
    let era = match store.begin_era(before, now()).await {
        Ok(era) => era,
        Err(StoreError::Conflict(_)) => return Err(Error::Era),
        Err(error) => return Err(failed(&error).into()),
    };
    for (position, address) in addresses.iter().enumerate() {
        let Some(entry) = ready(address) else { continue };
        session.options.step(format!("switching `{address}` to era {era}"));
        let attributes = in_era(&entry.recorded.attributes, era);
        session.world.converge(address, &attributes, Some(&entry.recorded)).await?;
        if position == 0 {
            // Invocations that were under way before the switch still end in the former era. Nothing tells when the last
            // one does but the time that it may take.
            let timeout = attributes.get("timeout").and_then(Value::as_u64).unwrap_or(30);
            session.options.events.event(Event::Step {
                text: format!("waiting {} s for requests of the former era to end", timeout + OVER.as_secs()),
            });
            tokio::time::sleep(Duration::from_secs(timeout) + OVER).await;
        }
    }
    Ok(era)
}

/// A function's attributes as they were applied, but of another era.
fn in_era(applied: &Value, era: u16) -> Value {
    let mut attributes = applied.clone();
    if let Some(environment) = attributes.get_mut("environment").and_then(Value::as_object_mut) {
        environment.insert(ERA_VARIABLE.to_owned(), era.to_string().into());
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_function_of_another_era_is_the_same_in_everything_else() {
        let applied = json!({"name": "api", "environment": {"A": "1", "FREEHOLD_ERA": "0"}});
        let expected = json!({"name": "api", "environment": {"A": "1", "FREEHOLD_ERA": "3"}});
        assert_eq!(in_era(&applied, 3), expected);
    }

    #[test]
    fn every_function_is_switched_and_the_one_that_takes_away_first() {
        let mut switched = SWITCHED;
        assert_eq!(switched.first(), Some(&"api"));
        let mut packed = crate::package::FUNCTIONS;
        switched.sort_unstable();
        packed.sort_unstable();
        assert_eq!(switched, packed);
    }
}
