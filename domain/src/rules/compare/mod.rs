//! What a change of a group's rules means for what its consumers see, found out without a solver.
//!
//! Two ways, both certain. *Examples*: items made of the constants that the conditions mention, and their neighbours;
//! an item that one side shows and the other does not settles a direction, and if the items tell apart all that the
//! conditions can tell apart, finding none settles it too. *Atoms*: if whatever the one side shows is shown by the other
//! for every combination of answers to the conditions' questions, then it is for every item. What neither settles is
//! not decided.

mod abstraction;
mod atoms;
mod budget;
mod samples;
#[cfg(test)]
mod tests;
mod theorem;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use abstraction::{Part, is_covered_as_written, shows_no_more};
pub use atoms::instant;
use atoms::{Atoms, Points};
pub use budget::Budget;
pub use theorem::{Theorem, theorems};

use super::compile::STACK;
use super::{CompiledRules, Question, Terms, compile};
use crate::datatype::{DataType, Field};
use crate::id::Name;
use crate::stack::{History, Rule, RuleSet};
use crate::time::Timestamp;
use crate::value::{Fields, Value, fields_to_json};

/// Items that are tried at most.
const ITEMS: usize = 6_000;
/// Times of items that are collected at most.
const TIMES: usize = 50_000;
/// When somebody joins in an example for which that does not matter: 2026-01-01.
const JOINED: i64 = 1_767_225_600_000;
const DAY: i64 = 86_400_000;

/// One side of a change, for one data type.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The data type as it is on this side.
    pub data_type: &'a DataType,
    /// The group's rules.
    pub rules: &'a RuleSet,
    /// The same, compiled.
    pub compiled: &'a CompiledRules,
}

/// What a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Consumers see the same as before.
    Unchanged,
    /// They see less, and nothing new.
    Narrows,
    /// They see more, and nothing less.
    Widens,
    /// They see some things no longer, and others for the first time.
    Both,
    /// It may be either.
    Undecided,
}

/// How a verdict is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// A solver proved what examples do not show by themselves.
    Proved,
    /// Every case that the conditions can tell apart was tried.
    Enumerated,
    /// It is not known.
    NotDecided,
}

/// The verdict on a change of a group's rules, as it is stored with the revision that the change made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// What the change means.
    pub verdict: Verdict,
    /// How that is known.
    pub known: Known,
}

impl Judged {
    /// Nothing is known of the change.
    pub const UNDECIDED: Self = Self { verdict: Verdict::Undecided, known: Known::NotDecided };

    /// Whether consumers certainly see nothing after the change that they did not see before.
    pub fn adds_nothing(self) -> bool {
        matches!(self.verdict, Verdict::Unchanged | Verdict::Narrows)
    }
}

/// Whether there is an item of which more is seen on one side than on the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// There is none.
    Never,
    /// This one.
    Example(Box<Example>),
    /// Nobody knows.
    Unknown,
}

/// An item that is seen differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its fields.
    pub fields: Fields,
    /// When its provider joined: history windows end there.
    pub joined: Timestamp,
    /// Which of its fields consumers saw before the change; none if they did not see it.
    pub before: Option<BTreeSet<Name>>,
    /// Which of its fields they see after it.
    pub after: Option<BTreeSet<Name>>,
}

impl Example {
    /// An item as both sides see it.
    pub fn of(fields: Fields, joined: Timestamp, before: Side<'_>, after: Side<'_>) -> Self {
        let (before, after) = (before.sees(&fields, joined), after.sees(&fields, joined));
        Self { fields, joined, before, after }
    }

    /// Whether more of it is seen after the change.
    pub fn gains(&self) -> bool {
        more(self.after.as_ref(), self.before.as_ref())
    }

    /// Whether less of it is seen after the change.
    pub fn loses(&self) -> bool {
        more(self.before.as_ref(), self.after.as_ref())
    }
}

/// A comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Whether anything is seen after the change that was not seen before.
    pub appears: Finding,
    /// Whether anything is not seen any more.
    pub vanishes: Finding,
}

impl Comparison {
    const NEVER: Self = Self { appears: Finding::Never, vanishes: Finding::Never };
    const UNKNOWN: Self = Self { appears: Finding::Unknown, vanishes: Finding::Unknown };

    /// The verdict, which no solver has seen.
    pub fn judged(&self) -> Judged {
        match self.verdict() {
            Verdict::Undecided => Judged::UNDECIDED,
            verdict => Judged { verdict, known: Known::Enumerated },
        }
    }

