//! The words of failures, where a message is made of parts.

use domain::rules::compare::Verdict;

use super::{Refusal, Widening};
use crate::aws::{AwsError, ErrorKind};
use crate::resource::Address;
use crate::state::Owner;

pub(crate) fn aws_code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Credentials => "FH0202",
        ErrorKind::Denied => "FH0401",
        ErrorKind::Throttled => "FH0402",
        ErrorKind::Connect | ErrorKind::Timeout => "FH0404",
        ErrorKind::CoolingDown => "FH0413",
        ErrorKind::Broken => "FH0416",
        ErrorKind::Slow => "FH0417",
        ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::Conflict
        | ErrorKind::NotYetVisible
        | ErrorKind::Invalid
        | ErrorKind::Other => "FH0403",
    }
}

pub(crate) fn aws_help(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Credentials => {
            "sign in (`aws sso login`, or set AWS_PROFILE), or choose another profile with `--profile`"
        }
        ErrorKind::Denied => "give your role the permission that the message names, and run it again",
        ErrorKind::Throttled => "wait a minute and run it again: it goes on where it stopped",
        ErrorKind::Connect | ErrorKind::Timeout => "check the network and `--region`, and run it again",
        ErrorKind::CoolingDown => "run it again in half an hour: only this is left to do",
        ErrorKind::Broken => {
            "look at AWS's health dashboard, and run it again in a few minutes: it goes on where it stopped"
        }
        ErrorKind::Slow => "run it again: it goes on waiting",
        ErrorKind::Conflict | ErrorKind::NotYetVisible => {
            "something else is still changing it: run it again in a minute"
        }
        ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::Invalid | ErrorKind::Other => {
            "mend what the message says and run it again: it goes on where it stopped"
        }
    }
}

/// Who holds a lock, and since when.
pub(crate) fn holder(owner: &Owner) -> String {
    let run = owner.run_url.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
    format!("{}@{}, process {}{run}", owner.user, owner.host, owner.pid)
}

pub(super) fn about(address: Option<&Address>, source: &AwsError) -> String {
    address.map_or_else(|| source.to_string(), |address| format!("`{address}`: {source}"))
}

pub(super) fn refusals(refusals: &[Refusal]) -> String {
    let list: Vec<String> =
        refusals.iter().map(|refusal| format!("`{}`: {}", refusal.address, refusal.reason)).collect();
    list.join("\n")
}

pub(super) fn widenings(widenings: &[Widening]) -> String {
    let words = |verdict| match verdict {
        Verdict::Both => "would share some things that it did not, and others no longer",
        Verdict::Undecided => "may share more than before: it cannot be told",
        _ => "would share more than before",
    };
    let list: Vec<String> =
        widenings.iter().map(|one| format!("`{}` {}", one.group, words(one.verdict))).collect();
    list.join("\n")
}

pub(super) fn approve(widenings: &[Widening]) -> String {
    let flags: Vec<String> = widenings.iter().map(|one| format!("--allow-widening {}", one.group)).collect();
    let written: Vec<String> =
        widenings.iter().map(|one| format!("`approved: {}` at `{}`", one.code, one.group)).collect();
    format!(
        "look at the examples in the plan; if that is meant, give `{}`, or write {} in the file",
        flags.join(" "),
        written.join(", ")
    )
}

pub(super) fn addresses(addresses: &[Address]) -> String {
    addresses.iter().map(|address| format!("`{address}`")).collect::<Vec<_>>().join(", ")
}

pub(super) fn names(sources: &[(String, String)]) -> String {
    sources.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(" with ")
}

/// Names in backticks.
pub(super) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

pub(super) fn copies(n: usize) -> String {
    if n == 1 { "1 copy".to_owned() } else { format!("{n} copies") }
}

pub(super) fn needs_repair(n: usize) -> String {
    format!("{} {} repair", count(n, "item"), if n == 1 { "needs" } else { "need" })
}

pub(super) fn left_open(n: usize) -> String {
    if n == 0 { String::new() } else { format!("; {} not begun or not ended", count(n, "resource")) }
}

pub(super) fn them(n: usize) -> &'static str {
    if n == 1 { "it" } else { "them" }
}

pub(super) fn were(n: usize) -> &'static str {
    if n == 1 { "was" } else { "were" }
}

/// `1 mistake`, `2 mistakes`.
pub(crate) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
