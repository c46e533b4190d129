//! A plan for people: like Terraform's, shorter.

use std::fmt::Write;

use serde_json::Value;

use super::sharing;
use super::style::Style;
use super::value::{one, pair};
use crate::error::count;
use crate::kinds::Effect;
use crate::plan::{Action, Change, Node, Plan, Purpose};

/// The longest value that is shown whole.
const LONGEST: usize = 72;

/// A plan as text that ends with a line feed; `attributes` also shows those of what is made.
pub fn plan(plan: &Plan, style: Style, attributes: bool) -> String {
    let mut text = String::new();
    if plan.is_empty() {
        let nothing = match plan.purpose {
            Purpose::Apply => format!("nothing to do: `{}` is as its file says", plan.stack),
            Purpose::Destroy => format!("nothing to do: nothing of `{}` is there", plan.stack),
        };
        let _ = writeln!(text, "{}", style.bold(&nothing));
        return text;
    }
    let _ = writeln!(text, "{}\n", style.bold(&format!("plan for `{}`: {}", plan.stack, counts(plan))));
    text.push_str(&sharing::section(plan, style));
    for node in plan.nodes.iter().filter(|node| node.action != Action::NoOp && !is_drift_alone(node)) {
        of_node(&mut text, node, style, attributes);
    }
    drift(&mut text, plan, style);
    text
}

/// What was changed elsewhere, apart from what the file changes.
fn drift(text: &mut String, plan: &Plan, style: Style) {
    let drifted: Vec<&Node> = plan.nodes.iter().filter(|node| drifted(node).next().is_some()).collect();
    if drifted.is_empty() {
        return;
    }
    let was = if drifted.len() == 1 { "was" } else { "were" };
    let what = format!(
        "drift: {} {was} changed outside of the file, and would be set back",
        count(drifted.len(), "resource")
    );
    let gap = if text.ends_with("\n\n") { "" } else { "\n" };
    let _ = writeln!(text, "{gap}{}\n", style.yellow(&what));
    for node in drifted {
        let _ = writeln!(text, "  {}", style.yellow(&format!("~ {}", node.address)));
        for change in self::drifted(node) {
            let _ = writeln!(text, "{}", of_change(change, node.action, style));
        }
    }
}

/// The changes that set back what somebody did elsewhere. What would be made again or is refused is told as one.
pub(super) fn drifted(node: &Node) -> impl Iterator<Item = &Change> {
    let apart = node.action == Action::Update;
    node.changes.iter().filter(move |change| apart && change.drift)
}

/// Whether nothing about a resource comes from the file.
pub(super) fn is_drift_alone(node: &Node) -> bool {
    drifted(node).next().is_some() && node.reason.is_none() && node.changes.iter().all(|change| change.drift)
}

/// `12 to create, 1 to delete`.
pub fn counts(plan: &Plan) -> String {
    let words = |action| match action {
        Action::Create => Some("to create"),
        Action::Update => Some("to change"),
        Action::Replace => Some("to replace"),
        Action::Delete => Some("to delete"),
        Action::Forget => Some("to forget"),
        Action::Blocked => Some("blocked"),
        Action::Conflict => Some("in conflict"),
        Action::NoOp => None,
    };
    let counts = plan.counts();
    let parts: Vec<String> =
        counts.iter().filter_map(|(action, n)| Some(format!("{n} {}", words(*action)?))).collect();
    parts.join(", ")
}

fn of_node(text: &mut String, node: &Node, style: Style, attributes: bool) {
    let address = node.address.to_string();
    let head = match node.action {
        Action::Create => style.green(&format!("+ {address}")),
        Action::Update | Action::NoOp => style.yellow(&format!("~ {address}")),
        Action::Replace => style.red(&format!("± {address}")),
        Action::Delete => style.red(&format!("- {address}")),
        Action::Forget => style.dim(&format!("∅ {address}")),
        Action::Blocked | Action::Conflict => style.red(&format!("✗ {address}")),
    };
    let reason = node.reason.as_ref().map(|reason| style.dim(&format!("  ({reason})"))).unwrap_or_default();
    let _ = writeln!(text, "  {head}{reason}");
    if node.action == Action::Create && !attributes {
        return;
    }
    for change in node.changes.iter().filter(|change| node.action != Action::Update || !change.drift) {
        let _ = writeln!(text, "{}", of_change(change, node.action, style));
    }
}

