//! Reads what is there: everything at once, as far as it can be looked up already.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use super::World;
use crate::error::Error;
use crate::kinds::{Read, Recorded};
use crate::resource::{Address, Outputs, Resource, dependencies, resolve};
use crate::state::Entry;

/// How many resources are read at once.
const AT_ONCE: usize = 32;

/// One resource to look up.
#[derive(Debug)]
pub struct Wanted<'a> {
    address: &'a Address,
    attributes: &'a Value,
    recorded: Option<&'a Recorded>,
    /// Resources whose outputs help to find it; empty if the state knows where it is.
    after: BTreeSet<Address>,
}

impl<'a> Wanted<'a> {
    /// Everything that is wanted or remembered.
    pub fn all(desired: &'a [Resource], entries: &'a BTreeMap<Address, Entry>) -> Vec<Self> {
        let wanted: BTreeSet<&Address> = desired.iter().map(|resource| &resource.address).collect();
        let of_file = desired.iter().map(|resource| {
            let recorded = entries.get(&resource.address).and_then(Entry::known);
            let after = if recorded.is_some() { BTreeSet::new() } else { dependencies(&resource.attributes) };
            Wanted { address: &resource.address, attributes: &resource.attributes, recorded, after }
        });
        let remembered =
            entries.iter().filter(|(address, _)| !wanted.contains(address)).map(|(address, entry)| Wanted {
                address,
                attributes: &entry.recorded.attributes,
                recorded: entry.known(),
                after: BTreeSet::new(),
            });
        of_file.chain(remembered).collect()
    }
}

/// Reads resources in parallel. What the state knows is looked up at once; what it does not know is looked up once
/// those resources were read whose outputs may say where it is (a client is found through its user pool).
pub async fn read_all(world: &dyn World, wanted: Vec<Wanted<'_>>) -> Result<BTreeMap<Address, Read>, Error> {
    world.refresh();
    let mut outputs: BTreeMap<Address, Outputs> =
        wanted.iter().filter_map(|w| Some((w.address.clone(), w.recorded?.outputs.clone()))).collect();
    let mut found: BTreeMap<Address, Read> = BTreeMap::new();
    let mut queue = Queue::new(wanted);
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < AT_ONCE
            && let Some(next) = queue.ready.pop_front()
        {
            let attributes = resolve(next.attributes, &|address| outputs.get(address).cloned()).attributes;
            running.push(async move {
                let read = world.read(next.address, &attributes, next.recorded).await;
                (next.address.clone(), read)
            });
        }
        let Some((address, read)) = running.next().await else { break };
        let read = read?;
        if let Read::Owned(observed) = &read {
            outputs.insert(address.clone(), observed.outputs.clone());
        }
        queue.ended(&address);
        found.insert(address, read);
    }
    Ok(found)
}

/// What can be looked up now, and what waits for what.
struct Queue<'a> {
    ready: VecDeque<Wanted<'a>>,
    waiting: BTreeMap<Address, Wanted<'a>>,
    dependents: BTreeMap<Address, Vec<Address>>,
}

impl<'a> Queue<'a> {
    fn new(mut wanted: Vec<Wanted<'a>>) -> Self {
        let present: BTreeSet<Address> = wanted.iter().map(|w| w.address.clone()).collect();
        wanted.iter_mut().for_each(|w| w.after.retain(|on| present.contains(on)));
        let (ready, waiting): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|w| w.after.is_empty());
        let mut dependents: BTreeMap<Address, Vec<Address>> = BTreeMap::new();
        for w in &waiting {
            w.after.iter().for_each(|on| dependents.entry(on.clone()).or_default().push(w.address.clone()));
        }
        let waiting = waiting.into_iter().map(|w| (w.address.clone(), w)).collect();
        Self { ready: ready.into(), waiting, dependents }
    }

    fn ended(&mut self, address: &Address) {
        for dependent in self.dependents.remove(address).unwrap_or_default() {
            let Some(waiting) = self.waiting.get_mut(&dependent) else { continue };
            waiting.after.remove(address);
            if waiting.after.is_empty() {
                self.ready.extend(self.waiting.remove(&dependent));
            }
        }
    }
}
