//! The stack as it stands on paper: what the file wants, without an account or a built function. And what commands that
//! only read the file do with the outcome.

use std::path::Path;

use domain::stack::Stack;

use super::App;
use crate::desired::{self, DesiredOptions, desired};
use crate::error::Error;
use crate::resource::Resource;
use crate::session::load_with;
use crate::template;

impl App {
    /// The checked stack, from its file alone.
    pub(super) fn stack(&self) -> Result<Stack, Error> {
        load_with(&self.options())
    }
}

/// Everything that the stack wants. What only AWS knows is written as CloudFormation writes it.
pub(super) fn resources(stack: &Stack) -> Vec<Resource> {
    let options = DesiredOptions {
        account: template::ACCOUNT.to_owned(),
        region: template::REGION.to_owned(),
        target: desired::Target::Aws,
        code: std::collections::BTreeMap::new(),
        era: 0,
        with_stackdoc: true,
    };
    let mut resources = vec![crate::session::wanted::control_table(stack, template::REGION)];
    resources.extend(desired(stack, &options));
    resources
}

/// Writes a file that somebody asked for.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| unwritable(path, &source))
}

/// That a file cannot be written.
pub(super) fn unwritable(path: &Path, source: &std::io::Error) -> Error {
    Error::Other {
        code: "FH0208",
        message: format!("cannot write `{}`: {source}", path.display()),
        help: "give another place, or make its folder first".to_owned(),
    }
}
