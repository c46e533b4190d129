//! Why a group gets an item, or why it does not: which rules select it, and what each part of their conditions says.

mod parts;

use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::{Entities, Entity, EvalResult, Expression, Request, eval_expression};
use serde::Serialize;
use serde_json::Value as Json;

pub(super) use parts::named;
use parts::{Stretch, Tree};

use super::compile::STACK;
use super::{Terms, bound, expression, limits};
use crate::datatype::DataType;
use crate::id::Name;
use crate::stack::{History, Rule, RuleSet};
use crate::time::Timestamp;
use crate::value::Fields;

/// What becomes of one item in one group, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Whether consumers see the item at all.
    pub shared: bool,
    /// The fields of the item that they see.
    pub sees: BTreeSet<Name>,
    /// Each rule, in the order of the file.
    pub rules: Vec<RuleOutcome>,
}

/// What one rule says of an item.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleOutcome {
    /// Its place among the group's rules, from 1.
    pub rule: usize,
    /// Whether it selects the item.
    pub selects: bool,
    /// The fields of the item that it shows, if it selects it.
    pub shows: BTreeSet<Name>,
    /// The data types it is about.
    pub types: Vec<Name>,
    /// Whether the item's is one of them; if not, there is nothing more to say.
    pub is_about_type: bool,
    /// Its history window, unless that lets everything through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Its condition, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// A history window, as it is for one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// As the rule says it.
    pub history: History,
    /// The earliest time that it lets through.
    pub from: Timestamp,
    /// Whether the item is of that time or later.
    pub within: bool,
}

/// A condition, asked of one item.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// As it stands in the rule.
    pub text: String,
    /// What it comes to.
    pub answer: Answer,
    /// Its parts, in the order of its text.
    pub parts: Vec<Part>,
}

/// A part of a condition that is true or false by itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// As it stands in the condition.
    pub text: String,
    /// Its first byte in the condition.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
    /// What it comes to.
    pub answer: Answer,
    /// Why asking failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What the item says where the part asks it.
    pub asks: Vec<Asked>,
}

/// A field that a part asks.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// Its name.
    pub field: Name,
    /// What it says; none if the item does not have it.
    pub value: Option<Json>,
}

/// What a question comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Asking failed, as sums do that overflow; a condition that fails does not select.
    Failed,
    /// It was not asked: what was asked before it had settled the matter.
    NotAsked,
}

/// Explains what becomes of an item in a group, for a provider who joined at that time and allows all that the rules
/// select. The rules are sound, and the fields are those of an item that its type takes.
pub fn explain(data_type: &DataType, rules: &RuleSet, fields: &Fields, joined: Timestamp) -> Explanation {
    // As for compiling: reading a condition takes as much stack as it is deep.
    stacker::grow(STACK, || {
        let item = Item::new(data_type, fields, joined);
        let rules: Vec<RuleOutcome> =
            rules.rules.iter().enumerate().map(|(at, rule)| item.outcome(at + 1, rule)).collect();
        Explanation {
            shared: rules.iter().any(|rule| rule.selects),
            sees: rules.iter().flat_map(|rule| rule.shows.iter().cloned()).collect(),
            rules,
        }
    })
}

/// An item, and the world in which Cedar is asked about it.
struct Item<'a> {
    data_type: &'a DataType,
    fields: &'a Fields,
    /// None if the item has no time, which no type takes.
    time: Option<Timestamp>,
    terms: Terms,
    world: Option<(Request, Entities)>,
}

impl<'a> Item<'a> {
    fn new(data_type: &'a DataType, fields: &'a Fields, joined: Timestamp) -> Self {
        let time = data_type.time_of(fields);
        let world = world(data_type, fields);
        Self { data_type, fields, time, terms: Terms::of_everything(joined), world }
    }

    fn outcome(&self, number: usize, rule: &Rule) -> RuleOutcome {
        let is_about_type = rule.types.contains(&self.data_type.name);
        let mut outcome = RuleOutcome {
            rule: number,
            selects: false,
            shows: BTreeSet::new(),
            types: rule.types.clone(),
            is_about_type,
            window: None,
            condition: None,
        };
        if !is_about_type {
            return outcome;
        }
        let from = bound(rule.history, &self.terms);
        let within = self.time.is_some_and(|time| time >= from);
        outcome.window =
            (rule.history != History::All).then_some(Window { history: rule.history, from, within });
        outcome.condition = rule.when.as_deref().map(|when| self.condition(when));
        let holds = outcome.condition.as_ref().is_none_or(|condition| condition.answer == Answer::True);
        outcome.selects = within && holds;
        if outcome.selects {
            let shown = |name: &&Name| rule.fields.as_ref().is_none_or(|fields| fields.contains(*name));
            outcome.shows = self.fields.keys().filter(shown).cloned().collect();
        }
        outcome
    }

