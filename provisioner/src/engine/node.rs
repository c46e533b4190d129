//! Work on one node of a plan.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

use super::{Engine, elapsed_ms};
use crate::aws::{AwsError, ErrorKind};
use crate::error::{Error, Exit};
use crate::event::Event;
use crate::kinds::{Observed, Recorded};
use crate::plan::{Action, Node};
use crate::resource::{Address, Outputs, Resolved, resolve};
use crate::state::{Entry, JournalLine, RowChange, Status, Write, now};

/// How a node ended well.
#[derive(Debug)]
pub(super) struct Done {
    /// What was done; more than planned if a dependency's outputs turned out to have changed.
    pub(super) action: Action,
}

/// Works on nodes, and knows the outputs of those that are done.
pub(super) struct Worker<'e> {
    engine: &'e Engine,
    outputs: Mutex<BTreeMap<Address, Outputs>>,
}

impl<'e> Worker<'e> {
    pub(super) fn new(engine: &'e Engine) -> Self {
        Self { engine, outputs: Mutex::default() }
    }

    fn outputs(&self) -> MutexGuard<'_, BTreeMap<Address, Outputs>> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn into_outputs(self) -> BTreeMap<Address, Outputs> {
        self.outputs.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what the node says, and records it.
    pub(super) async fn run(&self, node: &Node) -> Result<Done, Error> {
        let resolved = node.desired.as_ref().map(|desired| self.resolve(desired));
        let action = match node.action {
            // An output of a dependency changed although it could not be foreseen: then this follows.
            Action::NoOp if self.moved(node, resolved.as_ref()) => Action::Update,
            action => action,
        };
        if action == Action::NoOp {
            if let Some(prior) = &node.prior {
                self.outputs().insert(node.address.clone(), prior.outputs.clone());
            }
            return Ok(Done { action });
        }
        let address = &node.address;
        self.engine.events.event(Event::ResourceStarted { address: address.clone(), action });
        let started = Instant::now();
        let ended = self.recorded(node, action, resolved).await;
        let duration_ms = elapsed_ms(started);
        self.engine.events.event(match &ended {
            Ok(()) => Event::ResourceDone { address: address.clone(), action, duration_ms },
            Err(error) => {
                Event::ResourceFailed { address: address.clone(), action, duration_ms, error: error.report() }
            }
        });
        ended.map(|()| Done { action })
    }

    fn resolve(&self, attributes: &Value) -> Resolved {
        let outputs = self.outputs();
        resolve(attributes, &|address| outputs.get(address).cloned())
    }

    /// Whether references of a node that was not to be touched have new values. Attributes were compared with the
    /// values at planning time, so it is enough to see whether these still hold: the last applied ones must match.
    fn moved(&self, node: &Node, resolved: Option<&Resolved>) -> bool {
        let (Some(prior), Some(resolved), Some(desired)) = (&node.prior, resolved, &node.desired) else {
            return false;
        };
        resolved.complete && differs_at_references(desired, &resolved.attributes, &prior.attributes)
    }

    /// Does the work between two lines of the journal.
    async fn recorded(&self, node: &Node, action: Action, resolved: Option<Resolved>) -> Result<(), Error> {
        let mut line = JournalLine {
            token: self.engine.token,
            address: node.address.clone(),
            action,
            begun: now(),
            ended: None,
            error: None,
        };
        self.write(beginning(node, action, resolved.as_ref()), &line).await?;
        let worked = self.work(node, action, resolved.as_ref()).await;
        line.ended = Some(now());
        match worked {
            Ok(Some(entry)) => {
                let outputs = entry.recorded.outputs.clone();
                self.write(RowChange::Put(entry), &line).await?;
                self.outputs().insert(node.address.clone(), outputs);
                Ok(())
            }
            Ok(None) => self.write(RowChange::Remove(node.address.clone()), &line).await,
            Err(error) => {
                line.error = Some(error.to_string());
                // The failure matters more than whether it could be written down.
                let _ = self.write(RowChange::Keep, &line).await;
                if is_deferred(&error)
                    && let Some(prior) = &node.prior
                {
                    self.outputs().insert(node.address.clone(), prior.outputs.clone());
                }
                Err(error)
            }
        }
    }

