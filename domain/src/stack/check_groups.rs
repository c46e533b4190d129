//! The sections `groups` and `groupDefaults`: owners and rules.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::rc::Rc;

use crate::address::Address;
use crate::id::Name;
use crate::purpose::{MAX_PURPOSE, Purpose};
use crate::rules::{self, MAX_CONDITION, RuleError, RulePart};
use crate::stack::{DeclaredGroup, History, Rule, RuleSet};

use super::check_examples;
use super::check_types::{Named, Types, is_empty_list, unknown_field};
use super::expand::part;
use super::report::{Report, quoted};
use super::source::At;
use super::yaml::{Entry, Node, Scalar};
use super::{codes, forms, reference};

/// Checks rules against the data types, and compiles equal rule sets once.
pub(super) struct Rules<'t> {
    types: &'t Types,
    compiled: HashMap<String, Rc<Vec<RuleError>>>,
    /// Rule sets without a mistake, by their shapes.
    sound: HashSet<String>,
    /// How many rule sets were really compiled.
    pub compilations: usize,
}

/// What a rule says, and where.
struct Placed<'n> {
    rule: Rule,
    at: At,
    types: Vec<Named<'n>>,
    fields: Vec<Named<'n>>,
    when: Option<(&'n Scalar, At)>,
}

pub(super) fn groups(
    entry: &Entry,
    rules: &mut Rules<'_>,
    report: &mut Report,
) -> BTreeMap<Name, DeclaredGroup> {
    let mut groups = BTreeMap::new();
    for entry in report.mapping(&entry.value, entry.key_at, "`groups`").unwrap_or_default() {
        if report.is_full() {
            break;
        }
        let name = Name::parse(&entry.key)
            .map_err(|error| {
                let message = format!("{} cannot be the name of a group", quoted(&entry.key));
                report.add(codes::NAME, entry.key_at, message, error.why);
            })
            .ok();
        if let (Some(name), Some(group)) = (name.clone(), group(entry, name, rules, report)) {
            groups.insert(name, group);
        }
    }
    groups
}

fn group(
    entry: &Entry,
    name: Option<Name>,
    rules: &mut Rules<'_>,
    report: &mut Report,
) -> Option<DeclaredGroup> {
    let what = format!("group {}", quoted(&entry.key));
    let section = report.section(&entry.value, entry.key_at, &reference::GROUP, &what)?;
    let owner = section.require("owner", "lead@example.org", report).and_then(|entry| owner(entry, report));
    let description = section.get("description").and_then(|entry| purpose(entry, report));
    let examples = check_examples::examples(&section, rules.types, report);
    let rules = section
        .require("rules", "[{ types: [glucose] }]", report)
        .and_then(|entry| rules.read(entry, report));
    let shards = section.get("shards").and_then(|entry| report.integer(entry, 1..=64)).unwrap_or(1);
    let shards = u16::try_from(shards).unwrap_or(1);
    // Whether it can have been called so is a question about all groups: see `check_removed`.
    let renamed_from = section.get("renamedFrom").and_then(|entry| report.text(entry));
    let renamed_from = renamed_from.and_then(|name| Name::parse(name).ok());
    let approved = section.get("approved").and_then(|entry| report.text(entry)).map(str::to_owned);
    let (owner, rules) = (owner?, rules?);
    Some(DeclaredGroup { name: name?, description, owner, rules, shards, renamed_from, approved, examples })
}

fn purpose(entry: &Entry, report: &mut Report) -> Option<Purpose> {
    let parsed = Purpose::parse(report.text(entry)?);
    parsed
        .map_err(|why| {
            let help = format!("write plain text of 1 to {MAX_PURPOSE} characters, or remove `description`");
            report.add(codes::VALUE, entry.value.at, format!("`description` {why}"), help);
        })
        .ok()
}

fn owner(entry: &Entry, report: &mut Report) -> Option<Address> {
    let text = report.text(entry)?;
    Address::parse(text)
        .map_err(|error| {
            report.add(
                codes::ADDRESS,
                entry.value.at,
                error.to_string(),
                "write the owner's address, for example `lead@example.org`",
            );
        })
        .ok()
}

