//! Every failure of a command, as people and programs are told of it, in one text to be read as a whole.

use std::fmt::Write as _;
use std::path::PathBuf;

use domain::id::Name;
use domain::rules::compare::Verdict;

use super::human::report;
use super::style::Style;
use crate::aws::{AwsError, ErrorKind};
use crate::error::{Error, Refusal, Widening};
use crate::resource::Address;
use crate::state::StateError;

fn aws(kind: ErrorKind, message: &str) -> Error {
    Error::at(&Address::new("function", "api"), AwsError::new(kind, message))
}

fn widening(group: &str, verdict: Verdict) -> Widening {
    Widening { group: Name::parse(group).unwrap(), verdict, code: "ok-0123456789".into() }
}

fn refusal(reason: &str, foreign: bool) -> Refusal {
    Refusal { address: Address::new("table", "data"), reason: reason.into(), foreign }
}

fn failures() -> Vec<Error> {
    let functions = || vec![Address::new("function", "api"), Address::new("function", "worker")];
    let unknown = |known: &[&str]| Error::Unknown {
        what: "the output",
        name: "apiUrk".into(),
        known: known.iter().map(|&known| known.into()).collect(),
    };
    vec![
        Error::File { path: PathBuf::from("stack.yaml"), source: std::io::ErrorKind::NotFound.into() },
        Error::Usage("`--user` needs the password in FREEHOLD_PASSWORD".into()),
        Error::Region("`mars-1` is not an AWS region".into()),
        Error::NeedsApproval { what: "this plan".into(), flag: "--yes".into() },
        Error::Declined,
        unknown(&["apiUrl", "clientId"]),
        unknown(&[]),
        aws(ErrorKind::Credentials, "the security token included in the request is expired"),
        aws(ErrorKind::Denied, "not authorized to perform: lambda:CreateFunction"),
        aws(ErrorKind::Throttled, "rate exceeded"),
        aws(ErrorKind::Timeout, "no answer within 20 s"),
        aws(ErrorKind::Conflict, "an update is in progress"),
        aws(ErrorKind::Invalid, "the role defined for the function cannot be assumed"),
        aws(ErrorKind::CoolingDown, "time to live has been modified multiple times"),
        aws(ErrorKind::Broken, "an internal error occurred"),
        aws(ErrorKind::Slow, "waited 300 s for function `study-api` to be ready"),
        Error::State(StateError::Lost),
        Error::State(StateError::Unreadable { row: "RESOURCE#table.data".into(), why: "no status".into() }),
        Error::Refused(vec![
            refusal("making it again would lose the data it holds", false),
            refusal("it is not in the file", false),
        ]),
        Error::Refused(vec![refusal("`study-data` exists without the stack's tag", true)]),
        Error::Widening(vec![
            widening("clinic", Verdict::Widens),
            widening("lab", Verdict::Both),
            widening("study", Verdict::Undecided),
        ]),
        Error::Stale { changed: vec!["`function.api`".into(), "`table.data`".into()] },
        Error::Incomplete { failed: functions(), skipped: 3, done: 12 },
        Error::Incomplete { failed: functions().into_iter().take(1).collect(), skipped: 1, done: 0 },
        Error::Interrupted { open: 4 },
        Error::Interrupted { open: 0 },
        Error::Protected(vec![Address::new("table", "data"), Address::new("user_pool", "main")]),
        Error::NotConfirmed { given: "stduy".into() },
        Error::NotDeployed("study".into()),
        Error::Unrepaired { left: 2 },
        Error::Uncompared { failed: 1 },
        Error::JobsLeft(vec!["endocrinology".into()]),
        Error::Unready(functions()),
        Error::Era,
    ]
}

#[test]
fn every_failure_says_what_and_why_and_what_to_do() {
    let mut text = String::new();
    for error in failures() {
        let _ = writeln!(
            text,
            "{}\n(exit {})\n",
            report(&error.report(), Style::default(), ""),
            error.exit() as i32
        );
    }
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(text) });
}

#[test]
fn no_message_begins_with_a_capital_or_ends_with_a_full_stop() {
    for error in failures() {
        for text in [error.to_string(), error.help()] {
            let first = text.chars().next().unwrap_or('a');
            assert!(!first.is_uppercase() && !text.ends_with('.'), "{text}");
        }
    }
}
