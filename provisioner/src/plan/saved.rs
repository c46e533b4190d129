//! A plan as a file: what will be done, what it was made from, and what it needs. Applying it makes no choices: it is
//! carried out as it stands, or refused because something is not as it was.

use std::collections::{BTreeMap, BTreeSet};

use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fingerprint::{self, Fingerprint};
use super::iam::Statement;
use super::protect::Losses;
use super::{Action, Facts, Node, Plan, diff};
use crate::kinds::{Effect, Read};
use crate::resource::{Address, Resource};
use crate::state::Entry;

/// The version of the file.
pub const SAVED_VERSION: u32 = 1;

/// A saved plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedPlan {
    /// The version of this document.
    pub version: u32,
    /// The version of the program that made it.
    pub made_by: String,
    /// When it was made.
    pub made: Timestamp,
    /// What it is about.
    pub place: Place,
    /// What it was made from.
    pub seen: Fingerprints,
    /// What it would take away for good, counted.
    #[serde(default, skip_serializing_if = "Losses::is_empty")]
    pub losses: Losses,
    /// What whoever carries it out must be allowed to do.
    pub permissions: Vec<Statement>,
    /// What will be done, in an order in which it can be done.
    pub plan: Plan,
}

/// The stack that a plan is about, and where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The stack's name.
    pub stack: String,
    /// The account's number.
    pub account: String,
    /// The region.
    pub region: String,
    /// `aws` or `local`.
    pub target: String,
    /// The environment whose overlay was laid over the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

/// What a plan was made from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fingerprints {
    /// The configuration's files, by name.
    pub files: BTreeMap<String, String>,
    /// The rows of the recorded state.
    pub state: BTreeMap<Address, String>,
    /// What was there.
    pub live: BTreeMap<Address, Fingerprint>,
}

impl Fingerprints {
    /// Of these files, this state and what was read.
    pub fn of(
        files: BTreeMap<String, String>,
        recorded: &BTreeMap<Address, Entry>,
        observed: &BTreeMap<Address, Read>,
    ) -> Self {
        let row = |entry: &Entry| fingerprint::of_value(&serde_json::to_value(entry).unwrap_or_default());
        Self {
            files,
            state: recorded.iter().map(|(address, entry)| (address.clone(), row(entry))).collect(),
            live: observed
                .iter()
                .map(|(address, read)| (address.clone(), fingerprint::of_read(read)))
                .collect(),
        }
    }

    /// What is not as it was, in words; `apart_from` is not looked at.
    pub fn differences(&self, now: &Self, apart_from: Option<&Address>) -> Vec<String> {
        let mut changed: Vec<String> = keys(&self.files, &now.files)
            .into_iter()
            .filter(|file| self.files.get(*file) != now.files.get(*file))
            .map(|file| format!("the configuration: file `{file}`"))
            .collect();
        let looked_at = |address: &&&Address| apart_from != Some(**address);
        changed.extend(
            keys(&self.state, &now.state)
                .iter()
                .filter(looked_at)
                .filter(|address| self.state.get(**address) != now.state.get(**address))
                .map(|address| format!("the recorded state of `{address}`")),
        );
        let none = fingerprint::of_read(&Read::Missing);
        for address in keys(&self.live, &now.live).iter().filter(looked_at) {
            let (before, after) =
                (self.live.get(*address).unwrap_or(&none), now.live.get(*address).unwrap_or(&none));
            let differences = fingerprint::differences(before, after);
            changed.extend(differences.iter().map(|what| match what.strip_prefix("which") {
                Some(rest) => format!("`{address}`{rest}"),
                None => format!("{what} of `{address}`, as it is live"),
            }));
        }
        changed
    }
}

fn keys<'a, K: Ord, V>(a: &'a BTreeMap<K, V>, b: &'a BTreeMap<K, V>) -> BTreeSet<&'a K> {
    a.keys().chain(b.keys()).collect()
}

/// Why a file is not a plan that can be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedPlanError {
    /// It is no saved plan.
    #[error("it is not a saved plan: {0}")]
    Unreadable(String),
    /// It was made by a newer program.
    #[error("it has version {0}, and this program knows version {known}", known = SAVED_VERSION)]
    Newer(u64),
    /// It is about something else.
    #[error("it was made for {what} `{made_for}`, not `{given}`")]
    Elsewhere {
        /// `the stack`.
        what: &'static str,
        /// What it was made for.
        made_for: String,
        /// What it was given for.
        given: String,
    },
}

