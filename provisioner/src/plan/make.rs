//! The plan that brings the stack to what the file says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::gap::warn_of_gaps;
use super::order::{Graph, break_cycles, topological};
use super::{Action, Change, Facts, Node, Plan, PlanError, Purpose, VERSION, diff};
use crate::kinds::{Effect, Observed, Read, Recorded};
use crate::resource::{Address, Outputs, Resource, dependencies, resolve};
use crate::state::{Entry, Status};

/// Compares what is wanted with what is there and what the state remembers.
///
/// The same arguments give the same plan. `observed` holds a reading of everything in `desired` and `recorded`;
/// what has none is taken as missing.
pub fn plan(
    stack: &str,
    desired: &[Resource],
    observed: &BTreeMap<Address, Read>,
    recorded: &BTreeMap<Address, Entry>,
    facts: &dyn Facts,
) -> Result<Plan, PlanError> {
    let wanted: BTreeMap<&Address, &Resource> =
        desired.iter().map(|resource| (&resource.address, resource)).collect();
    let graph: Graph = desired.iter().map(|r| (r.address.clone(), dependencies(&r.attributes))).collect();
    for (from, edges) in &graph {
        if let Some(to) = edges.iter().find(|to| !graph.contains_key(*to)) {
            return Err(PlanError::UnknownReference { from: from.clone(), to: to.clone() });
        }
    }

    let mut outputs: BTreeMap<Address, Outputs> = BTreeMap::new();
    let mut nodes = BTreeMap::new();
    for address in topological(&graph)? {
        let Some(resource) = wanted.get(&address) else { continue };
        let seen = observed.get(&address).unwrap_or(&Read::Missing);
        let mut node = decide(resource, seen, recorded.get(&address), &outputs, facts);
        node.depends_on = graph.get(&address).into_iter().flatten().cloned().collect();
        // What will be made, or made again, has no outputs that one could already build on.
        if matches!(node.action, Action::NoOp | Action::Update | Action::Blocked)
            && let Some(prior) = &node.prior
        {
            outputs.insert(address.clone(), lasting_outputs(&node, prior, facts));
        }
        nodes.insert(address, node);
    }
    let gone: BTreeMap<&Address, &Entry> =
        recorded.iter().filter(|(address, _)| !wanted.contains_key(address)).collect();
    let leave = leaving_order(&gone, recorded);
    for (address, entry) in gone {
        let mut node = removal(address, observed.get(address).unwrap_or(&Read::Missing), entry, facts);
        node.depends_on = leave.get(address).into_iter().flatten().cloned().collect();
        nodes.insert(address.clone(), node);
    }
    let mut plan = assemble(stack, Purpose::Apply, nodes)?;
    warn_of_gaps(&mut plan);
    Ok(plan)
}

/// Puts nodes in order and, in debug builds, checks the result.
pub(super) fn assemble(
    stack: &str,
    purpose: Purpose,
    mut nodes: BTreeMap<Address, Node>,
) -> Result<Plan, PlanError> {
    let graph: Graph =
        nodes.iter().map(|(a, node)| (a.clone(), node.depends_on.iter().cloned().collect())).collect();
    let order = topological(&graph)?;
    let nodes = order.iter().filter_map(|address| nodes.remove(address)).collect();
    let plan = Plan { version: VERSION, stack: stack.to_owned(), purpose, nodes, sharing: Vec::new() };
    if cfg!(debug_assertions) {
        let complaints = super::lint(&plan);
        if !complaints.is_empty() {
            return Err(PlanError::Inconsistent(complaints));
        }
    }
    Ok(plan)
}

