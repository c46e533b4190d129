//! What a command tells whose result is one document: with `--json`, stdout has that document and nothing else.

use std::sync::Arc;

use super::{Format, Line, Printer, human, stamp};
use crate::event::{Event, Sink};
use crate::state::now;

/// Tells everything beside the result: with `--json` in words on stderr, and as lines only to `--json-into`. Without
/// `--json` it is the printer itself.
pub struct Beside(pub Arc<Printer>);

impl Sink for Beside {
    fn event(&self, event: Event) {
        self.0.beside(event);
    }
}

impl Printer {
    /// Tells of an event without touching a stdout that is one document's.
    pub(super) fn beside(&self, event: Event) {
        if self.format == Format::Human {
            return self.event(event);
        }
        if let Ok(line) = serde_json::to_string(&Line { at: stamp(now()), event: &event }) {
            self.json_line(&line);
        }
        if let human::Text::Talk(text) = human::event(&event, self.out_style, self.err_style, self.verbosity)
        {
            self.talk(&text);
        }
    }
}