fn of_change(change: &Change, action: Action, style: Style) -> String {
    let show = |value: &Option<Value>| {
        value.as_ref().map_or_else(|| style.dim("(none)"), |value| one(value, LONGEST))
    };
    let (before, after) = match (&change.before, &change.after) {
        (before, _) if change.known_after_apply => (show(before), style.dim("(known after apply)")),
        (Some(before), Some(after)) => pair(before, after, LONGEST),
        (before, after) => (show(before), show(after)),
    };
    if action == Action::Create {
        return format!("      {}: {after}", change.path);
    }
    let mut line = format!("      {}: {before} → {after}", change.path);
    if change.drift && action != Action::Update {
        line.push_str(&style.yellow("  drift: changed outside of the file"));
    }
    match change.effect {
        Effect::Update => {}
        Effect::Replace => line.push_str(&style.red("  forces a replacement")),
        Effect::Blocked => line.push_str(&style.red("  would lose data")),
    }
    line
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::kinds::Recorded;
    use crate::plan::VERSION;
    use crate::resource::{Address, Outputs};
    use serde_json::json;

    pub(in crate::render) fn node(
        address: &str,
        action: Action,
        reason: Option<&str>,
        changes: Vec<Change>,
    ) -> Node {
        let address = Address::try_from(address.to_owned()).unwrap();
        Node {
            prior: Some(Recorded {
                address: address.clone(),
                physical_id: "p".into(),
                attributes: json!({}),
                outputs: Outputs::new(),
            }),
            address,
            action,
            reason: reason.map(str::to_owned),
            changes,
            depends_on: vec![],
            uses: vec![],
            desired: None,
        }
    }

    pub(in crate::render) fn change(path: &str, before: Option<Value>, after: Option<Value>) -> Change {
        Change {
            path: path.into(),
            before,
            after,
            known_after_apply: false,
            drift: false,
            effect: Effect::Update,
        }
    }

    pub(in crate::render) fn of(purpose: Purpose, nodes: Vec<Node>) -> Plan {
        Plan { version: VERSION, stack: "study".into(), purpose, nodes, sharing: vec![] }
    }

    #[test]
    fn a_first_plan_lists_what_is_made() {
        let made = vec![change("name", None, Some(json!("study-data")))];
        let plan_ = of(Purpose::Apply, vec![node("table.data", Action::Create, None, made)]);
        insta::assert_snapshot!(plan(&plan_, Style::default(), false), @r"
        plan for `study`: 1 to create

          + table.data
        ");
        insta::assert_snapshot!(plan(&plan_, Style::default(), true), @r#"
        plan for `study`: 1 to create

          + table.data
              name: "study-data"
        "#);
    }

    #[test]
    fn a_plan_shows_every_kind_of_change() {
        let unknown = Change {
            known_after_apply: true,
            effect: Effect::Replace,
            ..change("source", Some(json!("arn:old")), None)
        };
        let drift = Change { drift: true, ..change("tags/team", None, Some(json!("data"))) };
        let long = change("policy", Some(json!("x".repeat(200))), Some(json!("short")));
        let blocked =
            Change { effect: Effect::Blocked, ..change("keys/hash", Some(json!("pk")), Some(json!("id"))) };
        let plan_ = of(
            Purpose::Apply,
            vec![
                node(
                    "function.api",
                    Action::Update,
                    None,
                    vec![change("memory", Some(json!(128)), Some(json!(256))), drift, long],
                ),
                node("mapping.replicator", Action::Replace, None, vec![unknown]),
                node("queue.old", Action::Delete, Some("the file no longer has it"), vec![]),
                node(
                    "table.data",
                    Action::Blocked,
                    Some("making it again would lose the data it holds"),
                    vec![blocked],
                ),
                node("table.x", Action::NoOp, None, vec![]),
            ],
        );
        insta::assert_snapshot!(plan(&plan_, Style::default(), false), @r#"
        plan for `study`: 1 to change, 1 to replace, 1 to delete, 1 blocked

          ~ function.api
              memory: 128 → 256
              policy: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… → "short"
          ± mapping.replicator
              source: "arn:old" → (known after apply)  forces a replacement
          - queue.old  (the file no longer has it)
          ✗ table.data  (making it again would lose the data it holds)
              keys/hash: "pk" → "id"  would lose data

        drift: 1 resource was changed outside of the file, and would be set back

          ~ function.api
              tags/team: (none) → "data"
        "#);
    }

    #[test]
    fn drift_alone_is_told_as_such() {
        let drift = Change { drift: true, ..change("tags/team", Some(json!("x")), Some(json!("data"))) };
        let plan_ = of(Purpose::Apply, vec![node("function.api", Action::Update, None, vec![drift])]);
        insta::assert_snapshot!(plan(&plan_, Style::default(), false), @r#"
        plan for `study`: 1 to change

        drift: 1 resource was changed outside of the file, and would be set back

          ~ function.api
              tags/team: "x" → "data"
        "#);
    }

    #[test]
    fn an_empty_plan_says_so() {
        insta::assert_snapshot!(plan(&of(Purpose::Apply, vec![]), Style::default(), false), @r"nothing to do: `study` is as its file says");
        insta::assert_snapshot!(plan(&of(Purpose::Destroy, vec![]), Style::default(), false), @r"nothing to do: nothing of `study` is there");
    }

    #[test]
    fn without_colour_there_is_no_escape_and_with_it_there_is() {
        let plan_ = of(Purpose::Apply, vec![node("table.data", Action::Create, None, vec![])]);
        assert!(!plan(&plan_, Style { colour: false }, false).contains('\x1b'));
        assert!(plan(&plan_, Style { colour: true }, false).contains("\x1b[32m+ table.data\x1b[0m"));
    }
}
