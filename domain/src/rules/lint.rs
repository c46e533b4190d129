//! What is odd about rules that are nevertheless sound: conditions that never or always hold, rules that add nothing to
//! the others, and fields that nobody can come to see.
//!
//! Everything here is certain: it comes from comparing rules with others (see [`super::compare`]), and what a comparison
//! does not decide is passed over.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::compare::{Comparison, Finding as Compared, Side, Verdict, compare};
use super::compile;
use super::explain::named;
use crate::datatype::{DataType, Field, FieldType};
use crate::id::Name;
use crate::stack::{Rule, RuleSet, Stack};
use crate::value::Decimal;

/// Something odd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// How much it matters.
    pub level: Level,
    /// Whose rules it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Which of them, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// The data types for which it is so.
    pub data_types: BTreeSet<Name>,
    /// The field that nobody can come to see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<Name>,
    /// The condition as it stands in the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What is odd.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Whose rules they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Owner {
    /// A declared group.
    Group(Name),
    /// Groups that people make through the API.
    GroupDefaults,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A condition that no item meets.
    Never,
    /// A condition that every item meets.
    Always,
    /// A rule without which consumers would see the same.
    Shadowed,
    /// A field that no rule shows and no condition asks for.
    Unreached,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Most likely a mistake.
    Warning,
    /// Good to know.
    Info,
}

/// Everything that is odd about a stack's rules, in the order of their owners and places.
pub fn lint(stack: &Stack) -> Vec<Finding> {
    let mut linter = Linter { types: &stack.data_types, known: BTreeMap::new(), findings: Vec::new() };
    for (owner, rules) in owners(stack) {
        linter.rules(&owner, rules);
    }
    linter.unreached(stack);
    linter.findings
}

fn owners(stack: &Stack) -> impl Iterator<Item = (Owner, &RuleSet)> {
    let declared = stack.groups.iter().map(|(name, group)| (Owner::Group(name.clone()), &group.rules));
    declared.chain(stack.group_defaults.iter().map(|rules| (Owner::GroupDefaults, rules)))
}

/// What is known of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Never,
    Always,
    /// Sometimes, or nobody knows.
    Perhaps,
}

struct Linter<'s> {
    types: &'s BTreeMap<Name, DataType>,
    /// Many groups have the same conditions.
    known: BTreeMap<(Name, String), Holds>,
    findings: Vec<Finding>,
}

impl<'s> Linter<'s> {
    fn rules(&mut self, owner: &Owner, rules: &'s RuleSet) {
        // What is odd about a rule may be so for some of its types only.
        let mut odd: BTreeMap<(usize, Kind, Option<usize>), BTreeSet<Name>> = BTreeMap::new();
        for (name, data_type) in self.types {
            let about = |rule: &Rule| rule.types.contains(name);
            let own: Vec<(usize, Rule)> = rules
                .rules
                .iter()
                .enumerate()
                .filter(|(_, rule)| about(rule))
                .map(|(at, rule)| (at, Rule { types: vec![name.clone()], ..rule.clone() }))
                .collect();
            let mut selecting = Vec::new();
            for (at, rule) in own {
                let holds = rule.when.as_deref().map(|when| self.holds(data_type, when));
                match holds {
                    Some(Holds::Never) => {
                        odd.entry((at, Kind::Never, None)).or_default().insert(name.clone());
                        continue;
                    }
                    Some(Holds::Always) => {
                        odd.entry((at, Kind::Always, None)).or_default().insert(name.clone());
                    }
                    Some(Holds::Perhaps) | None => {}
                }
                selecting.push((at, rule));
            }
            for (at, by) in self.shadowed(data_type, selecting) {
                odd.entry((at, Kind::Shadowed, by)).or_default().insert(name.clone());
            }
        }
        for ((at, kind, by), types) in odd {
            if let Some(rule) = rules.rules.get(at) {
                self.findings.push(of_rule(owner, at, rule, kind, by, &types));
            }
        }
    }

