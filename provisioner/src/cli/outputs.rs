//! `provision outputs`

use clap::Args;

use super::App;
use crate::error::{Error, Exit};
use crate::event::{Event, Sink};
use crate::render::Format;
use crate::session::{Session, recorded_outputs};

/// Print what the stack gives to its users: addresses and ids
///
/// With `--json` one object; with a name only that value, for scripts.
#[derive(Debug, Args)]
pub(super) struct OutputsArgs {
    /// Only this one
    name: Option<String>,
}

impl OutputsArgs {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let mut options = app.options();
        // The output must be the outputs and nothing else.
        options.events = std::sync::Arc::new(crate::event::Silent);
        let session = Session::open(&options).await?;
        let outputs = recorded_outputs(&session).await?;
        match self.name {
            Some(name) => match outputs.get(&name) {
                Some(value) => app.show(value, || format!("{value}\n")),
                None => {
                    let known = outputs.into_keys().collect();
                    return Err(Error::Unknown { what: "the output", name, known });
                }
            },
            None if app.printer.format() == Format::Json => app.show(&outputs, String::new),
            None => app.printer.event(Event::Outputs { outputs }),
        }
        Ok(Exit::Done)
    }
}
