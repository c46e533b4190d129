//! Values that tell apart whatever conditions can tell apart.

use std::collections::BTreeSet;

use super::atoms::{Pattern, Points};
use crate::datatype::{Field, FieldType};
use crate::time::Timestamp;
use crate::value::{Decimal, Value};

/// Members of a set of which every subset is tried, and words of which every selection is.
const SUBSETS: usize = 5;
/// The first and the last instant that Cedar can read, roughly.
const YEARS: (i64, i64) = (-62_135_596_800_000, 253_402_300_799_000);

/// Values of a field, and whether conditions with these points can tell no others from them.
pub(super) struct Samples {
    pub values: Vec<Value>,
    pub exact: bool,
}

/// A value for a field that no condition asks for: one that its type takes.
pub(super) fn any(field: &Field) -> Value {
    let number = field.min.or(field.max).unwrap_or(1);
    match field.kind {
        FieldType::String => Value::String(a_text(field)),
        FieldType::Integer => Value::Integer(number),
        FieldType::Decimal => Value::Decimal(Decimal(number)),
        FieldType::Boolean => Value::Boolean(true),
        FieldType::Datetime => Value::Datetime(Timestamp::from_millis(1_767_225_600_000)),
        FieldType::Set => Value::Set(BTreeSet::from([a_text(field)])),
        FieldType::Object => Value::Object(serde_json::json!({})),
    }
}

fn a_text(field: &Field) -> String {
    let one = field.one_of.as_ref().and_then(|texts| texts.first());
    one.cloned().unwrap_or_else(|| "text".to_owned())
}

/// Values of a field that is asked for.
pub(super) fn of(field: &Field, points: &Points) -> Samples {
    let near = |number: &i64| [number.saturating_sub(1), *number, number.saturating_add(1)];
    let mut numbers: Vec<i64> = points.numbers.iter().flat_map(near).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let values: Vec<Value> = match field.kind {
        FieldType::Integer => numbers.into_iter().map(Value::Integer).collect(),
        FieldType::Decimal => numbers.into_iter().map(|number| Value::Decimal(Decimal(number))).collect(),
        FieldType::Datetime => numbers.into_iter().map(|at| Value::Datetime(instant(at))).collect(),
        FieldType::Boolean => vec![Value::Boolean(true), Value::Boolean(false)],
        FieldType::String => return texts(field, points),
        FieldType::Set => return sets(points),
        FieldType::Object => Vec::new(),
    };
    let values = if values.is_empty() { vec![any(field)] } else { values };
    Samples { values, exact: field.kind != FieldType::Object }
}

pub(super) fn instant(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis.clamp(YEARS.0, YEARS.1))
}

fn texts(field: &Field, points: &Points) -> Samples {
    let fresh = fresh(points);
    let mut texts: BTreeSet<String> = points.texts.clone();
    // Something that is equal to nothing and matches no pattern that asks for anything: what the type takes if it can be.
    let allowed = field.one_of.iter().flatten().find(|text| !points.texts.contains(*text));
    texts.extend(allowed.cloned());
    texts.insert(fresh.clone());
    let patterns: Vec<&Pattern> =
        points.patterns.iter().filter(|pattern| pattern.iter().any(Option::is_some)).collect();
    let shapes: Vec<Shape> = patterns.iter().map(|pattern| Shape::of(pattern)).collect();
    for pattern in &patterns {
        texts.insert(filled(pattern, &fresh));
        texts.insert(filled(pattern, ""));
    }
    let alike = shapes.windows(2).all(|two| matches!(two, [one, other] if one.is_like(other)));
    let exact = match shapes.first() {
        None => true,
        Some(_) if patterns.len() == 1 => true,
        Some(Shape::Other) => false,
        Some(Shape::Prefix | Shape::Suffix | Shape::Whole) => alike,
        Some(Shape::Within) => {
            let words: Vec<&str> =
                patterns.iter().flat_map(|p| p.iter().flatten().map(String::as_str)).collect();
            let few = alike && words.len() <= SUBSETS;
            if few {
                texts.extend(subsets(&words).into_iter().map(|some| {
                    some.iter().map(|word| format!("{fresh}{word}")).collect::<String>() + &fresh
                }));
            }
            few
        }
    };
    Samples { values: texts.into_iter().map(Value::String).collect(), exact }
}

/// Where a pattern is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Nowhere.
    Whole,
    /// At its end.
    Prefix,
    /// At its beginning.
    Suffix,
    /// On both sides of one piece.
    Within,
    /// In some other way.
    Other,
}

impl Shape {
    fn of(pattern: &Pattern) -> Self {
        match pattern.as_slice() {
            [Some(_)] => Self::Whole,
            [Some(_), None] => Self::Prefix,
            [None, Some(_)] => Self::Suffix,
            [None, Some(_), None] => Self::Within,
            _ => Self::Other,
        }
    }

    /// Whether what the one and the other can tell apart together is known.
    fn is_like(self, other: &Self) -> bool {
        self == *other
    }
}

/// A text that matches a pattern, with this where it is open.
fn filled(pattern: &Pattern, open: &str) -> String {
    pattern.iter().map(|part| part.as_deref().unwrap_or(open)).collect()
}

/// A text of a letter that nobody mentions.
fn fresh(points: &Points) -> String {
    let texts = points.texts.iter().chain(points.patterns.iter().flatten().flatten());
    let known: BTreeSet<char> = texts.flat_map(|text| text.chars()).collect();
    let letter = ('a'..='z').rev().chain('\u{3b1}'..='\u{2fff}').find(|letter| !known.contains(letter));
    letter.unwrap_or('~').to_string()
}

fn sets(points: &Points) -> Samples {
    let fresh = fresh(points);
    let members: Vec<&str> = points.texts.iter().map(String::as_str).collect();
    let exact = members.len() <= SUBSETS;
    let some = if exact {
        subsets(&members)
    } else {
        let singles = members.iter().map(|member| vec![*member]);
        singles.chain([Vec::new(), members.clone()]).collect()
    };
    let set = |texts: Vec<&str>| Value::Set(texts.into_iter().map(str::to_owned).collect());
    let with_fresh = some.iter().map(|texts| set(texts.iter().copied().chain([fresh.as_str()]).collect()));
    let values: Vec<Value> = with_fresh.collect();
    Samples { values: some.into_iter().map(set).chain(values).collect(), exact }
}

fn subsets<'a>(of: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut all = vec![Vec::new()];
    for one in of {
        let with: Vec<Vec<&str>> =
            all.iter().map(|some: &Vec<&str>| some.iter().copied().chain([*one]).collect()).collect();
        all.extend(with);
    }
    all
}
