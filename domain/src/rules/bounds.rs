//! Whether a group's rules stay inside others that limit them.
//!
//! A group shows the fields of all rules that select an item, so rules are inside their limits if each of them is. A rule is
//! inside only if [`compare`](super::compare) finds so: what is not decided is outside.

use std::collections::BTreeMap;

use super::compare::{Budget, Example, Finding, Side, compare_within};
use super::{CompiledRules, Terms, compile};
use crate::datatype::DataType;
use crate::id::Name;
use crate::stack::{History, Rule, RuleSet};
use crate::value::fields_to_json;

/// A rule that shares more than its limits, or cannot be shown not to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// Which rule, from 0.
    pub rule: usize,
    /// Which part of it.
    pub part: ExcessPart,
    /// What lies outside, and what is allowed.
    pub message: String,
}

/// The part of a rule that shares more than its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExcessPart {
    /// An entry of `types`, from 0.
    Type(usize),
    /// `fields`.
    Fields,
    /// The rule as a whole.
    Rule,
}

/// Limits of rules.
#[derive(Debug)]
struct Limits<'a> {
    types: &'a BTreeMap<Name, DataType>,
    /// What they are called where they are written.
    name: &'a str,
    rules: &'a RuleSet,
    compiled: CompiledRules,
}

/// Where `rules` share more of these data types than `limits`, which `name` is the name of. Limits that do not compile allow
/// nothing.
pub fn excesses(
    types: &BTreeMap<Name, DataType>,
    (name, limits): (&str, &RuleSet),
    rules: &RuleSet,
    budget: &mut Budget,
) -> Vec<Excess> {
    let limits = Limits { types, name, rules: limits, compiled: compile(types, limits).unwrap_or_default() };
    let mut excesses = Vec::new();
    for (rule, written) in rules.rules.iter().enumerate() {
        let found = limits.excesses(written, budget).into_iter();
        excesses.extend(found.map(|(part, message)| Excess { rule, part, message }));
    }
    excesses
}

impl Limits<'_> {
    fn excesses(&self, rule: &Rule, budget: &mut Budget) -> Vec<(ExcessPart, String)> {
        let alone = RuleSet { rules: vec![rule.clone()] };
        let compiled = compile(self.types, &alone).unwrap_or_default();
        let each = rule.types.iter().enumerate().filter_map(|(at, name)| {
            let Some(data_type) = self.types.get(name).filter(|_| self.compiled.covers(name)) else {
                return Some((
                    ExcessPart::Type(at),
                    format!("`{name}` is not among what {} allow", self.name),
                ));
            };
            if let Some(message) = self.fields_beyond(rule, name) {
                return Some((ExcessPart::Fields, message));
            }
            let limits = Side { data_type, rules: self.rules, compiled: &self.compiled };
            let found =
                compare_within(limits, Side { data_type, rules: &alone, compiled: &compiled }, budget);
            let what = match found.appears {
                Finding::Never => return None,
                Finding::Example(example) => {
                    format!(
                        "shares {}, which {} do not allow",
                        self.example(&example, data_type, &compiled, rule),
                        self.name
                    )
                }
                Finding::Unknown => format!(
                    "cannot be shown to stay inside {}; compare each field with constants, as they do",
                    self.name
                ),
            };
            Some((ExcessPart::Rule, format!("{what}; of `{name}` they allow {}", self.allowed(name))))
        });
        each.collect()
    }

    /// What is wrong with the fields that a rule shows, whatever it selects.
    fn fields_beyond(&self, rule: &Rule, name: &Name) -> Option<String> {
        let allowed = self.compiled.fields(name)?;
        let known = allowed.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        match &rule.fields {
            Some(shown) => {
                let outside = shown.iter().find(|shown| !allowed.contains(shown))?;
                Some(format!("of `{name}` {} allow {known}, and not `{outside}`", self.name))
            }
            None => Some(format!("must name fields: of `{name}` {} allow {known}", self.name)),
        }
    }

    /// An item that is outside: its time, what conditions look at, and which fields are shown of it beyond what is allowed.
    fn example(
        &self,
        example: &Example,
        data_type: &DataType,
        rule: &CompiledRules,
        written: &Rule,
    ) -> String {
        let terms = Terms::of_everything(example.joined);
        // Of an item that nothing is allowed of, the fields that are shown say nothing more.
        let newly: Option<Vec<&Name>> = example
            .before
            .as_ref()
            .zip(example.after.as_ref())
            .map(|(allowed, shown)| shown.difference(allowed).take(MOST_FIELDS).collect());
        let mut named = self.compiled.asked(&data_type.name, &terms);
        named.extend(rule.asked(&data_type.name, &terms));
        named.extend([&data_type.time]);
        named.extend(newly.iter().flatten().copied());
        let fields = example.fields.iter().filter(|(name, _)| named.contains(name));
        let fields = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        let item = serde_json::Value::from(fields_to_json(&fields));
        let of = newly.map(|fields| format!("{} of ", listed(fields))).unwrap_or_default();
        let text = format!("{of}the item `{}`", clipped(&item.to_string()));
        let own = self.rules.rules.iter().filter(|rule| rule.types.contains(&data_type.name));
        let counted = |rule: &Rule| matches!(rule.history, History::None | History::Days(_));
        match own.chain([written]).any(counted) {
            true => format!("{text} of a provider who joined on `{}`", example.joined),
            false => text,
        }
    }

    /// What the limits allow of a data type, in words.
    fn allowed(&self, name: &Name) -> String {
        let own: Vec<&Rule> = self.rules.rules.iter().filter(|rule| rule.types.contains(name)).collect();
        let mut each: Vec<String> = own.iter().take(MOST_RULES).map(|rule| described(rule)).collect();
        if own.len() > MOST_RULES {
            each.push(format!("what {} other rules select", own.len() - MOST_RULES));
        }
        each.join("; or ")
    }
}

/// Fields that are named in a message at most.
const MOST_FIELDS: usize = 5;
/// Rules that are described in a message at most.
const MOST_RULES: usize = 5;
/// Characters of a condition or of an item in a message at most.
const LONGEST: usize = 200;

fn described(rule: &Rule) -> String {
    let fields = match &rule.fields {
        Some(fields) => listed(fields),
        None => "every field".to_owned(),
    };
    let when = rule.when.as_deref().map(|when| format!(" where `{}`", clipped(when))).unwrap_or_default();
    let history = match rule.history {
        History::All => String::new(),
        History::None => ", from joining on".to_owned(),
        History::Days(days) => format!(", from {days} days before joining on"),
        History::Since(time) => format!(", since `{time}`"),
    };
    format!("{fields}{when}{history}")
}

fn listed<'n>(names: impl IntoIterator<Item = &'n Name>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