fn decide(
    resource: &Resource,
    seen: &Read,
    entry: Option<&Entry>,
    outputs: &BTreeMap<Address, Outputs>,
    facts: &dyn Facts,
) -> Node {
    let address = &resource.address;
    let resolved = resolve(&resource.attributes, &|dependency| outputs.get(dependency).cloned()).attributes;
    let mut node = Node {
        address: address.clone(),
        action: Action::Create,
        reason: None,
        changes: Vec::new(),
        depends_on: Vec::new(),
        uses: Vec::new(),
        desired: Some(resource.attributes.clone()),
        prior: None,
    };
    let classify = |path: &str| facts.classify(address, path);
    match seen {
        Read::Missing => {
            node.reason = entry
                .filter(|entry| entry.status == Status::Ready)
                .map(|_| "it is recorded, but somebody deleted it".to_owned());
            node.changes = diff(&resolved, &Value::Null, None, &[], &|_| Effect::Update);
        }
        Read::Foreign(what) => {
            node.action = Action::Conflict;
            node.reason = Some(what.clone());
        }
        Read::Owned(found) => {
            let known = entry.and_then(Entry::known);
            node.prior = Some(prior(address, found, known));
            let last = known.map(|recorded| &recorded.attributes);
            node.changes = diff(&resolved, &found.attributes, last, facts.write_only(address), &classify);
            (node.action, node.reason) = verdict(&node.changes, entry, facts.holds_data(address));
        }
    }
    node
}

/// The outputs that will still be the same afterwards.
fn lasting_outputs(node: &Node, prior: &Recorded, facts: &dyn Facts) -> Outputs {
    let mut outputs = prior.outputs.clone();
    for change in &node.changes {
        facts
            .moves_outputs(&node.address, &change.path)
            .iter()
            .for_each(|moved| drop(outputs.remove(*moved)));
    }
    outputs
}

/// What an existing resource's changes come to.
fn verdict(changes: &[Change], entry: Option<&Entry>, holds_data: bool) -> (Action, Option<String>) {
    let at = |effect| changes.iter().find(|change| change.effect == effect);
    if let Some(change) = at(Effect::Blocked).or_else(|| at(Effect::Replace).filter(|_| holds_data)) {
        let reason = format!(
            "`{}` cannot be changed in place, and making it again would lose the data it holds",
            change.path
        );
        return (Action::Blocked, Some(reason));
    }
    if at(Effect::Replace).is_some() {
        return (Action::Replace, None);
    }
    let reason = match entry.map(|entry| entry.status) {
        None => Some("it is there, but not yet recorded"),
        Some(Status::Ready) => None,
        Some(Status::Creating | Status::Updating | Status::Deleting) => {
            Some("an earlier run did not finish it")
        }
    };
    match (changes.is_empty(), reason) {
        (true, None) => (Action::NoOp, None),
        (_, reason) => (Action::Update, reason.map(str::to_owned)),
    }
}

/// What is there, with the truth as it was read and the attributes as they were applied.
pub(super) fn prior(address: &Address, found: &Observed, known: Option<&Recorded>) -> Recorded {
    Recorded {
        address: address.clone(),
        physical_id: found.physical_id.clone(),
        attributes: known.map_or_else(|| found.attributes.clone(), |recorded| recorded.attributes.clone()),
        outputs: found.outputs.clone(),
    }
}

fn removal(address: &Address, seen: &Read, entry: &Entry, facts: &dyn Facts) -> Node {
    let (action, reason, prior) = match seen {
        Read::Missing => (Action::Forget, "it is already gone".to_owned(), None),
        Read::Foreign(what) => (Action::Forget, what.clone(), None),
        Read::Owned(found) if facts.holds_data(address) => (
            Action::Blocked,
            "the file no longer has it, and deleting it would lose the data it holds".to_owned(),
            Some(prior(address, found, entry.known())),
        ),
        Read::Owned(found) => (
            Action::Delete,
            "the file no longer has it".to_owned(),
            Some(prior(address, found, entry.known())),
        ),
    };
    Node {
        address: address.clone(),
        action,
        reason: Some(reason),
        changes: Vec::new(),
        depends_on: Vec::new(),
        uses: entry.depends_on.clone(),
        desired: None,
        prior,
    }
}

/// For what goes: who must be done with it first, which is everybody who is remembered to have used it.
fn leaving_order(gone: &BTreeMap<&Address, &Entry>, recorded: &BTreeMap<Address, Entry>) -> Graph {
    let mut graph: Graph = gone.keys().map(|address| ((*address).clone(), BTreeSet::new())).collect();
    for (user, entry) in recorded {
        for used in entry.depends_on.iter().filter(|used| *used != user) {
            if let Some(users) = graph.get_mut(used) {
                users.insert(user.clone());
            }
        }
    }
    break_cycles(&mut graph);
    graph
}
