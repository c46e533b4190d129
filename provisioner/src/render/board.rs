//! What is under way, as a small tree: pure, so that it can be tested without a terminal.
//!
//! ```text
//! `study`: 12 of 41 done, 3 under way, 1 failed  8.4 s
//! ├─ creating table.data  6.1 s
//! │    waiting until it is active
//! ├─ creating function.api  1.2 s
//! └─ sift `endocrinology`  3.0 s
//!      ━━━━━━────────────── 24%  1,200 of about 5,000  400/s  about 9.5 s left
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use super::human::{doing, seconds};
use super::style::Style;
use crate::event::{Event, JobState};
use crate::plan::Action;
use crate::resource::Address;

/// How much of a terminal the tree may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Characters in a line.
    pub(super) width: usize,
    /// Lines.
    pub(super) height: usize,
}

/// What is under way. Times are since the beginning.
#[derive(Debug, Default)]
pub(super) struct Board {
    stack: String,
    /// How many resources the plan changes; 0 before there is one.
    all: usize,
    done: usize,
    failed: usize,
    begun: Option<Duration>,
    running: BTreeMap<Address, Running>,
    jobs: BTreeMap<String, Job>,
}

#[derive(Debug)]
struct Running {
    action: Action,
    since: Duration,
    word: Option<String>,
}

#[derive(Debug)]
struct Job {
    kind: String,
    state: JobState,
    /// When it was first seen, and how far it was then: what its rate is told by.
    since: Duration,
    at_first: u64,
}

impl Board {
    /// Takes note of an event.
    pub(super) fn event(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Plan { plan } => {
                let all = plan.counts().into_iter().filter(|(action, _)| works(*action));
                *self = Self { stack: plan.stack.clone(), all: all.map(|(_, n)| n).sum(), ..Self::default() };
            }
            Event::ResourceStarted { address, action } => {
                self.begun.get_or_insert(now);
                let running = Running { action: *action, since: now, word: None };
                self.running.insert(address.clone(), running);
            }
            Event::ResourceProgress { address, text } => {
                if let Some(running) = self.running.get_mut(address) {
                    running.word = Some(text.clone());
                }
            }
            Event::ResourceDone { address, .. } => {
                self.done += 1;
                self.running.remove(address);
            }
            Event::ResourceFailed { address, .. } => {
                self.failed += 1;
                self.running.remove(address);
            }
            Event::Job { group, state, .. } if state.finished => {
                self.jobs.remove(group);
            }
            Event::Job { group, kind, state } => {
                self.begun.get_or_insert(now);
                let (since, at_first) = match self.jobs.get(group) {
                    Some(job) if job.kind == *kind && job.state.done <= state.done => {
                        (job.since, job.at_first)
                    }
                    _ => (now, state.done),
                };
                let job = Job { kind: kind.clone(), state: *state, since, at_first };
                self.jobs.insert(group.clone(), job);
            }
            // Whatever was aborted will never report its end.
            Event::Summary(_) | Event::Error(_) => *self = Self::default(),
            _ => {}
        }
    }

    /// The tree as it is now; no lines if nothing is under way.
    pub(super) fn lines(&self, now: Duration, size: Size, style: Style) -> Vec<String> {
        if self.running.is_empty() && self.jobs.is_empty() {
            return Vec::new();
        }
        let mut branches: Vec<Vec<Line>> = self.longest_first().map(|(a, r)| branch(a, r, now)).collect();
        branches.extend(self.jobs.iter().map(|(group, job)| of_job(group, job, now)));
        let room = size.height.saturating_sub(2).max(1);
        let left_out = fit(&mut branches, room);
        if left_out > 0 {
            branches.push(vec![Line::dim(format!("… and {left_out} more"))]);
        }
        let last = branches.len().saturating_sub(1);
        let mut lines = vec![self.head(now).show(0, size.width, style)];
        for (at, branch) in branches.into_iter().enumerate() {
            for (depth, line) in branch.into_iter().enumerate() {
                let trunk = match (depth, at == last) {
                    (0, false) => "├─ ",
                    (0, true) => "└─ ",
                    (_, false) => "│    ",
                    (_, true) => "     ",
                };
                let rest = line.show(trunk.chars().count(), size.width, style);
                lines.push(format!("{}{rest}", style.dim(trunk)));
            }
        }
        lines
    }

    /// What was begun first is what one is waiting for.
    fn longest_first(&self) -> impl Iterator<Item = (&Address, &Running)> {
        let mut running: Vec<_> = self.running.iter().collect();
        running.sort_by_key(|(_, running)| running.since);
        running.into_iter()
    }

    fn head(&self, now: Duration) -> Line {
        let mut parts = Vec::new();
        if self.all > 0 {
            parts.push(format!("{} of {} done", self.done, self.all));
        }
        parts.push(format!("{} under way", self.running.len() + self.jobs.len()));
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        let name = if self.stack.is_empty() { String::new() } else { format!("`{}`: ", self.stack) };
        let since = now.saturating_sub(self.begun.unwrap_or(now));
        Line { text: format!("{name}{}", parts.join(", ")), time: Some(since), dim: false }
    }
}

/// Whether something is done about a resource.
fn works(action: Action) -> bool {
    !action.is_refusal() && action != Action::NoOp
}

/// One line: a text, and how long it has been going on.
struct Line {
    text: String,
    time: Option<Duration>,
    dim: bool,
}

impl Line {
    fn dim(text: String) -> Self {
        Self { text, time: None, dim: true }
    }

