use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::time::Timestamp;
use crate::value::{Fields, Value};

fn types() -> BTreeMap<Name, DataType> {
    let reading: DataType = serde_json::from_str(include_str!("../compare/reading.json")).unwrap();
    let memo =
        json!({"name": "memo", "time": "at", "fields": {"at": {"type": "datetime", "required": true}}});
    let memo: DataType = serde_json::from_value(memo).unwrap();
    [reading, memo].into_iter().map(|data_type| (data_type.name.clone(), data_type)).collect()
}

fn set(rules: &Json) -> RuleSet {
    RuleSet { rules: serde_json::from_value(rules.clone()).unwrap() }
}

/// A rule about readings with such a condition, and `more`.
fn rule(when: &str, more: Json) -> Json {
    let mut rule = json!({"types": ["reading"], "when": when});
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    rule
}

fn beyond(limits: &Json, rules: &Json) -> Vec<Excess> {
    let (limits, rules) = (set(limits), set(rules));
    assert!(compile(&types(), &limits).is_ok() && compile(&types(), &rules).is_ok(), "{limits:?} {rules:?}");
    excesses(&types(), ("`groupDefaults`", &limits), &rules, &mut Budget::request())
}

/// Whether a condition stays inside conditions of other rules, all else being equal.
fn is_inside(limits: &[&str], when: &str) -> bool {
    let limits: Vec<Json> = limits.iter().map(|limit| rule(limit, json!({}))).collect();
    beyond(&json!(limits), &json!([rule(when, json!({}))])).is_empty()
}

#[test]
fn a_condition_is_inside_only_if_it_selects_nothing_that_the_limits_do_not() {
    for (limits, when, expected) in [
        (&["resource.mgdl > 180"][..], "resource.mgdl > 180", true),
        (&["resource.mgdl > 180"], "resource.mgdl >= 181", true),
        (&["resource.mgdl > 180"], "resource.mgdl > 181", true),
        (&["resource.mgdl > 180"], "resource.mgdl >= 180", false),
        (&["resource.mgdl > 180"], "resource.mgdl > 179", false),
        (&["resource.mgdl > 180"], "resource.mgdl == 180", false),
        (&["resource.mgdl > 180"], "true", false),
        (&["resource.mgdl > 180"], "false", true),
        // `||` and `&&`.
        (&["resource.mgdl > 180"], "resource.mgdl > 180 || resource.mgdl < 70", false),
        (&["resource.mgdl > 180"], "resource.mgdl > 180 && resource.mgdl < 70", true),
        (&["resource.mgdl > 180 || resource.mgdl < 70"], "resource.mgdl < 70", true),
        (&["resource.mgdl > 180 || resource.mgdl < 70"], "resource.mgdl < 71", false),
        (&["resource.mgdl > 180"], "resource.mgdl > 180 && resource has low && resource.low > 3", true),
        // Negation.
        (&["resource.mgdl > 180"], "!(resource.mgdl <= 180)", true),
        (&["resource.mgdl > 180"], "!(resource.mgdl < 180)", false),
        (&["!(resource.mgdl == 100)"], "resource.mgdl > 100", true),
        (&["!(resource.mgdl == 100)"], "resource.mgdl >= 100", false),
        (&["!(resource has note)"], "!(resource has note) && resource.mgdl > 1", true),
        (&["!(resource has note)"], "resource.mgdl > 1", false),
        // Limits that cover the rule only together.
        (&["resource.mgdl > 180", "resource.mgdl <= 180"], "resource.mgdl > 100", true),
        (&["resource.mgdl > 180", "resource.mgdl < 180"], "resource.mgdl > 100", false),
        (&["resource.mgdl > 180", "resource has note"], "resource has note || resource.mgdl > 200", true),
        // Strings and sets.
        (
            &["resource has device && resource.device like \"apple*\""],
            "resource has device && resource.device == \"apple 3\"",
            true,
        ),
        (
            &["resource has device && resource.device == \"apple 3\""],
            "resource has device && resource.device like \"apple*\"",
            false,
        ),
        (
            &["resource has tags && resource.tags.contains(\"a\")"],
            "resource has tags && resource.tags.containsAll([\"a\", \"b\"])",
            true,
        ),
        (
            &["resource has tags && resource.tags.containsAll([\"a\", \"b\"])"],
            "resource has tags && resource.tags.contains(\"a\")",
            false,
        ),
    ] {
        assert_eq!(is_inside(limits, when), expected, "{when} inside {limits:?}");
    }
}

