//! `provision state`

use clap::{Args, Subcommand};
use serde::Serialize;

use super::App;
use crate::error::{Error, Exit, count};
use crate::resource::Address;
use crate::session::{Session, rebuild};

/// Recover the stack's state
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find everything of the stack by name and tag, and write down what the state does not know
    ///
    /// For a control table that was lost, or restored from before the last apply. Writes only the state, making its table
    /// anew if it is gone; what the state knows stays as it is. Fencing tokens go on above all that were ever given, so
    /// that nobody who held a lock in the lost state can write over this one. The next `plan` shows whether anything
    /// differs from the file.
    Rebuild,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    stack: &'a str,
    recorded: Vec<&'a Address>,
}

impl StateArgs {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let Command::Rebuild = self.command;
        let session = Session::open(&app.options_for_document()).await?;
        let found = rebuild(&session).await?;
        let recorded: Vec<&Address> = found.iter().map(|adoption| &adoption.address).collect();
        app.show(&Document { stack: session.name(), recorded }, || text(session.name(), found.len()));
        Ok(Exit::Done)
    }
}

fn text(stack: &str, recorded: usize) -> String {
    match recorded {
        0 => format!("the state of `{stack}` knows everything that is there\n"),
        n => format!("wrote down {} of `{stack}`; see `provision plan`\n", count(n, "resource")),
    }
}