    /// Both comparisons as one: an example of either is an example, and what one does not know is not known.
    fn and(self, other: Self) -> Self {
        let worse = |one, other| match (one, other) {
            (Finding::Example(example), _) | (_, Finding::Example(example)) => Finding::Example(example),
            (Finding::Unknown, _) | (_, Finding::Unknown) => Finding::Unknown,
            (Finding::Never, Finding::Never) => Finding::Never,
        };
        Self { appears: worse(self.appears, other.appears), vanishes: worse(self.vanishes, other.vanishes) }
    }

    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        match (&self.appears, &self.vanishes) {
            (Finding::Unknown, _) | (_, Finding::Unknown) => Verdict::Undecided,
            (Finding::Never, Finding::Never) => Verdict::Unchanged,
            (Finding::Example(_), Finding::Never) => Verdict::Widens,
            (Finding::Never, Finding::Example(_)) => Verdict::Narrows,
            (Finding::Example(_), Finding::Example(_)) => Verdict::Both,
        }
    }
}

impl Side<'_> {
    /// Which fields of an item consumers see; none if they do not see it.
    pub fn sees(&self, fields: &Fields, joined: Timestamp) -> Option<BTreeSet<Name>> {
        // As the type of this side reads the item.
        let own: Fields = fields
            .iter()
            .filter(|(name, value)| self.data_type.fields.get(*name).is_some_and(|field| is_of(value, field)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let time = self.data_type.time_of(&own)?;
        let terms = Terms::of_everything(joined);
        let question = Question { data_type: &self.data_type.name, time, fields: &own, terms: &terms };
        self.compiled.visible(question).map(|seen| seen.into_keys().collect())
    }

    /// The rules that are about the data type.
    fn own_rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.rules.iter().filter(|rule| rule.types.contains(&self.data_type.name))
    }

    /// What asking this side about one item costs.
    fn cost(&self) -> u64 {
        1 + self.own_rules().map(|rule| budget::of_condition(rule.when.as_deref())).sum::<u64>()
    }

    fn takes(&self, fields: &Fields) -> bool {
        let own = fields.iter().filter(|(name, _)| self.data_type.fields.contains_key(*name));
        let own: Fields = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.data_type.validate(&fields_to_json(&own)).is_ok()
    }

    fn parts(&self, atoms: &mut Atoms) -> Option<Vec<Part>> {
        let each = self.own_rules().map(|rule| {
            let tree = match &rule.when {
                Some(condition) => atoms.add(condition)?,
                None => atoms::Tree::Constant(true),
            };
            let fields = rule.fields.as_ref().map(|fields| fields.iter().cloned().collect());
            Some(Part { tree, fields, history: rule.history })
        });
        each.collect()
    }
}

fn is_of(value: &Value, field: &Field) -> bool {
    use crate::datatype::FieldType as Kind;
    matches!(
        (value, field.kind),
        (Value::String(_), Kind::String)
            | (Value::Integer(_), Kind::Integer)
            | (Value::Decimal(_), Kind::Decimal)
            | (Value::Boolean(_), Kind::Boolean)
            | (Value::Datetime(_), Kind::Datetime)
            | (Value::Set(_), Kind::Set)
            | (Value::Object(_), Kind::Object)
    )
}