    fn condition(&self, text: &str) -> Condition {
        if let Err((message, _)) = limits::check_text(text) {
            let refused = |stretch: &Stretch| Part {
                answer: Answer::Failed,
                failure: Some(message.clone()),
                ..self.part(text, stretch)
            };
            let (_, whole) = parts::whole(text);
            let parts = whole.iter().map(refused).collect();
            return Condition { text: text.to_owned(), answer: Answer::Failed, parts };
        }
        let (answer, failure) = self.ask(text);
        let (tree, stretches) = parts::take_apart(text);
        let mut parts: Vec<Part> = stretches.iter().map(|stretch| self.part(text, stretch)).collect();
        if self.fill(&tree, &mut parts) != answer || parts.iter().any(|part| !is_expression(&part.text)) {
            // Cut where Cedar would not have cut. What the whole comes to is certain.
            let (_, whole) = parts::whole(text);
            let filled = |stretch| Part { answer, failure: failure.clone(), ..self.part(text, stretch) };
            parts = whole.iter().map(filled).collect();
        }
        Condition { text: text.to_owned(), answer, parts }
    }

    /// A part that was not asked yet.
    fn part(&self, condition: &str, stretch: &Stretch) -> Part {
        let known =
            stretch.fields.iter().filter_map(|name| self.data_type.fields.get_key_value(name.as_str()));
        let asks = known.map(|(name, _)| Asked {
            field: name.clone(),
            value: self.fields.get(name).map(crate::value::Value::to_json),
        });
        Part {
            text: condition.get(stretch.start..stretch.end).unwrap_or_default().to_owned(),
            start: stretch.start,
            end: stretch.end,
            answer: Answer::NotAsked,
            failure: None,
            asks: asks.collect(),
        }
    }

    /// Asks the parts as Cedar does: from the left, and no further than needed.
    fn fill(&self, tree: &Tree, parts: &mut [Part]) -> Answer {
        // `stop` is the answer that settles the matter.
        let mut in_turn = |of: &[Tree], stop: Answer, otherwise: Answer| {
            let mut answers = of.iter().map(|one| self.fill(one, parts));
            answers.find(|answer| *answer == stop || *answer == Answer::Failed).unwrap_or(otherwise)
        };
        match tree {
            Tree::And(of) => in_turn(of, Answer::False, Answer::True),
            Tree::Or(of) => in_turn(of, Answer::True, Answer::False),
            Tree::Not(of) => match self.fill(of, parts) {
                Answer::True => Answer::False,
                Answer::False => Answer::True,
                other => other,
            },
            Tree::If(of) => {
                let [asked, then, otherwise] = of.as_ref();
                match self.fill(asked, parts) {
                    Answer::True => self.fill(then, parts),
                    Answer::False => self.fill(otherwise, parts),
                    other => other,
                }
            }
            Tree::Part(at) => {
                let Some(part) = parts.get_mut(*at) else { return Answer::Failed };
                (part.answer, part.failure) = self.ask(&part.text);
                part.answer
            }
        }
    }

    /// What Cedar says.
    fn ask(&self, text: &str) -> (Answer, Option<String>) {
        let failed = |why: String| (Answer::Failed, Some(why));
        let Some((request, entities)) = &self.world else {
            return failed("the item cannot be told to Cedar".to_owned());
        };
        let parsed = match Expression::from_str(text) {
            Ok(parsed) => parsed,
            Err(errors) => return failed(errors.to_string()),
        };
        match eval_expression(request, entities, &parsed) {
            Ok(EvalResult::Bool(true)) => (Answer::True, None),
            Ok(EvalResult::Bool(false)) => (Answer::False, None),
            Ok(other) => failed(format!("it comes to {other}, which is neither true nor false")),
            Err(error) => failed(error.to_string()),
        }
    }
}

fn is_expression(text: &str) -> bool {
    Expression::from_str(text).is_ok()
}

/// The item as Cedar's resource; objects are left out, since conditions cannot ask them.
fn world(data_type: &DataType, fields: &Fields) -> Option<(Request, Entities)> {
    let (request, resource) = super::request(&data_type.name)?;
    let attributes =
        fields.iter().filter_map(|(name, value)| Some((name.to_string(), expression(value)?))).collect();
    let entity = Entity::new(resource, attributes, Default::default()).ok()?;
    let entities = Entities::from_entities([entity], None).ok()?;
    Some((request, entities))
}

#[cfg(test)]
mod tests;
