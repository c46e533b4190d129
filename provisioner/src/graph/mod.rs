//! The stack's resources and what needs what, as a picture: DOT, Mermaid, or an SVG that needs no other program.
//!
//! An arrow leads from what is made first to what needs it.

mod dot;
mod layout;
mod mermaid;
mod svg;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::resource::{Address, Resource, dependencies};

pub use dot::dot;
pub use mermaid::mermaid;
pub use svg::svg;

/// So many resources that are alike (same kind, same needs, needed by nobody) share a box: what they need would
/// otherwise be lost among the arrows of all of them.
const ALIKE: usize = 4;
/// The most names in a box; of more resources only their number is told.
const NAMED: usize = 60;

/// Resources and what needs what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// The stack's name.
    pub stack: String,
    /// The resources, by their addresses.
    pub nodes: Vec<Node>,
    /// From what is needed to what needs it, as positions among the nodes.
    pub edges: Vec<(usize, usize)>,
}

/// A resource, or several that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its address; that of the first one, if they are several.
    pub address: Address,
    /// The names of the others.
    pub others: Vec<String>,
}

impl Node {
    /// What stands above its names.
    fn title(&self) -> String {
        let kind = self.address.kind.replace('_', " ");
        if self.others.is_empty() { kind } else { format!("{kind} × {}", self.others.len() + 1) }
    }

    /// Its names, a line each.
    fn names(&self) -> Vec<&str> {
        if self.others.len() >= NAMED {
            return vec!["…"];
        }
        std::iter::once(&self.address.name).chain(&self.others).map(String::as_str).collect()
    }
}

/// How much of a graph is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Detail {
    /// Also arrows that follow from others: if a route needs an authorizer and the authorizer an API, that the route
    /// needs the API goes without saying.
    pub all_edges: bool,
    /// A node for each resource, also for those that are alike.
    pub each: bool,
}

impl Graph {
    /// The graph of resources.
    pub fn of(stack: &str, resources: &[Resource], detail: Detail) -> Self {
        let needs: BTreeMap<Address, BTreeSet<Address>> =
            resources.iter().map(|r| (r.address.clone(), dependencies(&r.attributes))).collect();
        let (nodes, needs) = if detail.each { single(needs) } else { merge(needs) };
        let position: BTreeMap<&Address, usize> =
            nodes.iter().enumerate().map(|(at, n)| (&n.address, at)).collect();
        let needed: Vec<Vec<usize>> = nodes
            .iter()
            .map(|node| {
                let of_node = needs.get(&node.address).into_iter().flatten();
                of_node.filter_map(|address| position.get(address).copied()).collect()
            })
            .collect();
        let needed = if detail.all_edges { needed } else { reduce(&needed) };
        let mut edges: Vec<(usize, usize)> = Vec::new();
        for (to, from) in needed.iter().enumerate() {
            edges.extend(from.iter().map(|from| (*from, to)));
        }
        edges.sort_unstable();
        Self { stack: stack.to_owned(), nodes, edges }
    }

    /// Each edge as the addresses at its ends.
    pub fn arrows(&self) -> impl Iterator<Item = (&Address, &Address)> {
        let address = |at: &usize| self.nodes.get(*at).map(|node| &node.address);
        self.edges.iter().filter_map(move |(from, to)| address(from).zip(address(to)))
    }
}

type Needs = BTreeMap<Address, BTreeSet<Address>>;

fn single(needs: Needs) -> (Vec<Node>, Needs) {
    (needs.keys().map(|address| Node { address: address.clone(), others: Vec::new() }).collect(), needs)
}

/// Puts what is alike into one node.
fn merge(needs: Needs) -> (Vec<Node>, Needs) {
    let needed: BTreeSet<&Address> = needs.values().flatten().collect();
    let mut alike: BTreeMap<(&str, &BTreeSet<Address>), Vec<&Address>> = BTreeMap::new();
    for (address, of_node) in needs.iter().filter(|(address, _)| !needed.contains(address)) {
        alike.entry((address.kind.as_str(), of_node)).or_default().push(address);
    }
    let mut hidden: BTreeSet<Address> = BTreeSet::new();
    let mut others: BTreeMap<Address, Vec<String>> = BTreeMap::new();
    for same in alike.into_values().filter(|same| same.len() >= ALIKE) {
        let mut same = same.into_iter().cloned();
        let Some(first) = same.next() else { continue };
        let rest: Vec<Address> = same.collect();
        others.insert(first, rest.iter().map(|address| address.name.clone()).collect());
        hidden.extend(rest);
    }
    let shown: Needs = needs.into_iter().filter(|(address, _)| !hidden.contains(address)).collect();
    let mut node = |address: &Address| Node {
        address: address.clone(),
        others: others.remove(address).unwrap_or_default(),
    };
    (shown.keys().map(&mut node).collect(), shown)
}

/// Leaves out what follows from the rest. What needs itself in a circle keeps its edges.
fn reduce(needed: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut above: Vec<Option<BTreeSet<usize>>> = vec![None; needed.len()];
    for node in 0..needed.len() {
        ancestors(node, needed, &mut above);
    }
    let follows =
        |from: usize, via: usize| above.get(via).and_then(Option::as_ref).is_some_and(|a| a.contains(&from));
    let kept = |of_node: &Vec<usize>| {
        let direct = |from: &&usize| !of_node.iter().any(|via| via != *from && follows(**from, *via));
        of_node.iter().filter(direct).copied().collect()
    };
    needed.iter().map(kept).collect()
}

/// Works out everything that a node needs, directly or not, without recursion: a stack may be deep.
fn ancestors(node: usize, needed: &[Vec<usize>], above: &mut [Option<BTreeSet<usize>>]) {
    let mut path = vec![node];
    while let Some(&current) = path.last() {
        let direct = needed.get(current).map(Vec::as_slice).unwrap_or_default();
        let open = |at: &&usize| above.get(**at).is_some_and(Option::is_none) && !path.contains(at);
        if above.get(current).is_some_and(Option::is_none)
            && let Some(next) = direct.iter().find(open)
        {
            path.push(*next);
            continue;
        }
        let mut all: BTreeSet<usize> = direct.iter().copied().collect();
        for at in direct {
            all.extend(above.get(*at).and_then(Option::as_ref).into_iter().flatten());
        }
        if let Some(slot) = above.get_mut(current) {
            slot.get_or_insert(all);
        }
        path.pop();
    }
}