#[test]
fn a_history_window_is_inside_only_if_it_reaches_no_further_back() {
    let window = |history: &Json| rule("resource.mgdl > 180", json!({"history": history}));
    let since = |day: &str| json!({"since": format!("{day}T00:00:00Z")});
    let days = |days: u32| json!({"days": days});
    let inside = |limits: &[&Json], history: &Json| {
        let limits: Vec<Json> = limits.iter().map(|limit| window(limit)).collect();
        beyond(&json!(limits), &json!([window(history)])).is_empty()
    };
    let (all, none) = (json!("all"), json!("none"));
    for (limit, history, expected) in [
        (&all, days(90), true),
        (&days(90), days(90), true),
        (&days(91), days(90), true),
        (&days(89), days(90), false),
        (&days(30), days(90), false),
        (&days(90), all.clone(), false),
        (&days(90), none.clone(), true),
        (&none, days(90), false),
        (&none, days(0), true),
        (&days(0), none.clone(), true),
        (&none, none.clone(), true),
        // A window that ends with joining and one that begins on a day: neither is inside the other.
        (&since("2014-01-01"), days(90), false),
        (&days(90), since("2014-01-01"), false),
        (&since("2014-01-01"), since("2014-01-01"), true),
        (&since("2014-01-01"), since("2014-01-02"), true),
        (&since("2014-01-02"), since("2014-01-01"), false),
        (&all, since("2014-01-01"), true),
        (&since("2014-01-01"), all.clone(), false),
    ] {
        assert_eq!(inside(&[limit], &history), expected, "{history} inside {limit}");
    }
    assert!(inside(&[&days(30), &since("2014-01-01")], &days(30)), "one of several is enough");
}

#[test]
fn rules_are_inside_only_if_they_show_no_more_fields_of_any_item() {
    let limits = json!([
        rule("resource.mgdl > 180", json!({"fields": ["takenAt", "mgdl"]})),
        rule("resource.mgdl > 250", json!({"fields": ["device"]})),
    ]);
    let inside = |when: &str, fields: Json| {
        beyond(&limits, &json!([rule(when, json!({"fields": fields}))])).is_empty()
    };
    assert!(inside("resource.mgdl > 180", json!(["mgdl"])));
    assert!(
        inside("resource.mgdl > 250", json!(["takenAt", "mgdl", "device"])),
        "two limits cover it together"
    );
    assert!(
        !inside("resource.mgdl > 180", json!(["mgdl", "device"])),
        "the device is allowed of other items"
    );
    assert!(!inside("resource.mgdl > 250", json!(["note"])));
    let parts = |rules: Json| beyond(&limits, &rules).iter().map(|e| (e.rule, e.part)).collect::<Vec<_>>();
    let rules = json!([
        rule("resource.mgdl > 200", json!({"fields": ["mgdl"]})),
        {"types": ["reading", "memo"], "when": "true", "history": "none"},
        rule("resource.mgdl > 100", json!({"fields": ["mgdl"]})),
    ]);
    assert_eq!(parts(rules), [(1, ExcessPart::Fields), (1, ExcessPart::Type(1)), (2, ExcessPart::Rule)]);
    let anything = json!([{"types": ["memo", "reading"]}]);
    assert_eq!(beyond(&anything, &anything), []);
}

#[test]
fn a_refusal_names_an_item_outside_and_what_is_allowed() {
    let message = |limits: Json, rule: Json| beyond(&json!(limits), &json!([rule])).remove(0).message;
    let limits = json!([rule("resource.mgdl > 180", json!({"fields": ["takenAt", "mgdl"]}))]);
    assert_eq!(
        message(limits.clone(), rule("resource.mgdl > 179", json!({"fields": ["mgdl"]}))),
        "shares the item `{\"mgdl\":180,\"takenAt\":\"2026-01-01T00:00:00Z\"}`, which `groupDefaults` do not allow; of `reading` \
         they allow `takenAt`, `mgdl` where `resource.mgdl > 180`"
    );
    let windows =
        json!([rule("true", json!({"history": {"days": 30}})), rule("true", json!({"history": "none"}))]);
    assert_eq!(
        message(windows, rule("resource.mgdl > 5", json!({"history": {"days": 31}}))),
        "shares the item `{\"mgdl\":6,\"takenAt\":\"2025-12-01T00:00:00Z\"}` of a provider who joined on `2026-01-01T00:00:00Z`, \
         which `groupDefaults` do not allow; of `reading` they allow every field where `true`, from 30 days before joining on; \
         or every field where `true`, from joining on"
    );
    let more = json!([limits[0], rule("resource.mgdl > 250", json!({"fields": ["device"]}))]);
    let found = message(more, rule("resource.mgdl > 200", json!({"fields": ["mgdl", "device"]})));
    assert!(found.starts_with("shares `device` of the item `{\"device\":\"text\",\"mgdl\":2"), "{found}");
    assert_eq!(message(limits, json!({"types": ["memo"]})), "`memo` is not among what `groupDefaults` allow");
}

