use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::rules::compile;
use crate::stack::Rule;

fn types() -> BTreeMap<Name, DataType> {
    let json = json!({
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
    });
    let data_type: DataType = serde_json::from_value(json).unwrap();
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

/// Conditions as people write them, of every kind of field.
fn condition() -> impl Strategy<Value = String> {
    let number = prop::sample::select(vec![70, 100, 140, 180, 181, 200]);
    let word = prop::sample::select(vec!["a", "ab", "b", "apple"]);
    let compared = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let atom = prop_oneof![
        (compared, number.clone()).prop_map(|(is, number)| format!("resource.mgdl {is} {number}")),
        number.prop_map(|number| format!("(resource has low && resource.mgdl > resource.low + {number})")),
        word.clone().prop_map(|word| format!("(resource has device && resource.device == \"{word}\")")),
        word.clone().prop_map(|word| format!("(resource has device && resource.device like \"{word}*\")")),
        word.clone().prop_map(|word| format!("(resource has note && resource.note like \"*{word}*\")")),
        word.prop_map(|word| format!("(resource has tags && resource.tags.contains(\"{word}\"))")),
        Just("(resource has fasting && resource.fasting)".to_owned()),
        Just("resource has note".to_owned()),
        Just("resource.takenAt >= datetime(\"2024-01-01\")".to_owned()),
        Just("(resource has ratio && resource.ratio.lessThan(decimal(\"1.5\")))".to_owned()),
    ];
    atom.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} && {other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} || {other})")),
            inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
}

fn some_rules() -> impl Strategy<Value = RuleSet> {
    let fields = prop::sample::select(vec![
        Json::Null,
        json!(["takenAt", "mgdl"]),
        json!(["mgdl", "note"]),
        json!(["takenAt", "device", "raw"]),
    ]);
    let history = prop::sample::select(vec![
        json!("all"),
        json!("none"),
        json!({"days": 7}),
        json!({"days": 30}),
        json!({"since": "2024-01-01T00:00:00Z"}),
    ]);
    let rule = (condition(), fields, history).prop_map(
        |(when, fields, history)| json!({"types": ["reading"], "when": when, "fields": fields, "history": history}),
    );
    prop::collection::vec(rule, 1..3).prop_map(|all| rules(&Json::Array(all)))
}

/// An item that has nothing to do with any condition, and somebody who has joined at some time.
fn some_item(random: &mut fastrand::Rng) -> (Fields, Timestamp) {
    let time = 1_704_067_200_000 + random.i64(-40 * DAY..40 * DAY);
    let texts = ["a", "ab", "b", "apple", "apples", "xbx", ""];
    let mut item = json!({
        "takenAt": Timestamp::from_millis(time).to_string(), "mgdl": random.i64(60..210),
        "low": random.i64(-100..100), "device": random.choice(texts), "note": random.choice(texts),
        "ratio": random.f64().mul_add(3.0, 0.0).to_string().get(..4), "fasting": random.bool(),
        "tags": [random.choice(texts), random.choice(texts)], "raw": {"any": 1},
    });
    for optional in ["low", "device", "note", "ratio", "tags", "fasting", "raw"] {
        if random.u8(..4) == 0 {
            item[optional] = Json::Null;
        }
    }
    let fields = types()["reading"].validate(item.as_object().unwrap()).unwrap();
    (fields, Timestamp::from_millis(1_704_067_200_000 + random.i64(-50 * DAY..50 * DAY)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// No item says otherwise than a verdict, and examples are what they say.
    #[test]
    fn no_item_contradicts_a_verdict(before in some_rules(), after in some_rules(), seed in any::<u64>()) {
        let types = types();
        let (old, new) = (compile(&types, &before).unwrap(), compile(&types, &after).unwrap());
        let data_type = &types["reading"];
        let (before, after) = (
            Side { data_type, rules: &before, compiled: &old },
            Side { data_type, rules: &after, compiled: &new },
        );
        let found = compare(before, after);
        if let Finding::Example(example) = &found.appears {
            prop_assert!(Example::of(example.fields.clone(), example.joined, before, after).gains());
        }
        if let Finding::Example(example) = &found.vanishes {
            prop_assert!(Example::of(example.fields.clone(), example.joined, before, after).loses());
        }
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..100 {
            let (fields, joined) = some_item(&mut random);
            let item = Example::of(fields, joined, before, after);
            prop_assert!(found.appears != Finding::Never || !item.gains(), "{item:?}");
            prop_assert!(found.vanishes != Finding::Never || !item.loses(), "{item:?}");
        }
    }
}
