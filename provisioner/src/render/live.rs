//! The tree of what is under way, drawn below everything else on a terminal and drawn anew as time goes on.

use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::board::{Board, Size};
use super::style::Style;
use crate::event::Event;

/// How often the tree is drawn anew: often enough for the tenths of its seconds to move.
const TICK: Duration = Duration::from_millis(100);
/// The tree takes at most half of the terminal, and never more lines than this.
const MOST_LINES: usize = 20;

/// The live part of a terminal.
#[derive(Debug)]
pub(super) struct Live {
    multi: MultiProgress,
    shared: Arc<Shared>,
    ticking: Once,
}

#[derive(Debug)]
struct Shared {
    board: Mutex<Board>,
    bar: Mutex<Option<ProgressBar>>,
    begun: Instant,
    style: Style,
}

impl Live {
    pub(super) fn new(style: Style) -> Self {
        let begun = Instant::now();
        Self {
            multi: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            shared: Arc::new(Shared { board: Mutex::default(), bar: Mutex::default(), begun, style }),
            ticking: Once::new(),
        }
    }

    /// Takes note of what begins and ends.
    pub(super) fn event(&self, event: &Event) {
        let now = self.shared.begun.elapsed();
        self.shared.board.lock().unwrap_or_else(PoisonError::into_inner).event(event, now);
        if matches!(event, Event::Call(_)) {
            return;
        }
        let mut bar = self.shared.bar.lock().unwrap_or_else(PoisonError::into_inner);
        match self.shared.text() {
            Some(text) => {
                bar.get_or_insert_with(|| self.bar()).set_message(text);
                self.ticking.call_once(|| tick(&self.shared));
            }
            None => {
                if let Some(drawn) = bar.take() {
                    drawn.finish_and_clear();
                }
            }
        }
    }

    fn bar(&self) -> ProgressBar {
        let bar = self.multi.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        bar
    }

    /// Runs `write` while the tree is out of the way.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.multi.suspend(write)
    }
}

impl Shared {
    fn text(&self) -> Option<String> {
        let (height, width) = Term::stderr().size();
        let size = Size { width: usize::from(width), height: usize::from(height / 2).min(MOST_LINES) };
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = board.lines(self.begun.elapsed(), size, self.style);
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

/// Draws the tree anew for as long as there is a terminal. A thread, because the runtime's may all be busy.
fn tick(shared: &Arc<Shared>) {
    let shared = Arc::downgrade(shared);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(TICK);
            let Some(shared) = shared.upgrade() else { return };
            let bar = shared.bar.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(drawn), Some(text)) = (&*bar, shared.text()) {
                drawn.set_message(text);
            }
        }
    });
}