pub(super) fn defaults(entry: &Entry, rules: &mut Rules<'_>, report: &mut Report) -> Option<RuleSet> {
    let section =
        report.section(&entry.value, entry.key_at, &reference::GROUP_DEFAULTS, "`groupDefaults`")?;
    section.require("rules", "[{ types: [glucose] }]", report).and_then(|entry| rules.read(entry, report))
}

impl<'t> Rules<'t> {
    pub fn new(types: &'t Types) -> Self {
        Self { types, compiled: HashMap::new(), sound: HashSet::new(), compilations: 0 }
    }

    fn read(&mut self, entry: &Entry, report: &mut Report) -> Option<RuleSet> {
        let nodes = report.sequence(entry)?;
        if nodes.is_empty() {
            let help = "add a rule, for example `- types: [glucose]`";
            report.add(
                codes::VALUE,
                entry.value.at,
                "`rules` is empty, so the group would receive nothing",
                help,
            );
        }
        let placed: Vec<Placed<'_>> =
            nodes.iter().filter_map(|node| self.rule(node, entry, report)).collect();
        self.compile(&placed, report);
        Some(RuleSet { rules: placed.into_iter().map(|placed| placed.rule).collect() })
    }

    /// Reads one rule as far as it is right, so that its condition is checked whatever else is wrong with it.
    fn rule<'n>(&self, node: &'n Node, list: &Entry, report: &mut Report) -> Option<Placed<'n>> {
        let at = if node.at.start == node.at.end { list.key_at } else { node.at };
        let missing_at = At { end: at.start, ..at };
        let section = report.section(node, missing_at, &reference::RULE, "the rule")?;
        let types = section.require("types", "[glucose]", report).map(|entry| self.types(entry, report));
        let types = types.unwrap_or_default();
        let when = section.get("when").and_then(|entry| condition(entry, report));
        let fields = section.get("fields").and_then(|entry| self.fields(entry, &types, report));
        let history = section.get("history").and_then(|entry| history(entry, report)).unwrap_or_default();
        let names = |named: &[Named<'_>]| {
            named.iter().filter_map(|(text, _)| Name::parse(text).ok()).collect::<Vec<_>>()
        };
        let rule = Rule {
            types: names(&types),
            when: when.map(|(scalar, _)| scalar.text.clone()),
            fields: fields.as_deref().map(names),
            history,
        };
        Some(Placed { rule, at, types, fields: fields.unwrap_or_default(), when })
    }

    /// The types of a rule that are declared.
    fn types<'n>(&self, entry: &'n Entry, report: &mut Report) -> Vec<Named<'n>> {
        let Some(mut types) = report.distinct(entry) else { return Vec::new() };
        if is_empty_list(&entry.value) {
            report.add(
                codes::VALUE,
                entry.value.at,
                "`types` is empty, so the rule is about nothing",
                "name at least one data type",
            );
        }
        types.retain(|(text, at)| self.types.has(text, *at, report));
        types
    }

    /// The projection of a rule, if each field is in each of its types.
    fn fields<'n>(
        &self,
        entry: &'n Entry,
        types: &[Named<'_>],
        report: &mut Report,
    ) -> Option<Vec<Named<'n>>> {
        let fields = report.distinct(entry)?;
        if is_empty_list(&entry.value) {
            let help = "name at least one field, or remove `fields` to share all of them";
            report.add(
                codes::VALUE,
                entry.value.at,
                "`fields` is empty, so consumers would see nothing",
                help,
            );
            return None;
        }
        let mut all = true;
        for (text, at) in &fields {
            if report.is_full() {
                break;
            }
            for (type_name, _) in types {
                let Some(declared) = self.types.declared.get(*type_name) else { continue };
                // A type without any field is reported as such.
                if declared.fields.contains(*text) || declared.fields.is_empty() {
                    continue;
                }
                all = false;
                let has = declared.fields.iter().map(String::as_str);
                unknown_field(type_name, has, (text, *at), report);
            }
        }
        all.then_some(fields)
    }

    /// Compiles the rules whose data types are sound, and reports what is wrong at its place.
    fn compile(&mut self, placed: &[Placed<'_>], report: &mut Report) {
        let sound = |name: &str| self.types.declared.get(name).is_some_and(|declared| declared.sound);
        let placed: Vec<&Placed<'_>> =
            placed.iter().filter(|p| p.types.iter().all(|(name, _)| sound(name))).collect();
        let set = RuleSet { rules: placed.iter().map(|placed| placed.rule.clone()).collect() };
        // What this looks at is no part of a shape.
        if let Err(error) = rules::limits::check_size(&set) {
            return self::report(&[error], &placed, report);
        }
        let shape = shape(&set);
        if shape.as_ref().is_some_and(|shape| self.sound.contains(shape)) {
            return;
        }
        let Ok(content) = serde_json::to_string(&set) else { return };
        let errors = match self.compiled.get(&content) {
            Some(errors) => Rc::clone(errors),
            None => {
                self.compilations += 1;
                let errors = Rc::new(rules::accept(&self.types.good, &set).err().unwrap_or_default());
                match shape.filter(|_| errors.is_empty()) {
                    Some(shape) => drop(self.sound.insert(shape)),
                    None => drop(self.compiled.insert(content, Rc::clone(&errors))),
                }
                errors
            }
        };
        self::report(&errors, &placed, report);
    }

    /// The rule set of groups that nothing is said about: everything.
    pub fn everything(&self) -> Option<RuleSet> {
        let types: Vec<Name> = self.types.good.keys().cloned().collect();
        let rule = Rule { types, when: None, fields: None, history: History::default() };
        (!rule.types.is_empty()).then(|| RuleSet { rules: vec![rule] })
    }
}

