//! `provision`: from `stack.yaml` to a running Freehold stack, and everything that is done to it afterwards.
//!
//! The way through: [`cli`] reads arguments, [`session`] joins the file, the account and the state, [`desired`] turns
//! the checked stack into resources, [`plan`] compares them with what is there (pure), [`engine`] carries the plan
//! out, [`state`] remembers, [`render`] tells.
//!
//! As a library: [`cli::run`] is the whole command line, [`apply`] and [`destroy`] are the two that change things.

pub mod aws;
pub mod cli;
pub mod desired;
pub mod engine;
pub mod error;
pub mod event;
pub mod graph;
pub mod kinds;
pub mod local;
pub mod package;
pub mod plan;
pub mod render;
pub mod resource;
pub mod session;
pub mod state;
pub mod template;
pub mod token;
pub mod verdict;

pub use error::{Error, Exit};
pub use session::{Applied, Approval, Options, Target, apply, destroy};