    fn holds(&mut self, data_type: &DataType, when: &str) -> Holds {
        let key = (data_type.name.clone(), when.to_owned());
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let limits = limits(data_type, when);
        // Without the type's limits first: there is less to look at, and more that can be decided.
        let among = std::iter::once(None).chain(limits.as_deref().map(Some));
        let found = among.map(|limits| self.holds_among(data_type, when, limits));
        let found = found.into_iter().find(|holds| *holds != Holds::Perhaps).unwrap_or(Holds::Perhaps);
        self.known.insert(key, found);
        found
    }

    /// What a condition comes to, among all items or among those within some limits.
    fn holds_among(&self, data_type: &DataType, when: &str, limits: Option<&str>) -> Holds {
        let limits = limits.unwrap_or("true");
        let within = format!("({limits}) &&\n(\n{when}\n)");
        if self.has_no_more(data_type, &[condition(data_type, &within)], &[]) {
            return Holds::Never;
        }
        let all = condition(data_type, limits);
        if self.has_no_more(data_type, &[all], &[condition(data_type, &within)]) {
            return Holds::Always;
        }
        Holds::Perhaps
    }

    /// Whether it is certain that these rules show nothing that those others do not.
    fn has_no_more(&self, data_type: &DataType, rules: &[Rule], than: &[Rule]) -> bool {
        self.compared(data_type, rules, than).is_some_and(|found| found.vanishes == Compared::Never)
    }

    fn compared(&self, data_type: &DataType, before: &[Rule], after: &[Rule]) -> Option<Comparison> {
        let set = |rules: &[Rule]| RuleSet { rules: rules.to_vec() };
        let (before, after) = (set(before), set(after));
        let (old, new) = (compile(self.types, &before).ok()?, compile(self.types, &after).ok()?);
        Some(compare(
            Side { data_type, rules: &before, compiled: &old },
            Side { data_type, rules: &after, compiled: &new },
        ))
    }

    /// The rules without which consumers would see the same, each with the one that shows all that it does, if one alone
    /// does. Of two alike the later one is found.
    fn shadowed(&self, data_type: &DataType, mut left: Vec<(usize, Rule)>) -> Vec<(usize, Option<usize>)> {
        let mut found = Vec::new();
        for place in (0..left.len()).rev() {
            let texts = |of: &[(usize, Rule)]| of.iter().map(|(_, rule)| rule.clone()).collect::<Vec<_>>();
            let mut others = left.clone();
            let (at, rule) = others.remove(place);
            let same = |others: &[Rule], all: &[Rule]| {
                self.compared(data_type, all, others)
                    .is_some_and(|found| found.verdict() == Verdict::Unchanged)
            };
            if others.is_empty() || !same(&texts(&others), &texts(&left)) {
                continue;
            }
            let alone = |(_, other): &&(usize, Rule)| {
                same(std::slice::from_ref(other), &[other.clone(), rule.clone()])
            };
            found.push((at, others.iter().find(alone).map(|(by, _)| *by)));
            left = others;
        }
        found
    }

    /// Fields that no rule shows and no condition asks for, in any group.
    fn unreached(&mut self, stack: &Stack) {
        for (name, data_type) in &stack.data_types {
            let own = || {
                let all = owners(stack).flat_map(|(_, rules)| &rules.rules);
                all.filter(|rule| rule.types.contains(name))
            };
            if own().any(|rule| rule.fields.is_none()) {
                continue;
            }
            let mut reached: BTreeSet<String> =
                own().flat_map(|rule| rule.fields.iter().flatten().map(Name::to_string)).collect();
            reached.extend(own().filter_map(|rule| rule.when.as_deref()).flat_map(named));
            if own().next().is_none() {
                let message = format!("no rule of any group is about `{name}`");
                let help = format!("add `{name}` to a rule's `types` if a group should get it");
                self.findings.push(of_type(name, None, message, help));
                continue;
            }
            // Items are ordered by their time whether or not anybody sees it.
            let all = data_type.fields.keys().filter(|field| **field != data_type.time);
            for field in all.filter(|field| !reached.contains(field.as_str())) {
                let message = format!("no group sees `{field}` of `{name}`, and no condition asks for it");
                let help = format!("add `{field}` to a rule's `fields` if a group should see it");
                self.findings.push(of_type(name, Some(field), message, help));
            }
        }
    }
}

