//! What can go wrong with a command: a stable code, what and why, what to do, and the exit code.

mod words;

use std::path::PathBuf;

use domain::diagnostic::Diagnostic;
use domain::id::Name;
use domain::rules::compare::Verdict;
use serde::Serialize;

use crate::aws::{AwsError, ErrorKind};
use crate::plan::{PlanError, Sharing};
use crate::resource::Address;
use crate::state::StateError;

use words::{
    about, addresses, approve, copies, left_open, names, needs_repair, quoted, refusals, them, were,
    widenings,
};
pub(crate) use words::{aws_code, aws_help, count, holder};

/// What a command's end means to whoever started it. Stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// `plan --detailed-exitcode`: changes are pending. `drift`: there is some.
    Pending = 2,
    /// The configuration is not valid.
    Configuration = 3,
    /// There are no usable credentials.
    Credentials = 4,
    /// Somebody else holds the stack's lock.
    Locked = 5,
    /// The plan no longer fits what is there.
    Stale = 6,
    /// A widening was not approved.
    Widening = 7,
    /// Partly done or deferred: run it again to go on.
    Partly = 8,
    /// Interrupted.
    Interrupted = 130,
}

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stack's file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration has mistakes.
    #[error("{} in {}", count(diagnostics.len(), "mistake"), names(sources))]
    Configuration {
        /// The names and texts of the stack's file and its overlay.
        sources: Vec<(String, String)>,
        /// All of its mistakes.
        diagnostics: Vec<Diagnostic>,
    },
    /// The command line is wrong beyond what its grammar can say.
    #[error("{0}")]
    Usage(String),
    /// `--region` is no region's code.
    #[error("--region: {0}")]
    Region(String),
    /// Somebody must agree, and nobody can be asked.
    #[error("{what} needs to be agreed to, and there is no terminal to ask on")]
    NeedsApproval {
        /// What.
        what: String,
        /// The flag that agrees beforehand.
        flag: String,
    },
    /// Somebody was asked, and did not agree.
    #[error("not agreed to; nothing was changed")]
    Declined,
    /// A failure while talking to AWS.
    #[error("{}", about(address.as_ref(), source))]
    Aws {
        /// The resource that it was about.
        address: Option<Address>,
        /// What AWS said.
        source: Box<AwsError>,
    },
    /// The stack's state cannot be used.
    #[error("{0}")]
    State(#[from] StateError),
    /// The plan holds what must not be done.
    #[error("{}", refusals(.0))]
    Refused(Vec<Refusal>),
    /// Groups would share more than before, and nobody has approved that.
    #[error("{}", widenings(.0))]
    Widening(Vec<Widening>),
    /// The resources do not fit together: a bug.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// What was shown is not what would be done now.
    #[error("the stack changed since the plan was made: {}", changed.join(", "))]
    Stale {
        /// What changed.
        changed: Vec<String>,
    },
    /// Some resources could not be brought to what is wanted.
    #[error("{} failed and {} waiting for {} {} not begun", count(failed.len(), "resource"), skipped, them(failed.len()), were(*skipped))]
    Incomplete {
        /// Which failed.
        failed: Vec<Address>,
        /// How many were left out because of that.
        skipped: usize,
        /// How many were done, or failed only because AWS wants them later.
        done: usize,
    },
    /// The user interrupted it.
    #[error("interrupted{}", left_open(*open))]
    Interrupted {
        /// How many nodes of the plan are left.
        open: usize,
    },
    /// The stack's data is protected.
    #[error("deletion protection is on for {}", addresses(.0))]
    Protected(Vec<Address>),
    /// The stack's name was not confirmed.
    #[error("`{given}` is not the stack's name; nothing was deleted")]
    NotConfirmed {
        /// What was given.
        given: String,
    },
    /// There is nothing of that name.
    #[error("{what} `{name}` does not exist")]
    Unknown {
        /// What it is: `the output`.
        what: &'static str,
        /// Its name.
        name: String,
        /// What does exist.
        known: Vec<String>,
    },
    /// The stack is not there.
    #[error("the stack `{0}` is not deployed here")]
    NotDeployed(String),
    /// Some items cannot be repaired.
    #[error("{} still", needs_repair(*left))]
    Unrepaired {
        /// How many.
        left: usize,
    },
    /// Some copies could not be compared.
    #[error("{} could not be compared or repaired", copies(*failed))]
    Uncompared {
        /// How many.
        failed: usize,
    },
    /// Jobs were not followed to their end.
    #[error("copies of {} are still being brought along", quoted(.0))]
    JobsLeft(Vec<String>),
    /// Not every function is as it was last applied.
    #[error("not every function is deployed as it should be: {}", addresses(.0))]
    Unready(Vec<Address>),
    /// Somebody else began an era.
    #[error(
        "somebody else began the next era at the same time; the functions were not switched to it by this run"
    )]
    Era,
    /// A failure of the local target, of a token or of packaging.
    #[error("{message}")]
    Other {
        /// Its code.
        code: &'static str,
        /// What and why.
        message: String,
        /// What to do.
        help: String,
    },
}

