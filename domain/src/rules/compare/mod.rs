//! What a change of a group's rules means for what its consumers see, found out without a solver.
//!
//! Two ways, both certain. *Examples*: items made of the constants that the conditions mention, and their neighbours;
//! an item that one side shows and the other does not settles a direction, and if the items tell apart all that the
//! conditions can tell apart, finding none settles it too. *Atoms*: if whatever the one side shows is shown by the other
//! for every combination of answers to the conditions' questions, then it is for every item. What neither settles is
//! not decided.

mod abstraction;
mod atoms;
mod samples;
#[cfg(test)]
mod tests;
mod theorem;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use abstraction::{Part, shows_no_more};
use atoms::{Atoms, Points};
pub use theorem::{Theorem, theorems};

use super::compile::STACK;
use super::{CompiledRules, Question, Terms, compile};
use crate::datatype::{DataType, Field};
use crate::id::Name;
use crate::stack::{History, RuleSet};
use crate::time::Timestamp;
use crate::value::{Fields, Value, fields_to_json};

/// Items that are tried at most.
const ITEMS: usize = 6_000;
/// Steps that evaluating conditions for the items of one comparison may take: about a quarter of a second. See [`super::limits`].
const STEPS: u64 = 200_000_000;
/// Steps of an item besides those of the conditions.
const ITEM: u64 = 10_000;
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

    fn takes(&self, fields: &Fields) -> bool {
        let own = fields.iter().filter(|(name, _)| self.data_type.fields.contains_key(*name));
        let own: Fields = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.data_type.validate(&fields_to_json(&own)).is_ok()
    }

    fn parts(&self, atoms: &mut Atoms) -> Option<Vec<Part>> {
        let own = self.rules.rules.iter().filter(|rule| rule.types.contains(&self.data_type.name));
        let each = own.map(|rule| {
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

/// Whether a change of rules is known to let nobody see anything that they did not see before, of these data types as they
/// are. Only what is enumerated counts as known.
pub fn only_takes_away(types: &BTreeMap<Name, DataType>, before: &RuleSet, after: &RuleSet) -> bool {
    let (Ok(old), Ok(new)) = (compile(types, before), compile(types, after)) else { return false };
    let side = |data_type, rules, compiled| Side { data_type, rules, compiled };
    let mut steps = STEPS;
    types.values().filter(|data_type| new.covers(&data_type.name)).all(|data_type| {
        let sides = (side(data_type, before, &old), side(data_type, after, &new));
        let found = stacker::grow(STACK, || compare_within(sides, &mut steps));
        matches!(found.appears, Finding::Never)
    })
}

/// Compares what consumers of a group see of one data type before and after a change.
pub fn compare(before: Side<'_>, after: Side<'_>) -> Comparison {
    stacker::grow(STACK, || compare_within((before, after), &mut STEPS.clone()))
}

/// Compares in no more steps than these, and takes from them those that it took.
fn compare_within((before, after): (Side<'_>, Side<'_>), steps: &mut u64) -> Comparison {
    let mut atoms = Atoms::new();
    let parts = before.parts(&mut atoms).zip(after.parts(&mut atoms));
    let Some((old, new)) = parts else {
        return Comparison { appears: Finding::Unknown, vanishes: Finding::Unknown };
    };
    let windows: Vec<History> = old.iter().chain(&new).map(|part| part.history).collect();
    let mut space = Space::new(before.data_type, after.data_type, &atoms, &windows);
    let longest = space.longest_text();
    let of = |side: Side<'_>| side.compiled.cost(&side.data_type.name).of_texts(longest);
    let each = ITEM.saturating_add(of(before)).saturating_add(of(after));
    space.try_at_most(*steps / each);
    let (mut appears, mut vanishes) = (Found::default(), Found::default());
    for (fields, joined) in space.items() {
        *steps = steps.saturating_sub(each);
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
    let exact = space.exact && atoms.plain;
    let fields: BTreeSet<Name> =
        before.data_type.fields.keys().chain(after.data_type.fields.keys()).cloned().collect();
    // A field that only one side knows, or knows otherwise, is not a matter of conditions alone.
    let same_fields = before.data_type.fields == after.data_type.fields;
    let by_atoms = |rules: &[Part], than: &[Part]| {
        same_fields && shows_no_more(rules, than, &atoms, &fields) == Some(true)
    };
    let settle = |found: Found, rules: &[Part], than: &[Part]| match found.example {
        Some(example) => Finding::Example(Box::new(example)),
        None if exact || by_atoms(rules, than) => Finding::Never,
        None => Finding::Unknown,
    };
    Comparison { appears: settle(appears, &new, &old), vanishes: settle(vanishes, &old, &new) }
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
