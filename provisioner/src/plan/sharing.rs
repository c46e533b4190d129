//! What a plan changes about sharing: which groups' rules mean something else afterwards, and what has to be approved.

use std::collections::{BTreeMap, BTreeSet};

use domain::datatype::DataType;
use domain::id::Name;
pub use domain::rules::compare::Known;
use domain::rules::compare::{Example, Judged, Verdict};
use domain::stack::{DeclaredGroup, RuleSet};
use domain::time::Timestamp;
use domain::value::fields_to_json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Action, Impact, Node, Plan};
use crate::kinds::group::JudgedChange;

const GROUP: &str = "group";
/// The attribute of a group that says what is known of the change of its rules.
const CHANGE: &str = "change";
const DOCUMENT: &str = "stackdoc";
/// Digits of a change's code: enough that nobody meets another change of the same code by chance.
const DIGITS: usize = 10;

/// The rules of a group and the data types that they are about, before and after a change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleChange {
    /// The group, as the file calls it.
    pub group: Name,
    /// What it received.
    pub before: RuleSet,
    /// What it will receive.
    pub after: RuleSet,
    /// The data types that either speaks of, as they were.
    pub types_before: BTreeMap<Name, DataType>,
    /// The same as they will be.
    pub types_after: BTreeMap<Name, DataType>,
}

/// What a change means for those who read a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sharing {
    /// The group, as the file calls it.
    pub group: Name,
    /// What approves exactly this change.
    pub code: String,
    /// What it means for each data type that the rules speak of.
    pub types: BTreeMap<Name, TypeSharing>,
    /// What bringing the copies after it moves, if that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<Impact>,
}

/// What a change means for one data type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeSharing {
    /// What it comes to.
    pub verdict: Verdict,
    /// How that is known.
    pub known: Known,
    /// Whether copies have to be brought after it. Not if consumers see the same and conditions ask for the same fields.
    pub moves: bool,
    /// An item that is newly shared, or more of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appears: Option<Sample>,
    /// An item that is no longer shared, or less of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vanishes: Option<Sample>,
}

/// An item that is seen differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Its fields.
    pub fields: Map<String, Value>,
    /// When its provider joined, if a history window makes that matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Timestamp>,
    /// Which fields consumers saw before; none if they did not see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<BTreeSet<Name>>,
    /// Which they will see; none if they will not see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<BTreeSet<Name>>,
}

impl Sample {
    /// An example; `windows` says whether it matters when its provider joined.
    pub fn of(example: Example, windows: bool) -> Self {
        let Example { fields, joined, before, after } = example;
        Self { fields: fields_to_json(&fields), joined: windows.then_some(joined), before, after }
    }
}

impl Sharing {
    /// What it comes to over all data types.
    pub fn verdict(&self) -> Verdict {
        let has = |verdict| self.types.values().any(|one| one.verdict == verdict);
        let (both, widens, narrows) = (has(Verdict::Both), has(Verdict::Widens), has(Verdict::Narrows));
        match () {
            // Nothing was judged: nobody may take that for nothing having changed.
            () if self.types.is_empty() || has(Verdict::Undecided) => Verdict::Undecided,
            () if both || (widens && narrows) => Verdict::Both,
            () if widens => Verdict::Widens,
            () if narrows => Verdict::Narrows,
            () => Verdict::Unchanged,
        }
    }

    /// The verdict with how it is known: proved only if it is proved for every data type.
    pub fn judged(&self) -> Judged {
        let proved = self.types.values().all(|one| one.known == Known::Proved);
        match self.verdict() {
            Verdict::Undecided => Judged::UNDECIDED,
            verdict => Judged { verdict, known: if proved { Known::Proved } else { Known::Enumerated } },
        }
    }

    /// Whether somebody must have approved it: more is shared, or nobody knows.
    pub fn needs_approval(&self) -> bool {
        matches!(self.verdict(), Verdict::Widens | Verdict::Both | Verdict::Undecided)
    }
}

/// What has to be done about the copies of a group whose sharing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Course {
    /// Nothing: the rules say the same in other words.
    Leave,
    /// Copies are looked through, and nothing else.
    Sift,
    /// Sources are compared with what was shared before.
    Compare,
}

impl Sharing {
    /// What has to be done about the copies.
    pub fn course(&self) -> Course {
        match self.verdict() {
            Verdict::Unchanged if self.types.values().all(|one| !one.moves) => Course::Leave,
            Verdict::Unchanged | Verdict::Narrows => Course::Sift,
            Verdict::Widens | Verdict::Both | Verdict::Undecided => Course::Compare,
        }
    }
}

