//! `provision apply`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::App;
use crate::error::{Error, Exit};
use crate::session::{Approval, Target, apply, apply_saved};

/// Bring the stack to what its file says
///
/// Shows the plan, asks, and carries it out, in parallel. Nothing is rolled back on failure: run it again and it goes
/// on where it stopped. On the local target it starts the emulator, builds the functions and does not ask.
///
/// If the plan changes what groups share, what is no longer shared is gone for readers when the change is made; copies
/// are then brought along by jobs of the stack's own functions. Their progress is shown until they are done. Interrupting
/// that, or `--detach`, leaves them to run; `provision status --follow` watches them again, from anywhere.
///
/// With a plan that `plan --out` saved it makes no choices and does not ask: it does exactly that, or exits with 6 and
/// says what changed since: the configuration, the recorded state, or which live attribute of which resource.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provision apply --target local     the whole stack on this machine
  provision apply plan.json          a plan that `provision plan --out plan.json` saved
  provision apply --env prod --yes   without asking, as in CI")]
pub(super) struct Apply {
    /// A saved plan
    #[arg(value_name = "PLAN")]
    plan: Option<PathBuf>,
    /// Do not ask
    #[arg(long, visible_alias = "auto-approve", short)]
    yes: bool,
    /// Let a group share more than before; give it once for each group that the plan names
    #[arg(long, value_name = "GROUP")]
    allow_widening: Vec<String>,
    /// Do not wait for the jobs that bring copies after a change of what groups share
    #[arg(long)]
    detach: bool,
}

impl Apply {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let mut options = app.options();
        options.allow_widening = self.allow_widening.into_iter().collect();
        options.detach = self.detach;
        if let Some(plan) = &self.plan {
            apply_saved(&options, plan).await?;
            return Ok(Exit::Done);
        }
        let asks = !self.yes && app.globals.target == Target::Aws;
        apply(&options, &if asks { ask(app) } else { Approval::Given }).await?;
        Ok(Exit::Done)
    }
}

fn ask(app: &App) -> Approval {
    let printer = app.printer.clone();
    Approval::Ask(Arc::new(move |_| printer.agree("carry out this plan?", "this plan")))
}
