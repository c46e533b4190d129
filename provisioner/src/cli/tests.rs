mod reading;
mod recipe;
mod sharing;
mod words;

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::{Around, run_in};
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
    let printer = |look| Printer::to(look, Box::new(out.clone()), Box::new(err.clone()));
    let code = run_in(args, Around::default(), printer).await;
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
    insta::assert_snapshot!(out);
}

#[tokio::test]
async fn help_of_a_command_says_what_it_does() {
    let (_, out, _) = provision(&["destroy", "--help"]).await;
    insta::assert_snapshot!(out);
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
    assert!(err.contains("FH0206") && err.contains("there is: FH0101, "), "{err}");
    let (code, out, _) = provision(&["explain"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("FH0301  somebody else is working on the stack\n"), "{out}");
}
