//! What the study tells while it works: bars on a terminal, plain lines elsewhere. All of it goes to stderr; the
//! result alone goes to stdout.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Tells a person how far things are.
#[derive(Debug, Clone, Copy)]
pub struct Talk {
    terminal: bool,
    quiet: bool,
}

impl Talk {
    /// Bars if stderr is a terminal, lines if not.
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), quiet: false }
    }
    /// Says nothing: for tests.
    pub fn silent() -> Self {
        Self { terminal: false, quiet: true }
    }

    /// One line of news.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            // Nobody reading along is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Something that is counted up to `total`.
    pub fn bar(&self, what: &str, total: usize) -> Bar {
        let total = total as u64;
        let bar = if self.terminal && !self.quiet { ProgressBar::new(total) } else { ProgressBar::hidden() };
        bar.set_length(total);
        let style = ProgressStyle::with_template("{msg:22} {bar:32} {human_pos:>7} of {human_len}  {eta}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        if self.terminal {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let lines = (!self.terminal && !self.quiet).then(|| Mutex::new(Instant::now()));
        Bar { bar, lines, what: what.to_owned() }
    }
}

impl Default for Talk {
    fn default() -> Self {
        Self::new()
    }
}

/// A count that grows.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    /// When the last line was written, where lines are.
    lines: Option<Mutex<Instant>>,
    what: String,
}

/// A line so often, where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

impl Bar {
    /// More of it is done.
    pub fn add(&self, more: usize) {
        self.bar.inc(more as u64);
        self.line(false);
    }
    /// So much of it is done.
    pub fn set(&self, done: usize) {
        self.bar.set_position(done as u64);
        self.line(false);
    }
    /// It is done.
    pub fn done(&self) {
        self.line(true);
        self.bar.finish();
    }

    fn line(&self, last: bool) {
        let Some(lines) = &self.lines else { return };
        let Ok(mut since) = lines.lock() else { return };
        if last || since.elapsed() >= EVERY {
            *since = Instant::now();
            let (at, of) = (self.bar.position(), self.bar.length().unwrap_or_default());
            let _ = writeln!(std::io::stderr(), "{}: {at} of {of}", self.what);
        }
    }
}

/// A number as people write it: `34,890`.
pub fn number(n: usize) -> String {
    indicatif::HumanCount(n as u64).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 615, 1000, 34_890, 1_234_567].map(super::number),
            ["0", "615", "1,000", "34,890", "1,234,567"]
        );
    }
}
