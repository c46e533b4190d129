//! What a group receives: rules compiled to Cedar, and the question "which fields of this item, if any?".
//!
//! Each rule becomes, for each data type it names, one Cedar policy over that type. Cedar is typed, so a misspelt
//! field is found before anything is deployed; total and bounded, so no condition can hang a function; and open to
//! analysis, so that a change of a rule can be proved to narrow or to widen. Evaluation never fails open: a
//! condition that errors (an overflow, a field that is not there) does not select.

pub mod bounds;
pub mod compare;
mod compile;
mod contract;
pub mod explain;
pub mod limits;
pub mod lint;
mod operators;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicyId, PolicySet, Request,
    RestrictedExpression,
};

pub use compile::{RuleError, RulePart, compile};
pub use contract::{AgreedRules, Agreement, CompiledContract, Contract, ContractError};
pub use limits::{MAX_CONDITION, accept};
pub use schema::{is_usable_name, schema_json};

use limits::Cost;

use crate::id::Name;
use crate::stack::History;
use crate::time::Timestamp;
use crate::value::{Fields, Value};

/// A group's rules, ready to decide.
#[derive(Debug, Clone, Default)]
pub struct CompiledRules {
    types: BTreeMap<Name, TypeRules>,
}

/// The rules of one data type.
#[derive(Debug, Clone)]
struct TypeRules {
    policies: PolicySet,
    /// What is asked of the policies about every item: only the item's entity differs. Made once, because names would
    /// have to be read by Cedar's parser each time.
    request: Request,
    resource: EntityUid,
    rules: Vec<TypeRule>,
    /// Fields that some condition looks at: replicas carry them so that readers can ask the condition again.
    asked: BTreeSet<Name>,
}

/// One rule, for one data type.
#[derive(Debug, Clone)]
struct TypeRule {
    id: PolicyId,
    /// Its place among the group's rules, from 0.
    index: usize,
    cost: Cost,
    /// The fields it shows; every field if none.
    fields: Option<BTreeSet<Name>>,
    history: History,
}

/// What a group's copy of an item carries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Carried {
    /// What consumers see, and what the conditions ask.
    pub fields: Fields,
    /// What the conditions ask and the item does not have. Said, because otherwise nobody could tell it from what was
    /// never asked, once the conditions are others.
    pub absent: BTreeSet<Name>,
}

impl Carried {
    /// Whether it says of each of these fields what the item has, or that it has none.
    pub fn tells<'a>(&self, asked: impl IntoIterator<Item = &'a Name>) -> bool {
        asked.into_iter().all(|field| self.fields.contains_key(field) || self.absent.contains(field))
    }
}

/// What one provider's membership adds to the group's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// When the provider joined: history windows end there.
    pub joined: Timestamp,
    /// What the provider allows, and which rules they agreed to.
    pub contract: Arc<CompiledContract>,
}

impl Terms {
    /// The terms of a provider who follows the rules and allows all that they select.
    pub fn of_everything(joined: Timestamp) -> Self {
        Self { joined, contract: CompiledContract::open() }
    }
}

/// An item as a question to the rules.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Its data type.
    pub data_type: &'a Name,
    /// Its time.
    pub time: Timestamp,
    /// Its fields, or those that a replica carries.
    pub fields: &'a Fields,
    /// What its provider's membership adds.
    pub terms: &'a Terms,
}

impl CompiledRules {
    /// Whether any rule is about this data type.
    pub fn covers(&self, data_type: &Name) -> bool {
        self.types.contains_key(data_type)
    }

    /// What evaluating the rules costs for one item of a data type.
    pub fn cost(&self, data_type: &Name) -> Cost {
        let mut cost = Cost::default();
        self.types
            .get(data_type)
            .into_iter()
            .flat_map(|types| &types.rules)
            .for_each(|rule| cost += rule.cost);
        cost
    }

