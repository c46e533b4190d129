//! Orders in which a graph's nodes can be done.

use std::collections::{BTreeMap, BTreeSet};

use crate::resource::Address;

/// What is wrong with the wanted resources themselves. Never the user's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Resources that wait for each other.
    #[error("these resources wait for each other: {}", list(.0))]
    Cycle(Vec<Address>),
    /// A reference to nothing.
    #[error("`{from}` refers to `{to}`, which the stack does not have")]
    UnknownReference {
        /// Who refers.
        from: Address,
        /// To what.
        to: Address,
    },
    /// A plan that breaks its own rules.
    #[error("the plan contradicts itself: {}", .0.join("; "))]
    Inconsistent(Vec<String>),
}

fn list(addresses: &[Address]) -> String {
    addresses.iter().map(|address| format!("`{address}`")).collect::<Vec<_>>().join(", ")
}

/// Each node with what it depends on.
pub(super) type Graph = BTreeMap<Address, BTreeSet<Address>>;

/// An order in which dependencies come first; among equals, by address. What depends on nodes outside of the graph
/// is taken as free of them.
pub(super) fn topological(graph: &Graph) -> Result<Vec<Address>, PlanError> {
    let (order, rest) = sort(graph);
    if rest.is_empty() { Ok(order) } else { Err(PlanError::Cycle(rest)) }
}

/// Drops the fewest edges it easily can until no two nodes wait for each other. The remembered edges of deletions
/// were recorded at different times, so they may contradict each other; an order must be found all the same.
pub(super) fn break_cycles(graph: &mut Graph) {
    loop {
        let (_, rest) = sort(graph);
        let Some(first) = rest.first() else { return };
        let stuck: BTreeSet<&Address> = rest.iter().collect();
        if let Some(edges) = graph.get_mut(first) {
            edges.retain(|edge| !stuck.contains(edge));
        }
    }
}

fn sort(graph: &Graph) -> (Vec<Address>, Vec<Address>) {
    let mut dependents: BTreeMap<&Address, Vec<&Address>> = BTreeMap::new();
    let mut waiting: BTreeMap<&Address, usize> = BTreeMap::new();
    for (address, edges) in graph {
        let inside = edges.iter().filter(|edge| graph.contains_key(*edge));
        waiting.insert(address, inside.clone().count());
        inside.for_each(|edge| dependents.entry(edge).or_default().push(address));
    }
    let mut ready: BTreeSet<&Address> =
        waiting.iter().filter(|(_, n)| **n == 0).map(|(address, _)| *address).collect();
    let mut order = Vec::with_capacity(graph.len());
    while let Some(address) = ready.pop_first() {
        waiting.remove(address);
        for dependent in dependents.get(address).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(dependent);
                }
            }
        }
        order.push(address.clone());
    }
    (order, waiting.into_keys().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let address = |name: &&str| Address::new("x", *name);
        edges.iter().map(|(from, to)| (address(from), to.iter().map(address).collect())).collect()
    }

    #[test]
    fn dependencies_come_first_and_ties_go_by_address() {
        let order = topological(&graph(&[("a", &["c"]), ("b", &[]), ("c", &["outside"])])).unwrap();
        assert_eq!(order.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["b", "c", "a"]);
    }

    #[test]
    fn a_cycle_is_named() {
        let error = topological(&graph(&[("a", &["b"]), ("b", &["a"]), ("c", &[])])).unwrap_err();
        assert_eq!(error.to_string(), "these resources wait for each other: `x.a`, `x.b`");
    }

    #[test]
    fn contradicting_memories_still_give_an_order() {
        let mut contradicting = graph(&[("a", &["b"]), ("b", &["a", "c"]), ("c", &["b"])]);
        break_cycles(&mut contradicting);
        assert_eq!(topological(&contradicting).unwrap().len(), 3);
    }
}
