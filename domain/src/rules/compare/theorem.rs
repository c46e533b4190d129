//! A comparison as questions for a solver: does whoever sees a field on one side see it on the other?

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Policy, PolicyId, PolicySet, Schema};
use serde_json::json;

use super::Side;
use crate::id::Name;
use crate::rules::schema;
use crate::stack::{History, Rule};

/// Two sets of policies over one schema. The group's rules say the same of the fields that this is about if each
/// permits whatever the other one does.
#[derive(Debug, Clone)]
pub struct Theorem {
    /// The fields; none of them if it is about whether the item is seen at all.
    pub fields: BTreeSet<Name>,
    /// The data type as Cedar knows it, and when the provider joined, which is the request's context.
    pub schema: Schema,
    /// Permits what is seen before the change.
    pub before: PolicySet,
    /// Permits what is seen after it.
    pub after: PolicySet,
}

/// When providers may have joined: beyond that, Cedar's arithmetic of times may overflow.
const JOINED: &str =
    "context.joined >= datetime(\"1970-01-01\") && context.joined < datetime(\"9000-01-01\")";

/// The theorems of a comparison. None if the data type's fields differ, which is not a matter of conditions alone.
pub fn theorems(before: Side<'_>, after: Side<'_>) -> Option<Vec<Theorem>> {
    if before.data_type.fields != after.data_type.fields || before.data_type.time != after.data_type.time {
        return None;
    }
    let schema = schema_of(&after)?;
    let own = |side: Side<'_>| -> Vec<Rule> {
        let name = &side.data_type.name;
        side.rules.rules.iter().filter(|rule| rule.types.contains(name)).cloned().collect()
    };
    let (old, new) = (own(before), own(after));
    // Fields that the same rules show are one question.
    let mut alike: BTreeMap<(Vec<usize>, Vec<usize>, bool), BTreeSet<Name>> = BTreeMap::new();
    for (name, field) in &after.data_type.fields {
        let which = (showing(&old, name), showing(&new, name), field.required);
        alike.entry(which).or_default().insert(name.clone());
    }
    let all = |rules: &[Rule]| (0..rules.len()).collect::<Vec<_>>();
    let whole = ((all(&old), all(&new), true), BTreeSet::new());
    let questions = alike.into_iter().flat_map(|((old, new, required), fields)| {
        // Which items have an optional field differs from field to field.
        let one_by_one = fields.clone().into_iter().map(|field| BTreeSet::from([field]));
        let each: Vec<BTreeSet<Name>> = if required { vec![fields] } else { one_by_one.collect() };
        each.into_iter().map(move |fields| ((old.clone(), new.clone(), required), fields))
    });
    questions
        .chain([whole])
        .map(|((old_at, new_at, required), fields)| {
            let asked = fields.first().filter(|_| !required);
            Some(Theorem {
                before: policies(&before, &old, &old_at, asked)?,
                after: policies(&after, &new, &new_at, asked)?,
                schema: schema.clone(),
                fields,
            })
        })
        .collect()
}

/// The rules that show a field.
fn showing(rules: &[Rule], field: &Name) -> Vec<usize> {
    let shows = |rule: &Rule| rule.fields.as_ref().is_none_or(|fields| fields.contains(field));
    rules.iter().enumerate().filter(|(_, rule)| shows(rule)).map(|(at, _)| at).collect()
}

fn schema_of(side: &Side<'_>) -> Option<Schema> {
    let mut json = schema::schema_json(side.data_type);
    let context = json!({"type": "Record", "attributes": {
        "joined": {"type": "Extension", "name": "datetime", "required": true},
    }});
    let applies = json.get_mut("")?.get_mut("actions")?.get_mut("replicate")?.get_mut("appliesTo")?;
    applies.as_object_mut()?.insert("context".into(), context);
    Schema::from_json_value(json).ok()
}

fn policies(side: &Side<'_>, rules: &[Rule], which: &[usize], asked: Option<&Name>) -> Option<PolicySet> {
    let data_type = side.data_type;
    let mut set = PolicySet::new();
    for (at, rule) in which.iter().filter_map(|at| Some((at, rules.get(*at)?))) {
        let window = window(rule.history, &data_type.time);
        let has = asked.map(|field| format!("when {{ resource has {field} }}")).unwrap_or_default();
        let condition = rule.when.as_deref().unwrap_or("true");
        let text = format!(
            "permit(principal, action == Action::\"replicate\", resource is {}) when {{ {JOINED} }} when {{ {window} }} {has} \
             when {{\n{condition}\n}};",
            data_type.name
        );
        set.add(Policy::parse(Some(PolicyId::new(format!("rule{at}"))), text).ok()?).ok()?;
    }
    Some(set)
}

/// A history window as a condition.
fn window(history: History, time: &Name) -> String {
    match history {
        History::All => "true".to_owned(),
        History::None => format!("resource.{time} >= context.joined"),
        History::Days(days) => {
            format!("resource.{time} >= context.joined.offset(duration(\"-{days}d\"))")
        }
        History::Since(start) => format!("resource.{time} >= datetime(\"{}\")", schema::cedar_time(start)),
    }
}
