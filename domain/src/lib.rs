//! Freehold's pure core.
//!
//! What a stack is ([`stack`]), what its data types accept ([`datatype`]), what an e-mail address is ([`address`]), what a
//! group's rules select ([`rules`]), what follows for a copy of an item ([`replication`]), which routes exist ([`routes`])
//! and who may call them ([`authorize`]). There is no I/O here, no async code, no clock and no randomness: whoever needs
//! one of these passes its result in. That is what lets the same decisions be tested exhaustively, run in
//! a function, and be explained by the command line.
#![deny(missing_docs)]

pub mod address;
pub mod authorize;
pub mod datatype;
pub mod diagnostic;
pub mod example;
pub mod id;
pub mod item;
pub mod json;
pub mod openapi;
pub mod purpose;
pub mod replication;
pub mod routes;
pub mod rules;
pub mod stack;
pub mod text;
pub mod time;
pub mod value;
