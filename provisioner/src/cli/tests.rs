use std::io::Write;
use std::sync::{Arc, Mutex};

use super::run_with;
use crate::render::Printer;

#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Pipe {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Exit code, stdout, stderr.
async fn provision(args: &[&str]) -> (i32, String, String) {
    let (out, err) = (Pipe::default(), Pipe::default());
    let args = std::iter::once("provision").chain(args.iter().copied()).map(Into::into);
    let code = run_with(args, |look| Printer::to(look, Box::new(out.clone()), Box::new(err.clone()))).await;
    (code, out.text(), err.text())
}

fn stack_file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stack.yaml");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (dir, path)
}

const WRONG: &str = "version: 1\nname: study\nregion: eu-west-1\ncolour: blue\ndataTypes:\n  glucose:\n    time: takenAt\n    feilds: {}\n";

#[tokio::test]
async fn help_is_a_result_and_names_examples_and_exit_codes() {
    let (code, out, err) = provision(&["--help"]).await;
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out, @r"
    From one file to a running Freehold stack

    Usage: provision [OPTIONS] <COMMAND>

    Commands:
      validate   Check the stack's file, without touching anything else
      plan       Show what an apply would do
      apply      Bring the stack to what its file says
      destroy    Delete the stack with all its data
      outputs    Print what the stack gives to its users: addresses and ids
      status     Show what is deployed, who works on it, and the last runs
      repairs    Show or repair items whose changes could not be brought to their groups
      reconcile  Compare what every group sees with what it should see, and repair the difference
      token      Sign in and print an access token for the API
      local      Start, stop and look at the emulator of the local target
      package    Build the functions and pack them as Lambda takes them
      explain    Print what an error code means and what to do about it
      help       Print this message or the help of the given subcommand(s)

    Options:
      -f, --file <PATH>
              The stack's file
              
              [default: stack.yaml]

      -e, --env <NAME>
              An environment: lays `stack.NAME.yaml` over the file
              
              [env: FREEHOLD_ENV]

      -t, --target <TARGET>
              Where the stack runs

              Possible values:
              - aws:   In an AWS account
              - local: On this machine, in the emulator
              
              [env: FREEHOLD_TARGET]
              [default: aws]

          --region <REGION>
              Another AWS region than the file's

          --profile <PROFILE>
              A profile of your AWS configuration

          --json
              Print one JSON object a line, for programs

          --no-color
              Print without colours (also: NO_COLOR)

      -v, --verbose...
              Tell more; twice: every call to AWS

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Examples:
      provision apply --target local          the whole stack on this machine, nothing else needed
      provision plan                          what an apply would do in AWS
      provision apply --yes                   do it without asking, as in CI
      provision apply --env prod              with stack.prod.yaml laid over stack.yaml
      provision token --target local          a token to try the API with
      provision outputs apiUrl                one output, for scripts
      provision explain FH0301                what an error means and what to do

    Exit codes: 0 done or nothing to do, 1 error, 2 changes pending (plan --detailed-exitcode),
    3 configuration invalid, 4 credentials, 5 lock held, 6 stale plan, 7 widening refused,
    8 partly done or deferred, 130 interrupted
    ");
}

#[tokio::test]
async fn help_of_a_command_says_what_it_does() {
    let (_, out, _) = provision(&["destroy", "--help"]).await;
    insta::assert_snapshot!(out, @r"
    Delete the stack with all its data

    Refuses while deletion protection is on. Says what would be lost and asks for the stack's name.

    Usage: provision destroy [OPTIONS]

    Options:
          --confirm <NAME>
              The stack's name, for scripts: then nobody is asked

      -f, --file <PATH>
              The stack's file
              
              [default: stack.yaml]

      -e, --env <NAME>
              An environment: lays `stack.NAME.yaml` over the file
              
              [env: FREEHOLD_ENV]

      -t, --target <TARGET>
              Where the stack runs

              Possible values:
              - aws:   In an AWS account
              - local: On this machine, in the emulator
              
              [env: FREEHOLD_TARGET]
              [default: aws]

          --region <REGION>
              Another AWS region than the file's

          --profile <PROFILE>
              A profile of your AWS configuration

          --json
              Print one JSON object a line, for programs

          --no-color
              Print without colours (also: NO_COLOR)

      -v, --verbose...
              Tell more; twice: every call to AWS

      -h, --help
              Print help (see a summary with '-h')
    ");
}

#[tokio::test]
async fn a_command_line_that_is_not_understood_never_exits_with_two() {
    let (code, out, err) = provision(&["aply"]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("apply"), "{err}");
}

#[tokio::test]
async fn validate_reports_every_mistake_and_exits_with_three() {
    let (_dir, path) = stack_file(WRONG);
    let (code, out, err) = provision(&["validate", "--file", &path]).await;
    assert_eq!((code, out.as_str()), (3, ""));
    for part in ["colour", "feilds", "stack.yaml:4:", "stack.yaml:8:", "error[FH01"] {
        assert!(err.contains(part), "{part}: {err}");
    }
}

#[tokio::test]
async fn validate_as_json_gives_one_object_a_mistake() {
    let (_dir, path) = stack_file(WRONG);
    let (code, out, err) = provision(&["validate", "--json", "--file", &path]).await;
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, err.as_str()), (3, ""));
    let mistakes: Vec<_> = lines.iter().filter(|line| line["event"] == "diagnostic").collect();
    assert!(
        mistakes.len() >= 2 && mistakes.iter().all(|m| m["code"].is_string() && m["span"]["line"].is_u64()),
        "{out}"
    );
    assert_eq!(lines.last().unwrap()["event"], "error");
}

#[tokio::test]
async fn a_missing_file_says_what_to_do() {
    let (code, _, err) = provision(&["validate", "--file", "no-such.yaml"]).await;
    assert_eq!(code, 3);
    insta::assert_snapshot!(err, @r"
    error[FH0201]: cannot read `no-such.yaml`: No such file or directory (os error 2)
    help: give the stack's file with `--file`, or start one as the README shows
    ");
}

#[tokio::test]
async fn explain_prints_the_page_of_a_code() {
    let (code, out, _) = provision(&["explain", "fh0301"]).await;
    assert_eq!(code, 0);
    assert!(out.starts_with("# FH0301: "), "{out}");
    let (code, _, err) = provision(&["explain", "FH9999"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("FH0206"), "{err}");
}
