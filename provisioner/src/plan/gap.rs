//! Gaps: what people write while nothing reads the stream, or while there is none, may never reach the groups by it.
//!
//! The mapping's kind sees to it that everything is compared afterwards; here the plan says so beforehand.

use serde_json::Value;

use super::{Action, Node, Plan};

/// What is said of a mapping after which there may be a gap.
const WARNING: &str = "what people write until it is back may pass groups by; the scrubber then compares everything, \
                       which `provision reconcile --fresh` does at once";

/// Says of each stream's mapping that is made again, or switched on again, that there may be a gap.
pub(super) fn warn_of_gaps(plan: &mut Plan) {
    for node in plan.nodes.iter_mut().filter(|node| leaves_a_gap(node)) {
        node.reason = Some(match node.reason.take() {
            Some(reason) => format!("{reason}; {WARNING}"),
            None => WARNING.to_owned(),
        });
    }
}

fn leaves_a_gap(node: &Node) -> bool {
    // A queue keeps its messages until somebody takes them.
    let reads_stream = node.desired.as_ref().is_some_and(|desired| desired["stream"].is_object());
    if node.address.kind != "mapping" || !reads_stream {
        return false;
    }
    match node.action {
        Action::Replace => true,
        // Somebody deleted it; one that is made for the first time comes before anybody writes.
        Action::Create => node.reason.is_some(),
        Action::Update => {
            node.changes.iter().any(|c| c.path == "enabled" && c.before == Some(Value::Bool(false)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Change, Purpose, VERSION};
    use super::*;
    use crate::kinds::Effect;
    use crate::resource::Address;

    fn node(name: &str, action: Action, reason: Option<&str>, change: Option<(&str, Value)>) -> Node {
        let stream = if name == "worker" { Value::Null } else { json!({ "bisect": true }) };
        let change = change.map(|(path, before)| Change {
            path: path.to_owned(),
            before: Some(before),
            after: None,
            known_after_apply: true,
            drift: false,
            effect: Effect::Update,
        });
        Node {
            address: Address::new("mapping", name),
            action,
            reason: reason.map(str::to_owned),
            changes: change.into_iter().collect(),
            depends_on: vec![],
            uses: vec![],
            desired: Some(json!({ "stream": stream })),
            prior: None,
        }
    }

    fn reason(node: Node) -> Option<String> {
        let (stack, purpose) = ("study".to_owned(), Purpose::Apply);
        let mut plan = Plan { version: VERSION, stack, purpose, nodes: vec![node], sharing: vec![] };
        warn_of_gaps(&mut plan);
        plan.nodes.remove(0).reason
    }

    #[test]
    fn a_streams_mapping_that_is_made_again_or_switched_on_again_warns_of_a_gap() {
        let warned = |node| reason(node).is_some_and(|reason| reason.ends_with(WARNING));
        assert!(warned(node("replicator", Action::Replace, None, Some(("source", json!("arn"))))));
        assert!(warned(node("replicator", Action::Update, None, Some(("enabled", json!(false))))));
        let deleted = reason(node("replicator", Action::Create, Some("somebody deleted it"), None)).unwrap();
        assert!(deleted.starts_with("somebody deleted it; what people write"), "{deleted}");
    }

    #[test]
    fn nothing_is_said_where_nothing_is_missed() {
        assert_eq!(reason(node("replicator", Action::Create, None, None)), None);
        assert_eq!(reason(node("replicator", Action::Update, None, Some(("batchSize", json!(7))))), None);
        assert_eq!(reason(node("worker", Action::Replace, None, Some(("source", json!("arn"))))), None);
    }
}
