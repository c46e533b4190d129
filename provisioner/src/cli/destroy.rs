//! `provision destroy`

use std::sync::Arc;

use clap::Args;

use super::App;
use crate::error::{Error, Exit};
use crate::kinds;
use crate::plan::Plan;
use crate::session::{Approval, destroy, losses};

/// Delete the stack with all its data
///
/// Refuses while deletion protection is on. Says how many items and copies would be lost, by data type and
/// group, and asks for the stack's name.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provision plan --destroy             what it would delete, and what people would lose
  provision destroy --confirm study    without asking, as in scripts")]
pub(super) struct Destroy {
    /// The stack's name, for scripts: then nobody is asked
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Do not ask; only together with `--confirm`
    #[arg(long, short, requires = "confirm")]
    yes: bool,
}

impl Destroy {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let printer = app.printer.clone();
        let approval = Approval::Ask(Arc::new(move |plan: &Plan| {
            let given = match &self.confirm {
                Some(name) => name.clone(),
                None => {
                    let lost = losses(plan, &|address| {
                        kinds::find(&address.kind).is_some_and(|kind| kind.holds_data())
                    });
                    if printer.is_interactive() && !lost.is_empty() {
                        printer.talk("\nthis deletes for good:");
                        for node in lost {
                            let id = node.prior.as_ref().map_or("", |prior| prior.physical_id.as_str());
                            printer.talk(&format!("  {} `{id}` with everything in it", node.address));
                        }
                    }
                    let what = format!("deleting `{}`", plan.stack);
                    let flag = format!("--yes --confirm {}", plan.stack);
                    printer.answer("the stack's name, to go on:", &what, &flag)?
                }
            };
            if given == plan.stack { Ok(()) } else { Err(Error::NotConfirmed { given }) }
        }));
        destroy(&app.options(), &approval).await?;
        Ok(Exit::Done)
    }
}