/// Notes at groups what is known of the change of their rules, and so what becomes of their copies.
pub fn note_courses(plan: &mut Plan) {
    let changes: BTreeMap<String, (Judged, bool)> = plan
        .sharing
        .iter()
        .map(|sharing| (sharing.group.to_string(), (sharing.judged(), sharing.course() != Course::Leave)))
        .collect();
    for node in plan.nodes.iter_mut().filter(|node| node.address.kind == GROUP) {
        let rules = node.prior.as_ref().and_then(|prior| prior.attributes.get("rules"));
        let from = rules.and_then(|rules| serde_json::from_value(rules.clone()).ok());
        let known = from.zip(changes.get(&node.address.name));
        if let (Some((from, (judged, moves))), Some(Value::Object(desired))) = (known, node.desired.as_mut())
        {
            let change = JudgedChange { from, judged: *judged, moves: *moves };
            desired.insert(CHANGE.to_owned(), serde_json::to_value(change).unwrap_or_default());
        }
    }
}

impl RuleChange {
    /// Says what the change is, in few characters.
    pub fn code(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        // Begins with letters, so that YAML takes none for a number.
        let digest = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("ok-{}", digest.get(..DIGITS).unwrap_or_default())
    }

    /// The data types that either side's rules speak of.
    pub fn types(&self) -> BTreeSet<&Name> {
        mentioned(&self.before).chain(mentioned(&self.after)).collect()
    }
}

fn mentioned(rules: &RuleSet) -> impl Iterator<Item = &Name> {
    rules.rules.iter().flat_map(|rule| &rule.types)
}

/// The changes of sharing that a plan makes. A group that is made has no providers yet, whom it could concern.
pub fn rule_changes(plan: &Plan) -> Vec<RuleChange> {
    let document = plan.nodes.iter().find(|node| node.address.kind == DOCUMENT);
    let after: BTreeMap<Name, DataType> =
        document.and_then(|node| types(node.desired.as_ref()?)).unwrap_or_default();
    // A document that is not there says nothing about what was.
    let before = document.and_then(|node| types(&node.prior.as_ref()?.attributes));
    let before = before.unwrap_or_else(|| after.clone());
    let groups = plan.nodes.iter().filter(|node| node.address.kind == GROUP);
    groups.filter_map(|node| rule_change(node, &before, &after)).collect()
}

fn types(document: &Value) -> Option<BTreeMap<Name, DataType>> {
    serde_json::from_value(document.get("document")?.get("dataTypes")?.clone()).ok()
}

fn rule_change(
    node: &Node,
    types_before: &BTreeMap<Name, DataType>,
    types_after: &BTreeMap<Name, DataType>,
) -> Option<RuleChange> {
    if !matches!(node.action, Action::Update | Action::NoOp) {
        return None;
    }
    let rules = |attributes: &Value| -> Option<RuleSet> {
        serde_json::from_value(attributes.get("rules")?.clone()).ok()
    };
    let (before, after) = (rules(&node.prior.as_ref()?.attributes)?, rules(node.desired.as_ref()?)?);
    let group = Name::parse(&node.address.name).ok()?;
    let names: BTreeSet<Name> = mentioned(&before).chain(mentioned(&after)).cloned().collect();
    let of = |types: &BTreeMap<Name, DataType>, others: &BTreeMap<Name, DataType>| {
        // A type that is only there on one side has no items on the other: what it is there does not matter.
        let find = |name: &Name| types.get(name).or_else(|| others.get(name)).cloned();
        names.iter().filter_map(|name| Some((name.clone(), find(name)?))).collect()
    };
    let (old, new) = (of(types_before, types_after), of(types_after, types_before));
    let change = RuleChange { group, before, after, types_before: old, types_after: new };
    (change.before != change.after || change.types_before != change.types_after).then_some(change)
}

