//! Which node may run next.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Node, Plan};
use crate::resource::Address;

/// The state of a plan that is being carried out. Knows nothing of what nodes do.
#[derive(Debug)]
pub(super) struct Schedule {
    slots: Vec<Slot>,
    /// Nodes whose dependencies have ended: the one with the longest way behind it first, then in the plan's order.
    ready: BTreeSet<(std::cmp::Reverse<usize>, usize)>,
    busy: BTreeSet<String>,
    open: usize,
}

#[derive(Debug)]
struct Slot {
    waiting_for: usize,
    dependents: Vec<usize>,
    key: Option<String>,
    /// The number of nodes on the longest way from here to the end; those with the same key are one way, since they
    /// follow each other.
    height: usize,
    settled: bool,
}

impl Schedule {
    pub(super) fn new(plan: &Plan, key: &dyn Fn(&Node) -> Option<String>) -> Self {
        let index: BTreeMap<&Address, usize> =
            plan.nodes.iter().enumerate().map(|(i, node)| (&node.address, i)).collect();
        let mut slots: Vec<Slot> = plan
            .nodes
            .iter()
            .map(|node| Slot {
                waiting_for: node.depends_on.iter().filter(|on| index.contains_key(on)).count(),
                dependents: Vec::new(),
                key: key(node),
                height: 1,
                settled: false,
            })
            .collect();
        let mut sharing: BTreeMap<String, usize> = BTreeMap::new();
        slots
            .iter()
            .filter_map(|slot| slot.key.clone())
            .for_each(|key| *sharing.entry(key).or_default() += 1);
        for slot in &mut slots {
            slot.height = slot.key.as_ref().and_then(|key| sharing.get(key).copied()).unwrap_or(1);
        }
        // From the end to the beginning, so that dependents' heights are final when they are looked at.
        for (i, node) in plan.nodes.iter().enumerate().rev() {
            let height = slots.get(i).map_or(1, |slot| slot.height);
            for on in node.depends_on.iter().filter_map(|on| index.get(on)) {
                if let Some(slot) = slots.get_mut(*on) {
                    slot.dependents.push(i);
                    slot.height = slot.height.max(height + 1);
                }
            }
        }
        // What the plan refuses can neither run nor end, and so holds back what depends on it.
        for (node, slot) in plan.nodes.iter().zip(&mut slots) {
            slot.waiting_for += usize::from(node.action.is_refusal());
        }
        let mut schedule = Self { open: slots.len(), slots, ready: BTreeSet::new(), busy: BTreeSet::new() };
        (0..schedule.slots.len()).for_each(|i| schedule.offer(i));
        schedule
    }

    fn offer(&mut self, index: usize) {
        if let Some(slot) = self.slots.get(index).filter(|slot| slot.waiting_for == 0 && !slot.settled) {
            self.ready.insert((std::cmp::Reverse(slot.height), index));
        }
    }

    /// The next node to run; its key is busy until it ended.
    pub(super) fn next(&mut self) -> Option<usize> {
        let free = |slot: &Slot| slot.key.as_ref().is_none_or(|key| !self.busy.contains(key));
        let entry = *self.ready.iter().find(|(_, index)| self.slots.get(*index).is_some_and(free))?;
        self.ready.remove(&entry);
        let slot = self.slots.get(entry.1)?;
        self.busy.extend(slot.key.clone());
        Some(entry.1)
    }

    fn settle(&mut self, index: usize) -> Vec<usize> {
        let Some(slot) = self.slots.get_mut(index) else { return Vec::new() };
        slot.settled = true;
        self.open -= 1;
        if let Some(key) = &slot.key {
            self.busy.remove(key);
        }
        slot.dependents.clone()
    }

    /// A node ended well.
    pub(super) fn ended(&mut self, index: usize) {
        for dependent in self.settle(index) {
            if let Some(slot) = self.slots.get_mut(dependent) {
                slot.waiting_for -= 1;
            }
            self.offer(dependent);
        }
    }

    /// A node failed. Returns everything that can therefore not be done, near or far.
    pub(super) fn failed(&mut self, index: usize) -> Vec<usize> {
        let mut lost = BTreeSet::new();
        let mut frontier = self.settle(index);
        while let Some(next) = frontier.pop() {
            let fresh =
                self.slots.get_mut(next).is_some_and(|slot| !std::mem::replace(&mut slot.settled, true));
            if fresh {
                lost.insert(next);
                self.open -= 1;
                frontier.extend(
                    self.slots.get(next).into_iter().flat_map(|slot| slot.dependents.iter().copied()),
                );
            }
        }
        lost.into_iter().collect()
    }

    /// Whether every node ended, failed or was left out.
    pub(super) fn is_done(&self) -> bool {
        self.open == 0
    }
}
