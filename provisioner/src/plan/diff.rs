//! What differs between two documents, attribute by attribute.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Change;
use crate::kinds::Effect;
use crate::resource::is_unknown;

/// Compares wanted attributes with those found, and says where they differ.
///
/// - A *top-level* attribute that was not found cannot be read back: it is compared with what was last applied.
///   Inside an attribute that was found, what is absent is absent.
/// - Paths in `write_only` never differ.
/// - `null` is the same as absent. Lists are compared as a whole.
/// - It is drift if the file still says what was last applied.
pub fn diff(
    desired: &Value,
    observed: &Value,
    recorded: Option<&Value>,
    write_only: &[&str],
    classify: &dyn Fn(&str) -> Effect,
) -> Vec<Change> {
    let mut differ = Differ { write_only, classify, changes: Vec::new() };
    let none = Map::new();
    let (wanted, found) = (desired.as_object().unwrap_or(&none), observed.as_object().unwrap_or(&none));
    for key in keys(wanted, found) {
        let before = recorded.and_then(|recorded| recorded.get(key));
        match found.get(key) {
            Some(value) => differ.compare(key, wanted.get(key), Some(value), before),
            // Without drift: nobody can tell whether it was changed elsewhere.
            None => differ.compare(key, wanted.get(key), before, None),
        }
    }
    differ.changes
}

struct Differ<'a> {
    write_only: &'a [&'a str],
    classify: &'a dyn Fn(&str) -> Effect,
    changes: Vec<Change>,
}

impl Differ<'_> {
    fn compare(
        &mut self,
        path: &str,
        wanted: Option<&Value>,
        found: Option<&Value>,
        recorded: Option<&Value>,
    ) {
        if self.write_only.contains(&path) {
            return;
        }
        let (wanted, found) = (present(wanted), present(found));
        match (wanted, found) {
            (Some(Value::Object(w)), Some(Value::Object(f))) if !holds_marker(w) => {
                for key in keys(w, f) {
                    let recorded = recorded.and_then(|recorded| recorded.get(key));
                    self.compare(&format!("{path}/{key}"), w.get(key), f.get(key), recorded);
                }
            }
            _ if wanted == found => {}
            _ => {
                let known_after_apply = wanted.is_some_and(contains_unknown);
                self.changes.push(Change {
                    path: path.to_owned(),
                    before: found.cloned(),
                    after: if known_after_apply { None } else { wanted.cloned() },
                    known_after_apply,
                    drift: !known_after_apply && recorded.is_some() && present(recorded) == wanted,
                    effect: (self.classify)(path),
                });
            }
        }
    }
}

fn keys<'a>(a: &'a Map<String, Value>, b: &'a Map<String, Value>) -> BTreeSet<&'a str> {
    a.keys().chain(b.keys()).map(String::as_str).collect()
}

fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

fn holds_marker(object: &Map<String, Value>) -> bool {
    object.contains_key("$unknown")
}

/// Whether something inside is known only after another resource was applied.
pub(super) fn contains_unknown(value: &Value) -> bool {
    is_unknown(value)
        || match value {
            Value::Object(object) => object.values().any(contains_unknown),
            Value::Array(array) => array.iter().any(contains_unknown),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(desired: Value, observed: Value, recorded: Option<Value>) -> Vec<(String, bool)> {
        diff(&desired, &observed, recorded.as_ref(), &["secret"], &|_| Effect::Update)
            .into_iter()
            .map(|change| (change.path, change.drift))
            .collect()
    }

    #[test]
    fn equal_documents_do_not_differ_whatever_their_order_and_nulls() {
        assert!(
            paths(
                json!({"a": 1, "b": {"c": [1], "d": null}}),
                json!({"b": {"c": [1]}, "a": 1, "e": null}),
                None
            )
            .is_empty()
        );
    }

    #[test]
    fn what_cannot_be_read_back_is_compared_with_what_was_applied() {
        assert!(paths(json!({"zip": "x"}), json!({}), Some(json!({"zip": "x"}))).is_empty());
        assert_eq!(paths(json!({"zip": "y"}), json!({}), Some(json!({"zip": "x"}))), [("zip".into(), false)]);
        assert_eq!(paths(json!({"zip": "y"}), json!({}), None), [("zip".into(), false)]);
    }

    #[test]
    fn a_key_that_vanished_inside_a_read_attribute_is_drift() {
        let tags = json!({"tags": {"a": "1", "b": "2"}});
        assert_eq!(paths(tags.clone(), json!({"tags": {"a": "1"}}), Some(tags)), [("tags/b".into(), true)]);
    }

    #[test]
    fn a_key_that_the_file_dropped_is_removed() {
        let found = json!({"tags": {"a": "1", "b": "2"}});
        assert_eq!(
            paths(json!({"tags": {"a": "1"}}), found.clone(), Some(found)),
            [("tags/b".into(), false)]
        );
    }

    #[test]
    fn write_only_attributes_never_differ() {
        assert!(paths(json!({"secret": 1}), json!({"secret": 2}), Some(json!({"secret": 3}))).is_empty());
    }

    #[test]
    fn unknown_values_are_known_after_apply() {
        let changes =
            diff(&json!({"list": [{"$unknown": "a.b#c"}]}), &json!({"list": ["x"]}), None, &[], &|_| {
                Effect::Update
            });
        assert!(changes.iter().all(|change| change.known_after_apply && change.after.is_none()));
        assert_eq!(changes.len(), 1);
    }
}
