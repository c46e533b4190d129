//! What the file no longer has: renamed, allowed to go, or refused.
//!
//! A data type, a field or a group that vanished may have been deleted by a slip of the hand. So the plan says what is in it,
//! and is refused unless the file names it under `removed`.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::Name;
use domain::stack::Removed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::census::Tally;

use super::{Action, Node, Plan};
use crate::resource::Address;
use crate::state::Entry;

/// Where the stack's document has its data types.
const TYPES: &str = "document/dataTypes/";
const GROUP: &str = "group";

/// What a plan would take away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vanishing {
    /// Groups.
    pub groups: BTreeSet<Name>,
    /// Data types.
    pub data_types: BTreeSet<Name>,
    /// Fields of data types that stay.
    pub fields: BTreeSet<(Name, Name)>,
}

impl Vanishing {
    /// Whether nothing would go.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.data_types.is_empty() && self.fields.is_empty()
    }
}

/// What would be lost, counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Losses {
    /// Items by data type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data_types: BTreeMap<Name, Tally>,
    /// Items that have a field, by `TYPE.FIELD`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Tally>,
    /// What groups hold, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, GroupLoss>,
    /// Whether there is more of everything than was counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// What a group holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupLoss {
    /// People and drives.
    pub members: u64,
    /// Copies of items.
    pub copies: Tally,
}

impl std::fmt::Display for GroupLoss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let copies = if self.copies.count == 1 && !self.copies.more { "copy" } else { "copies" };
        write!(
            f,
            "{} and {} {copies}",
            crate::error::count(usize::try_from(self.members).unwrap_or(usize::MAX), "member"),
            self.copies
        )
    }
}

impl Losses {
    /// Whether there is nothing to lose.
    pub fn is_empty(&self) -> bool {
        self.data_types.is_empty() && self.fields.is_empty() && self.groups.is_empty()
    }

    /// One line for each thing that would be lost.
    pub fn lines(&self) -> Vec<String> {
        let types =
            self.data_types.iter().map(|(name, tally)| format!("data type `{name}`: {}", items(*tally)));
        let groups = self.groups.iter().map(|(name, loss)| format!("group `{name}`: {loss}"));
        let fields = self.fields.iter().map(|(name, tally)| format!("field `{name}`: in {}", items(*tally)));
        let more = self.more.then(|| "and more: counting stopped after a while".to_owned());
        types.chain(fields).chain(groups).chain(more).collect()
    }
}

/// A number of items.
pub fn items(tally: Tally) -> String {
    format!("{tally} {}", if tally.count == 1 && !tally.more { "item" } else { "items" })
}

/// Takes a group under its former name for the same group: the state forgets the name, and nothing is deleted.
pub fn settle_renames(plan: &mut Plan, recorded: &BTreeMap<Address, Entry>) {
    let mut renamed: BTreeMap<Address, Address> = BTreeMap::new();
    for node in plan.nodes.iter_mut().filter(|node| node.address.kind == GROUP) {
        let Some(before) = former_name(node) else { continue };
        let old = Address::new(GROUP, before.clone());
        node.reason = Some(format!("it was called `{before}`; its members and copies stay"));
        // Who was invited as its owner must not be invited again.
        let owner = recorded.get(&old).and_then(|entry| entry.recorded.attributes.get("owner"));
        if let (Some(owner), Some(Value::Object(prior))) =
            (owner, node.prior.as_mut().map(|prior| &mut prior.attributes))
        {
            prior.insert("owner".to_owned(), owner.clone());
        }
        renamed.insert(old, node.address.clone());
    }
    for node in plan.nodes.iter_mut().filter(|node| node.action == Action::Delete) {
        if let Some(now) = renamed.get(&node.address) {
            node.action = Action::Forget;
            node.reason = Some(format!("it is `{now}` now"));
            node.prior = None;
        }
    }
}

/// The name under which a group was found that is called otherwise now.
fn former_name(node: &Node) -> Option<String> {
    let before = node.desired.as_ref()?.get("renamed_from")?.as_str()?;
    let found = |change: &super::Change| change.path == "name" && change.before == Some(Value::from(before));
    (node.action == Action::Update && node.changes.iter().any(found)).then(|| before.to_owned())
}

/// What a plan would take away, whether or not it may.
pub fn vanishing(plan: &Plan) -> Vanishing {
    let mut vanishing = Vanishing::default();
    for node in &plan.nodes {
        if node.address.kind == GROUP && node.action == Action::Delete {
            vanishing.groups.extend(Name::parse(&node.address.name).ok());
        }
        if node.address.kind == "stackdoc" && node.desired.is_some() {
            let gone =
                node.changes.iter().filter(|change| change.after.is_none() && !change.known_after_apply);
            for path in gone.filter_map(|change| change.path.strip_prefix(TYPES)) {
                match path.split_once("/fields/") {
                    Some((data_type, field)) => {
                        let names = Name::parse(data_type).ok().zip(Name::parse(field).ok());
                        vanishing.fields.extend(names);
                    }
                    None => vanishing.data_types.extend(Name::parse(path).ok()),
                }
            }
        }
    }
    vanishing
}