#[test]
fn a_rule_that_cannot_be_decided_is_outside() {
    let limits = json!([rule("resource.mgdl > 180", json!({}))]);
    let sum = rule("resource has low && resource.mgdl + resource.low > 400 && resource.low < 200", json!({}));
    let found = beyond(&limits, &json!([sum]));
    assert_eq!(found.len(), 1);
    assert!(found[0].message.starts_with("cannot be shown to stay inside `groupDefaults`"), "{found:?}");
    let allowed = json!([rule("resource.mgdl > 180", json!({})), sum]);
    assert_eq!(beyond(&allowed, &json!([sum])), [], "as the limits put it");
    let costly = excesses(
        &types(),
        ("limits", &set(&limits)),
        &set(&json!([rule("resource.mgdl > 181", json!({}))])),
        &mut Budget(0),
    );
    assert_eq!(costly.len(), 1, "what costs too much is not decided");
}

#[test]
fn limits_that_cannot_be_used_allow_nothing() {
    let broken = set(&json!([{"types": ["reading"], "when": "resource.no_such_field"}]));
    let found = excesses(
        &types(),
        ("limits", &broken),
        &set(&json!([{"types": ["reading"]}])),
        &mut Budget::request(),
    );
    assert_eq!(found[0].part, ExcessPart::Type(0));
}

fn comparison() -> impl Strategy<Value = String> {
    let number = 0..8_i64;
    let operator = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    prop_oneof![
        (operator, number.clone())
            .prop_map(|(operator, number)| format!("resource.mgdl {operator} {number}")),
        Just("resource has low".to_owned()),
        number.prop_map(|number| format!("(resource has low && resource.low > {number})")),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    comparison().prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} && {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} || {right})")),
            inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
}

fn some_rule() -> impl Strategy<Value = Json> {
    let fields = prop::sample::subsequence(vec!["takenAt", "mgdl", "low"], 1..=3);
    let history = prop_oneof![
        Just(json!("all")),
        Just(json!("none")),
        (0..3_u32).prop_map(|days| json!({"days": days})),
        (1..4_u32).prop_map(|day| json!({"since": format!("2026-01-0{day}T00:00:00Z")})),
    ];
    (condition(), fields, history)
        .prop_map(|(when, fields, history)| rule(&when, json!({"fields": fields, "history": history})))
}

proptest! {
    /// Whatever items there are and whenever their providers joined: rules that are accepted show nothing that the limits
    /// would not show.
    #[test]
    fn rules_that_are_accepted_show_no_item_that_the_limits_hide(
        limits in prop::collection::vec(some_rule(), 1..4),
        rules in prop::collection::vec(some_rule(), 1..3),
        items in prop::collection::vec((-1..9_i64, prop::option::of(-1..9_i64), 0..8_i64, 0..8_i64), 40),
    ) {
        let types = types();
        let (limits, rules) = (set(&json!(limits)), set(&json!(rules)));
        let found = excesses(&types, ("limits", &limits), &rules, &mut Budget::request());
        let data_type = &types["reading"];
        let (allowed, compiled) = (compile(&types, &limits).unwrap(), compile(&types, &rules).unwrap());
        let (limit, own) = (
            Side { data_type, rules: &limits, compiled: &allowed },
            Side { data_type, rules: &rules, compiled: &compiled },
        );
        // Half days, from the end of 2025 to the beginning of 2026.
        let time = |half: i64| Timestamp::parse("2025-12-30T00:00:00Z").unwrap().plus_millis(half * 43_200_000);
        for (mgdl, low, at, joined) in items {
            let mut fields = Fields::from([
                (Name::parse("takenAt").unwrap(), Value::Datetime(time(at))),
                (Name::parse("mgdl").unwrap(), Value::Integer(mgdl)),
            ]);
            if let Some(low) = low {
                fields.insert(Name::parse("low").unwrap(), Value::Integer(low));
            }
            let example = Example::of(fields, time(joined), limit, own);
            prop_assert!(!(found.is_empty() && example.gains()), "{example:?}");
        }
    }
}
