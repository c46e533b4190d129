//! Says why roles of earlier versions go: their names did not contain the region.
//!
//! For the planner they are resources that are no longer wanted, and the roles with the region in their names are new. So
//! the order is the usual one: create the role, give it to the function, delete the former role.

use crate::desired::execution_role;
use crate::resource::Address;

use super::{Action, Plan};

/// Explains the nodes of former roles and of the roles that replace them.
pub fn explain_former_roles(plan: &mut Plan) {
    let replaced = |former: &Address| execution_role(&former.name);
    let former: Vec<Address> = plan
        .nodes
        .iter()
        .filter(|node| node.address.kind == "role" && matches!(node.action, Action::Delete | Action::Forget))
        .filter(|node| plan.node(&replaced(&node.address)).is_some())
        .map(|node| node.address.clone())
        .collect();
    for former in former {
        let new = replaced(&former);
        for node in &mut plan.nodes {
            if node.address == former {
                let why = format!("the role's name now contains the region; `{new}` replaces it");
                node.reason = Some(match (node.action, node.reason.take()) {
                    (Action::Forget, Some(found)) => format!("{why}; {found}"),
                    _ => why,
                });
            } else if node.address == new && node.action == Action::Create {
                node.reason =
                    Some(format!("the role's name now contains the region; it replaces `{former}`"));
            }
        }
    }
}
