//! Commands that read the stack's file alone.

use domain::time::Timestamp;
use serde_json::Value;

use super::{provision, stack_file};

const GOOD: &str = "version: 1\nname: study\nregion: eu-west-1\ndataTypes:\n  glucose:\n    time: takenAt\n    fields:\n      takenAt: { type: datetime, required: true }\n      mgdl: { type: integer }\ngroups:\n  team:\n    owner: ${lead}@example.org\n    rules: [{ types: [glucose] }]\nvariables: { lead: { default: lead } }\n";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Events without their times, of which each has one.
fn undated(lines: &str) -> Vec<Value> {
    let mut events: Vec<Value> = lines.lines().map(json).collect();
    events.iter_mut().for_each(|event| assert!(event.as_object_mut().unwrap().remove("at").is_some()));
    events
}

#[tokio::test]
async fn variables_are_given_on_the_command_line() {
    let (_dir, path) = stack_file(&GOOD.replace("default: lead", ""));
    let (code, _, err) = provision(&["validate", "--file", &path]).await;
    assert_eq!(code, 3);
    assert!(
        err.contains("error[FH0105]: the variable `lead` has no value") && err.contains(":14:14"),
        "{err}"
    );
    let (code, out, _) = provision(&["validate", "--file", &path, "--var", "lead=ann"]).await;
    assert_eq!((code, out.contains("is valid")), (0, true));
    let (code, _, err) =
        provision(&["validate", "--file", &path, "--var", "lead=ann", "--var", "laed=x"]).await;
    assert_eq!(code, 3);
    assert!(err.contains("`laed`, which is not declared") && err.contains("did you mean `lead`?"), "{err}");
    let (code, _, err) = provision(&["validate", "--file", &path, "--var", "lead"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("write `name=value`"), "{err}");
}

#[tokio::test]
async fn a_secret_is_refused_without_being_repeated() {
    let key = format!("{}IOSFODNN7EXAMPLE", "AKIA");
    let (_dir, path) = stack_file(&format!("{GOOD}tags: {{ key: {key} }}\n"));
    for format in [&[][..], &["--json"]] {
        let args: Vec<&str> =
            ["validate", "--file", &path].into_iter().chain(format.iter().copied()).collect();
        let (code, out, err) = provision(&args).await;
        assert_eq!(code, 3);
        assert!(
            format!("{out}{err}").contains("FH0125") && !format!("{out}{err}").contains(&key),
            "{out}{err}"
        );
    }
}

#[tokio::test]
async fn events_go_into_a_file_beside_what_people_see() {
    let (dir, path) = stack_file(GOOD);
    let into = dir.path().join("events.ndjson").display().to_string();
    let (code, out, _) = provision(&["validate", "--file", &path, "--json-into", &into]).await;
    assert_eq!(code, 0);
    assert!(out.starts_with('`'), "{out}");
    let line = json(&std::fs::read_to_string(&into).unwrap());
    assert_eq!((&line["event"], &line["stack"]), (&"valid".into(), &"study".into()));
    let at = line["at"].as_str().unwrap();
    assert!(Timestamp::parse(at).is_ok() && at.len() == "2014-02-03T03:42:12.000Z".len(), "{at}");

    std::fs::write(&path, GOOD.replace("mgdl", "mg-dl").replace("region", "regoin")).unwrap();
    let (code, out, err) = provision(&["validate", "--file", &path, "--json-into", &into]).await;
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("error[FH0110]"), "{err}");
    let written = std::fs::read_to_string(&into).unwrap();
    let (_, same, _) = provision(&["validate", "--file", &path, "--json"]).await;
    assert_eq!(undated(&written), undated(&same), "what `--json` would print");

    let (code, _, err) = provision(&["validate", "--file", &path, "--json-into", "no/such/folder/x"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("error[FH0208]: cannot write `no/such/folder/x`"), "{err}");
}

#[tokio::test]
async fn a_stack_is_drawn_in_each_format_and_as_json() {
    let (dir, path) = stack_file(GOOD);
    for (format, start) in
        [("dot", "digraph \"study\" {"), ("mermaid", "flowchart LR\n"), ("svg", "<svg xmlns=")]
    {
        let (code, out, err) = provision(&["graph", "--file", &path, "--format", format]).await;
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.starts_with(start), "{out}");
        assert!(out.contains("team") && out.contains("control"), "{out}");
    }
    let (_, out, _) = provision(&["graph", "--file", &path, "--json"]).await;
    let graph = json(&out);
    let addresses: Vec<&str> =
        graph["nodes"].as_array().unwrap().iter().map(|node| node["address"].as_str().unwrap()).collect();
    assert!(addresses.contains(&"group.team"));
    let edges = graph["edges"].as_array().unwrap();
    assert!(edges.iter().all(|e| addresses.contains(&e["from"].as_str().unwrap())
        && addresses.contains(&e["to"].as_str().unwrap())));
    let file = dir.path().join("stack.svg").display().to_string();
    let (code, out, _) = provision(&["graph", "--file", &path, "--format", "svg", "--out", &file]).await;
    assert_eq!((code, out), (0, format!("drawn in `{file}`\n")));
    assert!(std::fs::read_to_string(&file).unwrap().ends_with("</svg>\n"));
}