/// A node that must not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The resource.
    pub address: Address,
    /// Why.
    pub reason: String,
    /// Whether it is because something that is not the stack's has its name.
    pub foreign: bool,
}

/// A group that would share more than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Widening {
    /// The group.
    pub group: Name,
    /// What the change comes to.
    pub verdict: Verdict,
    /// What approves just this change.
    pub code: String,
}

impl From<&Sharing> for Widening {
    fn from(sharing: &Sharing) -> Self {
        Self { group: sharing.group.clone(), verdict: sharing.verdict(), code: sharing.code.clone() }
    }
}

impl Error {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "FH0201",
            Self::Configuration { diagnostics, .. } => {
                diagnostics.first().map_or("FH0201", |first| first.code.0)
            }
            Self::Usage(_) => "FH0203",
            Self::Region(_) => "FH0122",
            Self::NeedsApproval { .. } => "FH0204",
            Self::Declined => "FH0205",
            Self::Unknown { .. } => "FH0206",
            Self::Aws { source, .. } => aws_code(source.kind),
            Self::State(state) => state.code(),
            Self::NotDeployed(_) => "FH0304",
            Self::Refused(refusals) if refusals.iter().any(|refusal| refusal.foreign) => "FH0405",
            Self::Refused(_) => "FH0406",
            Self::Widening(_) => "FH0420",
            Self::Incomplete { .. } => "FH0407",
            Self::Interrupted { .. } => "FH0408",
            Self::Protected(_) => "FH0409",
            Self::NotConfirmed { .. } => "FH0410",
            Self::Plan(_) => "FH0411",
            Self::Stale { .. } => "FH0412",
            Self::Unrepaired { .. } => "FH0601",
            Self::Uncompared { .. } => "FH0602",
            Self::JobsLeft(_) => "FH0605",
            Self::Era => "FH0603",
            Self::Unready(_) => "FH0604",
            Self::Other { code, .. } => code,
        }
    }

    /// What it means to whoever started the command.
    pub fn exit(&self) -> Exit {
        match self {
            Self::File { .. } | Self::Configuration { .. } | Self::Region(_) => Exit::Configuration,
            Self::Aws { source, .. } => of_aws(source.kind),
            Self::State(StateError::Aws(source)) => of_aws(source.kind),
            Self::State(StateError::Held(_)) => Exit::Locked,
            Self::Stale { .. } => Exit::Stale,
            Self::Widening(_) => Exit::Widening,
            Self::Incomplete { done, .. } if *done > 0 => Exit::Partly,
            Self::Unrepaired { .. } | Self::Uncompared { .. } | Self::JobsLeft(_) => Exit::Partly,
            Self::Interrupted { .. } => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::File { .. } => "give the stack's file with `--file`, or start one as the README shows".into(),
            Self::Configuration { .. } => "mend the file; `provision validate` checks it without touching anything".into(),
            Self::Usage(_) => "see `provision --help`".into(),
            Self::Region(_) => domain::stack::REGION_HELP.into(),
            Self::NeedsApproval { flag, .. } => format!("look at `provision plan`, then give `{flag}`"),
            Self::Declined => "run it again when you are ready".into(),
            Self::Unknown { known, .. } if known.is_empty() => "there is none yet".into(),
            Self::Unknown { known, .. } => format!("there is: {}", known.join(", ")),
            Self::Aws { source, .. } => aws_help(source.kind).into(),
            Self::State(state) => state.help(),
            Self::NotDeployed(_) => "deploy it with `provision apply`, or check `--file`, `--env`, `--target` and `--region`".into(),
            Self::Refused(refusals) if refusals.iter().any(|refusal| refusal.foreign) => {
                "give the stack another name in stack.yaml, remove what has taken the name, or take it over with `provision import`".into()
            }
            Self::Refused(_) => "undo that change in stack.yaml, move the data first, or name under `removed` what may go".into(),
            Self::Widening(widenings) => approve(widenings),
            Self::Incomplete { .. } => "mend the causes above and run `provision apply` again: it goes on where it stopped".into(),
            Self::Interrupted { open: 0 } => String::new(),
            Self::Interrupted { .. } => "run the same command again: it goes on where it stopped".into(),
            Self::Protected(_) => {
                "set `protection: {deletionProtection: false}` in stack.yaml, run `provision apply`, then `provision destroy` again".into()
            }
            Self::NotConfirmed { .. } => "give the name exactly as it stands in stack.yaml".into(),
            Self::Plan(_) => "this is a mistake in `provision`: please report it with the stack's file".into(),
            Self::Stale { .. } => "make a new plan and look at it; nothing was changed".into(),
            Self::Unrepaired { .. } => "see why with `provision repairs list`, mend that, and run it again".into(),
            Self::Uncompared { .. } => {
                "see why with `provision logs scrubber`; it tries again by itself, and so does `provision reconcile`".into()
            }
            Self::JobsLeft(_) => {
                "the stack is as the file says, and the jobs go on by themselves; `provision status --follow` shows how far they are".into()
            }
            Self::Unready(_) => "run `provision apply` first: all functions have to begin the new era together".into(),
            Self::Era => "let them finish, then run it again if they did not".into(),
            Self::Other { help, .. } => help.clone(),
        }
    }

    /// A failure about a resource.
    pub fn at(address: &Address, source: AwsError) -> Self {
        Self::Aws { address: Some(address.clone()), source: Box::new(source) }
    }

    /// As a document for events.
    pub fn report(&self) -> Report {
        Report { code: self.code().to_owned(), message: self.to_string(), help: self.help() }
    }
}

impl From<AwsError> for Error {
    fn from(source: AwsError) -> Self {
        Self::Aws { address: None, source: Box::new(source) }
    }
}

impl From<crate::local::LocalError> for Error {
    fn from(error: crate::local::LocalError) -> Self {
        // Its message already says what to do.
        Self::Other { code: error.code(), message: error.to_string(), help: String::new() }
    }
}

impl From<crate::package::PackageError> for Error {
    fn from(error: crate::package::PackageError) -> Self {
        Self::Other { code: error.code(), message: error.to_string(), help: String::new() }
    }
}

impl From<crate::token::TokenError> for Error {
    fn from(error: crate::token::TokenError) -> Self {
        Self::Other { code: error.code(), message: error.to_string(), help: String::new() }
    }
}

/// An error as a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its code.
    pub code: String,
    /// What and why.
    pub message: String,
    /// What to do.
    pub help: String,
}

fn of_aws(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Credentials => Exit::Credentials,
        ErrorKind::CoolingDown => Exit::Partly,
        _ => Exit::Failed,
    }
}
