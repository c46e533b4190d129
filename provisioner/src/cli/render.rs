//! `provision render`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{App, paper};
use crate::error::{Error, Exit};
use crate::template::cloudformation;

/// Write the stack in the words of another tool, for reading and checking
///
/// Reads only the file. The template says what `provision` makes, so that reviewers and template checkers can read it; it
/// is not how a stack is deployed. Declared groups are not in it, since CloudFormation has no type for them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  provision render --out template.json && cfn-lint template.json")]
pub(super) struct Render {
    /// The other tool
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Into this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// A CloudFormation template, as JSON
    #[default]
    Cloudformation,
}

impl Render {
    pub(super) fn run(self, app: &App) -> Result<Exit, Error> {
        let stack = app.stack()?;
        let Format::Cloudformation = self.format;
        let template = cloudformation(stack.name.as_str(), &paper::resources(&stack));
        let text = format!("{}\n", serde_json::to_string_pretty(&template).unwrap_or_default());
        if let Some(out) = &self.out {
            paper::write(out, &text)?;
            app.show(&template, || format!("written to `{}`\n", out.display()));
        } else {
            app.show(&template, || text);
        }
        Ok(Exit::Done)
    }
}
