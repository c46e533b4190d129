use serde_json::json;
use store::census::Tally;

use super::super::plan::tests::{change, node, of};
use super::*;
use crate::plan::GroupLoss;

/// Of a plan that takes nothing away.
fn plan(plan: &Plan) -> String {
    super::plan(plan, &Losses::default())
}

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

/// So many groups and a data type that go with what is in them.
fn lossy(groups: usize) -> (Plan, Losses) {
    let name = |n: usize| format!("ward-{n:02}");
    let tally = |count| Tally { count, more: false };
    let nodes = (0..groups)
        .map(|n| node(&format!("group.{}", name(n)), Action::Delete, Some("the file removes it"), vec![]));
    let of_group = |n: usize| GroupLoss { members: 3, copies: tally(n as u64) };
    let losses = Losses {
        data_types: [(domain::id::Name::parse("weight").unwrap(), Tally { count: 40_120, more: true })]
            .into(),
        fields: [("glucose.note".to_owned(), tally(1))].into(),
        groups: (0..groups).map(|n| (name(n), of_group(n))).collect(),
        more: true,
    };
    (of(Purpose::Apply, nodes.collect()), losses)
}

#[test]
fn what_would_be_lost_comes_before_everything_else() {
    let (mut made, losses) = lossy(2);
    made.sharing = super::super::sharing::tests::some().into_iter().take(1).collect();
    insta::assert_snapshot!(super::plan(&made, &losses));
    made.nodes[0].action = Action::Blocked;
    let refused = "; refused unless the file names them under <code>removed</code>";
    assert!(super::plan(&made, &losses).contains(refused));
}

#[test]
fn of_many_losses_the_largest_are_shown_and_the_others_folded_away() {
    let (made, losses) = lossy(30);
    let text = super::plan(&made, &losses);
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(at("| group <code>ward-29</code>") < at("<summary>and 20 more</summary>"), "{text}");
    assert!(at("<summary>and 20 more</summary>") < at("| group <code>ward-00</code>"), "{text}");
    assert_eq!(text.matches("| would be lost | with |\n|---|---|\n| ").count(), 2, "{text}");

    let (made, losses) = lossy(20_000);
    let text = super::plan(&made, &losses);
    assert!(
        text.len() <= MOST && text.contains(" more: the file of <code>plan --out</code> has all of them")
    );
    assert!(text.contains("| 🗑️ to delete | 20000 |"), "the resources have room too");
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
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
