//! Items that stand beside a group's rules.

use serde_json::{Value as Json, json};

use super::{GOOD, read, render};
use crate::stack::{Examples, codes};

/// `GOOD`, whose group has these keys as well.
fn beside(keys: &str) -> String {
    format!("{GOOD}{keys}")
}

fn examples(keys: &str) -> Examples {
    let text = beside(keys);
    let stack = read(&text).unwrap_or_else(|mistakes| panic!("{}", render(&[&text], &mistakes)));
    stack.groups["endocrinology"].examples.clone()
}

fn told(keys: &str) -> String {
    let text = beside(keys);
    render(&[&text], &read(&text).unwrap_err())
}

#[test]
fn items_are_written_in_one_line_or_with_their_fields_apart() {
    let found = examples(
        r#"    shouldShare:
      - { type: glucose, takenAt: 2026-01-01T08:00:00Z, mgdl: 192 }
      - type: glucose
        joined: 2026-06-01T02:00:00+02:00
        fields:
          takenAt: "2026-01-01T08:00:00Z"
          mgdl: 0
          ratio: 1.25
          device: apple
    shouldNotShare:
      - { type: glucose, takenAt: 2026-01-01T08:00:00Z, mgdl: 180, ratio: "0.5", device: }
"#,
    );
    let fields = |list: &[crate::stack::ExampleItem]| -> Json {
        list.iter().map(|item| Json::Object(item.fields.clone())).collect()
    };
    assert_eq!(
        fields(&found.should_share),
        json!([
            {"takenAt": "2026-01-01T08:00:00Z", "mgdl": 192},
            {"takenAt": "2026-01-01T08:00:00Z", "mgdl": 0, "ratio": "1.25", "device": "apple"},
        ])
    );
    let joined = found.should_share.iter().map(|item| item.joined.map(|time| time.to_string()));
    assert_eq!(joined.collect::<Vec<_>>(), [None, Some("2026-06-01T00:00:00Z".to_owned())]);
    assert_eq!(found.should_not_share.len(), 1);
    assert!(examples("").is_empty() && examples("    shouldShare: []\n").is_empty());
}

#[test]
fn a_field_called_like_a_key_of_an_example_is_written_below_fields() {
    let text = GOOD.replace("device:", "type:")
        + "    shouldShare: [{ type: glucose, fields: { takenAt: 2026-01-01T08:00:00Z, mgdl: 1, type: apple } }]\n";
    let stack = read(&text).unwrap_or_else(|mistakes| panic!("{}", render(&[&text], &mistakes)));
    assert_eq!(stack.groups["endocrinology"].examples.should_share[0].fields["type"], "apple");
}

#[test]
fn values_are_read_as_their_fields_are() {
    let types = GOOD.replace(
        "device: {",
        "flag: { type: boolean }\n      code: { type: string }\n      tags: { type: set }\n      raw: { type: object }\n      device: {",
    );
    let text = types
        + "    shouldShare:\n      - type: glucose\n        takenAt: 2026-01-01T08:00:00Z\n        mgdl: 1\n        flag: true\n        \
           code: 007\n        tags: [1, true, a]\n        raw: { a: [1, 1.5, yes, \"2\", null], b: { c: true } }\n";
    let stack = read(&text).unwrap_or_else(|mistakes| panic!("{}", render(&[&text], &mistakes)));
    let fields = &stack.groups["endocrinology"].examples.should_share[0].fields;
    assert_eq!(
        Json::Object(fields.clone()),
        json!({
            "takenAt": "2026-01-01T08:00:00Z", "mgdl": 1, "flag": true, "code": "007", "tags": ["1", "true", "a"],
            "raw": {"a": [1, 1.5, "yes", "2", null], "b": {"c": true}},
        })
    );
}

#[test]
fn every_mistake_in_examples_is_told_at_its_place() {
    insta::assert_snapshot!(told(
        r#"    shouldShare:
      - { type: glucos, mgdl: 1 }
      - { takenAt: 2026-01-01T08:00:00Z }
      - { type: glucose, takenAt: 2026-01-01, mgdl: 1001, joined: yesterday }
      - { type: glucose, mgld: 192, ratio: 0.12345, device: pear }
      - glucose
      - { type: glucose, fields: { takenAt: 2026-01-01T08:00:00Z, mgdl: "1" }, ratio: 1 }
    shouldNotShare: { type: glucose }
"#
    ));
}

#[test]
fn a_broken_data_type_does_not_spread_to_its_examples() {
    let text =
        beside("    shouldShare: [{ type: glucose, mgdl: x }]\n").replace("type: integer", "type: intger");
    let found = read(&text).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    let text =
        beside("    shouldShare: [{ type: glucose, takenAt: 2026-01-01T08:00:00Z, mgdl: \"${HIGH}\" }]\n");
    let found = read(&text).unwrap_err();
    assert_eq!(found.iter().map(|one| one.code).collect::<Vec<_>>(), [codes::VARIABLE]);
}
