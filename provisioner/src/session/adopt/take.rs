//! Takes what was found into the state, one resource after the other.
//!
//! When somebody asks to stop, the resource under way is tagged *and* written down before anything ends; what is left is
//! found again by the next run. Asked once more, it ends at once: a resource that was tagged and not written down is found
//! by its tag. In both cases the lock is given back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::super::{Seen, Session, apply, control};
use super::{Adoption, Origin, adopting, before_anything, remembered};
use crate::engine::{Urgency, World};
use crate::error::Error;
use crate::event::Event;
use crate::kinds::{Observed, Read, Recorded};
use crate::plan::Action;
use crate::resource::{Address, Outputs, Resource, dependencies, resolve};
use crate::state::{Entry, JournalLine, Lease, RowChange, StateError, Status, Write, now};

/// Takes resources into the state, and tags those that carry no tag yet. What cannot be taken is left alone.
///
/// # Errors
/// If the lock is held, somebody asked to stop, or something cannot be tagged or written down; the next call goes on from
/// there.
pub async fn adopt(session: &Session, desired: &[Resource], adoptions: &[Adoption]) -> Result<usize, Error> {
    let seen = before_anything(session, session.plan(desired)).await?;
    let made = apply::ensure_control(session, desired, &seen).await?;
    let lease = session.lock_after(&seen, made.is_some()).await?;
    let read = seen.observed.iter().filter_map(|(address, read)| match read {
        Read::Owned(found) => Some((address.clone(), found.outputs.clone())),
        Read::Missing | Read::Foreign(_) => None,
    });
    let found = adoptions.iter().filter_map(|a| Some((a.address.clone(), a.found.as_ref()?.outputs.clone())));
    let taking = Taking { session, lease: &lease, outputs: read.chain(found).collect() };
    // An earlier run may have made the table of the state and come no further.
    let unrecorded =
        if seen.snapshot.entries.contains_key(&control()) { None } else { table_of_state(&seen) };
    let table = made.as_ref().or(unrecorded).map(|table| (desired, table));
    let done = taking.unless_aborted(table, &takeable(adoptions)).await;
    let released = lease.release().await;
    let taken = done?;
    released?;
    Ok(taken)
}

fn table_of_state(seen: &Seen) -> Option<&Observed> {
    match seen.observed.get(&control())? {
        Read::Owned(table) => Some(table),
        Read::Missing | Read::Foreign(_) => None,
    }
}

/// Those that can be taken, with what they are now.
fn takeable(adoptions: &[Adoption]) -> Vec<(&Adoption, &Observed)> {
    let wanted = adoptions.iter().filter(|adoption| adoption.refused.is_none());
    wanted.filter_map(|adoption| Some((adoption, adoption.found.as_ref()?))).collect()
}

/// Taking resources while the lock is held.
struct Taking<'a> {
    session: &'a Session,
    lease: &'a Lease,
    outputs: BTreeMap<Address, Outputs>,
}

impl Taking<'_> {
    /// Takes all of them and says how many; drops everything as soon as somebody asks to stop at once.
    async fn unless_aborted(
        &self,
        table: Option<(&[Resource], &Observed)>,
        wanted: &[(&Adoption, &Observed)],
    ) -> Result<usize, Error> {
        let taken = AtomicUsize::new(0);
        let open = || wanted.len() - taken.load(Ordering::Relaxed).min(wanted.len());
        let work = async {
            if let Some((desired, table)) = table {
                apply::record_control(self.session, desired, self.lease.token(), table).await?;
            }
            self.all(wanted, &taken).await
        };
        let interrupt = &self.session.options.interrupt;
        tokio::select! {
            biased;
            () = interrupt.changed_from(Urgency::Drain) => Err(Error::Interrupted { open: open() }),
            done = work => match done {
                Ok(true) => Ok(wanted.len()),
                Ok(false) => Err(Error::Interrupted { open: open() }),
                Err(error) => Err(error),
            },
        }
    }

    /// Takes one after the other; whether it came to the end.
    async fn all(&self, wanted: &[(&Adoption, &Observed)], taken: &AtomicUsize) -> Result<bool, Error> {
        let adopting: Arc<dyn World> = Arc::new(adopting(self.session));
        let lost = self.lease.lost();
        for (adoption, found) in wanted {
            if self.session.options.interrupt.urgency() != Urgency::Calm {
                return Ok(false);
            }
            if *lost.borrow() {
                return Err(StateError::Lost.into());
            }
            let found = match adoption.origin {
                Origin::Untagged => tag(adopting.as_ref(), adoption, found).await?,
                Origin::Unrecorded | Origin::Elsewhere => (*found).clone(),
            };
            self.record(adoption, found).await?;
            taken.fetch_add(1, Ordering::Relaxed);
        }
        Ok(true)
    }

    async fn record(&self, adoption: &Adoption, found: Observed) -> Result<(), Error> {
        let (token, Adoption { address, desired, .. }) = (self.lease.token(), adoption);
        let known = resolve(desired, &|address| self.outputs.get(address).cloned()).attributes;
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
        self.session.state.write(token, &Write { row: RowChange::Put(entry), journal }).await?;
        let text = "recorded".to_owned();
        self.session.options.events.event(Event::ResourceProgress { address, text });
        Ok(())
    }
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
