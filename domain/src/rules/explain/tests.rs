use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::rules::{Question, compile};

fn reading() -> DataType {
    serde_json::from_value(json!({
        "name": "reading", "time": "takenAt",
        "fields": {
            "takenAt": {"type": "datetime", "required": true},
            "mgdl": {"type": "integer", "required": true},
            "low": {"type": "integer"},
            "device": {"type": "string"},
            "note": {"type": "string"},
            "ratio": {"type": "decimal"},
            "tags": {"type": "set"},
            "fasting": {"type": "boolean"},
            "seen": {"type": "datetime"},
            "raw": {"type": "object"},
        }
    }))
    .unwrap()
}

fn rules(json: Json) -> RuleSet {
    RuleSet { rules: serde_json::from_value(json).unwrap() }
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn explained(rules_json: Json, item: Json) -> Explanation {
    let fields = reading().validate(item.as_object().unwrap()).unwrap();
    explain(&reading(), &rules(rules_json), &fields, time("2020-01-01T00:00:00Z"))
}

/// The parts of the only rule's condition: `text: answer`.
fn parts(when: &str, item: Json) -> Vec<String> {
    let found = explained(json!([{"types": ["reading"], "when": when}]), item);
    let condition = found.rules[0].condition.as_ref().unwrap();
    condition.parts.iter().map(|part| format!("{}: {:?}", part.text, part.answer)).collect()
}

const AT: &str = "2019-12-31T00:00:00Z";

#[test]
fn each_part_is_true_or_false_or_was_not_asked() {
    let item = || json!({"takenAt": AT, "mgdl": 150});
    let when =
        "resource.mgdl > 100 && (resource has device && resource.device == \"apple\" || resource.mgdl > 180)";
    assert_eq!(
        parts(when, item()),
        [
            "resource.mgdl > 100: True",
            "resource has device: False",
            "resource.device == \"apple\": NotAsked",
            "resource.mgdl > 180: False",
        ]
    );
    assert_eq!(
        parts("if resource has fasting then resource.fasting else !(resource.mgdl > 180)", item()),
        ["resource has fasting: False", "resource.fasting: NotAsked", "resource.mgdl > 180: False"]
    );
}

#[test]
fn a_part_says_what_the_item_says_where_it_asks() {
    let found = explained(
        json!([{"types": ["reading"], "when": "resource.mgdl > 100 && resource has device"}]),
        json!({"takenAt": AT, "mgdl": 150}),
    );
    let asks: Vec<_> =
        found.rules[0].condition.as_ref().unwrap().parts.iter().map(|part| &part.asks).collect();
    assert_eq!(
        serde_json::to_value(asks).unwrap(),
        json!([[{"field": "mgdl", "value": 150}], [{"field": "device", "value": null}]])
    );
}

#[test]
fn a_part_that_fails_says_why_and_the_rule_does_not_select() {
    let found = explained(
        json!([{"types": ["reading"], "when": "resource.mgdl * 2 > 10 || true"}]),
        json!({"takenAt": AT, "mgdl": i64::MAX}),
    );
    let condition = found.rules[0].condition.as_ref().unwrap();
    assert_eq!((found.shared, condition.answer), (false, Answer::Failed));
    assert!(condition.parts[0].failure.as_ref().unwrap().contains("overflow"), "{condition:?}");
    assert_eq!(condition.parts[1].answer, Answer::NotAsked);
}

#[test]
fn windows_and_types_are_reasons_of_their_own() {
    let found = explained(
        json!([
            {"types": ["reading"], "history": "none"},
            {"types": ["reading"], "history": {"days": 1}, "fields": ["mgdl", "note"]},
            {"types": ["memo"]},
        ]),
        json!({"takenAt": AT, "mgdl": 150}),
    );
    assert_eq!((found.shared, found.sees.iter().map(Name::as_str).collect::<Vec<_>>()), (true, vec!["mgdl"]));
    let [none, day, memo] = found.rules.as_slice() else { panic!("{found:?}") };
    let window = none.window.as_ref().unwrap();
    assert_eq!((none.selects, window.within, window.from), (false, false, time("2020-01-01T00:00:00Z")));
    assert_eq!((day.selects, day.window.as_ref().unwrap().from), (true, time(AT)));
    assert_eq!((memo.is_about_type, memo.selects, memo.types.len()), (false, false, 1));
}

#[test]
fn what_is_explained_is_what_the_rules_do() {
    let changes: Vec<(String, Json, Json, String)> =
        serde_json::from_str(include_str!("../compare/changes.json")).unwrap();
    let sets = changes.into_iter().flat_map(|(_, before, after, _)| [before, after]);
    let sets: Vec<RuleSet> = sets
        .map(|written| match written {
            Json::String(when) => rules(json!([{"types": ["reading"], "when": when}])),
            written => rules(written),
        })
        .collect();
    let types = BTreeMap::from([(reading().name, reading())]);
    let (mut shared, mut cut) = (0, 0);
    for set in &sets {
        let compiled = compile(&types, set).unwrap();
        for (fields, joined) in some_items() {
            let found = explain(&reading(), set, &fields, joined);
            let terms = Terms::of_everything(joined);
            let at = reading().time_of(&fields).unwrap();
            let question = Question { data_type: &reading().name, time: at, fields: &fields, terms: &terms };
            let seen = compiled.visible(question);
            assert_eq!(found.shared, seen.is_some(), "{set:?} {fields:?}");
            assert_eq!(found.sees, seen.unwrap_or_default().into_keys().collect(), "{set:?} {fields:?}");
            shared += usize::from(found.shared);
            let conditions = found.rules.iter().filter_map(|rule| rule.condition.as_ref());
            cut += conditions.filter(|condition| condition.parts.len() > 1).count();
        }
    }
    assert!(sets.len() > 100 && shared > 200 && cut > 500, "{} {shared} {cut}", sets.len());
}

/// Items on both sides of what those conditions ask.
fn some_items() -> Vec<(Fields, Timestamp)> {
    let items = [
        json!({"takenAt": "2024-06-01T00:00:00Z", "mgdl": 190}),
        json!({"takenAt": "2024-06-01T00:00:00Z", "mgdl": 60, "low": -7, "device": "apple watch", "fasting": true}),
        json!({"takenAt": "2023-06-01T00:00:00Z", "mgdl": 150, "ratio": 1.3, "tags": ["a", "b"], "note": "an apple"}),
        json!({"takenAt": "2025-06-01T00:00:00Z", "mgdl": 2, "ratio": -3, "tags": [], "fasting": false, "raw": {"x": 1}}),
        json!({"takenAt": "2024-01-01T00:00:00Z", "mgdl": i64::MAX, "low": i64::MAX, "seen": "2024-03-01T00:00:00Z", "device": "apple"}),
    ];
    let joined = ["2024-06-10T00:00:00Z", "2023-01-01T00:00:00Z"];
    let fields = |item: &Json| reading().validate(item.as_object().unwrap()).unwrap();
    items.iter().flat_map(|item| joined.map(|joined| (fields(item), time(joined)))).collect()
}

/// Conditions with every way of putting parts together.
fn condition() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
        "resource.mgdl > 100",
        "resource.mgdl + 1 != 61",
        "resource.mgdl * 2 > 300",
        "resource has device",
        "(resource has device && resource.device like \"*apple && *\")",
        "(resource has tags && resource.tags.contains(\"a || b\"))",
        "!(resource has note) == true",
        "true",
    ]);
    atom.prop_map(str::to_owned).prop_recursive(4, 16, 3, |inner| {
        let three = (inner.clone(), inner.clone(), inner.clone());
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} && {other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) || {other}")),
            inner.prop_map(|inner| format!("!({inner})")),
            three.prop_map(|(one, two, three)| format!("(if {one} then {two} else {three})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The parts come to what the whole comes to: no condition has to be shown as one part for want of better.
    #[test]
    fn a_condition_comes_to_what_its_parts_come_to(when in condition()) {
        let data_type = reading();
        for (fields, joined) in some_items() {
            let item = Item::new(&data_type, &fields, joined);
            let (tree, stretches) = parts::take_apart(&when);
            let mut parts: Vec<Part> = stretches.iter().map(|stretch| item.part(&when, stretch)).collect();
            prop_assert_eq!(item.fill(&tree, &mut parts), item.ask(&when).0);
            prop_assert!(parts.iter().all(|part| is_expression(&part.text)), "{:?}", parts);
        }
    }
}
