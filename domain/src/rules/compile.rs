//! From the text of rules to policies, with every mistake found and placed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cedar_policy::{Expression, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic as _;
use serde_json::Value as Json;

use super::operators::foreign;
use super::{CompiledRules, TypeRule, TypeRules, limits, schema};
use crate::datatype::{DataType, FieldType};
use crate::diagnostic::nearest;
use crate::id::Name;
use crate::stack::{Rule, RuleSet};

/// A mistake in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Which rule, from 0.
    pub rule: usize,
    /// Which part of it.
    pub part: RulePart,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// A part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulePart {
    /// Bytes of the condition's text.
    When {
        /// First byte.
        start: usize,
        /// Behind the last byte.
        end: usize,
    },
    /// An entry of `fields`, from 0.
    Field(usize),
    /// An entry of `types`, from 0.
    Type(usize),
    /// All of it: it is beyond a limit.
    Rule,
}

/// Compiles a group's rules.
///
/// # Errors
/// Every mistake in every rule.
pub fn compile(types: &BTreeMap<Name, DataType>, rules: &RuleSet) -> Result<CompiledRules, Vec<RuleError>> {
    stacker::grow(STACK, || compile_all(types, rules))
}

/// Enough to read the deepest condition that [`limits::check_text`] lets through, whatever stack the caller has left; only
/// what is used is ever touched.
pub(super) const STACK: usize = 64 * 1024 * 1024;

fn compile_all(types: &BTreeMap<Name, DataType>, rules: &RuleSet) -> Result<CompiledRules, Vec<RuleError>> {
    let mut compiled = CompiledRules::default();
    let mut errors = Vec::new();
    for (index, rule) in rules.rules.iter().enumerate() {
        let condition = match rule.when.as_deref().map(Condition::parse).transpose() {
            Ok(condition) => condition,
            Err((part, message, help)) => {
                errors.push(RuleError { rule: index, part, message, help });
                None
            }
        };
        for (at, name) in rule.types.iter().enumerate() {
            let Some(data_type) = types.get(name) else {
                errors.push(unknown_type(index, at, name, types));
                continue;
            };
            errors.extend(unknown_fields(index, rule, data_type));
            match type_policy(index, condition.as_ref(), data_type) {
                Ok(policy) => add(&mut compiled, index, rule, condition.as_ref(), data_type, policy),
                Err(found) => errors.extend(found),
            }
        }
    }
    errors.dedup();
    if errors.is_empty() { Ok(compiled) } else { Err(errors) }
}

fn add(
    compiled: &mut CompiledRules,
    index: usize,
    rule: &Rule,
    condition: Option<&Condition<'_>>,
    data_type: &DataType,
    policy: Policy,
) {
    let rules = match compiled.types.entry(data_type.name.clone()) {
        Entry::Occupied(rules) => rules.into_mut(),
        Entry::Vacant(place) => {
            // Of a name that Cedar cannot speak of there is no policy either.
            let Some((request, resource)) = super::request(&data_type.name) else { return };
            let (policies, rules, asked) = (PolicySet::new(), Vec::new(), BTreeSet::new());
            place.insert(TypeRules { policies, request, resource, rules, asked })
        }
    };
    let id = policy.id().clone();
    // An id is the rule's index, so it can be taken only if a rule names the same type twice.
    if rules.policies.add(policy).is_ok() {
        rules
            .asked
            .extend(condition.iter().flat_map(|c| c.fields.iter()).filter_map(|f| Name::parse(f).ok()));
        let fields = rule.fields.as_ref().map(|fields| fields.iter().cloned().collect());
        let cost = limits::cost(condition.map(|condition| &condition.json), data_type);
        rules.rules.push(TypeRule { id, index, cost, fields, history: rule.history });
        debug_assert_eq!(rules.rules.last().map(|r| r.id.to_string()), Some(policy_id(index)));
    }
}

fn policy_id(index: usize) -> String {
    format!("rule{index}")
}

