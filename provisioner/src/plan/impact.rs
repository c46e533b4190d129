//! What a change of sharing moves, and what that costs: counted for some providers, and told of all with an error bar.

use domain::item::Item;
use domain::rules::{CompiledRules, Question, Terms};
use domain::value::{Fields, fields_to_json};
use serde::{Deserialize, Serialize};

use super::Course;

/// A number that was counted, or estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// The number.
    pub count: u64,
    /// How far it may be off either way, 19 times out of 20; 0 if it was counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub margin: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What carrying a change out moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Impact {
    /// Copies that are made.
    pub copied: Estimate,
    /// Copies that are removed.
    pub removed: Estimate,
    /// Copies that stay and are written with other fields.
    pub rewritten: Estimate,
    /// Capacity for reading, in read units; by the sizes of items, so that it is never exact.
    pub read_units: Estimate,
    /// Capacity for writing, in write units; by the sizes of items too.
    pub write_units: Estimate,
    /// How many providers were looked at, of how many.
    pub providers: (u64, u64),
    /// How the providers take what the change shares beyond what they agreed to.
    #[serde(default)]
    pub consents: Consents,
    /// Whether somebody has more items than were looked at: then every number is a lower bound.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// How a group's providers take new rules; all of them are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consents {
    /// Providers who share no more than before until they agree.
    pub asked: u64,
    /// Providers who follow the rules.
    pub follow: u64,
    /// Providers who have agreed to rules that share as much already.
    pub agreed: u64,
}

/// The rules on both sides of a change, and what is done about the copies.
#[derive(Debug)]
pub struct Measure<'a> {
    /// The rules of before.
    pub before: &'a CompiledRules,
    /// The rules of after.
    pub after: &'a CompiledRules,
    /// How copies are brought after the change.
    pub course: Course,
}

/// What was counted of one provider.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counted {
    copied: f64,
    removed: f64,
    rewritten: f64,
    bytes_read: f64,
    write_units: f64,
}

/// What keys and attribute names add to the fields of a row.
const OVERHEAD: usize = 160;
/// Bytes that a consistent read unit reads.
const READ_UNIT: f64 = 4096.0;
/// A job counts what it will look at before it begins, with reads at half the price.
const COUNTED_FIRST: f64 = 1.5;

fn bytes(fields: &Fields) -> usize {
    OVERHEAD + serde_json::to_string(&fields_to_json(fields)).map_or(0, |text| text.len())
}

fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(1024) as f64
}

impl Measure<'_> {
    /// Counts an item of a provider.
    pub fn count(&self, counted: &mut Counted, item: &Item, terms: &Terms) {
        let Item { data_type, fields, .. } = item;
        let question = Question { data_type, time: item.time(), fields, terms };
        let (before, after) = (self.before.replica(question), self.after.replica(question));
        let size = |fields: Option<&Fields>| fields.map_or(0, bytes);
        let (held, new) = (size(before.as_ref().map(|c| &c.fields)), size(after.as_ref().map(|c| &c.fields)));
        counted.bytes_read += match self.course {
            Course::Leave => 0.0,
            Course::Sift => held as f64,
            Course::Compare => bytes(fields) as f64,
        };
        let number = match (&before, &after) {
            (None, Some(_)) => &mut counted.copied,
            (Some(_), None) => &mut counted.removed,
            (Some(before), Some(after)) if before.fields != after.fields || before.absent != after.absent => {
                &mut counted.rewritten
            }
            _ => return,
        };
        *number += 1.0;
        // A write costs what the larger of both rows does.
        counted.write_units += write_units(held.max(new));
    }
}

/// What was counted of some providers, for all of them. They must have been chosen by chance if they are not all.
pub fn impact(counted: &[Counted], providers: u64, more: bool, consents: Consents) -> Impact {
    let of = |pick: fn(&Counted) -> f64| estimate(&counted.iter().map(pick).collect::<Vec<_>>(), providers);
    let read = of(|counted| counted.bytes_read / READ_UNIT * COUNTED_FIRST);
    Impact {
        copied: of(|counted| counted.copied),
        removed: of(|counted| counted.removed),
        rewritten: of(|counted| counted.rewritten),
        read_units: read,
        write_units: of(|counted| counted.write_units),
        providers: (counted.len() as u64, providers),
        consents,
        more,
    }
}

