//! `provision plan`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{App, paper};
use crate::error::{Error, Exit};
use crate::event::Event;
use crate::plan::iam;
use crate::render::markdown;
use crate::session::{Session, destroy_plan, write_saved};

/// Show what an apply would do
///
/// Only reads. Values that are known once other resources exist are shown as `(known after apply)`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provision plan --detailed-exitcode          exits with 2 when changes are pending
  provision plan --out plan.json              then `provision apply plan.json` does exactly that
  provision plan --markdown plan.md           for a comment on a pull request
  provision plan --iam-policy > policy.json   what the deployer's role needs")]
pub(super) struct PlanArgs {
    /// Exit with 2 when changes are pending, so that scripts can tell
    #[arg(long)]
    detailed_exitcode: bool,
    /// Save the plan, so that `provision apply FILE` does exactly this
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the plan as Markdown into this file too, for a comment on a pull request
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Print the least IAM policy that carrying out this plan needs, instead of the plan
    #[arg(long)]
    iam_policy: bool,
    /// Show what `destroy` would delete instead, and what people would lose by it
    #[arg(long, conflicts_with = "out")]
    destroy: bool,
}

impl PlanArgs {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        // The output of `--iam-policy` must be the policy and nothing else.
        let options = if self.iam_policy { app.options_for_document() } else { app.options() };
        let session = Session::open(&options).await?;
        let seen = match self.destroy {
            true => destroy_plan(&session).await?,
            false => session.plan_with_impact(&session.desired().await?).await?,
        };
        if let Some(path) = &self.out {
            write_saved(path, &session.saved(&seen)?)?;
        }
        if let Some(path) = &self.markdown {
            paper::write(path, &markdown::plan(&seen.plan, &seen.losses))?;
        }
        if self.iam_policy {
            self.print_policy(app, &session, &seen.plan);
        } else {
            session.options.events.event(Event::Plan { plan: Arc::new(seen.plan.clone()) });
            if self.destroy && !seen.plan.is_empty() {
                session.options.events.event(Event::Losses { losses: seen.losses.clone() });
            }
        }
        if let Some(path) = self.out.as_ref().filter(|_| !self.iam_policy) {
            let line = format!("  provision apply {}   # does exactly this, or refuses", path.display());
            session.options.events.event(Event::NextSteps { lines: vec![line] });
        }
        let pending = self.detailed_exitcode && !seen.plan.is_empty();
        Ok(if pending { Exit::Pending } else { Exit::Done })
    }

    fn print_policy(&self, app: &App, session: &Session, plan: &crate::plan::Plan) {
        let policy = iam::policy(&iam::statements(plan, &session.place()));
        let text = serde_json::to_string_pretty(&policy).unwrap_or_default();
        app.show(&policy, || text + "\n");
        let size = iam::size(&policy);
        if size > iam::MANAGED_POLICY {
            let parts = size.div_ceil(iam::MANAGED_POLICY);
            app.printer.talk(&format!(
                "note: the policy has {size} characters, and a managed policy of IAM takes {}: divide its statements among {parts}",
                iam::MANAGED_POLICY,
            ));
        }
    }
}
