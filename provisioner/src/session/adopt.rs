//! Takes what is there into the stack's state: what was made by hand (`import`), and what a lost state knew (`rebuild`).
//!
//! Names are deterministic and what is ours carries a tag, so everything can be found again. Adopting changes nothing but
//! tags: what differs from the file is for the next apply, after somebody has seen its plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::reconcile::store_of;
use super::{Session, control};
use crate::engine::{AwsWorld, Urgency, Wanted, World, read_all};
use crate::error::Error;
use crate::event::Event;
use crate::kinds::stackdoc::{failed, no_table};
use crate::kinds::{Context, Effect, Observed, Read, Recorded};
use crate::plan::{Action, Change, Facts, diff};
use crate::resource::{Address, Outputs, Resource, dependencies, resolve};
use crate::state::{Entry, JournalLine, RowChange, Status, Write, now};

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
/// If something cannot be read.
pub async fn adoptable(session: &Session, desired: &[Resource]) -> Result<Vec<Adoption>, Error> {
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
        tags: super::wanted::tags(&session.stack),
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

/// Takes resources into the state, and tags those that carry no tag yet. What cannot be taken is left alone.
///
/// # Errors
/// If the lock is held, or something cannot be tagged or written down; the next call goes on from there.
pub async fn adopt(session: &Session, desired: &[Resource], adoptions: &[Adoption]) -> Result<usize, Error> {
    let seen = session.plan(desired).await?;
    let made = super::apply::ensure_control(session, desired, &seen).await?;
    let lease = session.lock_after(&seen, made.is_some()).await?;
    let read = seen.observed.iter().filter_map(|(address, read)| match read {
        Read::Owned(found) => Some((address.clone(), found.outputs.clone())),
        Read::Missing | Read::Foreign(_) => None,
    });
    let mut outputs: BTreeMap<Address, Outputs> = read.collect();
    let found = adoptions.iter().filter_map(|a| Some((a.address.clone(), a.found.as_ref()?.outputs.clone())));
    outputs.extend(found);
    let done = match &made {
        Some(observed) => super::apply::record_control(session, desired, lease.token(), observed).await,
        None => Ok(()),
    };
    let done = match done {
        Ok(()) => under_lock(session, lease.token(), adoptions, &outputs).await,
        Err(error) => Err(error),
    };
    let released = lease.release().await;
    let taken = done?;
    released?;
    Ok(taken)
}

async fn under_lock(
    session: &Session,
    token: u64,
    adoptions: &[Adoption],
    outputs: &BTreeMap<Address, Outputs>,
) -> Result<usize, Error> {
    let adopting: Arc<dyn World> = Arc::new(adopting(session));
    let mut taken = 0;
    let wanted = adoptions.iter().filter(|adoption| adoption.refused.is_none());
    for (adoption, found) in wanted.filter_map(|adoption| Some((adoption, adoption.found.as_ref()?))) {
        if session.options.interrupt.urgency() != Urgency::Calm {
            return Err(Error::Interrupted { open: adoptions.len() - taken });
        }
        let found = match adoption.origin {
            Origin::Untagged => tag(adopting.as_ref(), adoption, found).await?,
            Origin::Unrecorded | Origin::Elsewhere => found.clone(),
        };
        record(session, token, (adoption, found), outputs).await?;
        taken += 1;
    }
    Ok(taken)
}

/// Gives a resource the tags of the stack, and changes nothing else about it.
async fn tag(world: &dyn World, adoption: &Adoption, found: &Observed) -> Result<Observed, Error> {
    let mut attributes = found.attributes.clone();
    let wanted = adoption.desired.get("tags").and_then(Value::as_object);
    let tags = attributes.get_mut("tags").and_then(Value::as_object_mut);
    let (Some(tags), Some(wanted)) = (tags, wanted) else { return Ok(found.clone()) };
    tags.extend(wanted.clone());
    let known = Recorded {
        address: adoption.address.clone(),
        physical_id: found.physical_id.clone(),
        attributes: found.attributes.clone(),
        outputs: found.outputs.clone(),
    };
    world.converge(&adoption.address, &attributes, Some(&known)).await
}

async fn record(
    session: &Session,
    token: u64,
    (adoption, found): (&Adoption, Observed),
    outputs: &BTreeMap<Address, Outputs>,
) -> Result<(), Error> {
    let Adoption { address, desired, .. } = adoption;
    let known = resolve(desired, &|address| outputs.get(address).cloned()).attributes;
    let recorded = Recorded {
        address: address.clone(),
        physical_id: found.physical_id,
        attributes: remembered(&found.attributes, &known),
        outputs: found.outputs,
    };
    let at = now();
    let depends_on = dependencies(desired).into_iter().collect();
    let entry = Entry { recorded, depends_on, status: Status::Ready, updated: at };
    let (address, action) = (address.clone(), Action::NoOp);
    let journal =
        JournalLine { token, address: address.clone(), action, begun: at, ended: Some(at), error: None };
    session.state.write(token, &Write { row: RowChange::Put(entry), journal }).await?;
    session.options.events.event(Event::ResourceProgress { address, text: "recorded".to_owned() });
    Ok(())
}

/// Finds everything of the stack by name and tag, also what its file no longer has, and writes down what the state does
/// not know. Only the state is written.
///
/// # Errors
/// If the lock is held, or something cannot be read or written; the next call goes on from there.
pub async fn rebuild(session: &Session) -> Result<Vec<Adoption>, Error> {
    let mut desired = super::wanted::without_code(session);
    desired.extend(undeclared_groups(session, &desired).await?);
    session.options.step("looking for everything that carries the stack's name and tag");
    let mut found = adoptable(session, &desired).await?;
    found.retain(|adoption| adoption.origin == Origin::Unrecorded);
    // Whatever it is like, it is ours: what the file makes of it is for the next plan.
    found.iter_mut().for_each(|adoption| adoption.refused = None);
    if let Some(document) = deployed_document(session, &desired, &found).await? {
        found.retain(|adoption| adoption.address != document.address);
        found.push(document);
    }
    if found.is_empty() {
        return Ok(found);
    }
    adopt(session, &desired, &found).await?;
    Ok(found)
}

/// Groups that were declared once and are not in the file any more.
async fn undeclared_groups(session: &Session, desired: &[Resource]) -> Result<Vec<Resource>, Error> {
    let names = match store_of(session).declared_names().await {
        Ok(names) => names,
        Err(error) if no_table(&error) => Vec::new(),
        Err(error) => return Err(failed(&error).into()),
    };
    let known: BTreeSet<&Address> = desired.iter().map(|resource| &resource.address).collect();
    let unknown = names.into_iter().map(|name| Address::new("group", name.as_str()));
    let unknown = unknown.filter(|address| !known.contains(address));
    let resource = |address: Address| {
        let table = json!({ "$ref": "table.directory#name" });
        let attributes = json!({ "table": table, "name": address.name });
        Resource { address, attributes }
    };
    Ok(unknown.map(resource).collect())
}

/// The document that the functions run with, whatever the file says by now: without it a plan could not tell which data
/// types vanished.
async fn deployed_document(
    session: &Session,
    desired: &[Resource],
    found: &[Adoption],
) -> Result<Option<Adoption>, Error> {
    let api = found.iter().find(|adoption| adoption.address == Address::new("function", "api"));
    let environment = api.and_then(|api| api.found.as_ref()?.attributes.get("environment"));
    let hash = environment.and_then(|environment| environment.get("FREEHOLD_CONFIG")?.as_str());
    let address = Address::new("stackdoc", "main");
    let resource = desired.iter().find(|resource| resource.address == address);
    let (Some(hash), Some(resource)) = (hash, resource) else { return Ok(None) };
    let table = json!(format!("{}-directory", session.name()));
    let known = Recorded {
        address: address.clone(),
        physical_id: hash.to_owned(),
        attributes: json!({ "table": table }),
        outputs: Outputs::new(),
    };
    let wanted = json!({ "table": table });
    let Read::Owned(there) = session.world.read(&address, &wanted, Some(&known)).await? else {
        return Ok(None);
    };
    Ok(Some(Adoption {
        address,
        origin: Origin::Unrecorded,
        physical_id: there.physical_id.clone(),
        changes: Vec::new(),
        refused: None,
        found: Some(there),
        desired: resource.attributes.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::{Fake, at, resource};

    fn owned(attributes: Value) -> Read {
        Read::Owned(Observed { physical_id: "id".into(), attributes, outputs: Outputs::new() })
    }

    fn considered(address: &str, wanted: Value, ours: Read, all: Read) -> Option<Adoption> {
        let (ours, all) = (BTreeMap::from([(at(address), ours)]), BTreeMap::from([(at(address), all)]));
        consider(&resource(address, wanted, &[]), &ours, &all, &|_| None, &Fake::default())
    }

    #[test]
    fn what_has_our_name_and_no_tag_can_be_taken_and_says_what_will_change() {
        let foreign = Read::Foreign("no tag".into());
        let taken = considered("x.a", json!({"v": 2}), foreign, owned(json!({"v": 1}))).unwrap();
        assert_eq!((taken.origin, taken.refused), (Origin::Untagged, None));
        assert_eq!(taken.changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["v"]);
    }

    #[test]
    fn what_belongs_to_another_stack_and_what_would_lose_its_data_is_not_taken() {
        let theirs = || Read::Foreign("it belongs to stack `other`".into());
        let taken = considered("x.a", json!({}), theirs(), theirs()).unwrap();
        assert_eq!(
            (taken.origin, taken.refused.as_deref()),
            (Origin::Elsewhere, Some("it belongs to stack `other`"))
        );
        let fixed = owned(json!({"fixed": 1}));
        let taken = considered("data.a", json!({"fixed": 2}), theirs(), fixed).unwrap();
        assert!(taken.refused.unwrap().contains("`fixed`"));
    }

    #[test]
    fn what_is_ours_and_not_recorded_is_only_written_down_and_what_is_missing_is_left_to_apply() {
        let there = || owned(json!({}));
        assert_eq!(considered("x.a", json!({}), there(), there()).unwrap().origin, Origin::Unrecorded);
        assert_eq!(considered("x.a", json!({}), Read::Missing, there()).unwrap().origin, Origin::Unrecorded);
        assert_eq!(considered("x.a", json!({}), Read::Missing, Read::Missing), None);
    }

    #[test]
    fn what_cannot_be_read_back_is_remembered_as_the_file_says_it_and_what_can_as_it_is() {
        let found = json!({"v": 1, "gone": null});
        let desired = json!({"v": 2, "gone": 3, "zip": "x", "later": {"$unknown": "x.b#id"}});
        assert_eq!(remembered(&found, &desired), json!({"v": 1, "gone": 3, "zip": "x"}));
    }

    #[test]
    fn tokens_of_a_state_that_began_anew_are_above_those_of_the_lost_one() {
        assert!(above_all(now()) > 1_000_000_000);
    }
}
