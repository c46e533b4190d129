//! What functions may do: the files of `policies/iam`, in which `${table.data.arn}` stands for an output of another
//! resource.

use serde_json::Value;

pub(super) const POLICIES: [(&str, &str); 5] = [
    ("api", include_str!("../../../policies/iam/api.json")),
    ("replicator", include_str!("../../../policies/iam/replicator.json")),
    ("worker", include_str!("../../../policies/iam/worker.json")),
    ("scrubber", include_str!("../../../policies/iam/scrubber.json")),
    ("identity", include_str!("../../../policies/iam/identity.json")),
];

/// What a function may do, from `policies/iam`, with references for placeholders. The files are part of the program
/// and a test reads them all, so that an unreadable one cannot get here.
pub(super) fn policy(function: &str) -> Value {
    let file = POLICIES.iter().find(|(name, _)| *name == function).map_or("null", |(_, file)| file);
    let policy: Value = serde_json::from_str(file).unwrap_or_default();
    with_references(policy)
}

fn with_references(value: Value) -> Value {
    match value {
        Value::String(text) => references(&text),
        Value::Array(items) => Value::Array(items.into_iter().map(with_references).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, with_references(value))).collect())
        }
        other => other,
    }
}

/// A text in which `${table.data.arn}` stands for an output of another resource.
pub(super) fn references(text: &str) -> Value {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, tail)) = after.split_once('}') else { break };
        if !before.is_empty() {
            parts.push(Value::from(before));
        }
        let reference = inside
            .rsplit_once('.')
            .map_or_else(|| inside.to_owned(), |(address, out)| format!("{address}#{out}"));
        parts.push(serde_json::json!({ "$ref": reference }));
        rest = tail;
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(Value::from(rest));
    }
    if parts.len() == 1 { parts.swap_remove(0) } else { serde_json::json!({ "$join": parts }) }
}
