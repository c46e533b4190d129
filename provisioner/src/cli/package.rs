//! `provision package`

use std::path::PathBuf;

use clap::Args;

use super::App;
use crate::error::{Error, Exit};
use crate::event::{Event, Sink};
use crate::package;
use crate::session::{Target, load_with, wanted};

/// Build the functions and pack them as Lambda takes them
///
/// For AWS with cargo-lambda, which is installed on first use; with `--target local` for this machine. `apply` does
/// this by itself; use it in CI to build once and apply often, with FREEHOLD_FUNCTIONS_DIR pointing to the result.
#[derive(Debug, Args)]
pub(super) struct Package {
    /// Where the zip files go
    #[arg(long, short, value_name = "DIR", default_value = "dist")]
    out: PathBuf,
}

impl Package {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let options = app.options();
        let stack = load_with(&options)?;
        let printer = app.printer.clone();
        let progress = move |text: &str| printer.event(Event::Step { text: text.to_owned() });
        let project = options.project_dir();
        let artefacts = match options.target {
            Target::Local => package::for_local(&project, &self.out, &progress).await?,
            Target::Aws => wanted::for_aws(&stack, &project, &self.out, &progress).await?,
        };
        let list: Vec<_> = artefacts
            .iter()
            .map(|a| serde_json::json!({ "name": a.name, "path": a.path, "sha256": a.sha256_base64, "bytes": a.bytes }))
            .collect();
        app.show(&list, || format!("{}\n", package::sizes(&artefacts)));
        Ok(Exit::Done)
    }
}