impl SavedPlan {
    /// Reads a plan that was saved.
    ///
    /// # Errors
    /// If it is none, or of a newer version.
    pub fn read(text: &str) -> Result<Self, SavedPlanError> {
        let unreadable = |error: serde_json::Error| SavedPlanError::Unreadable(error.to_string());
        let document: Value = serde_json::from_str(text).map_err(unreadable)?;
        let version = document.get("version").and_then(Value::as_u64);
        let version = version.ok_or_else(|| SavedPlanError::Unreadable("it has no version".to_owned()))?;
        if version > u64::from(SAVED_VERSION) {
            return Err(SavedPlanError::Newer(version));
        }
        serde_json::from_value(document).map_err(unreadable)
    }

    /// Its text.
    pub fn text(&self) -> String {
        // Nothing in it is fallible: its keys are texts.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Checks that it is about this stack.
    ///
    /// # Errors
    /// What it was made for, and what it is given for.
    pub fn check_place(&self, here: &Place) -> Result<(), SavedPlanError> {
        let env = |place: &Place| place.env.clone().unwrap_or_else(|| "none".to_owned());
        let (made, given) = (&self.place, here);
        let parts = [
            ("the stack", made.stack.clone(), given.stack.clone()),
            ("the target", made.target.clone(), given.target.clone()),
            ("the account", made.account.clone(), given.account.clone()),
            ("the region", made.region.clone(), given.region.clone()),
            ("the environment", env(made), env(given)),
        ];
        let other = parts.into_iter().find(|(_, made, given)| made != given);
        match other {
            Some((what, made_for, given)) => Err(SavedPlanError::Elsewhere { what, made_for, given }),
            None => Ok(()),
        }
    }

    /// In what the configuration, with its variables and the functions' code, differs from what was planned, by
    /// resource and attribute.
    pub fn differs_from(&self, desired: &[Resource], facts: &dyn Facts) -> Vec<String> {
        let now: BTreeMap<&Address, &Value> =
            desired.iter().map(|resource| (&resource.address, &resource.attributes)).collect();
        let planned: BTreeMap<&Address, &Value> =
            self.plan.nodes.iter().filter_map(|node| Some((&node.address, node.desired.as_ref()?))).collect();
        let mut changed = Vec::new();
        for address in planned.keys().chain(now.keys()).copied().collect::<BTreeSet<_>>() {
            let (Some(planned), Some(now)) = (planned.get(address), now.get(address)) else {
                changed.push(format!("the configuration: whether there is `{address}`"));
                continue;
            };
            let changes = diff(now, planned, None, facts.write_only(address), &|_| Effect::Update);
            changed.extend(
                changes.iter().map(|change| format!("the configuration: `{}` of `{address}`", change.path)),
            );
        }
        changed
    }

    /// Whether a plan that was made here and now is this one: whoever could write to the file cannot have it do anything
    /// else. What only describes is left out, and so is the resource `apart_from`.
    pub fn is(&self, here: &Plan, desired: &[Resource], apart_from: Option<&Address>) -> bool {
        let essence = |plan: Plan| -> Vec<Node> {
            let mut nodes = plan.nodes;
            nodes.retain(|node| apart_from != Some(&node.address));
            for node in &mut nodes {
                node.reason = None;
                if node.action == Action::Create {
                    // They are the wanted attributes once more, with the places of code in them.
                    node.changes.clear();
                }
            }
            nodes
        };
        self.plan.purpose == here.purpose && essence(self.plan_here(desired)) == essence(here.clone())
    }

    /// The plan with attributes that are not compared as they are wanted here: where a function's code lies differs
    /// from machine to machine, and what it is does not.
    pub fn plan_here(&self, desired: &[Resource]) -> Plan {
        let mut plan = self.plan.clone();
        let wanted: BTreeMap<&Address, &Resource> =
            desired.iter().map(|resource| (&resource.address, resource)).collect();
        for node in plan.nodes.iter_mut().filter(|node| node.desired.is_some()) {
            if let Some(resource) = wanted.get(&node.address) {
                node.desired = Some(resource.attributes.clone());
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests;
