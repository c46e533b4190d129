//! What people and programs see. The [`Printer`] is the only way to stdout and stderr.
//!
//! Results go to stdout, talk to stderr. With `--json`, every event is one line of JSON with its time on stdout instead;
//! with `--json-into` the same lines go into a file as well, beside whatever is shown. A command whose result is one
//! document prints that alone.

mod beside;
mod board;
pub mod diagnostic;
#[cfg(test)]
mod gallery;
mod human;
mod live;
pub mod markdown;
pub mod plan;
mod question;
mod sharing;
mod style;
mod value;

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

pub use beside::Beside;
pub(crate) use board::grouped;
use domain::time::Timestamp;
pub use question::Answer;
use serde::Serialize;
pub use style::Style;

use crate::error::Error;
use crate::event::{Event, Sink};
use crate::state::now;
use human::Text;
use live::Live;

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// For programs: NDJSON.
    Json,
}

/// What the printer is told once, at the beginning.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// How events are shown.
    pub format: Format,
    /// Whether colours are unwanted.
    pub no_color: bool,
    /// How much is told: 0 the usual, 1 more, 2 every call.
    pub verbosity: u8,
}

/// Prints. A write that fails is ignored: there is nobody left to tell.
pub struct Printer {
    format: Format,
    verbosity: u8,
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    out_style: Style,
    err_style: Style,
    live: Option<Live>,
    interactive: bool,
    also: Option<Mutex<Box<dyn Write + Send>>>,
    question: question::Open,
    /// Whether the result was printed, and was one document.
    documented: AtomicBool,
}

impl Printer {
    /// A printer to this process's stdout and stderr.
    pub fn stdio(look: Look) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let plain =
            look.no_color || set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let human = look.format == Format::Human;
        Self {
            format: look.format,
            verbosity: look.verbosity,
            out: Mutex::new(Box::new(std::io::stdout())),
            err: Mutex::new(Box::new(std::io::stderr())),
            out_style: Style { colour: out && !plain },
            err_style: Style { colour: err && !plain },
            live: (human && err && !set("CI")).then(|| Live::new(Style { colour: !plain })),
            interactive: human && err && std::io::stdin().is_terminal(),
            also: None,
            question: question::Open::default(),
            documented: AtomicBool::new(false),
        }
    }

    /// A printer without colours to somewhere else, for tests.
    pub fn to(look: Look, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            format: look.format,
            verbosity: look.verbosity,
            out: Mutex::new(out),
            err: Mutex::new(err),
            out_style: Style::default(),
            err_style: Style::default(),
            live: None,
            interactive: false,
            also: None,
            question: question::Open::default(),
            documented: AtomicBool::new(false),
        }
    }

    /// Writes what `--json` would print there as well.
    #[must_use]
    pub fn also_json(mut self, to: Box<dyn Write + Send>) -> Self {
        self.also = Some(Mutex::new(to));
        self
    }

    /// How events are shown.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Prints a value that is a command's whole result: as JSON for programs, as text otherwise.
    pub fn document<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) {
        let line = serde_json::to_string(value).unwrap_or_default();
        self.json_line(&line);
        match self.format {
            Format::Json => {
                self.documented.store(true, Ordering::Relaxed);
                self.result(&format!("{line}\n"));
            }
            Format::Human => self.result(&text()),
        }
    }

    fn json_line(&self, line: &str) {
        if let Some(also) = &self.also {
            let mut also = also.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(also, "{line}");
            let _ = also.flush();
        }
    }

    /// Prints a result as it is.
    pub fn result(&self, text: &str) {
        self.print(&self.out, text);
    }

    /// Prints talk on a line of its own.
    pub fn talk(&self, text: &str) {
        self.print(&self.err, &format!("{text}\n"));
    }

    fn print(&self, to: &Mutex<Box<dyn Write + Send>>, text: &str) {
        let write = || {
            let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = to.write_all(text.as_bytes());
            let _ = to.flush();
        };
        match &self.live {
            Some(live) => live.aside(write),
            None => write(),
        }
    }

    /// Whether somebody can be asked.
    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Tells of a failure, with its place in the file where there is one.
    pub fn error(&self, error: &Error) {
        if let Error::Configuration { sources, diagnostics } = error {
            for one in diagnostics {
                let file =
                    sources.get(usize::from(one.span.file)).map(|(name, _)| name.clone()).unwrap_or_default();
                self.event(Event::Diagnostic { file, diagnostic: one.clone() });
            }
            if self.format == Format::Human {
                // All of them at once, with the lines that they are about, instead of one by one.
                self.line_of(&Event::Error(error.report()));
                self.talk(&format!("{}\n", diagnostic::diagnostics(diagnostics, sources, self.err_style)));
                self.talk(&format!("{}: {error}", self.err_style.red("error")));
                return;
            }
        }
        let event = Event::Error(error.report());
        match self.documented.load(Ordering::Relaxed) {
            true => self.beside(event),
            false => self.event(event),
        }
    }
}