/// The sum over all of so many, told from some of them: twice the standard error of a sample without replacement.
fn estimate(sample: &[f64], all: u64) -> Estimate {
    let (n, all) = (sample.len() as f64, all as f64);
    if sample.is_empty() {
        return Estimate::default();
    }
    let mean = sample.iter().sum::<f64>() / n;
    if n >= all {
        return Estimate { count: (mean * n).ceil() as u64, margin: 0 };
    }
    let spread = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let error = all * (spread / n * (1.0 - n / all)).sqrt();
    // One provider tells nothing of the others.
    let margin = if n < 2.0 { mean * all } else { 1.96 * error };
    Estimate { count: (mean * all).round() as u64, margin: (margin.ceil() as u64).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::datatype::DataType;
    use domain::id::{DriveId, ItemId, Name};
    use domain::rules::compile;
    use domain::time::Timestamp;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn types() -> BTreeMap<Name, DataType> {
        let glucose: DataType = serde_json::from_value(json!({"name": "glucose", "time": "takenAt", "fields": {
            "takenAt": {"type": "datetime", "required": true}, "mgdl": {"type": "integer", "required": true},
            "note": {"type": "string"},
        }}))
        .unwrap();
        [(glucose.name.clone(), glucose)].into()
    }

    fn rules(when: &str) -> CompiledRules {
        let rules = json!([{"types": ["glucose"], "when": when, "history": "all"}]);
        compile(&types(), &serde_json::from_value(rules).unwrap()).unwrap()
    }

    fn item(mgdl: i64, note: usize) -> Item {
        let data_type = &types()["glucose"];
        let fields = json!({"takenAt": "2026-01-01T00:00:00Z", "mgdl": mgdl, "note": "x".repeat(note)});
        let fields = data_type.validate(fields.as_object().unwrap()).unwrap();
        let time = data_type.time_of(&fields).unwrap();
        Item {
            drive: DriveId::from_bits(1),
            data_type: data_type.name.clone(),
            id: ItemId::new(time, &data_type.name, 7),
            version: 1,
            fields,
            updated: time,
            expires: None,
        }
    }

    fn counted(course: Course, before: &str, after: &str) -> Impact {
        let (before, after) = (rules(before), rules(after));
        let measure = Measure { before: &before, after: &after, course };
        let terms = Terms::of_everything(Timestamp::from_millis(0));
        let mut counted = Counted::default();
        for (mgdl, note) in [(100, 10), (150, 2_000), (190, 10), (250, 10)] {
            measure.count(&mut counted, &item(mgdl, note), &terms);
        }
        impact(&[counted], 1, false, Consents::default())
    }

    fn exactly(count: u64) -> Estimate {
        Estimate { count, margin: 0 }
    }

    #[test]
    fn what_appears_vanishes_and_changes_is_counted_with_its_capacity() {
        let narrower = counted(Course::Sift, "resource.mgdl > 120", "resource.mgdl > 200");
        assert_eq!((narrower.copied, narrower.removed), (exactly(0), exactly(2)));
        assert_eq!(narrower.write_units, exactly(4), "one of them is of three KB");
        let wider = counted(Course::Compare, "resource.mgdl > 200", "resource.mgdl > 120");
        assert_eq!((wider.copied, wider.removed, wider.write_units), (exactly(2), exactly(0), exactly(4)));
        let asks = counted(Course::Sift, "true", "resource.mgdl > 0");
        assert_eq!((asks.copied, asks.removed, asks.rewritten), (exactly(0), exactly(0), exactly(0)));
    }

    #[test]
    fn a_narrowing_never_copies_and_reads_what_is_shared_and_no_more() {
        let shared = counted(Course::Sift, "resource.mgdl > 200", "resource.mgdl > 240");
        let all = counted(Course::Compare, "resource.mgdl > 200", "resource.mgdl > 240");
        assert!(shared.read_units.count < all.read_units.count, "{shared:?} {all:?}");
    }

    #[test]
    fn some_providers_stand_for_all_with_an_error_bar() {
        assert_eq!(estimate(&[], 0), exactly(0));
        assert_eq!(estimate(&[3.0, 4.0], 2), exactly(7));
        assert_eq!(estimate(&[10.0; 20], 100), Estimate { count: 1000, margin: 1 }, "they are all alike");
        let spread: Vec<f64> = (0..20).map(|at| if at % 2 == 0 { 0.0 } else { 20.0 }).collect();
        let told = estimate(&spread, 100);
        assert!(told.count == 1000 && (300..600).contains(&told.margin), "{told:?}");
        assert_eq!(estimate(&[10.0], 100), Estimate { count: 1000, margin: 1000 });
    }
}
