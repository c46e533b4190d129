//! The stack: everything `stack.yaml` says, checked.

mod model;
pub use model::*;
