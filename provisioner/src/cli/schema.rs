//! `provision schema`

use clap::Args;

use super::App;
use crate::error::{Error, Exit};

/// Print the JSON Schema of stack.yaml, for editors
///
/// The same file is in the repository as schema/stack.schema.json. Editors with the YAML language server take it from a
/// first line `# yaml-language-server: $schema=<path>`.
#[derive(Debug, Args)]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(self, app: &App) -> Result<Exit, Error> {
        let schema = domain::stack::reference::json_schema();
        app.show(&schema, || format!("{}\n", serde_json::to_string_pretty(&schema).unwrap_or_default()));
        Ok(Exit::Done)
    }
}