/// The changes that need an approval and have none: neither by name nor by the group's own `approved`.
pub fn unapproved<'p>(
    plan: &'p Plan,
    by_name: &BTreeSet<String>,
    groups: &BTreeMap<Name, DeclaredGroup>,
) -> Vec<&'p Sharing> {
    let approved = |sharing: &Sharing| {
        let written = groups.get(&sharing.group).and_then(|group| group.approved.as_deref());
        by_name.contains(sharing.group.as_str()) || written == Some(sharing.code.as_str())
    };
    plan.sharing.iter().filter(|sharing| sharing.needs_approval() && !approved(sharing)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Purpose, VERSION};
    use super::*;
    use crate::kinds::Recorded;
    use crate::resource::{Address, Outputs};

    fn node(address: &str, action: Action, prior: Option<Value>, desired: Option<Value>) -> Node {
        let address = Address::try_from(address.to_owned()).unwrap();
        let prior = prior.map(|attributes| Recorded {
            address: address.clone(),
            physical_id: "p".into(),
            attributes,
            outputs: Outputs::new(),
        });
        Node {
            address,
            action,
            reason: None,
            changes: vec![],
            depends_on: vec![],
            uses: vec![],
            desired,
            prior,
        }
    }

    fn rules(when: &str) -> Value {
        json!({"rules": [{"types": ["glucose"], "when": when}]})
    }

    fn document(required: bool) -> Value {
        let fields = json!({"takenAt": {"type": "datetime", "required": true}, "mgdl": {"type": "integer", "required": required}});
        let one = |fields: &Value| json!({"name": "glucose", "time": "takenAt", "fields": fields});
        json!({"document": {"dataTypes": {"glucose": one(&fields)}}})
    }

    fn plan(nodes: Vec<Node>, sharing: Vec<Sharing>) -> Plan {
        Plan { version: VERSION, stack: "s".into(), purpose: Purpose::Apply, nodes, sharing }
    }

    fn changed(before: bool, nodes: Vec<Node>) -> Vec<String> {
        let document = node("stackdoc.main", Action::Update, Some(document(before)), Some(document(true)));
        let plan = plan(nodes.into_iter().chain([document]).collect(), vec![]);
        rule_changes(&plan).into_iter().map(|change| change.group.to_string()).collect()
    }

    #[test]
    fn groups_whose_rules_or_data_types_change_are_found_and_no_others() {
        let nodes = || {
            vec![
                node("group.new", Action::Create, None, Some(rules("true"))),
                node("group.old", Action::Delete, Some(rules("true")), None),
                node("group.same", Action::NoOp, Some(rules("true")), Some(rules("true"))),
                node(
                    "group.other",
                    Action::Update,
                    Some(rules("resource.mgdl > 1")),
                    Some(rules("resource.mgdl > 2")),
                ),
            ]
        };
        assert_eq!(changed(true, nodes()), ["other"]);
        assert_eq!(changed(false, nodes()), ["same", "other"]);
    }

    fn sharing(group: &str, verdicts: &[Verdict]) -> Sharing {
        let types = ["a", "b", "c"].iter().zip(verdicts);
        let one = |verdict: &Verdict| TypeSharing {
            verdict: *verdict,
            known: Known::Proved,
            moves: true,
            appears: None,
            vanishes: None,
        };
        let types = types.map(|(name, verdict)| (Name::parse(name).unwrap(), one(verdict)));
        Sharing {
            group: Name::parse(group).unwrap(),
            code: format!("code-{group}"),
            types: types.collect(),
            impact: None,
        }
    }

    #[test]
    fn what_several_data_types_come_to_is_at_least_as_bad_as_each() {
        use Verdict::{Both, Narrows, Unchanged, Undecided, Widens};
        for (types, whole) in [
            (vec![], Undecided),
            (vec![Unchanged, Unchanged], Unchanged),
            (vec![Unchanged, Narrows], Narrows),
            (vec![Widens, Unchanged], Widens),
            (vec![Widens, Narrows], Both),
            (vec![Both, Narrows], Both),
            (vec![Narrows, Undecided, Widens], Undecided),
        ] {
            assert_eq!(sharing("g", &types).verdict(), whole, "{types:?}");
        }
    }

    #[test]
    fn a_widening_is_approved_by_name_or_by_its_code_and_by_nothing_else() {
        use Verdict::{Narrows, Unchanged, Undecided, Widens};
        let all = [("a", Widens), ("b", Undecided), ("c", Narrows), ("d", Unchanged), ("e", Widens)];
        let plan = plan(vec![], all.iter().map(|(name, verdict)| sharing(name, &[*verdict])).collect());
        let group = |name: &str, approved: &str| {
            let group: DeclaredGroup = serde_json::from_value(json!({
                "name": name, "owner": "o@example.org", "rules": [], "shards": 1, "approved": approved,
            }))
            .unwrap();
            (group.name.clone(), group)
        };
        let groups = BTreeMap::from([group("a", "code-a"), group("b", "code-a")]);
        let left = |by_name: &[&str]| -> Vec<String> {
            let by_name = by_name.iter().map(|name| (*name).to_owned()).collect();
            unapproved(&plan, &by_name, &groups).iter().map(|sharing| sharing.group.to_string()).collect()
        };
        assert_eq!(left(&[]), ["b", "e"]);
        assert_eq!(left(&["e", "c"]), ["b"]);
    }

    #[test]
    fn the_code_of_a_change_is_about_where_it_comes_from_and_where_it_goes() {
        let change = |before: &str, after: &str| {
            let node = node("group.g", Action::Update, Some(rules(before)), Some(rules(after)));
            rule_changes(&plan(vec![node], vec![])).remove(0).code()
        };
        let code = change("resource.mgdl > 1", "resource.mgdl > 2");
        assert_eq!(code.len(), "ok-".len() + DIGITS);
        assert_eq!(code, change("resource.mgdl > 1", "resource.mgdl > 2"));
        assert_ne!(code, change("resource.mgdl > 2", "resource.mgdl > 1"));
        assert_ne!(code, change("resource.mgdl > 1", "resource.mgdl > 3"));
    }
}
