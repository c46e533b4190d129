//! What is being worked on right now, as lines that come and go on a terminal.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::human::doing;
use crate::event::Event;
use crate::resource::Address;

/// The live part of a terminal.
#[derive(Debug)]
pub(super) struct Live {
    multi: MultiProgress,
    bars: Mutex<BTreeMap<Address, ProgressBar>>,
}

impl Live {
    pub(super) fn new() -> Self {
        Self { multi: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), bars: Mutex::default() }
    }

    /// Takes note of what begins and ends.
    pub(super) fn event(&self, event: &Event) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::ResourceStarted { address, action } => {
                let bar = self.multi.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} {elapsed:.dim}") {
                    bar.set_style(style);
                }
                bar.set_message(format!("{address} {}", doing(*action)));
                bar.enable_steady_tick(Duration::from_millis(120));
                bars.insert(address.clone(), bar);
            }
            Event::ResourceProgress { address, text } => {
                if let Some(bar) = bars.get(address) {
                    bar.set_message(format!("{address}: {text}"));
                }
            }
            Event::ResourceDone { address, .. } | Event::ResourceFailed { address, .. } => {
                if let Some(bar) = bars.remove(address) {
                    bar.finish_and_clear();
                }
            }
            // Whatever was aborted will never report its end.
            Event::Summary(_) | Event::Error(_) => {
                std::mem::take(&mut *bars).into_values().for_each(|bar| bar.finish_and_clear());
            }
            _ => {}
        }
    }

    /// Runs `write` while the live lines are out of the way.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.multi.suspend(write)
    }
}
