//! `who-sees` and `rules`: what the rules of a file do, without anything being deployed.

use serde_json::Value;

use super::{provision, stack_file};

const STACK: &str = r#"version: 1
name: study
region: eu-west-1
dataTypes:
  glucose:
    time: takenAt
    fields:
      takenAt: { type: datetime, required: true }
      mgdl: { type: integer, required: true, min: 0, max: 1000 }
      device: { type: string }
      note: { type: string }
  memo:
    time: at
    fields: { at: { type: datetime, required: true } }
groups:
  care-team:
    owner: lead@example.org
    rules:
      - types: [glucose]
        when: resource.mgdl > 180
        fields: [takenAt, mgdl]
        history: 90d
      - types: [memo]
    shouldShare:
      - { type: glucose, takenAt: 2026-01-01T08:00:00Z, mgdl: 192 }
      - { type: memo, at: 2026-01-01T08:00:00Z }
    shouldNotShare:
      - { type: glucose, takenAt: 2026-01-01T08:00:00Z, mgdl: 180 }
      - { type: glucose, takenAt: 2026-01-01T08:00:00Z, mgdl: 192, joined: 2026-06-01T00:00:00Z }
  research:
    owner: lead@example.org
    rules:
      - types: [glucose]
        when: |
          resource.mgdl > 180 &&
            (resource has device && resource.device == "apple")
        fields: [mgdl]
groupDefaults:
  rules: [{ types: [glucose] }]
"#;

fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().next().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A stack's file, and one with an item.
fn files(stack: &str, item: &str) -> (tempfile::TempDir, String, String) {
    let (dir, path) = stack_file(stack);
    let of_item = dir.path().join("item.json");
    std::fs::write(&of_item, item).unwrap();
    let of_item = of_item.display().to_string();
    (dir, path, of_item)
}

const ITEM: &str = r#"{"type": "glucose", "fields": {"takenAt": "2026-01-01T08:00:00Z", "mgdl": 192, "note": "after lunch"}}"#;
const JOINED: [&str; 2] = ["--joined", "2026-02-01T00:00:00Z"];

#[tokio::test]
async fn an_item_is_followed_through_every_rule_of_every_group() {
    let (_dir, stack, item) = files(STACK, ITEM);
    let args = ["who-sees", &item, "--file", &stack, JOINED[0], JOINED[1]];
    let (code, out, err) = provision(&args).await;
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out, @r#"
    `glucose` of 2026-01-01T08:00:00Z, from a provider who joined at 2026-02-01T00:00:00Z

    care-team sees mgdl, takenAt
      rule 1 selects it and shows mgdl, takenAt
        ✓ resource.mgdl > 180  `mgdl` is 192
        ✓ history 90d: from 2025-11-03T00:00:00Z
      rule 2 is about `memo` alone

    research does not see it
      rule 1 does not select it: resource.mgdl > 180 && (resource has device && resource.device == "apple")
        ✓ resource.mgdl > 180         `mgdl` is 192
        ✗ resource has device         `device` is absent
        · resource.device == "apple"  not asked

    groups that people make through the API see every field
      rule 1 selects it and shows every field
    "#);
}

#[tokio::test]
async fn who_sees_tells_programs_the_same() {
    let (_dir, stack, item) = files(STACK, ITEM);
    let (code, out, _) =
        provision(&["who-sees", &item, "--file", &stack, "--json", "--group", "research"]).await;
    let told = json(&out);
    assert_eq!((code, told["groups"].as_array().unwrap().len()), (0, 1), "only the group that was asked for");
    assert_eq!(told["groupDefaults"], Value::Null);
    let group = &told["groups"][0];
    assert_eq!((&group["group"], &group["shared"]), (&"research".into(), &false.into()));
    let parts = group["rules"][0]["condition"]["parts"].as_array().unwrap();
    let answers: Vec<&str> = parts.iter().map(|part| part["answer"].as_str().unwrap()).collect();
    assert_eq!(answers, ["true", "false", "notAsked"]);
    assert_eq!(parts[1]["asks"][0], serde_json::json!({"field": "device", "value": null}));
    // Whoever joins now is no member of long ago: the window has gone by.
    let (_, out, _) =
        provision(&["who-sees", &item, "--file", &stack, "--json", "--joined", "2030-01-01T00:00:00Z"]).await;
    assert_eq!(json(&out)["groups"][0]["rules"][0]["window"]["within"], false);
}