    /// As text of at most `width` characters, `indent` of which are taken already.
    fn show(&self, indent: usize, width: usize, style: Style) -> String {
        let time = self.time.map(|time| seconds(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
        let taken = indent + time.as_ref().map_or(0, |time| time.len() + 2);
        let text = shorten(&self.text, width.saturating_sub(taken).max(8));
        let text = if self.dim { style.dim(&text) } else { text };
        time.map_or_else(|| text.clone(), |time| format!("{text}  {}", style.dim(&time)))
    }
}

fn branch(address: &Address, running: &Running, now: Duration) -> Vec<Line> {
    let text = format!("{} {address}", doing(running.action));
    let time = Some(now.saturating_sub(running.since));
    let head = Line { text, time, dim: false };
    let word = running.word.as_ref().map(|word| Line::dim(word.replace('\n', " ")));
    std::iter::once(head).chain(word).collect()
}

fn of_job(group: &str, job: &Job, now: Duration) -> Vec<Line> {
    let JobState { done, of, .. } = job.state;
    let elapsed = now.saturating_sub(job.since);
    let moved = done.saturating_sub(job.at_first);
    let rate = (elapsed >= Duration::from_secs(1) && moved > 0).then(|| moved as f64 / elapsed.as_secs_f64());
    let mut parts = Vec::new();
    match of.filter(|of| *of > 0) {
        Some(of) => {
            parts.push(format!("{} {}%", bar(done, of), percent(done, of)));
            parts.push(format!("{} of about {}", grouped(done), grouped(of)));
        }
        None => parts.push(format!("{} so far", grouped(done))),
    }
    if let Some(rate) = rate {
        parts.push(format!("{}/s", grouped(rate.round() as u64)));
        if let Some(left) = of.and_then(|of| of.checked_sub(done)).filter(|left| *left > 0) {
            parts.push(format!("about {} left", seconds((left as f64 / rate * 1000.0) as u64)));
        }
    }
    let head = Line { text: format!("{} `{group}`", job.kind), time: Some(elapsed), dim: false };
    vec![head, Line::dim(parts.join("  "))]
}

/// How much of so many, in tenths that can be seen at a glance.
fn bar(done: u64, of: u64) -> String {
    let full = usize::try_from(done.saturating_mul(20) / of.max(1)).unwrap_or(20).min(20);
    format!("{}{}", "━".repeat(full), "─".repeat(20 - full))
}

/// A share that is never told to be all before it is: what it is a share of may be an estimate.
pub(super) fn percent(done: u64, of: u64) -> u64 {
    (done.saturating_mul(100) / of.max(1)).min(99)
}

/// Drops what there is no room for: first the words about progress, then whole branches. How many branches went.
fn fit(branches: &mut Vec<Vec<Line>>, room: usize) -> usize {
    let lines = |branches: &[Vec<Line>]| branches.iter().map(Vec::len).sum::<usize>();
    if lines(branches) > room {
        branches.iter_mut().for_each(|branch| branch.truncate(1));
    }
    let before = branches.len();
    if before > room {
        // One line is for saying how many went.
        branches.truncate(room.saturating_sub(1).max(1));
    }
    before - branches.len()
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{cut}…")
}

/// `12,345`.
pub(crate) fn grouped(n: u64) -> String {
    indicatif::HumanCount(n).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Summary;

    fn at(text: &str) -> Address {
        Address::try_from(text.to_owned()).unwrap()
    }

    fn started(address: &str) -> Event {
        Event::ResourceStarted { address: at(address), action: Action::Create }
    }

    const S: fn(u64) -> Duration = Duration::from_secs;
    const WIDE: Size = Size { width: 80, height: 24 };

    fn text(board: &Board, now: u64, size: Size) -> String {
        board.lines(S(now), size, Style::default()).join("\n")
    }

    fn sift(done: u64) -> Event {
        let state = JobState { done, of: Some(5_000), finished: done >= 5_000, ..JobState::default() };
        Event::Job { group: "clinic".into(), kind: "sift".into(), state }
    }

    fn busy() -> Board {
        let mut board = Board::default();
        board.event(&started("table.data"), S(1));
        board.event(&started("function.api"), S(5));
        board.event(&started("queue.jobs"), S(6));
        let text = "waiting until it is active".into();
        board.event(&Event::ResourceProgress { address: at("table.data"), text }, S(6));
        board.event(&sift(0), S(5));
        board.event(&sift(1_200), S(7));
        let done =
            Event::ResourceDone { address: at("queue.jobs"), action: Action::Create, duration_ms: 900 };
        board.event(&done, S(7));
        board
    }

    #[test]
    fn what_is_under_way_is_a_tree_with_the_longest_first() {
        insta::assert_snapshot!(text(&busy(), 9, WIDE), @r"
        3 under way  8.0 s
        ├─ creating table.data  8.0 s
        │    waiting until it is active
        ├─ creating function.api  4.0 s
        └─ sift `clinic`  4.0 s
             ━━━━──────────────── 24%  1,200 of about 5,000  300/s  about 12.6 s left
        ");
    }

    #[test]
    fn a_small_terminal_gets_a_small_tree() {
        let lines = busy().lines(S(9), Size { width: 24, height: 4 }, Style::default());
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 24), "{lines:#?}");
        assert_eq!(lines.last().map(String::as_str), Some("└─ … and 2 more"));
    }

    #[test]
    fn when_nothing_is_under_way_nothing_is_shown() {
        let mut board = busy();
        assert!(!text(&board, 9, WIDE).is_empty());
        board.event(&Event::Summary(Summary::default()), S(9));
        assert_eq!(text(&board, 10, WIDE), "");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let shown: Vec<String> = [0, 999, 1_000, 1_234_567].map(grouped).into();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