/// Refuses to lose what the file does not name under `removed`, and says what is in it.
pub fn protect(plan: &mut Plan, vanishing: &Vanishing, removed: &Removed, losses: &Losses) {
    for node in &mut plan.nodes {
        if node.address.kind == GROUP && node.action == Action::Delete {
            protect_group(node, removed, losses);
        }
        if node.address.kind == "stackdoc" && node.action == Action::Update {
            protect_types(node, vanishing, removed, losses);
        }
    }
}

fn protect_group(node: &mut Node, removed: &Removed, losses: &Losses) {
    let name = node.address.name.clone();
    let loss = losses.groups.get(&name).copied().unwrap_or_default();
    if Name::parse(&name).is_ok_and(|name| removed.groups.contains(&name)) {
        node.reason = Some(format!("the file removes it, with {loss}"));
        return;
    }
    node.action = Action::Blocked;
    node.reason = Some(format!(
        "the file no longer has it, and it holds {loss}; to delete it, write `removed: {{ groups: [{name}] }}`, \
         or `renamedFrom: {name}` at the group that it became"
    ));
}

fn protect_types(node: &mut Node, vanishing: &Vanishing, removed: &Removed, losses: &Losses) {
    let none = Tally { count: 0, more: losses.more };
    let types = vanishing.data_types.iter().map(|name| {
        let tally = losses.data_types.get(name).copied().unwrap_or(none);
        let said = format!("data type `{name}` with {}", items(tally));
        (said, name.to_string(), removed.data_types.contains(name))
    });
    let fields = vanishing.fields.iter().map(|(of, field)| {
        let name = format!("{of}.{field}");
        let tally = losses.fields.get(&name).copied().unwrap_or(none);
        let is_named = removed.fields.get(of).is_some_and(|fields| fields.contains(field));
        (format!("field `{name}` with values in {}", items(tally)), name, is_named)
    });
    let (types, fields): (Vec<_>, Vec<_>) = (types.collect(), fields.collect());
    let mut refused: Vec<String> = times(node).collect();
    for (list, key, lost) in [
        (&types, "dataTypes", "which nobody could read any more"),
        (&fields, "fields", "which would be hidden from everybody"),
    ] {
        let kept: Vec<_> = list.iter().filter(|(_, _, is_named)| !is_named).collect();
        if !kept.is_empty() {
            let said: Vec<&str> = kept.iter().map(|(said, ..)| said.as_str()).collect();
            let names: Vec<&str> = kept.iter().map(|(_, name, _)| name.as_str()).collect();
            refused.push(format!(
                "the file no longer has {}, {lost}; to give it up, write `removed: {{ {key}: [{}] }}`",
                said.join(", "),
                names.join(", ")
            ));
        }
    }
    if !refused.is_empty() {
        node.action = Action::Blocked;
        node.reason = Some(refused.join("; "));
    } else if !vanishing.data_types.is_empty() || !vanishing.fields.is_empty() {
        let all: Vec<&str> = types.iter().chain(&fields).map(|(said, ..)| said.as_str()).collect();
        node.reason = Some(format!("the file removes {}", all.join(", ")));
    }
}

