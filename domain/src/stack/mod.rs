//! The stack: everything `stack.yaml` says, checked.
//!
//! Text becomes a tree with places (`yaml`), one tree with the overlay and the variables in it (`expand`), and
//! then a [`Stack`]: the `check_*` modules walk the tree, take what is right and report what is not (`report`),
//! and never stop at the first mistake. What the keys are is said once, in [`reference`].

mod check_examples;
mod check_groups;
mod check_removed;
mod check_settings;
mod check_types;
mod codes;
mod expand;
mod forms;
mod model;
mod parse;
pub mod reference;
mod report;
mod secrets;
mod shape;
mod source;
mod variables;
mod yaml;

pub use codes::CODES;
pub use expand::Variables;
pub use forms::MAX_REGION;
pub use model::*;
pub use parse::{MAX_STACK_NAME, REGION_HELP, check_region, parse, parse_with, parse_with_overlay};
pub(crate) use shape::token_length;
pub use source::{MAX_BYTES, Source, check_size};
pub use variables::{SHELL_PREFIX, Values};

/// Whether the text that a mistake is about must not be shown, because it may be a secret.
pub fn is_secret(mistake: &crate::diagnostic::Diagnostic) -> bool {
    mistake.code == codes::SECRET
}

#[cfg(test)]
mod tests;
