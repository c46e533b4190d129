//! `provision apply`

use std::sync::Arc;

use clap::Args;

use super::App;
use crate::error::{Error, Exit};
use crate::session::{Approval, Target, apply};

/// Bring the stack to what its file says
///
/// Shows the plan, asks, and carries it out, in parallel. Nothing is rolled back on failure: run it again and it goes
/// on where it stopped. On the local target it starts the emulator, builds the functions and does not ask.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// Do not ask
    #[arg(long, visible_alias = "auto-approve", short)]
    yes: bool,
}

impl Apply {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let asks = !self.yes && app.globals.target == Target::Aws;
        apply(&app.options(), &if asks { ask(app) } else { Approval::Given }).await?;
        Ok(Exit::Done)
    }
}

fn ask(app: &App) -> Approval {
    let printer = app.printer.clone();
    Approval::Ask(Arc::new(move |_| match printer.ask("carry out this plan? (only `yes` does)").as_deref() {
        Some("yes") => Ok(()),
        Some(_) => Err(Error::Declined),
        None => Err(Error::NeedsApproval { what: "this plan".into(), flag: "--yes".into() }),
    }))
}
