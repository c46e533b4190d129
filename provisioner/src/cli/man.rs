//! `provision man`

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use serde_json::json;

use super::{App, Cli, paper};
use crate::error::{Error, Exit};

/// Print the manual page, or write the pages of all commands
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  provision man | man -l -\n  provision man ~/.local/share/man/man1")]
pub(super) struct Man {
    /// A folder for the pages of all commands; without it the main page goes to stdout
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self, app: &App) -> Result<Exit, Error> {
        let Some(dir) = self.dir else {
            let page = page(&command());
            app.show(&json!({ "page": page }), || page.clone());
            return Ok(Exit::Done);
        };
        std::fs::create_dir_all(&dir).map_err(|source| paper::unwritable(&dir, &source))?;
        let mut written = Vec::new();
        for (name, page) in pages(&command()) {
            let path = dir.join(format!("{name}.1"));
            paper::write(&path, &page)?;
            written.push(path.display().to_string());
        }
        app.show(&written, || format!("{} pages in `{}`\n", written.len(), dir.display()));
        Ok(Exit::Done)
    }
}

/// The whole command line, with the options that all have in common in every part of it.
fn command() -> clap::Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

fn page(command: &clap::Command) -> String {
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = clap_mangen::Man::new(command.clone()).render(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The pages of a command and of all below it, with their names.
fn pages(command: &clap::Command) -> Vec<(String, String)> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    std::iter::once((name, page(command))).chain(command.get_subcommands().flat_map(pages)).collect()
}