/// An event for programs, with the time at which it was told.
#[derive(Serialize)]
struct Line<'a> {
    at: String,
    #[serde(flatten)]
    event: &'a Event,
}

/// RFC 3339 in UTC, always with milliseconds, so that lines sort as texts do.
fn stamp(at: Timestamp) -> String {
    let second = Timestamp::from_millis(at.seconds() * 1000).to_string();
    format!("{}.{:03}Z", second.trim_end_matches('Z'), at.millis().rem_euclid(1000))
}

impl Printer {
    /// An event for programs, where they are told of it.
    fn line_of(&self, event: &Event) {
        if self.format == Format::Human && self.also.is_none() {
            return;
        }
        let Ok(line) = serde_json::to_string(&Line { at: stamp(now()), event }) else { return };
        self.json_line(&line);
        if self.format == Format::Json {
            self.result(&format!("{line}\n"));
        }
    }
}

impl Sink for Printer {
    fn event(&self, event: Event) {
        self.line_of(&event);
        if self.format == Format::Json {
            return;
        }
        if let Some(live) = &self.live {
            live.event(&event);
        }
        match human::event(&event, self.out_style, self.err_style, self.verbosity) {
            Text::Result(text) => self.result(&text),
            Text::Talk(text) => self.talk(&text),
            Text::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::CallEvent;
    use crate::event::Summary;

    #[test]
    fn times_of_events_have_milliseconds_also_where_there_are_none() {
        let text = |millis| stamp(Timestamp::from_millis(millis));
        assert_eq!(text(1_391_398_932_000), "2014-02-03T03:42:12.000Z");
        assert_eq!(text(1_391_398_932_070), "2014-02-03T03:42:12.070Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn an_event_of_any_form_is_a_line() {
        let call = CallEvent {
            service: "Lambda".into(),
            operation: "GetFunction".into(),
            table: None,
            mutating: false,
            status: Some(200),
            duration_ms: 7,
            error: None,
        };
        let events = [
            Event::Step { text: "reading".into() },
            Event::Call(call),
            Event::Error(Error::Declined.report()),
            Event::Summary(Summary::default()),
        ];
        let line = |event| serde_json::to_string(&Line { at: "T".into(), event }).unwrap();
        let lines: Vec<String> = events.iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        {"at":"T","event":"step","text":"reading"}
        {"at":"T","event":"call","service":"Lambda","operation":"GetFunction","mutating":false,"status":200,"durationMs":7}
        {"at":"T","event":"error","code":"FH0205","message":"not agreed to; nothing was changed","help":"run it again when you are ready"}
        {"at":"T","event":"summary","created":0,"updated":0,"replaced":0,"deleted":0,"unchanged":0,"failed":0,"skipped":0,"calls":0,"mutatingCalls":0,"durationMs":0}
        "#);
    }
}
