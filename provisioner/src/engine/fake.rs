//! A world in memory, for tests of the planner and the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::World;
use crate::aws::{AwsError, ErrorKind};
use crate::error::Error;
use crate::kinds::{Effect, Observed, Read, Recorded};
use crate::plan::Facts;
use crate::resource::{Address, Outputs, Resource};

/// Resources in memory. Attributes called `fixed` force a replacement; the kind `data` holds data; resources of the
/// kind `serial` share one key. Outputs are `id` (new with every creation) and `copy` (the attribute `v`).
#[derive(Default)]
pub(crate) struct Fake {
    inner: Mutex<Inner>,
    /// How many turns of the executor a change takes; ten times as many if its name begins with `slow`.
    pub(crate) turns: usize,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) there: BTreeMap<Address, Observed>,
    pub(crate) foreign: BTreeSet<Address>,
    pub(crate) fail: BTreeSet<Address>,
    pub(crate) log: Vec<String>,
    pub(crate) running: BTreeSet<Address>,
    pub(crate) most_at_once: usize,
    pub(crate) serial_overlaps: usize,
    made: u64,
}

impl Fake {
    pub(crate) fn taking(turns: usize) -> Self {
        Self { turns, ..Self::default() }
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().log)
    }

    async fn busy(&self, address: &Address, what: &str) -> Result<(), Error> {
        {
            let mut inner = self.inner();
            if address.kind == "serial" && inner.running.iter().any(|other| other.kind == "serial") {
                inner.serial_overlaps += 1;
            }
            inner.running.insert(address.clone());
            inner.most_at_once = inner.most_at_once.max(inner.running.len());
        }
        let turns = if address.name.starts_with("slow") { self.turns * 10 } else { self.turns };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let mut inner = self.inner();
        inner.running.remove(address);
        inner.log.push(format!("{what} {address}"));
        if inner.fail.contains(address) {
            return Err(Error::at(address, AwsError::new(ErrorKind::Invalid, "told to fail")));
        }
        Ok(())
    }
}

impl Facts for Fake {
    fn classify(&self, _address: &Address, path: &str) -> Effect {
        if path == "fixed" { Effect::Replace } else { Effect::Update }
    }
    fn write_only(&self, _address: &Address) -> &'static [&'static str] {
        &["secret"]
    }
    fn holds_data(&self, address: &Address) -> bool {
        address.kind == "data"
    }
    fn moves_outputs(&self, _address: &Address, path: &str) -> &'static [&'static str] {
        if path == "moving" { &["id"] } else { &[] }
    }
}

impl World for Fake {
    fn read<'a>(
        &'a self,
        address: &'a Address,
        _desired: &'a Value,
        _recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Read, Error>> {
        async move {
            let inner = self.inner();
            Ok(match inner.there.get(address) {
                _ if inner.foreign.contains(address) => {
                    Read::Foreign(format!("`{address}` exists without the stack's tag"))
                }
                Some(observed) => Read::Owned(observed.clone()),
                None => Read::Missing,
            })
        }
        .boxed()
    }

    fn converge<'a>(
        &'a self,
        address: &'a Address,
        desired: &'a Value,
        _recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Observed, Error>> {
        async move {
            self.busy(address, "converge").await?;
            let mut inner = self.inner();
            inner.made += 1;
            let id = inner
                .there
                .get(address)
                .map_or_else(|| format!("{address}-{}", inner.made), |o| o.physical_id.clone());
            let copy = desired.get("v").map_or_else(String::new, ToString::to_string);
            let outputs = Outputs::from([("id".into(), id.clone()), ("copy".into(), copy)]);
            let mut attributes = desired.clone();
            if let Some(object) = attributes.as_object_mut() {
                object.remove("secret");
                object.remove("unreadable");
            }
            let observed = Observed { physical_id: id, attributes, outputs };
            inner.there.insert(address.clone(), observed.clone());
            Ok(observed)
        }
        .boxed()
    }

    fn delete<'a>(&'a self, recorded: &'a Recorded) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            self.busy(&recorded.address, "delete").await?;
            self.inner().there.remove(&recorded.address);
            Ok(())
        }
        .boxed()
    }

    fn serial_key(&self, address: &Address, _attributes: &Value) -> Option<String> {
        (address.kind == "serial").then(|| "one".to_owned())
    }
}

/// `x.a` as an address.
pub(crate) fn at(text: &str) -> Address {
    Address::try_from(text.to_owned()).unwrap()
}

/// A resource that takes the `id` of others.
pub(crate) fn resource(address: &str, attributes: Value, on: &[&str]) -> Resource {
    let mut attributes = attributes;
    for (i, on) in on.iter().enumerate() {
        attributes[format!("ref{i}")] = json!({ "$ref": format!("{on}#id") });
    }
    Resource { address: at(address), attributes }
}

pub(crate) type Shared = Arc<Fake>;
