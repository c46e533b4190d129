//! Running cargo, and what it says.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::PackageError;
use crate::local::Progress;

const TAIL_LINES: usize = 40;

/// The part of cargo's messages that says what was built.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Runs a build; its lines on stderr are progress, and the end of them is the error. Gives the programs it names.
pub(super) async fn run(
    mut command: Command,
    remedy: &'static str,
    progress: Progress<'_>,
) -> Result<BTreeMap<String, PathBuf>, PackageError> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let failed = |source| PackageError::Tool { program: program.clone(), source, remedy };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(failed)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (programs, tail) = tokio::join!(programs(out), talk(err, progress));
    let status = child.wait().await.map_err(|source| PackageError::Tool { program, source, remedy })?;
    if status.success() { Ok(programs) } else { Err(PackageError::Build { tail: errors(&tail) }) }
}

async fn programs(out: Option<tokio::process::ChildStdout>) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let Some(out) = out else { return found };
    let mut lines = BufReader::new(out).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(message) = serde_json::from_str::<Message>(&line) else { continue };
        if let (true, Some(target), Some(path)) =
            (message.reason == "compiler-artifact", message.target, message.executable)
        {
            found.insert(target.name, path);
        }
    }
    found
}

async fn talk(err: Option<tokio::process::ChildStderr>, progress: Progress<'_>) -> VecDeque<String> {
    let mut tail = VecDeque::new();
    let Some(err) = err else { return tail };
    let mut lines = BufReader::new(err).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        progress(line.trim());
        tail.push_back(line);
        if tail.len() > TAIL_LINES {
            tail.pop_front();
        }
    }
    tail
}

/// From the first error on, if one is among the last lines.
fn errors(tail: &VecDeque<String>) -> String {
    let first = tail.iter().position(|line| line.starts_with("error")).unwrap_or(0);
    tail.iter().skip(first).map(String::as_str).collect::<Vec<_>>().join("\n")
}
