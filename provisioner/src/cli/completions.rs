//! `provision completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

use super::{App, Cli};
use crate::error::{Error, Exit};

/// Print what a shell needs to complete commands and options
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provision completions bash > ~/.local/share/bash-completion/completions/provision
  provision completions zsh > ~/.zfunc/_provision
  provision completions fish > ~/.config/fish/completions/provision.fish")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, app: &App) -> Result<Exit, Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "provision", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        let document = json!({ "shell": self.shell.to_string(), "script": script });
        app.show(&document, || script.clone());
        Ok(Exit::Done)
    }
}
