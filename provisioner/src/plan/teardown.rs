//! The plan that takes the whole stack down.

use std::collections::{BTreeMap, BTreeSet};

use super::make::{assemble, prior};
use super::order::{Graph, break_cycles};
use super::{Action, Node, Plan, PlanError, Purpose};
use crate::kinds::Read;
use crate::resource::{Address, Resource, dependencies};
use crate::state::Entry;

/// Deletes whatever of the stack is there, users before what they use. It never touches what is not the stack's.
pub fn plan_destroy(
    stack: &str,
    desired: &[Resource],
    observed: &BTreeMap<Address, Read>,
    recorded: &BTreeMap<Address, Entry>,
) -> Result<Plan, PlanError> {
    let mut users: Graph =
        observed.keys().chain(recorded.keys()).map(|a| (a.clone(), BTreeSet::new())).collect();
    let wanted = desired.iter().map(|resource| (&resource.address, dependencies(&resource.attributes)));
    let remembered =
        recorded.iter().map(|(address, entry)| (address, entry.depends_on.iter().cloned().collect()));
    for (user, uses) in wanted.chain(remembered) {
        for used in uses.iter().filter(|used| *used != user) {
            if let Some(of) = users.get_mut(used) {
                of.insert(user.clone());
            }
        }
    }
    let known: BTreeSet<Address> = users.keys().cloned().collect();
    users.values_mut().for_each(|of| of.retain(|user| known.contains(user)));
    break_cycles(&mut users);

    let mut nodes: BTreeMap<Address, Node> = BTreeMap::new();
    for address in known {
        let entry = recorded.get(&address);
        let (action, reason, prior) = match observed.get(&address) {
            Some(Read::Owned(found)) => {
                (Action::Delete, None, Some(prior(&address, found, entry.and_then(Entry::known))))
            }
            Some(Read::Foreign(what)) if entry.is_some() => (Action::Forget, Some(what.clone()), None),
            Some(Read::Foreign(what)) => (Action::NoOp, Some(format!("left alone: {what}")), None),
            _ if entry.is_some() => (Action::Forget, Some("it is already gone".to_owned()), None),
            _ => continue,
        };
        let depends_on = users.get(&address).into_iter().flatten().cloned().collect();
        let node = Node {
            address: address.clone(),
            action,
            reason,
            changes: Vec::new(),
            depends_on,
            uses: entry.map(|entry| entry.depends_on.clone()).unwrap_or_default(),
            desired: None,
            prior,
        };
        nodes.insert(address, node);
    }
    // What is not there any more need not be waited for.
    let there: BTreeSet<Address> = nodes.keys().cloned().collect();
    nodes.values_mut().for_each(|node| node.depends_on.retain(|user| there.contains(user)));
    assemble(stack, Purpose::Destroy, nodes)
}
