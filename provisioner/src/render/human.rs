//! Events for people, one at a time.

use std::fmt::Write;

use super::board::{grouped, percent};
use super::plan::plan;
use super::style::Style;
use crate::error::Report;
use crate::event::{Event, JobState, Summary};
use crate::plan::Action;

/// Where a text belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    /// On stdout.
    Result(String),
    /// On stderr.
    Talk(String),
    /// Nowhere.
    Nothing,
}

/// What an event reads like. `verbosity` is 0 for the usual, 1 for attributes and steps, 2 for every call.
pub(super) fn event(event: &Event, out: Style, err: Style, verbosity: u8) -> Text {
    match event {
        Event::Plan { plan: made } => Text::Result(plan(made, out, verbosity > 0)),
        Event::Outputs { outputs } => {
            let width = outputs.keys().map(String::len).max().unwrap_or(0);
            let lines: String = outputs.iter().fold(String::new(), |mut lines, (name, value)| {
                let _ = writeln!(lines, "{name:width$}  {value}");
                lines
            });
            Text::Result(lines)
        }
        Event::Valid { file, stack, data_types, groups } => Text::Result(format!(
            "`{file}` is valid: stack `{stack}` with {} and {}\n",
            crate::error::count(*data_types, "data type"),
            crate::error::count(*groups, "group"),
        )),
        other => talk(other, err, verbosity).map_or(Text::Nothing, Text::Talk),
    }
}

fn talk(event: &Event, style: Style, verbosity: u8) -> Option<String> {
    Some(match event {
        Event::Step { text } => style.dim(text),
        Event::ResourceStarted { address, action } if verbosity > 0 => {
            style.dim(&format!("  {address}: {}", doing(*action)))
        }
        Event::ResourceProgress { address, text } if verbosity > 0 => {
            style.dim(&format!("  {address}: {text}"))
        }
        Event::ResourceDone { address, action, duration_ms } => {
            format!(
                "  {} {address} {} {}",
                style.green("✓"),
                done(*action),
                style.dim(&seconds(*duration_ms))
            )
        }
        Event::ResourceFailed { address, action, error, .. } => {
            format!(
                "  {} {address} could not be {}\n{}",
                style.red("✗"),
                done(*action),
                report(error, style, "    ")
            )
        }
        Event::ResourceSkipped { address, because: Some(because), .. } => {
            style.dim(&format!("  · {address} left out, because {because} failed"))
        }
        Event::ResourceSkipped { address, because: None, .. } => {
            style.dim(&format!("  · {address} not begun"))
        }
        Event::Call(call) if verbosity > 1 => {
            let mark = if call.mutating { "!" } else { " " };
            let failed = call.error.as_ref().map(|error| format!("  {error}")).unwrap_or_default();
            style.dim(&format!(
                "    {mark} {} {} {}{failed}",
                call.service,
                call.operation,
                seconds(call.duration_ms)
            ))
        }
        Event::Losses { losses } if losses.is_empty() => "nobody has any data in it".to_owned(),
        Event::Losses { losses } => {
            format!("{}\n  {}", style.bold("people would lose for good:"), losses.lines().join("\n  "))
        }
        Event::Warning { text } => format!("{}: {text}", style.yellow("warning")),
        Event::Job { group, kind, state } if state.word => job(group, kind, state, style),
        Event::NextSteps { lines } => format!("\n{}\n{}", style.bold("next:"), lines.join("\n")),
        Event::Error(error) => report(error, style, ""),
        Event::Summary(summary) => summary_line(summary, style),
        _ => return None,
    })
}

fn job(group: &str, kind: &str, state: &JobState, style: Style) -> String {
    let JobState { done, of, changed, finished, .. } = *state;
    if finished {
        let (done, changed) = (grouped(done), grouped(changed));
        return format!(
            "  {} copies of `{group}`: {changed} written or removed, {done} looked at",
            style.green("✓")
        );
    }
    let share = match of.filter(|of| *of > 0) {
        Some(of) => format!("{} of about {} ({}%)", grouped(done), grouped(of), percent(done, of)),
        None => format!("{} so far", grouped(done)),
    };
    format!("  {kind} `{group}`: {share}")
}

/// An error with its code and what to do, each line indented.
pub(super) fn report(report: &Report, style: Style, indent: &str) -> String {
    let head = style.red(&format!("error[{}]", report.code));
    let message = report.message.replace('\n', &format!("\n{indent}  "));
    let mut text = format!("{indent}{head}: {message}");
    if !report.help.is_empty() {
        let _ = write!(text, "\n{indent}{}: {}", style.cyan("help"), report.help);
    }
    text
}

fn summary_line(summary: &Summary, style: Style) -> String {
    let counts = [
        (summary.created, "created"),
        (summary.updated, "changed"),
        (summary.replaced, "replaced"),
        (summary.deleted, "deleted"),
        (summary.unchanged, "unchanged"),
        (summary.failed, "failed"),
        (summary.skipped, "left out"),
    ];
    let parts: Vec<String> =
        counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let what = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") };
    let calls = style.dim(&format!(
        "({} calls to AWS, {} of them changed something)",
        summary.calls, summary.mutating_calls
    ));
    let head = format!("{what} in {}", seconds(summary.duration_ms));
    format!("{} {calls}", if summary.failed > 0 { style.red(&head) } else { style.bold(&head) })
}

/// What is being done.
pub(super) fn doing(action: Action) -> &'static str {
    match action {
        Action::Create => "creating",
        Action::Update => "changing",
        Action::Replace => "replacing",
        Action::Delete => "deleting",
        Action::Forget => "forgetting",
        Action::NoOp | Action::Blocked | Action::Conflict => "leaving",
    }
}

fn done(action: Action) -> &'static str {
    match action {
        Action::Create => "created",
        Action::Update => "changed",
        Action::Replace => "replaced",
        Action::Delete => "deleted",
        Action::Forget => "forgotten",
        Action::NoOp | Action::Blocked | Action::Conflict => "left alone",
    }
}

pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}
