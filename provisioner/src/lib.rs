//! `provision`: from `stack.yaml` to a running Freehold stack, and everything that is done to it afterwards.
//!
//! The way through: [`cli`] reads arguments and the file, [`desired`] turns the checked stack into resources,
//! [`plan`] compares them with what is there (pure), [`engine`] carries the plan out, [`state`] remembers.

pub mod aws;
pub mod cli;
pub mod desired;
pub mod engine;
pub mod error;
pub mod event;
pub mod kinds;
pub mod local;
pub mod package;
pub mod plan;
pub mod render;
pub mod resource;
pub mod state;
pub mod token;
