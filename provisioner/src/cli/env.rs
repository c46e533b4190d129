//! `provision env`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::App;
use crate::error::{Error, Exit, count};
use crate::session::load_with;

/// Show the environments of the stack
///
/// An environment is a file `stack.NAME.yaml` beside `stack.yaml` that holds what differs. `--env NAME` uses it.
#[derive(Debug, Args)]
pub(super) struct Env {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List them, and whether each is valid
    List,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// None for the file alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<String>,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    mistakes: usize,
}

impl Env {
    pub(super) fn run(self, app: &App) -> Result<Exit, Error> {
        let Command::List = self.command;
        let file = &app.globals.file;
        let mut rows = vec![row(app, None, file)?];
        for (env, path) in overlays(file)? {
            rows.push(row(app, Some(env), &path)?);
        }
        app.show(&rows, || text(&rows));
        Ok(Exit::Done)
    }
}

/// The overlays beside a file, with the names of their environments, sorted.
fn overlays(file: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |source| Error::File { path: dir.to_owned(), source };
    let part = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let (Some(stem), Some(extension)) = (part(file.file_stem()), part(file.extension())) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = part(path.file_name()).unwrap_or_default();
        let env = name
            .strip_prefix(&format!("{stem}."))
            .and_then(|rest| rest.strip_suffix(&format!(".{extension}")));
        if let Some(env) = env.filter(|env| !env.is_empty()) {
            found.push((env.to_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

fn row(app: &App, env: Option<String>, path: &Path) -> Result<Row, Error> {
    let mut options = app.options();
    options.env.clone_from(&env);
    let file = path.display().to_string();
    match load_with(&options) {
        Ok(stack) => Ok(Row {
            env,
            file,
            stack: Some(stack.name.to_string()),
            region: Some(stack.region),
            mistakes: 0,
        }),
        Err(Error::Configuration { diagnostics, .. }) => {
            Ok(Row { env, file, stack: None, region: None, mistakes: diagnostics.len() })
        }
        Err(error) => Err(error),
    }
}

fn text(rows: &[Row]) -> String {
    let name = |row: &Row| row.env.clone().unwrap_or_else(|| "(none)".to_owned());
    let width = rows.iter().map(|row| name(row).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let state = match (&row.stack, &row.region) {
            (Some(stack), Some(region)) => format!("stack `{stack}` in {region}"),
            _ => format!("{}: see `provision validate{}`", count(row.mistakes, "mistake"), flag(row)),
        };
        let _ = writeln!(text, "{:width$}  {state}  ({})", name(row), row.file);
    }
    text
}

fn flag(row: &Row) -> String {
    row.env.as_ref().map(|env| format!(" --env {env}")).unwrap_or_default()
}