/// A condition that is one well-formed Cedar expression about `resource` alone.
struct Condition<'a> {
    text: &'a str,
    fields: BTreeSet<String>,
    /// Cedar's JSON form of it.
    json: Json,
}

/// What stands before the condition in a policy's text.
fn head(data_type: &str) -> String {
    format!("permit(principal, action == Action::\"replicate\", resource is {data_type}) when {{\n")
}

impl<'a> Condition<'a> {
    fn parse(text: &'a str) -> Result<Self, (RulePart, String, String)> {
        let whole = RulePart::When { start: 0, end: text.len() };
        let example = "write a Cedar expression over `resource`, such as `resource.mgdl > 180`";
        limits::check_text(text).map_err(|(message, help)| (whole.clone(), message, help))?;
        // On its own first: text that closes the brace and adds a policy of its own is no expression.
        if let Err(errors) = Expression::from_str(text) {
            let part = errors.iter().next().and_then(|e| label(e, 0, text)).unwrap_or(whole);
            let help = foreign(text).map_or_else(
                || example.to_owned(),
                |(written, cedar)| format!("for `{written}` Cedar has `{cedar}`"),
            );
            return Err((part, format!("the condition cannot be read: {errors}"), help));
        }
        let source = format!("permit(principal, action, resource) when {{\n{text}\n}};");
        let Ok(mut json) = Policy::parse(None, &source).map_err(drop).and_then(|p| p.to_json().map_err(drop))
        else {
            return Err((whole, "the condition cannot be read".into(), example.into()));
        };
        let mut found = Mentions::default();
        let json = json.get_mut("conditions").map(Json::take).unwrap_or_default();
        found.collect(&json);
        if let Some(variable) = found.variables.iter().find(|v| *v != "resource") {
            let message = format!("a condition can only speak of `resource`, not of `{variable}`");
            return Err((word(text, variable).unwrap_or(whole), message, example.into()));
        }
        // Cedar may or may not know addresses, as it was built; a rule must mean the same wherever it is read.
        if found.addresses {
            let message = "conditions cannot speak of IP addresses: no field has that type".to_owned();
            return Err((
                word(text, "ip").unwrap_or(whole),
                message,
                "compare the field's text, or use `like`".into(),
            ));
        }
        Ok(Self { text, fields: found.attributes, json })
    }
}

/// The variables and attributes that a policy's JSON form mentions.
#[derive(Default)]
struct Mentions {
    variables: BTreeSet<String>,
    attributes: BTreeSet<String>,
    addresses: bool,
}

impl Mentions {
    fn collect(&mut self, json: &Json) {
        match json {
            Json::Object(object) => {
                for (key, value) in object {
                    match (key.as_str(), value) {
                        ("Var", Json::String(name)) => {
                            self.variables.insert(name.clone());
                        }
                        ("ip", Json::Array(_)) => self.addresses = true,
                        ("Value", _) => continue, // a literal mentions nothing, whatever it looks like
                        ("." | "has", inner) => {
                            let attr = inner.get("attr");
                            self.attributes.extend(attr.and_then(Json::as_str).map(str::to_owned));
                            let attrs = attr.and_then(Json::as_array).into_iter().flatten();
                            self.attributes.extend(attrs.filter_map(Json::as_str).map(str::to_owned));
                        }
                        _ => {}
                    }
                    self.collect(value);
                }
            }
            Json::Array(array) => array.iter().for_each(|value| self.collect(value)),
            _ => {}
        }
    }
}

