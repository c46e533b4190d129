//! `provision plan`

use std::sync::Arc;

use clap::Args;

use super::App;
use crate::error::{Error, Exit};
use crate::event::Event;
use crate::session::Session;

/// Show what an apply would do
///
/// Only reads. Values that are known once other resources exist are shown as `(known after apply)`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Exit with 2 when changes are pending, so that scripts can tell
    #[arg(long)]
    detailed_exitcode: bool,
}

impl PlanArgs {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let session = Session::open(&app.options()).await?;
        let desired = session.desired().await?;
        let plan = Arc::new(session.plan(&desired).await?.plan);
        session.options.events.event(Event::Plan { plan: plan.clone() });
        let pending = self.detailed_exitcode && !plan.is_empty();
        Ok(if pending { Exit::Pending } else { Exit::Done })
    }
}