/// On the stack of a thread of tokio's: the tests' threads have as much.
#[tokio::test]
async fn a_condition_that_is_nested_too_deep_is_an_error_of_every_command_and_ends_none() {
    let nested = |open: &str, levels: usize, inner: &str, close: &str| {
        STACK.replacen(
            "when: resource.mgdl > 180\n",
            &format!("when: '{}{inner}{}'\n", open.repeat(levels), close.repeat(levels)),
            1,
        )
    };
    for (open, inner, close) in [
        ("(", "resource.mgdl > 180", ")"),
        ("[", "1", "]"),
        ("!(", "resource.mgdl > 180", ")"),
        ("if resource.mgdl > 180 then true else ", "false", ""),
    ] {
        for levels in [300, 1_000, 20_000] {
            let (_dir, stack, item) = files(&nested(open, levels, inner, close), ITEM);
            for command in [
                &["validate", "--file", &stack][..],
                &["who-sees", &item, "--file", &stack],
                &["rules", "test", "--file", &stack],
                &["rules", "lint", "--file", &stack],
                &["plan", "--file", &stack],
            ] {
                let (code, _, err) = provision(command).await;
                assert!(code == 3 && err.contains("FH0118"), "{levels} `{open}` {}: {err}", command[0]);
                assert!(err.contains("may have at most"), "{err}");
            }
        }
    }
    // As deep as may be.
    let (_dir, stack, item) = files(&nested("(", 120, "resource.mgdl > 180", ")"), ITEM);
    for command in [
        &["validate", "--file", &stack][..],
        &["who-sees", &item, "--file", &stack],
        &["rules", "test", "--file", &stack],
        &["rules", "lint", "--file", &stack],
    ] {
        let (code, _, err) = provision(command).await;
        assert_eq!(code, 0, "{err}");
    }
}