#[tokio::test]
async fn the_template_is_json_with_and_without_json() {
    let (_dir, path) = stack_file(GOOD);
    let (code, pretty, _) = provision(&["render", "--file", &path, "--format", "cloudformation"]).await;
    let (_, line, _) = provision(&["render", "--file", &path, "--json"]).await;
    assert_eq!((code, json(&pretty)), (0, json(&line)));
    assert_eq!(
        json(&line)["Metadata"]["Freehold"]["LeftOut"],
        serde_json::json!(["group: 1", "sign_up_trigger: 1", "stackdoc: 1"])
    );
    assert!(!line.contains("111122223333"), "an account has no place in it");
}

#[tokio::test]
async fn the_schema_is_the_one_of_the_repository() {
    let (code, out, _) = provision(&["schema"]).await;
    assert_eq!((code, out.as_str()), (0, include_str!("../../../../schema/stack.schema.json")));
    let (_, line, _) = provision(&["schema", "--json"]).await;
    assert_eq!(json(&line), json(&out));
}

#[tokio::test]
async fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = provision(&["completions", shell]).await;
        assert_eq!(code, 0);
        assert!(out.contains("provision") && out.contains("json-into"), "{shell}");
    }
}

#[tokio::test]
async fn there_is_a_manual_page_for_every_command() {
    let (code, out, _) = provision(&["man"]).await;
    assert_eq!(code, 0);
    assert!(out.contains(".TH provision 1") && out.contains("Exit codes"), "{out}");
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("man1").display().to_string();
    let (code, out, _) = provision(&["man", &to, "--json"]).await;
    let pages = json(&out);
    let pages: Vec<&str> = pages.as_array().unwrap().iter().map(|page| page.as_str().unwrap()).collect();
    assert_eq!(code, 0);
    for name in ["provision.1", "provision-apply.1", "provision-local-start.1", "provision-env-list.1"] {
        let path = pages.iter().find(|page| page.ends_with(&format!("/{name}"))).unwrap();
        assert!(std::fs::read_to_string(path).unwrap().contains(".SH NAME"), "{name}");
    }
}

#[tokio::test]
async fn environments_are_listed_with_what_is_wrong_with_them() {
    let (dir, path) = stack_file(GOOD);
    std::fs::write(dir.path().join("stack.test.yaml"), "name: study-test\n").unwrap();
    std::fs::write(dir.path().join("stack.prod.yaml"), "regoin: eu-west-2\n").unwrap();
    std::fs::write(dir.path().join("stacks.other.yaml"), "").unwrap();
    let (code, out, _) = provision(&["env", "list", "--file", &path]).await;
    assert_eq!(code, 0);
    let place = dir.path().display().to_string();
    insta::assert_snapshot!(out.replace(&place, ""), @r"
    (none)  stack `study` in eu-west-1  (/stack.yaml)
    prod    1 mistake: see `provision validate --env prod`  (/stack.prod.yaml)
    test    stack `study-test` in eu-west-1  (/stack.test.yaml)
    ");
    let (_, out, _) = provision(&["env", "list", "--file", &path, "--json"]).await;
    assert_eq!(json(&out)[1]["mistakes"], 1);
    assert_eq!(json(&out)[2]["env"], "test");
}

#[tokio::test]
async fn logs_know_the_functions() {
    let (_dir, path) = stack_file(GOOD);
    let (code, _, err) = provision(&["logs", "repilcator", "--file", &path]).await;
    assert_eq!(code, 1);
    assert!(err.contains("there is: api, replicator, worker, scrubber"), "{err}");
}

#[tokio::test]
async fn a_region_on_the_command_line_is_checked_as_the_files_is() {
    let (_dir, path) = stack_file(GOOD);
    for region in ["mars-1", "", "eu/west-1", "eu-west-1a", "ap-abcdefghijklmnop-1"] {
        for command in [&["validate"][..], &["plan"], &["plan", "--target", "local"], &["render"], &["graph"]]
        {
            let args: Vec<&str> =
                command.iter().copied().chain(["--file", &path, "--region", region]).collect();
            let (code, out, err) = provision(&args).await;
            assert_eq!((code, out.as_str()), (3, ""), "{args:?}: {err}");
            let why = format!("error[FH0122]: --region: `{region}` is not an AWS region");
            assert!(err.contains(&why) && err.contains("write its code, for example `eu-west-1`"), "{err}");
        }
    }
    let (code, out, _) = provision(&["validate", "--file", &path, "--region", "us-gov-east-1"]).await;
    assert_eq!((code, out.contains("is valid")), (0, true));
}