fn condition(data_type: &DataType, when: &str) -> Rule {
    Rule {
        types: vec![data_type.name.clone()],
        when: Some(when.to_owned()),
        fields: None,
        history: crate::stack::History::All,
    }
}

fn of_type(name: &Name, field: Option<&Name>, message: String, help: String) -> Finding {
    Finding {
        kind: Kind::Unreached,
        level: Level::Info,
        owner: None,
        rule: None,
        data_types: BTreeSet::from([name.clone()]),
        field: field.cloned(),
        condition: None,
        message,
        help,
    }
}

fn of_rule(
    owner: &Owner,
    at: usize,
    rule: &Rule,
    kind: Kind,
    by: Option<usize>,
    types: &BTreeSet<Name>,
) -> Finding {
    let all = rule.types.iter().all(|name| types.contains(name));
    let named = types.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    let (of, only, take) = if all {
        (String::new(), String::new(), "the rule".to_owned())
    } else {
        (format!(" of {named}"), format!(" for {named}"), format!("{named} from its types"))
    };
    let (message, help) = match kind {
        Kind::Always => (
            format!("the condition holds for every item{of}"),
            "correct it, or remove `when` to say so".to_owned(),
        ),
        Kind::Shadowed => {
            let others = by.map_or_else(
                || "the other rules together show".to_owned(),
                |by| format!("rule {} shows", by + 1),
            );
            (
                format!("{others} all that this rule does{only}"),
                format!("remove {take}: consumers see the same without it"),
            )
        }
        Kind::Never | Kind::Unreached => (
            format!("the condition holds for no item{of}"),
            format!("correct it, or remove {take}: it selects nothing"),
        ),
    };
    Finding {
        kind,
        level: Level::Warning,
        owner: Some(owner.clone()),
        rule: Some(at + 1),
        data_types: types.clone(),
        field: None,
        condition: rule.when.clone(),
        message,
        help,
    }
}

/// What the data type lets through of the fields that a condition asks for, as a condition; none if that is everything.
fn limits(data_type: &DataType, when: &str) -> Option<String> {
    let asked = named(when);
    let fields = data_type.fields.iter().filter(|(name, _)| asked.contains(name.as_str()));
    let limits: Vec<String> = fields
        .flat_map(|(name, field)| {
            let limits = of_field(name, field);
            limits.into_iter().map(move |limit| {
                if field.required {
                    limit
                } else {
                    format!("(if resource has {name} then {limit} else true)")
                }
            })
        })
        .collect();
    (!limits.is_empty()).then(|| limits.join(" && "))
}

fn of_field(name: &Name, field: &Field) -> Vec<String> {
    let mut limits = Vec::new();
    match field.kind {
        FieldType::Integer => {
            limits.extend(field.min.map(|min| format!("resource.{name} >= {min}")));
            limits.extend(field.max.map(|max| format!("resource.{name} <= {max}")));
        }
        FieldType::Decimal => {
            let compared =
                |how: &str, than: i64| format!("resource.{name}.{how}(decimal(\"{}\"))", Decimal(than));
            limits.extend(field.min.map(|min| compared("greaterThanOrEqual", min)));
            limits.extend(field.max.map(|max| compared("lessThanOrEqual", max)));
        }
        FieldType::String | FieldType::Set => {
            let allowed = field
                .one_of
                .as_ref()
                .and_then(|texts| texts.iter().map(|text| literal(text)).collect::<Option<Vec<_>>>());
            let how = if field.kind == FieldType::Set { "containsAll" } else { "contains" };
            limits.extend(allowed.map(|allowed| format!("[{}].{how}(resource.{name})", allowed.join(", "))));
        }
        FieldType::Boolean | FieldType::Datetime | FieldType::Object => {}
    }
    limits
}

/// A text as Cedar writes it; none if it has characters that are better not written.
fn literal(text: &str) -> Option<String> {
    if text.chars().any(char::is_control) {
        return None;
    }
    Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests;
