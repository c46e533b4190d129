//! Fingerprints of what a plan was made from, attribute by attribute, so that a plan that no longer fits can say why.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::kinds::Read;

/// Digests by path.
pub type Fingerprint = BTreeMap<String, String>;

/// Under this path stands whether something is there at all.
const THERE: &str = "there";

/// The digest of a text: of a file.
pub fn of_text(text: &[u8]) -> String {
    short(Sha256::digest(text).as_slice())
}

/// The digest of a document, whatever the order of its keys.
pub fn of_value(value: &Value) -> String {
    let mut hasher = Sha256::new();
    feed(&mut hasher, value);
    short(hasher.finalize().as_slice())
}

/// What was read of a resource: each attribute and output by itself.
pub fn of_read(read: &Read) -> Fingerprint {
    let there = |what: &str| Fingerprint::from([(THERE.to_owned(), what.to_owned())]);
    match read {
        Read::Missing => there("missing"),
        Read::Foreign(_) => there("foreign"),
        Read::Owned(observed) => {
            let mut prints = there("owned");
            prints.insert("id".to_owned(), of_text(observed.physical_id.as_bytes()));
            for (name, value) in &observed.outputs {
                prints.insert(format!("outputs/{name}"), of_text(value.as_bytes()));
            }
            leaves(&observed.attributes, &mut String::new(), &mut prints);
            prints
        }
    }
}

/// In what two fingerprints of one resource differ, in words: `attribute `memory``, or that it is gone.
pub fn differences(before: &Fingerprint, now: &Fingerprint) -> Vec<String> {
    if before.get(THERE) != now.get(THERE) {
        return vec![match now.get(THERE).map(String::as_str) {
            Some("owned") => "which is there now".to_owned(),
            Some("foreign") => "which belongs to somebody else now".to_owned(),
            _ => "which is gone".to_owned(),
        }];
    }
    let paths: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let differing: Vec<&String> =
        paths.into_iter().filter(|path| before.get(*path) != now.get(*path)).collect();
    // Outputs follow from attributes; they are worth a word only if nothing else says what happened.
    let attributes = |path: &&&String| !path.starts_with("outputs/");
    let shown: Vec<&&String> = differing.iter().filter(attributes).collect();
    let shown = if shown.is_empty() { differing.iter().collect() } else { shown };
    shown.into_iter().map(|path| format!("`{path}`")).collect()
}

/// The first half of a digest is enough to tell a change from none.
fn short(digest: &[u8]) -> String {
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn leaves(value: &Value, path: &mut String, prints: &mut Fingerprint) {
    match value {
        // Null is the same as absent, as it is when documents are compared.
        Value::Null => {}
        Value::Object(object) => {
            for (key, value) in object {
                let length = path.len();
                if length > 0 {
                    path.push('/');
                }
                path.push_str(key);
                leaves(value, path, prints);
                path.truncate(length);
            }
        }
        leaf => {
            prints.insert(path.clone(), of_value(leaf));
        }
    }
}

fn feed(hasher: &mut Sha256, value: &Value) {
    match value {
        Value::Object(object) => {
            let keys: BTreeSet<&String> = object.keys().collect();
            hasher.update(b"{");
            for key in keys {
                feed(hasher, &Value::from(key.as_str()));
                feed(hasher, object.get(key).unwrap_or(&Value::Null));
            }
            hasher.update(b"}");
        }
        Value::Array(array) => {
            hasher.update(b"[");
            array.iter().for_each(|value| feed(hasher, value));
            hasher.update(b"]");
        }
        leaf => {
            // As JSON: a text is in quotes and cannot be taken for a number, or for two texts.
            hasher.update(leaf.to_string());
            hasher.update(b",");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::Observed;
    use crate::resource::Outputs;

    fn read(attributes: Value, arn: &str) -> Read {
        let outputs = Outputs::from([("arn".into(), arn.into())]);
        Read::Owned(Observed { physical_id: "p".into(), attributes, outputs })
    }

    #[test]
    fn the_order_of_keys_and_absent_values_make_no_difference() {
        let a = read(json!({"a": 1, "b": {"c": null, "d": [1, 2]}}), "x");
        let b = read(json!({"b": {"d": [1, 2]}, "a": 1, "e": null}), "x");
        assert_eq!(of_read(&a), of_read(&b));
        assert_eq!(of_value(&json!({"a": 1, "b": 2})), of_value(&json!({"b": 2, "a": 1})));
        assert_ne!(of_value(&json!(["a", "b"])), of_value(&json!(["ab"])));
        assert_ne!(of_value(&json!(1)), of_value(&json!("1")));
    }

    #[test]
    fn a_difference_is_named_by_its_attribute() {
        let before = of_read(&read(json!({"tags": {"team": "a"}, "memory": 1}), "x"));
        let changed = of_read(&read(json!({"tags": {"team": "b", "new": "1"}, "memory": 1}), "y"));
        assert_eq!(differences(&before, &changed), ["`tags/new`", "`tags/team`"]);
        let moved = of_read(&read(json!({"tags": {"team": "a"}, "memory": 1}), "y"));
        assert_eq!(differences(&before, &moved), ["`outputs/arn`"]);
        assert_eq!(differences(&before, &of_read(&Read::Missing)), ["which is gone"]);
        assert_eq!(differences(&of_read(&Read::Missing), &before), ["which is there now"]);
        assert!(differences(&before, &before.clone()).is_empty());
    }
}
