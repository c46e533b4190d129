//! A comparison as questions for a solver: does whoever sees a field on one side see it on the other?

use std::collections::BTreeMap;

use cedar_policy::{Policy, PolicyId, PolicySet, Schema};
use serde_json::json;

use super::Side;
use crate::id::Name;
use crate::rules::compile::STACK;
use crate::rules::limits::check_text;
use crate::rules::schema;
use crate::stack::{History, Rule};

/// Two sets of policies over one schema: what rules that show the same fields permit before and after a change.
#[derive(Debug, Clone)]
pub struct Theorem {
    /// The data type as Cedar knows it, and when the provider joined, which is the request's context.
    pub schema: Schema,
    /// Permits what is seen before the change.
    pub before: PolicySet,
    /// Permits what is seen after it.
    pub after: PolicySet,
    /// Whether it is plain that `after` permits whatever `before` does: no solver has to be asked.
    pub keeps: bool,
    /// Whether it is plain that `before` permits whatever `after` does.
    pub adds_nothing: bool,
    /// The same for items that have an optional field, one for each that these rules show. They follow from this one;
    /// if it does not hold, they may hold all the same, since an item without the field shows nothing of it.
    pub refined: Vec<Self>,
}

/// When providers may have joined: beyond that, Cedar's arithmetic of times may overflow.
const JOINED: &str =
    "context.joined >= datetime(\"1970-01-01\") && context.joined < datetime(\"9000-01-01\")";

/// The theorems of a comparison: nothing new is seen if what is permitted after the change was permitted before it, in
/// each of them. None if the data type's fields differ, which is not a matter of conditions alone.
pub fn theorems(before: Side<'_>, after: Side<'_>) -> Option<Vec<Theorem>> {
    stacker::grow(STACK, || state(before, after))
}

fn state(before: Side<'_>, after: Side<'_>) -> Option<Vec<Theorem>> {
    if before.data_type.fields != after.data_type.fields || before.data_type.time != after.data_type.time {
        return None;
    }
    let schema = schema_of(&after)?;
    let own = |side: Side<'_>| -> Vec<Rule> {
        let name = &side.data_type.name;
        side.rules.rules.iter().filter(|rule| rule.types.contains(name)).cloned().collect()
    };
    let (old, new) = (own(before), own(after));
    let theorem = |(old, new): (&[&Rule], &[&Rule]), field: Option<&Name>| {
        Some(Theorem {
            schema: schema.clone(),
            before: policies(&before, old, field)?,
            after: policies(&after, new, field)?,
            keeps: old.iter().all(|rule| new.iter().any(|other| selects_alike(rule, other))),
            adds_nothing: new.iter().all(|rule| old.iter().any(|other| selects_alike(rule, other))),
            refined: Vec::new(),
        })
    };
    // Fields that the same rules show are one question; so is whether the item is seen at all, which all rules show.
    let all = |rules: &[Rule]| (0..rules.len()).collect::<Vec<_>>();
    let mut alike: BTreeMap<(Vec<usize>, Vec<usize>), Shown<'_>> = BTreeMap::new();
    alike.entry((all(&old), all(&new))).or_default().always = true;
    for (name, field) in &after.data_type.fields {
        let shown = alike.entry((showing(&old, name), showing(&new, name))).or_default();
        if field.required { shown.always = true } else { shown.sometimes.push(name) }
    }
    alike
        .into_iter()
        .map(|((old_at, new_at), shown)| {
            let rules = (at(&old, &old_at), at(&new, &new_at));
            let rules = (rules.0.as_slice(), rules.1.as_slice());
            let refined = shown.sometimes.iter().filter(|_| !shown.always);
            let refined = refined.map(|name| theorem(rules, Some(name))).collect::<Option<_>>()?;
            Some(Theorem { refined, ..theorem(rules, None)? })
        })
        .collect()
}

/// The fields that the same rules show.
#[derive(Default)]
struct Shown<'n> {
    /// Whether there is one that every item has.
    always: bool,
    /// Those that not every item has.
    sometimes: Vec<&'n Name>,
}

fn at<'r>(rules: &'r [Rule], which: &[usize]) -> Vec<&'r Rule> {
    which.iter().filter_map(|at| rules.get(*at)).collect()
}

/// Whether two rules select the same, as their texts stand.
fn selects_alike(one: &Rule, other: &Rule) -> bool {
    one.when == other.when && one.history == other.history
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

fn policies(side: &Side<'_>, rules: &[&Rule], present: Option<&Name>) -> Option<PolicySet> {
    let data_type = side.data_type;
    let mut set = PolicySet::new();
    for (at, rule) in rules.iter().enumerate() {
        let window = window(rule.history, &data_type.time);
        let has = present.map(|field| format!("when {{ resource has {field} }}")).unwrap_or_default();
        let condition = rule.when.as_deref().unwrap_or("true");
        check_text(condition).ok()?;
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
