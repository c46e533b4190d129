//! Everything the tool tells: one type, from which every renderer makes its output.

use std::sync::{Arc, Mutex, PoisonError};

use domain::diagnostic::Diagnostic;
use serde::Serialize;

use crate::aws::CallEvent;
use crate::error::Report;
use crate::plan::{Action, Losses, Plan};
use crate::resource::{Address, Outputs};

/// Something happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// A step of the command began: "reading what is there".
    Step {
        /// What.
        text: String,
    },
    /// The plan was made.
    Plan {
        /// The plan.
        plan: Arc<Plan>,
    },
    /// What would be lost for good, counted.
    Losses {
        /// The counts.
        losses: Losses,
    },
    /// Work on a resource began.
    ResourceStarted {
        /// Which.
        address: Address,
        /// What is done.
        action: Action,
    },
    /// Work on a resource came further.
    ResourceProgress {
        /// Which.
        address: Address,
        /// How far.
        text: String,
    },
    /// A resource is as wanted.
    ResourceDone {
        /// Which.
        address: Address,
        /// What was done.
        action: Action,
        /// How long it took.
        duration_ms: u64,
    },
    /// A resource could not be brought to what is wanted.
    ResourceFailed {
        /// Which.
        address: Address,
        /// What was tried.
        action: Action,
        /// How long it took.
        duration_ms: u64,
        /// Why.
        error: Report,
    },
    /// A resource was left out.
    ResourceSkipped {
        /// Which.
        address: Address,
        /// What would have been done.
        action: Action,
        /// The failed resource that it waits for; none after an interrupt.
        #[serde(skip_serializing_if = "Option::is_none")]
        because: Option<Address>,
    },
    /// A call to AWS ended.
    Call(CallEvent),
    /// Something that one should know.
    Warning {
        /// What.
        text: String,
    },
    /// Data jobs of a group came further.
    Job {
        /// The group, as the file calls it; its identifier if it has no such name.
        group: String,
        /// What they do: `sift`.
        kind: String,
        /// How far they are.
        #[serde(flatten)]
        state: JobState,
    },
    /// What the stack gives to its users.
    Outputs {
        /// The outputs.
        outputs: Outputs,
    },
    /// What to do next, ready to be pasted.
    NextSteps {
        /// One command or remark a line.
        lines: Vec<String>,
    },
    /// The configuration was checked and is right.
    Valid {
        /// The file.
        file: String,
        /// The stack's name.
        stack: String,
        /// How many data types it has.
        data_types: usize,
        /// How many groups it declares.
        groups: usize,
    },
    /// A mistake in the configuration.
    Diagnostic {
        /// The file that it is in.
        file: String,
        /// The mistake.
        #[serde(flatten)]
        diagnostic: Diagnostic,
    },
    /// The command failed.
    Error(Report),
    /// Work ended.
    Summary(Summary),
}

/// How far data jobs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobState {
    /// How many items or copies were looked at.
    pub done: u64,
    /// Of about how many, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// How many copies were written or removed.
    pub changed: u64,
    /// Whether that was all.
    pub finished: bool,
    /// Whether it is worth a line where nothing is drawn: at the beginning, every tenth, from time to time, at the end.
    #[serde(skip)]
    pub word: bool,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many resources were made.
    pub created: usize,
    /// How many were changed.
    pub updated: usize,
    /// How many were deleted and made again.
    pub replaced: usize,
    /// How many were deleted.
    pub deleted: usize,
    /// How many were as wanted already.
    pub unchanged: usize,
    /// How many failed.
    pub failed: usize,
    /// How many were left out.
    pub skipped: usize,
    /// Calls to AWS.
    pub calls: u64,
    /// Calls to AWS that change something.
    pub mutating_calls: u64,
    /// How long it took.
    pub duration_ms: u64,
}

/// Who is told of events.
pub trait Sink: Send + Sync {
    /// Takes note of an event. Must not block for long.
    fn event(&self, event: Event);
}

/// A shared [`Sink`].
pub type Events = Arc<dyn Sink>;

/// Tells nobody.
#[derive(Debug, Default)]
pub struct Silent;
impl Sink for Silent {
    fn event(&self, _event: Event) {}
}

/// Keeps every event, for tests and for programs that use `provision` as a library.
#[derive(Debug, Default)]
pub struct Collected(Mutex<Vec<Event>>);
impl Sink for Collected {
    fn event(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}
impl Collected {
    /// The events so far.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// How many calls that change something were made so far.
    pub fn mutating_calls(&self) -> usize {
        self.events().iter().filter(|event| matches!(event, Event::Call(call) if call.mutating)).count()
    }
}
