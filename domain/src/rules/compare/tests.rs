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

#[test]
fn a_change_is_known_to_take_away_only_if_nothing_of_any_type_appears() {
    let when = |when: &str| rules(&Json::from(when));
    let none = RuleSet::default();
    for (before, after, expected) in [
        (when("resource.mgdl > 100"), when("resource.mgdl > 120"), true),
        (when("resource.mgdl > 100"), when("100 < resource.mgdl"), true),
        (when("resource.mgdl > 100"), when("resource.mgdl > 90"), false),
        (when("resource.mgdl > 100"), none.clone(), true),
        (none, when("resource.mgdl > 100"), false),
        (when("resource.mgdl > 100"), when("resource.no_such_field > 1"), false),
    ] {
        assert_eq!(only_takes_away(&types(), &before, &after), expected, "{before:?} -> {after:?}");
    }
}
