//! What every plan must satisfy. Checked in debug builds and in tests.

use std::collections::BTreeSet;

use super::{Action, Node, Plan, Purpose, VERSION};
use crate::resource::Address;

/// Says in which ways a plan breaks its own rules: not at all, unless the planner has a bug.
pub fn lint(plan: &Plan) -> Vec<String> {
    let mut complaints = Vec::new();
    if plan.version != VERSION {
        complaints.push(format!("the version is {}", plan.version));
    }
    let mut seen: BTreeSet<&Address> = BTreeSet::new();
    for node in &plan.nodes {
        for dependency in node.depends_on.iter().filter(|dependency| !seen.contains(dependency)) {
            complaints.push(format!("`{}` comes before `{dependency}`, on which it depends", node.address));
        }
        if !seen.insert(&node.address) {
            complaints.push(format!("`{}` appears twice", node.address));
        }
        if let Some(complaint) = of_node(node, plan.purpose) {
            complaints.push(format!("`{}` {complaint}", node.address));
        }
    }
    complaints
}

fn of_node(node: &Node, purpose: Purpose) -> Option<&'static str> {
    let (wanted, there, why) = (node.desired.is_some(), node.prior.is_some(), node.reason.is_some());
    match node.action {
        Action::NoOp if !node.changes.is_empty() => Some("changes without anything being done"),
        Action::Create if !wanted || there => Some("is made although it is not wanted or already there"),
        Action::Update | Action::Replace if !wanted || !there => {
            Some("is changed although it is not wanted or not there")
        }
        Action::Update if node.changes.is_empty() && !why => Some("is changed without a reason"),
        Action::Replace if node.changes.is_empty() => Some("is made again without a change"),
        Action::Delete if wanted || !there => Some("is deleted although it is wanted or not there"),
        Action::Forget if wanted => Some("is forgotten although it is wanted"),
        Action::Blocked | Action::Conflict if !why => Some("is refused without a reason"),
        _ if purpose == Purpose::Destroy && wanted => Some("is wanted by a plan that takes the stack down"),
        _ => None,
    }
}
