//! The planner: pure, deterministic, and the only place where it is decided what will be done.
//!
//! [`plan`] compares what is wanted with what is there and what the state remembers; [`plan_destroy`] takes the
//! whole stack down. The resulting [`Plan`] is a document that holds everything the engine needs, so that carrying
//! it out takes no further decision.

mod diff;
mod drift;
pub mod fingerprint;
mod former_roles;
mod gap;
#[cfg(test)]
mod generated;
pub mod iam;
mod impact;
mod lint;
mod make;
mod order;
mod permissions;
mod protect;
mod saved;
mod sharing;
mod teardown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use diff::diff;
pub use drift::{Drift, Drifted, Found, drift};
pub use former_roles::explain_former_roles;
pub use impact::{Consents, Counted, Estimate, Impact, Measure, impact};
pub use lint::lint;
pub use make::plan;
pub use order::PlanError;
pub use protect::{GroupLoss, Losses, Vanishing, items, protect, settle_renames, vanishing};
pub use saved::{Fingerprints, Place, SAVED_VERSION, SavedPlan, SavedPlanError};
pub use sharing::{
    Course, Known, RuleChange, Sample, Sharing, TypeSharing, note_courses, rule_changes, unapproved,
};
pub use teardown::plan_destroy;

use crate::kinds::{Effect, Recorded};
use crate::resource::Address;

/// The version of the plan's document.
pub const VERSION: u32 = 1;

/// What the planner must know about kinds.
pub trait Facts {
    /// What changing the attribute at this path would mean.
    fn classify(&self, address: &Address, path: &str) -> Effect;
    /// Attributes whose change does not count as one.
    fn write_only(&self, address: &Address) -> &'static [&'static str];
    /// Whether it holds what people own.
    fn holds_data(&self, address: &Address) -> bool;
    /// Outputs that change when the attribute at this path is changed in place.
    fn moves_outputs(&self, address: &Address, path: &str) -> &'static [&'static str];
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// To bring the stack to what the file says.
    Apply,
    /// To take the stack down.
    Destroy,
}

/// Everything that will be done, in an order in which it can be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The version of this document.
    pub version: u32,
    /// The stack's name.
    pub stack: String,
    /// What it is for.
    pub purpose: Purpose,
    /// One node for each resource that is wanted or remembered; dependencies come before their dependents.
    pub nodes: Vec<Node>,
    /// What it changes about who sees what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sharing: Vec<Sharing>,
}

/// What will be done about one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Where it stands.
    pub address: Address,
    /// What will be done.
    pub action: Action,
    /// Why, where the changes alone do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What must have ended well before this one begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Address>,
    /// What it is remembered to use, if it is to go; the state keeps that until it is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Address>,
    /// The wanted attributes, with references; none if it is to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Value>,
    /// What is there now, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Recorded>,
}

/// What will be done about a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing.
    NoOp,
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is deleted and made again.
    Replace,
    /// It is deleted.
    Delete,
    /// It is gone or not ours: only the state forgets it.
    Forget,
    /// It would lose data: refused.
    Blocked,
    /// Something that is not the stack's has its name: refused.
    Conflict,
}

impl Action {
    /// Whether the plan cannot be carried out because of it.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Blocked | Self::Conflict)
    }
}

/// One attribute that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Which: `billing/mode`.
    pub path: String,
    /// What it is now; none if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it will be; none if it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Whether what it will be is only known once another resource was applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known_after_apply: bool,
    /// Whether somebody changed it behind the stack's back, and the file did not change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drift: bool,
    /// What changing it means.
    pub effect: Effect,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.nodes.iter().all(|node| node.action == Action::NoOp)
    }

    /// How many nodes have each action.
    pub fn counts(&self) -> BTreeMap<Action, usize> {
        self.nodes.iter().fold(BTreeMap::new(), |mut counts, node| {
            *counts.entry(node.action).or_default() += 1;
            counts
        })
    }

    /// The nodes because of which it cannot be carried out.
    pub fn refusals(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.action.is_refusal())
    }

    /// The node of a resource.
    pub fn node(&self, address: &Address) -> Option<&Node> {
        self.nodes.iter().find(|node| node.address == *address)
    }

    /// Whether another plan does the same to the same resources, apart from those listed.
    pub fn same_work(&self, other: &Self, apart_from: &[Address]) -> bool {
        let work = |plan: &Self| -> BTreeMap<Address, (Action, Vec<Change>)> {
            plan.nodes
                .iter()
                .filter(|node| node.action != Action::NoOp && !apart_from.contains(&node.address))
                .map(|node| (node.address.clone(), (node.action, node.changes.clone())))
                .collect()
        };
        work(self) == work(other)
    }
}
