//! Takes what is there into the stack's state: what was made by hand (`import`), and what a lost state knew (`rebuild`).
//!
//! Names are deterministic and what is ours carries a tag, so everything can be found again. Adopting changes nothing but
//! tags: what differs from the file is for the next apply, after somebody has seen its plan.

mod rebuild;
mod take;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use domain::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Session, control};
use crate::engine::{AwsWorld, Urgency, Wanted, read_all};
use crate::error::Error;
use crate::kinds::{Context, Effect, Observed, Read};
use crate::plan::{Change, Facts, diff};
use crate::resource::{Address, Outputs, Resource, resolve};

pub use rebuild::rebuild;
pub use take::adopt;

/// A resource that can be taken into the state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adoption {
    /// Where it will stand.
    pub address: Address,
    /// What it is now.
    pub origin: Origin,
    /// The name or id that AWS knows it by.
    pub physical_id: String,
    /// In what it differs from the file: what the next apply changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Why it cannot be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    #[serde(skip)]
    found: Option<Observed>,
    #[serde(skip)]
    desired: Value,
}

/// What a resource is before it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It has our name and no stack's tag.
    Untagged,
    /// It carries our tag, or belongs to what does, and the state does not know it.
    Unrecorded,
    /// It belongs to another stack.
    Elsewhere,
}

/// A token greater than every one that was given before that instant: tokens count acquisitions, and nobody locks a
/// stack a thousand times a second for years.
pub(super) fn above_all(now: Timestamp) -> u64 {
    u64::try_from(now.millis() / 1000).unwrap_or(0)
}

/// What is there of these resources and not in the state.
///
/// # Errors
/// If something cannot be read, or somebody asked to stop.
pub async fn adoptable(session: &Session, desired: &[Resource]) -> Result<Vec<Adoption>, Error> {
    before_anything(session, look(session, desired)).await
}

/// Work that only reads: whoever asks to stop need not wait for its end.
async fn before_anything<T>(
    session: &Session,
    reading: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        () = session.options.interrupt.changed_from(Urgency::Calm) => Err(Error::Interrupted { open: 0 }),
        read = reading => read,
    }
}

async fn look(session: &Session, desired: &[Resource]) -> Result<Vec<Adoption>, Error> {
    let entries = session.state.load().await?.unwrap_or_default().entries;
    let adopting = adopting(session);
    let (ours, all) = futures::future::try_join(
        read_all(session.world.as_ref(), Wanted::all(desired, &entries)),
        read_all(&adopting, Wanted::all(desired, &entries)),
    )
    .await?;
    // What a run began and did not finish is in the state, and the next apply finishes it.
    let unrecorded = desired
        .iter()
        .filter(|resource| resource.address != control() && !entries.contains_key(&resource.address));
    let outputs = |address: &Address| outputs_of(&all, address);
    Ok(unrecorded.filter_map(|resource| consider(resource, &ours, &all, &outputs, &adopting)).collect())
}

fn outputs_of(all: &BTreeMap<Address, Read>, address: &Address) -> Option<Outputs> {
    match all.get(address) {
        Some(Read::Owned(found)) => Some(found.outputs.clone()),
        _ => None,
    }
}

/// The world in which what has our name and no stack's tag is ours.
fn adopting(session: &Session) -> AwsWorld {
    AwsWorld::new(Context {
        clients: session.clients.clone(),
        stack: session.name().to_owned(),
        adopting: true,
        listings: crate::kinds::Listings::default(),
    })
}

fn consider(
    resource: &Resource,
    ours: &BTreeMap<Address, Read>,
    all: &BTreeMap<Address, Read>,
    outputs: &dyn Fn(&Address) -> Option<Outputs>,
    facts: &dyn Facts,
) -> Option<Adoption> {
    let address = &resource.address;
    let desired = resolve(&resource.attributes, outputs).attributes;
    let adoption = |origin, physical_id: &str| Adoption {
        address: address.clone(),
        origin,
        physical_id: physical_id.to_owned(),
        changes: Vec::new(),
        refused: None,
        found: None,
        desired: resource.attributes.clone(),
    };
    match (ours.get(address), all.get(address)?) {
        (_, Read::Missing) => None,
        (_, Read::Foreign(what)) => {
            Some(Adoption { refused: Some(what.clone()), ..adoption(Origin::Elsewhere, "") })
        }
        (ours, Read::Owned(found)) => {
            let origin =
                if matches!(ours, Some(Read::Foreign(_))) { Origin::Untagged } else { Origin::Unrecorded };
            let remembered = remembered(&found.attributes, &desired);
            let classify = |path: &str| facts.classify(address, path);
            let changes =
                diff(&desired, &found.attributes, Some(&remembered), facts.write_only(address), &classify);
            let refused = loses_data(&changes, facts.holds_data(address));
            Some(Adoption {
                changes,
                refused,
                found: Some(found.clone()),
                ..adoption(origin, &found.physical_id)
            })
        }
    }
}

/// Why the file could never be applied to it.
fn loses_data(changes: &[Change], holds_data: bool) -> Option<String> {
    let fatal = |change: &&Change| match change.effect {
        Effect::Blocked => true,
        Effect::Replace => holds_data,
        Effect::Update => false,
    };
    changes.iter().find(fatal).map(|change| {
        format!("its `{}` is not as the file says and cannot be changed without losing its data", change.path)
    })
}

/// What the state shall remember to have applied: what is there, and what cannot be read back as the file says it.
fn remembered(found: &Value, desired: &Value) -> Value {
    let mut remembered = found.clone();
    if let (Some(remembered), Some(desired)) = (remembered.as_object_mut(), desired.as_object()) {
        for (key, value) in desired {
            let known = remembered.get(key).is_some_and(|value| !value.is_null());
            if !known && !has_unknown(value) {
                remembered.insert(key.clone(), value.clone());
            }
        }
    }
    remembered
}

fn has_unknown(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.contains_key("$unknown") || object.values().any(has_unknown),
        Value::Array(array) => array.iter().any(has_unknown),
        _ => false,
    }
}
