use super::*;
use crate::datatype::DataType;
use crate::stack::{Rule, RuleSet};
use serde_json::json;

fn types() -> BTreeMap<Name, DataType> {
    let types: Vec<DataType> = serde_json::from_value(json!([{
        "name": "glucose", "time": "takenAt",
        "fields": {
            "takenAt": {"type": "datetime", "required": true},
            "mgdl": {"type": "integer", "required": true},
            "device": {"type": "string"},
            "ratio": {"type": "decimal"},
            "tags": {"type": "set"},
            "fasting": {"type": "boolean"},
            "raw": {"type": "object"},
        }
    }, {
        "name": "pulse", "time": "at",
        "fields": {"at": {"type": "datetime", "required": true}, "bpm": {"type": "integer", "required": true}}
    }]))
    .unwrap();
    types.into_iter().map(|t| (t.name.clone(), t)).collect()
}

fn rules(json: serde_json::Value) -> RuleSet {
    let rules: Vec<Rule> = serde_json::from_value(json).unwrap();
    RuleSet { rules }
}

fn item(json: serde_json::Value) -> (Name, Fields, Timestamp) {
    let types = types();
    let data_type = &types["glucose"];
    let fields = data_type.validate(json.as_object().unwrap()).unwrap();
    let time = data_type.time_of(&fields).unwrap();
    (data_type.name.clone(), fields, time)
}

fn joined(text: &str) -> Terms {
    Terms::of_everything(Timestamp::parse(text).unwrap())
}

fn seen(rules_json: serde_json::Value, item_json: serde_json::Value) -> Option<serde_json::Value> {
    let compiled = compile(&types(), &rules(rules_json)).unwrap();
    let (data_type, fields, time) = item(item_json);
    let terms = joined("2020-01-01T00:00:00Z");
    let question = Question { data_type: &data_type, time, fields: &fields, terms: &terms };
    let seen = compiled.visible(question).map(|f| crate::value::fields_to_json(&f).into());
    // What a reader concludes from the replica is what the source would have said.
    let replica = compiled.replica(question);
    let again = replica
        .as_ref()
        .and_then(|carried| compiled.visible(Question { fields: &carried.fields, ..question }));
    assert_eq!(again.map(|f| crate::value::fields_to_json(&f).into()), seen);
    seen
}

fn mistakes(rules_json: serde_json::Value) -> Vec<(RulePart, String, String)> {
    let errors = compile(&types(), &rules(rules_json)).unwrap_err();
    errors.into_iter().map(|e| (e.part, e.message, e.help)).collect()
}

const READING: &str = "2014-02-03T03:42:12Z";

#[test]
fn a_condition_selects_and_a_projection_hides() {
    let rule = json!([{"types": ["glucose"], "when": "resource.mgdl > 180", "fields": ["takenAt", "mgdl"]}]);
    let high = json!({"takenAt": READING, "mgdl": 181, "device": "x"});
    assert_eq!(seen(rule.clone(), high), Some(json!({"takenAt": READING, "mgdl": 181})));
    assert_eq!(seen(rule, json!({"takenAt": READING, "mgdl": 180})), None);
}

#[test]
fn conditions_reach_every_usable_field_type() {
    let reading = json!({"takenAt": READING, "mgdl": 1, "device": "apple 3", "ratio": 1.25, "tags": ["a"], "fasting": true});
    for condition in [
        "resource.takenAt > datetime(\"2014-02-03T03:42:11Z\") && resource.takenAt < datetime(\"2014-02-03T03:42:12.001Z\")",
        "resource has device && resource.device like \"apple*\"",
        "resource has ratio && resource.ratio.greaterThan(decimal(\"1.2\"))",
        "resource has tags && resource.tags.contains(\"a\")",
        "resource has fasting && resource.fasting",
        "if resource.mgdl == 1 then true else false",
    ] {
        let rule = json!([{"types": ["glucose"], "when": condition, "fields": ["mgdl"]}]);
        assert_eq!(seen(rule, reading.clone()), Some(json!({"mgdl": 1})), "{condition}");
    }
}

