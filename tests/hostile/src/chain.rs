//! How long an apply must take at least: its longest chain of things of which each needs the one before.
//!
//! Computed from what the server delayed, not from what the provisioner waited: a piece of work is worth the calls that
//! changed something and were accepted, the reads without which its end cannot be known (one), and the time that the
//! thing took to become ready. What happens before and after the plan is carried out has no slack and counts as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use provision::event::Event;
use provision::plan::Plan;
use provision::resource::Address;
use tokio::time::Instant;

/// What the server made a resource's work take at least.
pub type Worth = BTreeMap<Address, Duration>;

/// When things happened on the tests' clock.
#[derive(Debug)]
pub struct Run {
    /// The plan that was carried out.
    pub plan: Plan,
    /// Before it was.
    pub before: Duration,
    /// While it was.
    pub during: Duration,
    /// After it was.
    pub after: Duration,
    /// How long the work on each resource took.
    pub work: BTreeMap<Address, Duration>,
}

impl Run {
    /// A run from its events; those of the control table, which is made beforehand, belong to the time before.
    pub fn of(start: Instant, end: Instant, events: &[(Instant, Event)]) -> Self {
        let control = Address::new("table", "control");
        let (mut begun, mut work, mut plan) = (BTreeMap::new(), BTreeMap::new(), None);
        let (mut first, mut last) = (None, start);
        for (at, event) in events {
            match event {
                Event::Plan { plan: shown } => plan = Some(shown.as_ref().clone()),
                Event::ResourceStarted { address, .. } if *address != control => {
                    first.get_or_insert(*at);
                    begun.insert(address.clone(), *at);
                }
                Event::ResourceDone { address, .. } if *address != control => {
                    last = *at;
                    work.insert(address.clone(), *at - begun[address]);
                }
                _ => {}
            }
        }
        let first = first.expect("something was done");
        let plan = plan.expect("there was a plan");
        Self { plan, before: first - start, during: last - first, after: end - last, work }
    }

    /// The whole.
    pub fn whole(&self) -> Duration {
        self.before + self.during + self.after
    }

    /// The least that it could have taken, if each piece of work took what it is worth and pieces of the same key
    /// followed each other.
    pub fn least(&self, worth: &Worth, key: &dyn Fn(&Address) -> Option<String>) -> Duration {
        let worth = |address: &Address| worth.get(address).copied().unwrap_or_default();
        let mut heads: BTreeMap<&Address, Duration> = BTreeMap::new();
        for node in &self.plan.nodes {
            let on = node.depends_on.iter().filter_map(|on| Some(*heads.get(on)? + worth(on)));
            heads.insert(&node.address, on.max().unwrap_or_default());
        }
        let mut tails: BTreeMap<&Address, Duration> = BTreeMap::new();
        for node in self.plan.nodes.iter().rev() {
            let tail = tails.get(&node.address).copied().unwrap_or_default() + worth(&node.address);
            for on in &node.depends_on {
                let entry = tails.entry(on).or_default();
                *entry = (*entry).max(tail);
            }
        }
        let tail = |address: &Address| tails.get(address).copied().unwrap_or_default();
        let alone = heads.iter().map(|(address, head)| *head + worth(address) + tail(address));
        let keys: BTreeSet<String> = heads.keys().filter_map(|address| key(address)).collect();
        let shared = keys.iter().map(|wanted| {
            let group: Vec<&Address> =
                heads.keys().copied().filter(|address| key(address).as_ref() == Some(wanted)).collect();
            // For every head: those that can begin no sooner follow each other.
            let from = |least: Duration| {
                let late = group.iter().filter(|address| heads[**address] >= least);
                let (sum, end) = late.fold((Duration::ZERO, Duration::MAX), |(sum, end), address| {
                    (sum + worth(address), end.min(tail(address)))
                });
                if end == Duration::MAX { Duration::ZERO } else { least + sum + end }
            };
            group.iter().map(|address| from(heads[*address])).max().unwrap_or_default()
        });
        self.before + alone.chain(shared).max().unwrap_or_default() + self.after
    }
}
