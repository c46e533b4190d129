//! Every route of the API against an embedded DynamoDB: what it does, and what it refuses.
//!
//! `cfg(test)` is what tells the lints that helpers are test code too.

#[cfg(test)]
mod access;
#[cfg(test)]
mod addresses;
#[cfg(test)]
mod audience;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod batch_change;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod contracts;
#[cfg(test)]
mod data;
#[cfg(test)]
mod database;
#[cfg(test)]
mod described;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod governing;
#[cfg(test)]
mod group_data;
#[cfg(test)]
mod group_rules;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod hostile_input;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod invitations;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod members;
#[cfg(test)]
mod narrowing;
#[cfg(test)]
mod offers;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod races;
#[cfg(test)]
mod remembered;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod scrubber;
#[cfg(test)]
mod security;
#[cfg(test)]
mod shards;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod userinfo;
#[cfg(test)]
mod values;
#[cfg(test)]
mod world;