/// The data types whose `time` would be another field, each with the reason why it cannot be.
fn times(node: &Node) -> impl Iterator<Item = String> {
    node.changes.iter().filter_map(|change| {
        let data_type = change.path.strip_prefix(TYPES)?.strip_suffix("/time")?;
        let (before, after) = (change.before.as_ref()?.as_str()?, change.after.as_ref()?.as_str()?);
        Some(format!(
            "the `time` of data type `{data_type}` cannot change from `{before}` to `{after}`, because the identifiers of \
             its items contain their times; keep `time: {before}`, or declare a data type of another name with `time: {after}`"
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Change, Purpose, VERSION, lint};
    use super::*;
    use crate::kinds::{Effect, Recorded};
    use crate::resource::Outputs;
    use crate::state::{Status, now};

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn recorded(address: &str, attributes: Value) -> Recorded {
        let address = Address::try_from(address.to_owned()).unwrap();
        Recorded { address, physical_id: "p".into(), attributes, outputs: Outputs::new() }
    }

    fn node(address: &str, action: Action, desired: Option<Value>, changes: Vec<Change>) -> Node {
        Node {
            address: Address::try_from(address.to_owned()).unwrap(),
            action,
            reason: None,
            changes,
            depends_on: vec![],
            uses: vec![],
            desired,
            prior: Some(recorded(address, json!({}))),
        }
    }

    fn change(path: &str, before: Value, after: Option<Value>) -> Change {
        let (known_after_apply, drift) = (false, false);
        Change {
            path: path.into(),
            before: Some(before),
            after,
            known_after_apply,
            drift,
            effect: Effect::Update,
        }
    }

    fn plan(nodes: Vec<Node>) -> Plan {
        Plan { version: VERSION, stack: "s".into(), purpose: Purpose::Apply, nodes, sharing: vec![] }
    }

    /// A stack that lost a group and a data type.
    fn lossy() -> Plan {
        let gone = change("document/dataTypes/weight", json!({"name": "weight"}), None);
        let field = change("document/dataTypes/glucose/fields/note", json!({"type": "string"}), None);
        plan(vec![
            node("group.clinic", Action::Delete, None, vec![]),
            node("stackdoc.main", Action::Update, Some(json!({})), vec![gone, field]),
        ])
    }

    fn losses() -> Losses {
        let copies = Tally { count: 120, more: true };
        Losses {
            data_types: BTreeMap::from([(name("weight"), Tally { count: 1, more: false })]),
            fields: BTreeMap::from([("glucose.note".to_owned(), Tally { count: 41, more: false })]),
            groups: BTreeMap::from([("clinic".to_owned(), GroupLoss { members: 3, copies })]),
            more: false,
        }
    }

    fn settled(removed: &Removed) -> Vec<(Action, String)> {
        let mut plan = lossy();
        let gone = vanishing(&plan);
        protect(&mut plan, &gone, removed, &losses());
        assert_eq!(lint(&plan), Vec::<String>::new());
        plan.nodes.into_iter().map(|node| (node.action, node.reason.unwrap())).collect()
    }

    #[test]
    fn what_vanishes_is_refused_with_what_is_in_it() {
        let settled = settled(&Removed::default());
        assert!(settled.iter().all(|(action, _)| *action == Action::Blocked));
        let reasons: Vec<_> = settled.into_iter().map(|(_, reason)| reason).collect();
        insta::assert_snapshot!(reasons.join("\n"), @r"
        the file no longer has it, and it holds 3 members and at least 120 copies; to delete it, write `removed: { groups: [clinic] }`, or `renamedFrom: clinic` at the group that it became
        the file no longer has data type `weight` with 1 item, which nobody could read any more; to give it up, write `removed: { dataTypes: [weight] }`; the file no longer has field `glucose.note` with values in 41 items, which would be hidden from everybody; to give it up, write `removed: { fields: [glucose.note] }`
        ");
    }

    #[test]
    fn the_time_of_a_data_type_cannot_become_another_field() {
        let changed = change("document/dataTypes/glucose/time", json!("takenAt"), Some(json!("seen")));
        let mut plan = plan(vec![node("stackdoc.main", Action::Update, Some(json!({})), vec![changed])]);
        let gone = vanishing(&plan);
        assert!(gone.is_empty());
        protect(&mut plan, &gone, &Removed::default(), &Losses::default());
        assert_eq!(plan.nodes[0].action, Action::Blocked);
        insta::assert_snapshot!(plan.nodes[0].reason.as_deref().unwrap(), @"the `time` of data type `glucose` cannot change from `takenAt` to `seen`, because the identifiers of its items contain their times; keep `time: takenAt`, or declare a data type of another name with `time: seen`");
    }

    #[test]
    fn what_the_file_names_may_go() {
        let removed = Removed {
            groups: [name("clinic")].into(),
            data_types: [name("weight"), name("other")].into(),
            fields: BTreeMap::from([(name("glucose"), BTreeSet::from([name("note")]))]),
        };
        assert_eq!(
            settled(&removed),
            [
                (Action::Delete, "the file removes it, with 3 members and at least 120 copies".to_owned()),
                (
                    Action::Update,
                    "the file removes data type `weight` with 1 item, field `glucose.note` with values in 41 items".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn a_renamed_group_is_neither_deleted_nor_refused_and_its_owner_is_not_invited_again() {
        let renamed = change("name", json!("clinic"), Some(json!("ward")));
        let desired = json!({"name": "ward", "renamed_from": "clinic"});
        let mut plan = plan(vec![
            node("group.clinic", Action::Delete, None, vec![]),
            node("group.ward", Action::Update, Some(desired), vec![renamed]),
        ]);
        let entry = Entry {
            recorded: recorded("group.clinic", json!({"owner": "lead@example.org"})),
            depends_on: vec![],
            status: Status::Ready,
            updated: now(),
        };
        settle_renames(&mut plan, &BTreeMap::from([(Address::new(GROUP, "clinic"), entry)]));
        assert!(vanishing(&plan).is_empty());
        assert_eq!(lint(&plan), Vec::<String>::new());
        let [old, new] = plan.nodes.as_slice() else { panic!("{plan:?}") };
        assert_eq!((old.action, old.reason.as_deref()), (Action::Forget, Some("it is `group.ward` now")));
        assert_eq!(new.prior.as_ref().unwrap().attributes["owner"], "lead@example.org");
    }

    #[test]
    fn a_group_of_the_former_name_that_is_another_one_is_not_taken_for_renamed() {
        let desired = json!({"name": "ward", "renamed_from": "clinic"});
        let mut plan = plan(vec![
            node("group.clinic", Action::Delete, None, vec![]),
            node(
                "group.ward",
                Action::Update,
                Some(desired),
                vec![change("shards", json!(1), Some(json!(2)))],
            ),
        ]);
        settle_renames(&mut plan, &BTreeMap::new());
        assert_eq!(vanishing(&plan).groups, BTreeSet::from([name("clinic")]));
    }
}