#[test]
fn the_fields_of_all_selecting_rules_are_seen_and_of_no_others() {
    let rule = json!([
        {"types": ["glucose"], "fields": ["takenAt"]},
        {"types": ["glucose"], "when": "resource.mgdl > 180", "fields": ["mgdl"]},
        {"types": ["glucose"], "when": "resource.mgdl > 250"},
    ]);
    let at = |mgdl: i64| json!({"takenAt": READING, "mgdl": mgdl, "device": "x"});
    assert_eq!(seen(rule.clone(), at(100)), Some(json!({"takenAt": READING})));
    assert_eq!(seen(rule.clone(), at(200)), Some(json!({"takenAt": READING, "mgdl": 200})));
    assert_eq!(seen(rule, at(300)), Some(at(300)));
}

#[test]
fn history_windows_end_at_the_providers_join() {
    let at = |time: &str| json!({"takenAt": time, "mgdl": 1});
    for (history, time, shared) in [
        (json!("none"), "2019-12-31T23:59:59Z", false),
        (json!("none"), "2020-01-01T00:00:00Z", true),
        (json!({"days": 90}), "2019-10-03T00:00:00Z", true),
        (json!({"days": 90}), "2019-10-02T23:59:59Z", false),
        (json!({"since": "2014-01-01T00:00:00Z"}), "2014-01-01T00:00:00Z", true),
        (json!({"since": "2014-01-01T00:00:00Z"}), "2013-12-31T23:59:59.999Z", false),
        (json!("all"), "0000-01-01T00:00:00Z", true),
    ] {
        let rule = json!([{"types": ["glucose"], "history": history}]);
        assert_eq!(seen(rule, at(time)).is_some(), shared, "{history} {time}");
    }
}

#[test]
fn a_condition_that_fails_while_it_runs_selects_nothing() {
    let rule = json!([{"types": ["glucose"], "when": "resource.mgdl * 2 > 10"}]);
    assert_eq!(seen(rule.clone(), json!({"takenAt": READING, "mgdl": i64::MAX})), None);
    assert!(seen(rule, json!({"takenAt": READING, "mgdl": 6})).is_some());
}