fn type_policy(
    index: usize,
    condition: Option<&Condition<'_>>,
    data_type: &DataType,
) -> Result<Policy, Vec<RuleError>> {
    let at_start = |message: String, help: String| {
        vec![RuleError { rule: index, part: RulePart::When { start: 0, end: 0 }, message, help }]
    };
    let name = data_type.name.as_str();
    let head = head(name);
    let text = condition.map_or("true", |c| c.text);
    let source = format!("{head}{text}\n}};");
    let broken = |what: String| {
        at_start(format!("the rule cannot be compiled for `{name}`: {what}"), "report this as a bug".into())
    };
    let policy = Policy::parse(Some(PolicyId::new(policy_id(index))), &source)
        .map_err(|errors| broken(errors.to_string()))?;
    let Some(condition) = condition else { return Ok(policy) };
    let schema =
        Schema::from_json_value(schema::schema_json(data_type)).map_err(|error| broken(error.to_string()))?;
    let set = PolicySet::from_policies([policy.clone()]).map_err(|error| broken(error.to_string()))?;
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    let errors: Vec<RuleError> = result
        .validation_errors()
        .map(|error| {
            let part = label(error, head.len(), condition.text);
            let part = part.unwrap_or(RulePart::When { start: 0, end: condition.text.len() });
            let message = error.to_string();
            let prefix = format!("for policy `{}`, ", policy_id(index));
            let message =
                message.strip_prefix(&prefix).unwrap_or(&message).replace("entity type", "data type");
            RuleError {
                rule: index,
                part,
                help: advice(&message, error.help().map(|h| h.to_string()), data_type),
                message,
            }
        })
        .collect();
    if errors.is_empty() { Ok(policy) } else { Err(errors) }
}

/// What to do about a type error.
fn advice(message: &str, own: Option<String>, data_type: &DataType) -> String {
    let quoted = message.split('`').nth(1).unwrap_or_default();
    if let Some((name, field)) = data_type.fields.get_key_value(quoted) {
        if field.kind == FieldType::Object {
            return format!(
                "`{name}` is an object, which conditions cannot look into; share it by other fields"
            );
        }
        if !field.required {
            return format!("`{name}` is optional: ask `resource has {name} && …` first");
        }
    }
    let usable =
        data_type.fields.iter().filter(|(_, f)| f.kind != FieldType::Object).map(|(n, _)| n.as_str());
    if message.contains("not found") {
        if let Some(near) = nearest(quoted, usable.clone()) {
            return format!("did you mean `{near}`?");
        }
        return format!("`{}` has {}", data_type.name, usable.collect::<Vec<_>>().join(", "));
    }
    own.unwrap_or_else(|| {
        "compare a field with a value of its own type: integers with `180`, decimals with `decimal(\"1.5\")` and \
         `.greaterThan(…)`, times with `datetime(\"2014-01-01\")`, texts with `\"…\"`"
            .into()
    })
}

/// Where an error points, within the condition's text.
fn label(error: &dyn miette::Diagnostic, head: usize, text: &str) -> Option<RulePart> {
    let label = error.labels()?.next()?;
    let start = label.offset().checked_sub(head)?.min(text.len());
    let end = (start + label.len().max(1)).min(text.len());
    Some(RulePart::When { start, end: end.max(start) })
}

/// Where a word stands in a text.
fn word(text: &str, word: &str) -> Option<RulePart> {
    text.find(word).map(|start| RulePart::When { start, end: start + word.len() })
}

fn unknown_type(rule: usize, at: usize, name: &Name, types: &BTreeMap<Name, DataType>) -> RuleError {
    let known = || types.keys().map(Name::as_str);
    let help = nearest(name.as_str(), known()).map_or_else(
        || format!("declared are: {}", known().collect::<Vec<_>>().join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    RuleError { rule, part: RulePart::Type(at), message: format!("there is no data type `{name}`"), help }
}

fn unknown_fields(index: usize, rule: &Rule, data_type: &DataType) -> Vec<RuleError> {
    let known = || data_type.fields.keys().map(Name::as_str);
    let fields = rule.fields.iter().flatten().enumerate();
    fields
        .filter(|(_, field)| !data_type.fields.contains_key(*field))
        .map(|(at, field)| RuleError {
            rule: index,
            part: RulePart::Field(at),
            message: format!("data type `{}` has no field `{field}`", data_type.name),
            help: nearest(field.as_str(), known()).map_or_else(
                || format!("it has {}", known().collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            ),
        })
        .collect()
}
