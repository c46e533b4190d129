//! The recipes in `examples/ci` call commands that exist, in the way they are to be called.

use std::path::Path;

use clap::Parser;

use super::super::Cli;
use crate::error::Exit;
use crate::render::markdown;

const STACK: &str = ".github/workflows/stack.yml";
const DRIFT: &str = ".github/workflows/drift.yml";

fn recipe(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/ci").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The commands of a text that begin with `provision `, up to what the shell would take for its own.
fn calls(text: &str) -> Vec<Vec<String>> {
    let starts = text.match_indices("provision ").filter(|(at, _)| {
        let before = text[..*at].trim_end_matches(' ');
        before.ends_with(['\n', ':', '&', '`', '=']) || before.ends_with("run: |")
    });
    let end = |rest: &str| rest.find(['\n', '&', '`', '|', '>', '#']).unwrap_or(rest.len());
    let words = starts.map(|(at, _)| text[at..].split_at(end(&text[at..])).0);
    words.map(|words| words.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn the_workflow_calls_commands_as_they_are() {
    for (name, least) in [(STACK, 4), (DRIFT, 1), ("README.md", 4)] {
        let calls = calls(&recipe(name));
        assert!(calls.len() >= least, "{name}: {calls:?}");
        for call in calls {
            // Words such as `provision plan` in a sentence are calls too.
            if let Err(error) = Cli::try_parse_from(&call) {
                panic!("{name}: {call:?}: {error}");
            }
        }
    }
}

#[test]
fn the_workflow_finds_its_own_comment_by_the_first_line() {
    let workflow = recipe(STACK);
    assert!(workflow.contains("marker=$(head -n 1 plan.md)") && workflow.contains("startswith(env.marker)"));
    assert!(!markdown::marker("study").contains('\n'));
}

#[test]
fn the_workflows_allow_no_more_than_they_need() {
    for workflow in [STACK, DRIFT].map(recipe) {
        assert!(workflow.contains("\npermissions: {}\n"));
        // As a trigger: the comment says why not.
        assert!(!workflow.lines().any(|line| line.trim_start().starts_with("pull_request_target")));
        assert!(!workflow.contains("secrets."), "credentials come from OIDC alone");
        for action in workflow.lines().filter_map(|line| line.split_once("uses: ")) {
            let (_, version) = action.1.split_once('@').unwrap();
            assert!(version.starts_with('v') && version[1..].parse::<u32>().is_ok(), "{action:?}");
        }
    }
}

#[test]
fn the_workflow_that_looks_for_drift_knows_its_exit_codes() {
    let workflow = recipe(DRIFT);
    for (code, found) in [(Exit::Done, "no"), (Exit::Pending, "yes")] {
        assert!(workflow.contains(&format!("{}) echo \"found={found}\"", code as i32)), "{found}");
    }
}
