//! The calls of the API, each under a name of its own.

mod groups;
mod invitations;
mod items;
mod profile;
mod sharing;