#[test]
fn a_misspelt_field_is_placed_and_the_nearest_suggested() {
    let found = mistakes(json!([{"types": ["glucose"], "when": "true && resource.mgld > 180"}]));
    let [(part, message, help)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(part, &RulePart::When { start: 8, end: 21 });
    assert!(message.contains("`mgld`"), "{message}");
    assert_eq!(help, "did you mean `mgdl`?");
}

#[test]
fn type_errors_optional_fields_and_objects_are_refused_with_a_remedy() {
    for (condition, wanted) in [
        ("resource.mgdl > \"high\"", "compare a field with a value of its own type"),
        ("resource.device == \"x\"", "ask `resource has device && …` first"),
        ("resource.raw == 1", "is an object"),
        ("resource.mgdl", ""),
        ("principal == resource", "such as"),
        ("ip(\"10.0.0.1\").isLoopback()", ""),
        ("resource.mgdl >", "such as"),
        ("true }; permit(principal, action, resource) when { true", "such as"),
        ("", "such as"),
        ("resource.mgdl > 180;", "such as"),
    ] {
        let found = mistakes(json!([{"types": ["glucose"], "when": condition}]));
        assert!(found.iter().any(|(_, _, help)| help.contains(wanted)), "{condition}: {found:?}");
    }
}

#[test]
fn a_condition_must_hold_good_for_every_type_it_names() {
    let found = mistakes(json!([{"types": ["glucose", "pulse"], "when": "resource.bpm > 1"}]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.contains("glucose"), "{found:?}");
}

#[test]
fn unknown_types_and_fields_are_all_reported() {
    let found = mistakes(json!([{"types": ["glucos", "pulse"], "fields": ["bmp", "nothing"]}]));
    let parts: Vec<_> = found.into_iter().map(|(part, _, help)| (part, help)).collect();
    assert_eq!(
        parts,
        [
            (RulePart::Type(0), "did you mean `glucose`?".into()),
            (RulePart::Field(0), "did you mean `bpm`?".into()),
            (RulePart::Field(1), "it has at, bpm".into()),
        ]
    );
}

#[test]
fn a_condition_as_deep_as_it_can_be_has_an_answer_and_does_not_end_the_stack() {
    let (data_type, fields, time) = item(json!({"takenAt": "2020-01-01T00:00:00Z", "mgdl": 200}));
    let terms = joined("2020-01-01T00:00:00Z");
    let question = Question { data_type: &data_type, time, fields: &fields, terms: &terms };
    let sums = format!("resource.mgdl > 0{}", " + 1".repeat(1000));
    let deep = [
        format!("{}resource.mgdl > 1{}", "(".repeat(2000), ")".repeat(2000)),
        format!("{}true{}", "[".repeat(2000), "]".repeat(2000)),
        format!("resource.mgdl > 1{}", " && true".repeat(500)),
        format!("resource{}", ".mgdl".repeat(800)),
        format!("{}true", "if true then true else ".repeat(170)),
        format!("{}true", "!".repeat(4000)),
        sums,
    ];
    for when in deep {
        // Selected, not selected, refused: anything but a crash.
        if let Ok(rules) = compile(&types(), &rules(json!([{"types": ["glucose"], "when": when}]))) {
            let _ = rules.visible(question);
        }
    }
}

#[test]
fn the_past_reaches_as_far_back_as_the_most_generous_rule_and_no_further_than_the_contract() {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    let rules = compile(
        &types(),
        &rules(json!([
            {"types": ["glucose"], "history": {"days": 10}},
            {"types": ["glucose"], "history": {"since": "2019-12-01T00:00:00Z"}},
            {"types": ["pulse"], "history": "none"},
        ])),
    )
    .unwrap();
    let reach = |name: &str, terms: &Terms| rules.reaches_back_to(&Name::parse(name).unwrap(), terms);
    let terms = joined("2020-01-01T00:00:00Z");
    assert_eq!(reach("glucose", &terms), Some(at("2019-12-01T00:00:00Z")));
    assert_eq!(reach("pulse", &terms), Some(terms.joined));
    assert_eq!(reach("memo", &terms), None);
    let since = |from: &str| {
        let contract = Contract { from: Some(at(from)), ..Contract::default() };
        let contract = CompiledContract::compile(&types(), contract, 0).unwrap();
        Terms { joined: terms.joined, contract: contract.into() }
    };
    assert_eq!(reach("glucose", &since("2019-12-24T00:00:00Z")), Some(at("2019-12-24T00:00:00Z")));
    assert_eq!(reach("glucose", &since("2019-01-01T00:00:00Z")), Some(at("2019-12-01T00:00:00Z")));
}

#[test]
fn the_fields_that_may_be_seen_are_those_of_all_rules_or_every_field() {
    let fields = |rules_json: serde_json::Value| {
        let compiled = compile(&types(), &rules(rules_json)).unwrap();
        let fields = compiled.fields(&Name::parse("glucose").unwrap());
        fields.map(|fields| fields.into_iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let some = json!([{"types": ["glucose"], "fields": ["mgdl"]}, {"types": ["glucose"], "fields": ["device", "mgdl"]}]);
    assert_eq!(fields(some), Some(vec!["device".to_owned(), "mgdl".to_owned()]));
    assert_eq!(fields(json!([{"types": ["glucose"], "fields": ["mgdl"]}, {"types": ["glucose"]}])), None);
    assert_eq!(fields(json!([{"types": ["pulse"]}])), Some(vec![]));
}