#[tokio::test]
async fn an_item_that_its_type_refuses_gets_all_of_its_mistakes() {
    let wrong = r#"{"type": "glucose", "fields": {"mgdl": 1001, "colour": "red"}}"#;
    let (_dir, stack, item) = files(STACK, wrong);
    let (code, out, err) = provision(&["who-sees", &item, "--file", &stack]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    insta::assert_snapshot!(err, @r"
    error[FH0209]: `glucose` does not take this item: 3 mistakes
      `colour`: `glucose` has no such field; it has device, mgdl, note, takenAt
      `mgdl`: must be at most 1000
      `takenAt`: is required
    help: correct the item; the API would refuse it for the same reasons
    ");
    for (wrong, said) in [
        (r#"{"type": "glucos", "fields": {}}"#, "the data type `glucos` does not exist"),
        (r#"{"type": "glucose"}"#, "missing field `fields`"),
        (r#"{"type": "glucose", "fields": {}, "id": 1}"#, "unknown field `id`"),
        ("nonsense", "is not an item"),
    ] {
        std::fs::write(&item, wrong).unwrap();
        let (code, _, err) = provision(&["who-sees", &item, "--file", &stack]).await;
        assert!(code == 1 && err.contains(said), "{wrong}: {err}");
    }
    let (code, _, err) = provision(&["who-sees", "no-such.json", "--file", &stack]).await;
    assert!(code == 1 && err.contains("cannot read the item `no-such.json`"), "{err}");
    let (code, _, err) = provision(&["who-sees", &item, "--file", &stack, "--joined", "yesterday"]).await;
    assert!(code == 1 && err.contains("with an offset"), "{err}");
}

#[tokio::test]
async fn examples_that_are_as_they_should_be_are_brief() {
    let (_dir, stack) = stack_file(STACK);
    let (code, out, err) = provision(&["rules", "test", "--file", &stack]).await;
    assert_eq!((code, out.as_str(), err.as_str()), (0, "4 examples of 1 group are as they should be\n", ""));
    let none = STACK.split("    shouldShare").next().unwrap();
    std::fs::write(&stack, none).unwrap();
    let (code, out, _) = provision(&["rules", "test", "--file", &stack]).await;
    assert_eq!(code, 0);
    assert!(out.starts_with("no group of `study` has examples"), "{out}");
}

#[tokio::test]
async fn an_example_that_is_otherwise_fails_with_the_reason() {
    let changed = STACK
        .replace("when: resource.mgdl > 180\n", "when: resource.mgdl > 200\n")
        .replace("history: 90d", "history: all");
    let changed = changed.replace("mgdl: 192, joined", "mgdl: 201, joined");
    let (_dir, stack) = stack_file(&changed);
    let (code, out, err) = provision(&["rules", "test", "--file", &stack]).await;
    assert_eq!(code, 1);
    insta::assert_snapshot!(out, @r#"
    4 examples of 1 group, 2 of which are not as they should be

    care-team, shouldShare 1: it is not shared
      `glucose` {"mgdl":192,"takenAt":"2026-01-01T08:00:00Z"}
      rule 1 does not select it
        ✗ resource.mgdl > 200  `mgdl` is 192
      rule 2 is about `memo` alone

    care-team, shouldNotShare 2: it is shared
      `glucose` {"mgdl":201,"takenAt":"2026-01-01T08:00:00Z"}
      rule 1 selects it and shows every field
        ✓ resource.mgdl > 200  `mgdl` is 201
      rule 2 is about `memo` alone
    "#);
    assert!(err.contains("error[FH0210]: 2 examples are not as the file says"), "{err}");
    let (code, out, _) = provision(&["rules", "test", "--file", &stack, "--json"]).await;
    let told = json(&out);
    assert_eq!((code, told["examples"].as_u64(), told["wrong"][0]["number"].as_u64()), (1, Some(4), Some(1)));
    assert_eq!(told["wrong"][0]["list"], "shouldShare");
}

#[tokio::test]
async fn odd_rules_are_told_and_denied_only_on_demand() {
    let odd = STACK.replace(
        "- types: [memo]\n    should",
        "- types: [memo]\n      - types: [glucose]\n        when: resource.mgdl > 1000\n        fields: [mgdl]\n    should",
    );
    let odd = odd.replace("[{ types: [glucose] }]", "[{ types: [memo] }]");
    let (_dir, stack) = stack_file(&odd);
    let (code, out, err) = provision(&["rules", "lint", "--file", &stack]).await;
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out, @r"
    warning: group `care-team`, rule 3: the condition holds for no item
        resource.mgdl > 1000
      help: correct it, or remove the rule: it selects nothing
    note: no group sees `note` of `glucose`, and no condition asks for it
      help: add `note` to a rule's `fields` if a group should see it

    1 warning, 1 note
    ");
    let (code, _, err) = provision(&["rules", "lint", "--file", &stack, "--deny"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("error[FH0211]: there is 1 warning about the rules"), "{err}");
    let (_, out, _) = provision(&["rules", "lint", "--file", &stack, "--json"]).await;
    let told = json(&out);
    assert_eq!((&told["warnings"], &told["findings"][0]["kind"]), (&1.into(), &"never".into()));
    assert_eq!(told["findings"][0]["owner"]["group"], "care-team");

    std::fs::write(&stack, STACK).unwrap();
    let (code, out, _) = provision(&["rules", "lint", "--file", &stack, "--deny"]).await;
    assert_eq!((code, out.as_str()), (0, "nothing is odd about the rules of `study`\n"));
}

#[tokio::test]
async fn the_stacks_of_this_repository_pass_their_own_examples_and_are_not_odd() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (file, said) in [
        ("stack.yaml", "4 examples of 1 group are as they should be"),
        ("examples/glucose-study/stack.yaml", "no group of `glucose-study` has examples"),
    ] {
        let path = root.join(file).display().to_string();
        let (code, out, err) = provision(&["rules", "test", "--file", &path]).await;
        assert!(code == 0 && out.starts_with(said), "{out}{err}");
        let (code, out, _) = provision(&["rules", "lint", "--deny", "--file", &path]).await;
        assert_eq!(code, 0, "{out}");
    }
}

#[test]
fn examples_are_no_part_of_what_is_deployed() {
    let stack = |text: &str| domain::stack::parse(text, &|_| None).unwrap();
    let without: String = STACK
        .lines()
        .filter(|line| !line.contains("should") && !line.contains("- { type:"))
        .map(|line| format!("{line}\n"))
        .collect();
    let (with, without) = (stack(STACK), stack(&without));
    assert!(with != without, "there are examples");
    assert_eq!(crate::cli::paper::resources(&with), crate::cli::paper::resources(&without));
}