fn report(errors: &[RuleError], placed: &[&Placed<'_>], report: &mut Report) {
    for error in errors {
        if let Some(placed) = placed.get(error.rule) {
            let (code, at) = placed.place(&error.part);
            report.add(code, at, error.message.clone(), error.help.clone());
        }
    }
}

/// What a rule set looks like apart from what cannot make a difference to whether it compiles; none if that cannot be
/// told of some condition.
fn shape(set: &RuleSet) -> Option<String> {
    let mut shape = String::new();
    for rule in &set.rules {
        let names = |names: &[Name]| names.iter().map(|name| format!("{name},")).collect::<String>();
        let when = rule.when.as_deref().map(super::shape::shape);
        let fields = rule.fields.as_deref().map(names);
        let _ = writeln!(
            shape,
            "{}|{:?}|{:?}",
            names(&rule.types),
            fields,
            when.map_or(Some(None), |when| when.map(Some))?
        );
    }
    Some(shape)
}

impl Placed<'_> {
    fn place(&self, error: &RulePart) -> (crate::diagnostic::Code, At) {
        let of = |named: &[Named<'_>], index: usize| named.get(index).map_or(self.at, |(_, at)| *at);
        match error {
            RulePart::When { start, end } => {
                let whole =
                    |(scalar, at): (&Scalar, At)| part(scalar, at, *start, end.saturating_sub(*start));
                (codes::CONDITION, self.when.map_or(self.at, whole))
            }
            RulePart::Rule => (codes::COST, self.when.map_or(self.at, |(_, at)| at)),
            RulePart::Field(index) => (codes::UNKNOWN_FIELD, of(&self.fields, *index)),
            RulePart::Type(index) => (codes::UNKNOWN_TYPE, of(&self.types, *index)),
        }
    }
}

fn condition<'n>(entry: &'n Entry, report: &mut Report) -> Option<(&'n Scalar, At)> {
    let scalar = report.scalar(
        entry,
        "a condition",
        "write a Cedar expression, or remove `when` to select every item",
    )?;
    if scalar.text.trim().is_empty() {
        let help = "write a Cedar expression, or remove `when` to select every item";
        report.add(codes::CONDITION, entry.value.at, "the condition is empty", help);
        return None;
    }
    if scalar.text.len() > MAX_CONDITION {
        let message =
            format!("the condition has {} bytes; it may have at most {MAX_CONDITION}", scalar.text.len());
        report.add(
            codes::CONDITION,
            entry.value.at,
            message,
            "split it into several rules: an item is shared if any selects it",
        );
        return None;
    }
    Some((scalar, entry.value.at))
}

fn history(entry: &Entry, report: &mut Report) -> Option<History> {
    const HELP: &str = "write `none`, `all`, a window such as `90d` or `1y`, or `since 2014-01-01`";
    let scalar = report.scalar(entry, "a history window", HELP)?;
    forms::history(&scalar.text)
        .map_err(|why| {
            let message = format!("{} is not a history window: {why}", quoted(&scalar.text));
            report.add(codes::DURATION, entry.value.at, message, HELP);
        })
        .ok()
}
