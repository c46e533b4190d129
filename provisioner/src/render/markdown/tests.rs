use super::super::plan::tests::{change, node, of};
use super::*;
use serde_json::json;

fn mixed() -> Plan {
    let drift = Change { drift: true, ..change("tags/team", None, Some(json!("data"))) };
    let unknown = Change {
        known_after_apply: true,
        effect: Effect::Replace,
        ..change("source", Some(json!("arn:old")), None)
    };
    let blocked =
        Change { effect: Effect::Blocked, ..change("keys/hash", Some(json!("pk")), Some(json!("id"))) };
    of(
        Purpose::Apply,
        vec![
            node("table.new", Action::Create, None, vec![change("name", None, Some(json!("study-new")))]),
            node(
                "function.api",
                Action::Update,
                None,
                vec![change("memory", Some(json!(128)), Some(json!(256))), drift],
            ),
            node("mapping.replicator", Action::Replace, None, vec![unknown]),
            node("queue.old", Action::Delete, Some("the file no longer has it"), vec![]),
            node(
                "table.data",
                Action::Blocked,
                Some("`keys/hash` cannot be changed in place"),
                vec![blocked],
            ),
            node("table.x", Action::NoOp, None, vec![]),
        ],
    )
}

#[test]
fn a_plan_for_a_pull_request_has_its_summary_first() {
    insta::assert_snapshot!(plan(&mixed()));
}

#[test]
fn who_sees_what_comes_before_everything_else() {
    let plan_ = Plan { sharing: super::super::sharing::tests::some(), ..of(Purpose::Apply, vec![]) };
    let changed = vec![node("group.ward", Action::Update, None, vec![])];
    insta::assert_snapshot!(plan(&Plan { nodes: of(Purpose::Apply, changed).nodes, ..plan_ }));
}

#[test]
fn a_plan_without_anything_to_do_is_one_line() {
    insta::assert_snapshot!(plan(&of(Purpose::Apply, vec![])), @r"
    <!-- freehold plan of study -->
    ### <code>study</code> is as its file says: nothing to do
    ");
}

fn large() -> Plan {
    let nodes = (0..3_000).map(|n| {
        let action = [Action::Update, Action::Create, Action::Delete][n % 3];
        let text = json!("| ` @everyone <b> \\| \n ".repeat(20));
        node(&format!("group.g{n:04}"), action, None, vec![change("rules", Some(json!("a")), Some(text))])
    });
    let one = super::super::sharing::tests::some().remove(0);
    let sharing = vec![one; 1_000];
    Plan { sharing, ..of(Purpose::Apply, nodes.collect()) }
}

#[test]
fn a_plan_of_any_size_fits_into_a_comment_and_says_what_is_left_out() {
    let text = plan(&large());
    assert!(text.len() <= MOST && text.len() > MOST / 2, "{}", text.len());
    assert!(text.starts_with("<!-- freehold plan of study -->\n### plan for"), "{}", &text[..200]);
    assert!(text.contains("| ✏️ to change | 1000 |"));
    assert!(text.contains(" more: `provision plan` shows all of them"));
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
}

#[test]
fn what_people_wrote_breaks_no_table_and_calls_for_nobody() {
    let nasty = "a|b`c\n| d |<img src=x>@team \\| **x** ~~y~~ [z](http://x) <!-- --> </details> 😀";
    let text = plan(&of(
        Purpose::Apply,
        vec![node(
            "function.api",
            Action::Update,
            Some(nasty),
            vec![change(nasty, Some(json!(nasty)), Some(json!(nasty)))],
        )],
    ));
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("  |")).collect();
    assert_eq!(rows.len(), 3, "{text}");
    assert!(rows.iter().all(|row| row.matches('|').count() == 5), "{text}");
    for what in ["<img", "@team", "**x**", "~~", "[z]", "http:", "`c", "</details>", "\\|", "<!-- -->"] {
        assert!(!text.contains(what), "{what}: {text}");
    }
}
