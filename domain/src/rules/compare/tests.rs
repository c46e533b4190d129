use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::*;
use crate::rules::compile;
use crate::stack::Rule;

fn types() -> BTreeMap<Name, DataType> {
    let data_type: DataType = serde_json::from_str(include_str!("reading.json")).unwrap();
    BTreeMap::from([(data_type.name.clone(), data_type)])
}

/// Rules, or the condition of the only one.
fn rules(json: &Json) -> RuleSet {
    let rules: Vec<Rule> = match json {
        Json::String(when) => serde_json::from_value(json!([{"types": ["reading"], "when": when}])).unwrap(),
        rules => serde_json::from_value(rules.clone()).unwrap(),
    };
    RuleSet { rules }
}

fn verdict_of(text: &str) -> Verdict {
    match text {
        "unchanged" => Verdict::Unchanged,
        "narrows" => Verdict::Narrows,
        "widens" => Verdict::Widens,
        "both" => Verdict::Both,
        other => panic!("`{other}` is no verdict"),
    }
}

fn compared(before: &Json, after: &Json) -> Comparison {
    let types = types();
    let (before, after) = (rules(before), rules(after));
    let (old, new) = (compile(&types, &before).unwrap(), compile(&types, &after).unwrap());
    let data_type = &types["reading"];
    compare(
        Side { data_type, rules: &before, compiled: &old },
        Side { data_type, rules: &after, compiled: &new },
    )
}

#[test]
fn every_change_has_its_verdict_or_none_and_few_have_none() {
    let changes: Vec<(String, Json, Json, String)> =
        serde_json::from_str(include_str!("changes.json")).unwrap();
    assert!(changes.len() >= 60);
    let mut undecided = Vec::new();
    for (name, before, after, expected) in &changes {
        for (before, after, expected) in [
            (before, after, verdict_of(expected)),
            (after, before, turned(verdict_of(expected))),
            (before, before, Verdict::Unchanged),
        ] {
            match compared(before, after).verdict() {
                Verdict::Undecided => undecided.push(name.clone()),
                found => assert_eq!(found, expected, "{name}"),
            }
        }
    }
    assert!(undecided.len() * 5 <= changes.len() * 3, "not decided: {undecided:#?}");
    undecided.dedup();
    // What is left to the solver.
    let left = ["a beginning or an ending", "two fields compared, turned around", "a sum"];
    assert_eq!(undecided, left);
}

fn turned(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Narrows => Verdict::Widens,
        Verdict::Widens => Verdict::Narrows,
        other => other,
    }
}

#[test]
fn an_example_is_seen_as_it_says() {
    let comparison = compared(&json!("resource.mgdl > 180"), &json!("resource.mgdl > 140"));
    let Finding::Example(example) = &comparison.appears else { panic!("{comparison:?}") };
    assert_eq!(example.before, None);
    let mgdl = &example.fields["mgdl"];
    assert!(matches!(mgdl, Value::Integer(141..=180)), "{mgdl:?}");
    assert_eq!(comparison.vanishes, Finding::Never);
}

#[test]
fn a_field_that_a_type_gains_is_seen_by_groups_that_see_all_fields() {
    let before = types();
    let mut after = types();
    let reading = Name::parse("reading").unwrap();
    let dose = serde_json::from_value(json!({"type": "integer"})).unwrap();
    after.get_mut("reading").unwrap().fields.insert(Name::parse("dose").unwrap(), dose);
    for (written, expected) in [
        (json!([{"types": ["reading"]}]), Verdict::Widens),
        (json!([{"types": ["reading"], "fields": ["mgdl"]}]), Verdict::Unchanged),
    ] {
        let rules = rules(&written);
        let (old, new) = (compile(&before, &rules).unwrap(), compile(&after, &rules).unwrap());
        let side = |types, compiled| {
            let data_type = BTreeMap::get(types, &reading).unwrap();
            Side { data_type, rules: &rules, compiled }
        };
        let found = compare(side(&before, &old), side(&after, &new));
        assert_eq!(found.verdict(), expected, "{written}");
        let back = compare(side(&after, &new), side(&before, &old));
        assert_eq!(back.verdict(), turned(expected), "{written}");
    }
}

/// Rules, before and after, over all types, with so much work.
fn judged(before: &RuleSet, after: &RuleSet, mut budget: Budget) -> Judged {
    compare_rules(&types(), before, after, &mut budget).judged()
}

#[test]
fn a_change_of_rules_has_one_verdict_over_all_types() {
    let when = |when: &str| rules(&Json::from(when));
    let none = RuleSet::default();
    for (before, after, expected) in [
        (when("resource.mgdl > 100"), when("resource.mgdl > 120"), Verdict::Narrows),
        (when("resource.mgdl > 100"), when("100 < resource.mgdl"), Verdict::Unchanged),
        (when("resource.mgdl > 100"), when("resource.mgdl > 90"), Verdict::Widens),
        (when("resource.mgdl > 100"), when("resource.mgdl < 90"), Verdict::Both),
        (when("resource.mgdl > 100"), none.clone(), Verdict::Narrows),
        (none.clone(), when("resource.mgdl > 100"), Verdict::Widens),
        (none.clone(), none, Verdict::Unchanged),
        (when("resource.mgdl > 100"), when("resource.no_such_field > 1"), Verdict::Undecided),
    ] {
        let found = judged(&before, &after, Budget::request());
        assert_eq!(found.verdict, expected, "{before:?} -> {after:?}");
        assert_eq!(found.known == Known::NotDecided, expected == Verdict::Undecided);
        assert_eq!(found.adds_nothing(), matches!(expected, Verdict::Unchanged | Verdict::Narrows));
    }
}

#[test]
fn rules_that_stay_as_they_are_written_are_unchanged_whatever_they_ask() {
    // A sum, which enumeration does not settle; and more questions than are tried in every combination.
    let many: Vec<String> = (0..20).map(|n| format!("resource.mgdl + {n} != resource.mgdl * 2")).collect();
    for condition in ["resource has low && resource.mgdl + resource.low > 100".to_owned(), many.join(" || ")]
    {
        let same = json!({"types": ["reading"], "when": condition});
        let before = rules(&json!([same]));
        let after = rules(&json!([same, {"types": ["reading"], "when": condition, "fields": ["mgdl"]}]));
        for (before, after) in [(&before, &before), (&before, &after), (&after, &before)] {
            assert_eq!(judged(before, after, Budget(10)).verdict, Verdict::Unchanged);
        }
    }
}

#[test]
fn a_comparison_that_costs_more_than_its_budget_is_undecided_and_ends() {
    let (before, after) = (json!("resource.mgdl > 100"), json!("resource.mgdl > 120"));
    let (before, after) = (rules(&before), rules(&after));
    assert_eq!(judged(&before, &after, Budget(0)), Judged::UNDECIDED);
    assert_eq!(judged(&before, &after, Budget(1_000)).verdict, Verdict::Narrows);
    // Twelve questions that may fail, which are half a million combinations.
    let sums = |from: i64| {
        let each = (from..from + 6).map(|n| format!("resource.mgdl + {n} > {}", n * 7));
        rules(&Json::from(each.collect::<Vec<_>>().join(" && ")))
    };
    let mut budget = Budget(2_000);
    assert_eq!(compare_rules(&types(), &sums(0), &sums(10), &mut budget).verdict(), Verdict::Undecided);
    assert!(budget.0 < 2_000);
}