/// Whether an item is seen more on the one side than on the other.
fn more(one: Option<&BTreeSet<Name>>, than: Option<&BTreeSet<Name>>) -> bool {
    match (one, than) {
        (Some(one), Some(than)) => !one.is_subset(than),
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// Compares what consumers of a group see before and after a change of its rules, over all data types as they are now, with
/// no more work than `budget` allows. What that leaves open is unknown, and so is everything if either side does not compile.
pub fn compare_rules(
    types: &BTreeMap<Name, DataType>,
    before: &RuleSet,
    after: &RuleSet,
    budget: &mut Budget,
) -> Comparison {
    let (Ok(old), Ok(new)) = (compile(types, before), compile(types, after)) else {
        return Comparison::UNKNOWN;
    };
    let covered =
        types.values().filter(|data_type| old.covers(&data_type.name) || new.covers(&data_type.name));
    covered.fold(Comparison::NEVER, |whole, data_type| {
        let before = Side { data_type, rules: before, compiled: &old };
        whole.and(compare_within(before, Side { data_type, rules: after, compiled: &new }, budget))
    })
}

/// Whether a change of rules certainly lets nobody see anything that they did not see before.
pub fn adds_nothing(
    types: &BTreeMap<Name, DataType>,
    before: &RuleSet,
    after: &RuleSet,
    budget: &mut Budget,
) -> bool {
    compare_rules(types, before, after, budget).appears == Finding::Never
}

/// Compares what consumers of a group see of one data type before and after a change.
pub fn compare(before: Side<'_>, after: Side<'_>) -> Comparison {
    compare_within(before, after, &mut Budget::unlimited())
}

/// The same with no more work than `budget` allows; what that leaves open is unknown.
pub fn compare_within(before: Side<'_>, after: Side<'_>, budget: &mut Budget) -> Comparison {
    stacker::grow(STACK, || compare_on_stack(before, after, budget))
}

fn compare_on_stack(before: Side<'_>, after: Side<'_>, budget: &mut Budget) -> Comparison {
    let mut atoms = Atoms::new();
    let parts = before.parts(&mut atoms).zip(after.parts(&mut atoms));
    let Some((old, new)) = parts else { return Comparison::UNKNOWN };
    let fields: BTreeSet<Name> =
        before.data_type.fields.keys().chain(after.data_type.fields.keys()).cloned().collect();
    // A field that only one side knows, or knows otherwise, is not a matter of conditions alone.
    let same_fields = before.data_type.fields == after.data_type.fields;
    let as_written =
        |rules: &[Part], than: &[Part]| same_fields && is_covered_as_written(rules, than, &fields);
    let (adds_nothing, keeps) = (as_written(&new, &old), as_written(&old, &new));
    if adds_nothing && keeps {
        return Comparison::NEVER;
    }
    let windows: Vec<History> = old.iter().chain(&new).map(|part| part.history).collect();
    let space = Space::new(before.data_type, after.data_type, &atoms, &windows);
    let longest = space.longest_text();
    let of = |side: Side<'_>| side.compiled.cost(&side.data_type.name).of_texts(longest);
    let steps = of(before).saturating_add(of(after)) / budget::STEPS;
    let (mut appears, mut vanishes) = (Found::default(), Found::default());
    let mut exact = space.exact && atoms.plain;
    let cost = (before.cost() + after.cost()).saturating_add(steps);
    for (fields, joined) in space.items() {
        if !budget.take(cost) {
            exact = false;
            break;
        }
        let example = Example::of(fields, joined, before, after);
        if !example.gains() && !example.loses() {
            continue;
        }
        let valid = before.takes(&example.fields) && after.takes(&example.fields);
        appears.take(example.gains(), valid, &example);
        vanishes.take(example.loses(), valid, &example);
        if appears.valid && vanishes.valid {
            break;
        }
    }
    let mut settle = |found: Found, known: bool, rules: &[Part], than: &[Part]| match found.example {
        Some(example) => Finding::Example(Box::new(example)),
        None if exact || known => Finding::Never,
        None if same_fields && shows_no_more(rules, than, &atoms, &fields, budget) == Some(true) => {
            Finding::Never
        }
        None => Finding::Unknown,
    };
    let appears = settle(appears, adds_nothing, &new, &old);
    Comparison { appears, vanishes: settle(vanishes, keeps, &old, &new) }
}

/// The best example so far.
#[derive(Default)]
struct Found {
    example: Option<Example>,
    /// Whether the data types take it.
    valid: bool,
}

impl Found {
    fn take(&mut self, is_one: bool, valid: bool, example: &Example) {
        if is_one && (self.example.is_none() || (valid && !self.valid)) {
            *self = Self { example: Some(example.clone()), valid };
        }
    }
}

/// The items that are tried.
struct Space {
    /// What every item has.
    base: Fields,
    /// The field that items are ordered by.
    time: Name,
    /// Times of items, each with when the provider joined.
    times: Vec<(Timestamp, Timestamp)>,
    /// Fields that conditions ask for, with the values that are tried; none is being absent.
    asked: Vec<(Name, Vec<Option<Value>>)>,
    /// Items that are tried at most.
    most: u128,
    /// Whether conditions can tell no other items from these.
    exact: bool,
}

impl Space {
    fn new(before: &DataType, after: &DataType, atoms: &Atoms, windows: &[History]) -> Self {
        let mut exact = before.time == after.time;
        let mut fields: BTreeMap<&Name, (&Field, bool)> = BTreeMap::new();
        for (name, field) in after.fields.iter().chain(&before.fields) {
            let in_both = before.fields.get(name).zip(after.fields.get(name));
            let required = in_both.is_some_and(|(old, new)| old.required && new.required);
            exact &= in_both.is_none_or(|(old, new)| old.kind == new.kind);
            fields.entry(name).or_insert((field, required));
        }
        let time = after.time.clone();
        let mut base = Fields::new();
        let mut asked: Vec<(Name, Vec<Option<Value>>)> = Vec::new();
        for (name, (field, required)) in fields {
            match atoms.fields.get(name.as_str()) {
                _ if *name == time => {}
                Some(points) => {
                    let samples = samples::of(field, points);
                    exact &= samples.exact;
                    let absent = (!required).then_some(None);
                    asked.push((name.clone(), samples.values.into_iter().map(Some).chain(absent).collect()));
                }
                None => drop(base.insert(name.clone(), samples::any(field))),
            }
        }
        let none = Points::default();
        let times = times(atoms.fields.get(time.as_str()).unwrap_or(&none), windows);
        let mut space = Self { base, time, times, asked, most: 0, exact };
        space.try_at_most(u64::MAX);
        space
    }

    /// The items there are.
    fn count(&self) -> u128 {
        let sizes = self.asked.iter().map(|(_, values)| values.len() as u128);
        sizes.fold(self.times.len() as u128, u128::saturating_mul)
    }

    fn try_at_most(&mut self, most: u64) {
        self.most = u128::from(most).min(ITEMS as u128);
        self.exact &= self.count() <= self.most;
    }

    /// The most characters of a text that is tried.
    fn longest_text(&self) -> u64 {
        let values = self.asked.iter().flat_map(|(_, values)| values).flatten();
        let length = |value: &Value| match value {
            Value::String(text) => text.chars().count() as u64,
            Value::Set(texts) => texts.iter().map(|text| text.chars().count() as u64).sum(),
            _ => 0,
        };
        values.map(length).max().unwrap_or(0)
    }

    /// All of them, or as many as are tried, spread over all of them.
    fn items(&self) -> impl Iterator<Item = (Fields, Timestamp)> {
        let all = self.count();
        let tried = all.min(self.most);
        (0..tried).filter_map(move |number| {
            // With a step that has no factor in common with anything likely, so that all fields vary.
            let mut rest = if tried < all { number.wrapping_mul(2_147_483_647) % all } else { number };
            let mut fields = self.base.clone();
            for (name, values) in &self.asked {
                let size = values.len() as u128;
                let value = values.get(usize::try_from(rest % size).ok()?)?;
                rest /= size;
                if let Some(value) = value {
                    fields.insert(name.clone(), value.clone());
                }
            }
            let (time, joined) = *self.times.get(usize::try_from(rest % self.times.len() as u128).ok()?)?;
            fields.insert(self.time.clone(), Value::Datetime(time));
            Some((fields, joined))
        })
    }
}

/// Times of items and of joining that lie on every side of what conditions and windows compare them with.
fn times(points: &Points, windows: &[History]) -> Vec<(Timestamp, Timestamp)> {
    let fixed: BTreeSet<i64> = windows
        .iter()
        .filter_map(|window| match window {
            History::Since(start) => Some(start.millis()),
            _ => None,
        })
        .chain(points.numbers.iter().copied())
        .collect();
    let back: BTreeSet<i64> = windows
        .iter()
        .filter_map(|window| match window {
            History::None => Some(0),
            History::Days(days) => Some(i64::from(*days) * DAY),
            History::All | History::Since(_) => None,
        })
        .collect();
    let near = |at: i64, by: i64| (-by..=by).map(move |by| at.saturating_add(by));
    let crossings =
        fixed.iter().flat_map(|at| back.iter().flat_map(move |back| near(at.saturating_add(*back), 2)));
    // More than are tried can be left out: with so many the items are not all that can be told apart.
    let joins: BTreeSet<i64> = crossings.take(TIMES).chain([JOINED]).collect();
    let mut all = BTreeSet::new();
    for join in joins {
        if all.len() > TIMES {
            break;
        }
        let of_windows = back.iter().flat_map(|back| near(join.saturating_sub(*back), 1));
        let items = fixed.iter().flat_map(|at| near(*at, 1)).chain(of_windows);
        all.extend(items.map(|item| (item, join)));
        if fixed.is_empty() && back.is_empty() {
            all.insert((JOINED, join));
        }
    }
    all.into_iter().map(|(item, join)| (samples::instant(item), samples::instant(join))).collect()
}
