//! Journeys through a deployed stack. Each is named after the promise it keeps.

mod access;
mod crashes;
mod every_route;
mod limits;
mod provisioning;
mod sharing;
mod study;
mod taking_away;