    async fn write(&self, row: RowChange, line: &JournalLine) -> Result<(), Error> {
        let write = Write { row, journal: line.clone() };
        Ok(self.engine.state.write(self.engine.token, &write).await?)
    }

    /// Changes the world; returns what is there afterwards.
    async fn work(
        &self,
        node: &Node,
        action: Action,
        resolved: Option<&Resolved>,
    ) -> Result<Option<Entry>, Error> {
        let world = &self.engine.world;
        let mut prior = node.prior.as_ref();
        if matches!(action, Action::Replace | Action::Delete)
            && let Some(recorded) = prior.take()
        {
            world.delete(recorded).await?;
        }
        if !matches!(action, Action::Create | Action::Update | Action::Replace) {
            return Ok(None);
        }
        let resolved = resolved.filter(|resolved| resolved.complete).ok_or_else(|| {
            let message = "a value that it needs is not known although everything it depends on is done";
            Error::at(&node.address, AwsError::new(ErrorKind::Other, message))
        })?;
        let observed = world.converge(&node.address, &resolved.attributes, prior).await?;
        Ok(Some(ready(node, observed, &resolved.attributes)))
    }
}

/// Whether AWS only asks for time: then the resource serves as it is, and those who use it need not wait for that.
pub(super) fn is_deferred(error: &Error) -> bool {
    error.exit() == Exit::Partly
}

/// What the resource's row says while the work lasts. Should the process die, the next run sees it.
fn beginning(node: &Node, action: Action, resolved: Option<&Resolved>) -> RowChange {
    let status = match action {
        Action::Create => Status::Creating,
        // Between its deletion and its creation there is nothing: then it must be made.
        Action::Replace | Action::Update => Status::Updating,
        Action::Delete => Status::Deleting,
        Action::NoOp | Action::Forget | Action::Blocked | Action::Conflict => return RowChange::Keep,
    };
    let recorded = match (&node.prior, resolved) {
        (Some(prior), _) => prior.clone(),
        (None, resolved) => Recorded {
            address: node.address.clone(),
            physical_id: String::new(),
            attributes: resolved.map_or(Value::Null, |resolved| resolved.attributes.clone()),
            outputs: Outputs::new(),
        },
    };
    RowChange::Put(Entry { recorded, depends_on: uses(node), status, updated: now() })
}

fn ready(node: &Node, observed: Observed, applied: &Value) -> Entry {
    let recorded = Recorded {
        address: node.address.clone(),
        physical_id: observed.physical_id,
        attributes: applied.clone(),
        outputs: observed.outputs,
    };
    Entry { recorded, depends_on: uses(node), status: Status::Ready, updated: now() }
}

/// What the resource uses; for one that goes, the plan's edges point the other way.
fn uses(node: &Node) -> Vec<Address> {
    if node.desired.is_some() { node.depends_on.clone() } else { node.uses.clone() }
}

/// Whether, wherever the document has a reference, its value differs from the one last applied.
fn differs_at_references(desired: &Value, resolved: &Value, applied: &Value) -> bool {
    match desired {
        Value::Object(object) if object.contains_key("$ref") || object.contains_key("$join") => {
            resolved != applied
        }
        Value::Object(object) => object.iter().any(|(key, value)| {
            differs_at_references(
                value,
                resolved.get(key).unwrap_or(&Value::Null),
                applied.get(key).unwrap_or(&Value::Null),
            )
        }),
        Value::Array(array) => array.iter().enumerate().any(|(i, value)| {
            differs_at_references(
                value,
                resolved.get(i).unwrap_or(&Value::Null),
                applied.get(i).unwrap_or(&Value::Null),
            )
        }),
        _ => false,
    }
}