    /// The steps that one rule takes at most for an item of a data type.
    fn rule_cost(&self, data_type: &Name, index: usize) -> u64 {
        let rules = self.types.get(data_type).map(|types| types.rules.as_slice()).unwrap_or_default();
        rules.iter().find(|rule| rule.index == index).map_or(0, |rule| rule.cost.total())
    }

    /// The earliest time an item of this type can have and still be shared on these terms; none if no rule is about
    /// the type, or none of those that the provider agreed to.
    pub fn reaches_back_to(&self, data_type: &Name, terms: &Terms) -> Option<Timestamp> {
        let own = self.earliest(data_type, terms)?;
        let agreed = match terms.contract.agreed() {
            Some(agreed) => Some(agreed.rules.earliest(data_type, terms)?),
            None => None,
        };
        Some(own).max(agreed).max(terms.contract.written().from)
    }

    /// The earliest time that the history windows of these rules let through.
    fn earliest(&self, data_type: &Name, terms: &Terms) -> Option<Timestamp> {
        self.types.get(data_type)?.rules.iter().map(|rule| bound(rule.history, terms)).min()
    }

    /// The fields of a data type that consumers may come to see; none if it shows them all.
    pub fn fields(&self, data_type: &Name) -> Option<BTreeSet<&Name>> {
        let rules = self.types.get(data_type).map(|types| types.rules.as_slice()).unwrap_or_default();
        let each: Option<Vec<_>> = rules.iter().map(|rule| rule.fields.as_ref()).collect();
        each.map(|sets| sets.into_iter().flatten().collect())
    }

    /// The fields of a data type that some condition looks at, of the rules, the contract or the agreed rules: what a
    /// copy carries besides what it shows, so that readers can ask again.
    pub fn asked<'a>(&'a self, data_type: &Name, terms: &'a Terms) -> BTreeSet<&'a Name> {
        self.each_asked(data_type, terms).collect()
    }

    /// The same, one after the other; what both ask comes twice.
    pub fn each_asked<'a>(&'a self, data_type: &Name, terms: &'a Terms) -> impl Iterator<Item = &'a Name> {
        self.own_asked(data_type).chain(terms.contract.asked(data_type))
    }

    /// Whether the rules of both look at the same fields of a data type, so that copies for the one carry what the
    /// other asks.
    pub fn asks_alike(&self, other: &Self, data_type: &Name) -> bool {
        self.own_asked(data_type).eq(other.own_asked(data_type))
    }

    fn own_asked(&self, data_type: &Name) -> impl Iterator<Item = &Name> {
        self.types.get(data_type).into_iter().flat_map(|rules| &rules.asked)
    }

    /// What consumers see of the item: the fields of every rule that selects it, or nothing if none does. Of a provider
    /// who asks to be asked, only what the agreed rules show as well.
    pub fn visible(&self, question: Question<'_>) -> Option<Fields> {
        let selection = self.selecting(question)?;
        Some(question.fields.iter().filter(|(name, _)| selection.shows(name)).map(own).collect())
    }

    /// What the group's copy of the item carries: what consumers see, and what the conditions ask.
    pub fn replica(&self, question: Question<'_>) -> Option<Carried> {
        let selection = self.selecting(question)?;
        let asked = self.asked(question.data_type, question.terms);
        let carried = |name: &Name| selection.shows(name) || asked.contains(name);
        let fields = question.fields.iter().filter(|(name, _)| carried(name)).map(own).collect();
        let absent = asked.iter().filter(|name| !question.fields.contains_key(**name));
        Some(Carried { fields, absent: absent.map(|name| (*name).clone()).collect() })
    }

    /// The rules that select the item, if its provider's contract and agreement allow it.
    fn selecting<'a>(&'a self, question: Question<'a>) -> Option<Selection<'a>> {
        let of = |rules: &'a Self| rules.types.get(question.data_type)?.selecting(question);
        let contract = &question.terms.contract;
        let current = of(self)?;
        let agreed = match contract.agreed().map(|agreed| &*agreed.rules) {
            // Most often the agreed rules are the current ones: there is no need to ask them twice.
            Some(agreed) if !std::ptr::eq(agreed, self) => Some(of(agreed)?),
            _ => None,
        };
        contract.allows(question).then_some(Selection { current, agreed })
    }
}

