//! `provision validate`

use clap::Args;

use super::App;
use crate::error::{Error, Exit};
use crate::event::{Event, Sink};

/// Check the stack's file, without touching anything else
///
/// Finds every mistake in one go, with its place and what to do. Needs no network and no credentials.
#[derive(Debug, Args)]
pub(super) struct Validate {}

impl Validate {
    pub(super) fn run(self, app: &App) -> Result<Exit, Error> {
        let globals = &app.globals;
        let stack = app.stack()?;
        app.printer.event(Event::Valid {
            file: globals.file.display().to_string(),
            stack: stack.name.to_string(),
            data_types: stack.data_types.len(),
            groups: stack.groups.len(),
        });
        Ok(Exit::Done)
    }
}