/// The rules that select an item, and which fields they show.
struct Selection<'a> {
    current: Vec<&'a TypeRule>,
    /// Those that the provider agreed to, if these are others.
    agreed: Option<Vec<&'a TypeRule>>,
}

impl Selection<'_> {
    fn shows(&self, name: &Name) -> bool {
        shows(&self.current, name) && self.agreed.as_ref().is_none_or(|agreed| shows(agreed, name))
    }
}

fn own((name, value): (&Name, &Value)) -> (Name, Value) {
    (name.clone(), value.clone())
}

fn shows(selecting: &[&TypeRule], name: &Name) -> bool {
    selecting.iter().any(|rule| rule.fields.as_ref().is_none_or(|fields| fields.contains(name)))
}

/// The earliest item time that a history window lets through.
fn bound(history: History, terms: &Terms) -> Timestamp {
    match history {
        History::None => terms.joined,
        History::All => Timestamp::from_millis(i64::MIN),
        History::Days(days) => terms.joined.plus_millis(-i64::from(days) * 86_400_000),
        History::Since(time) => time,
    }
}

impl TypeRules {
    /// The rules that select the item; none rather than an empty list.
    fn selecting(&self, question: Question<'_>) -> Option<Vec<&TypeRule>> {
        let in_time: Vec<&TypeRule> =
            self.rules.iter().filter(|rule| question.time >= bound(rule.history, question.terms)).collect();
        if in_time.is_empty() {
            return None;
        }
        let satisfied = self.satisfied(question)?;
        let selecting: Vec<&TypeRule> =
            in_time.into_iter().filter(|rule| satisfied.contains(&rule.id)).collect();
        (!selecting.is_empty()).then_some(selecting)
    }

    fn satisfied(&self, question: Question<'_>) -> Option<BTreeSet<PolicyId>> {
        let attributes = question
            .fields
            .iter()
            .filter(|(name, _)| self.asked.contains(*name))
            .filter_map(|(name, value)| Some((name.to_string(), expression(value)?)))
            .collect();
        let entity = Entity::new(self.resource.clone(), attributes, Default::default()).ok()?;
        let entities = Entities::from_entities([entity], None).ok()?;
        let response = Authorizer::new().is_authorized(&self.request, &self.policies, &entities);
        (response.decision() == Decision::Allow).then(|| response.diagnostics().reason().cloned().collect())
    }
}

/// The question to the policies of a data type, and the item in it.
fn request(data_type: &Name) -> Option<(Request, EntityUid)> {
    let resource = schema::item_uid(data_type)?;
    let (principal, action) = (r#"Group::"this""#.parse().ok()?, r#"Action::"replicate""#.parse().ok()?);
    let request = Request::new(principal, action, resource.clone(), Context::empty(), None).ok()?;
    Some((request, resource))
}

/// A value as Cedar's; none for what conditions cannot ask.
fn expression(value: &Value) -> Option<RestrictedExpression> {
    Some(match value {
        Value::String(text) => RestrictedExpression::new_string(text.clone()),
        Value::Integer(number) => RestrictedExpression::new_long(*number),
        Value::Decimal(number) => RestrictedExpression::new_decimal(number.to_string()),
        Value::Boolean(truth) => RestrictedExpression::new_bool(*truth),
        Value::Datetime(time) => RestrictedExpression::new_datetime(schema::cedar_time(*time)),
        Value::Set(texts) => {
            RestrictedExpression::new_set(texts.iter().cloned().map(RestrictedExpression::new_string))
        }
        Value::Object(_) => return None,
    })
}

#[cfg(test)]
mod tests;
