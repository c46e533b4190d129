//! `provision logs`

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use clap::Args;
use domain::time::Timestamp;
use serde_json::json;

use super::App;
use crate::aws::{AwsError, ErrorKind};
use crate::error::{Error, Exit};
use crate::package::FUNCTIONS;
use crate::session::Session;
use crate::state::now;

/// Print what a function logged
///
/// Oldest first. What people keep is never logged.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  provision logs api --since 2h\n  provision logs replicator --follow --filter ERROR"
)]
pub(super) struct Logs {
    /// The function: api, identity, replicator, scrubber or worker
    function: String,
    /// From when: `30s`, `10m`, `2h`, `3d` ago, or an instant such as `2026-01-31T08:00:00Z`
    #[arg(long, value_name = "WHEN", default_value = "10m", value_parser = when)]
    since: When,
    /// Until when; in the same forms
    #[arg(long, value_name = "WHEN", value_parser = when, conflicts_with = "follow")]
    until: Option<When>,
    /// Only lines that fit a filter pattern of CloudWatch Logs
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
    /// Go on as lines come in, until interrupted
    #[arg(long)]
    follow: bool,
}

/// A point in time, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Ago(Duration),
    At(Timestamp),
}

impl When {
    fn millis(self, now: Timestamp) -> i64 {
        match self {
            Self::Ago(ago) => now.millis() - i64::try_from(ago.as_millis()).unwrap_or(i64::MAX),
            Self::At(at) => at.millis(),
        }
    }
}

fn when(text: &str) -> Result<When, String> {
    let wrong =
        || format!("write `30s`, `10m`, `2h` or `3d` for how long ago, or an instant such as `{EXAMPLE}`");
    if let Some(unit) = text.chars().last().filter(|unit| "smhd".contains(*unit)) {
        let count: u64 =
            text.get(..text.len() - 1).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            _ => 86_400,
        };
        return count.checked_mul(seconds).map(|all| When::Ago(Duration::from_secs(all))).ok_or_else(wrong);
    }
    Timestamp::parse(text).map(When::At).map_err(|_| wrong())
}

const EXAMPLE: &str = "2026-01-31T08:00:00Z";
/// How long nothing is asked after everything was seen.
const PAUSE: Duration = Duration::from_millis(1_500);
/// Lines come into CloudWatch late and out of order: what is this old is asked for again, and shown once.
const LATE: i64 = 30_000;

impl Logs {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let name = self.function.strip_prefix("function.").unwrap_or(&self.function);
        if !FUNCTIONS.contains(&name) {
            let known = FUNCTIONS.iter().map(|known| (*known).to_owned()).collect();
            return Err(Error::Unknown { what: "the function", name: self.function, known });
        }
        let mut options = app.options();
        // Only lines of the log may reach stdout.
        options.events = std::sync::Arc::new(crate::event::Silent);
        let session = Session::open(&options).await?;
        let group = format!("/aws/lambda/{}-{name}", session.name());
        let mut reader = Reader {
            session: &session,
            group,
            filter: self.filter.clone(),
            until: self.until.map(|until| until.millis(now())),
            seen: Seen::new(self.since.millis(now())),
        };
        loop {
            reader.pass(&mut |line| show(app, name, line)).await?;
            if !self.follow {
                return Ok(Exit::Done);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

struct Reader<'a> {
    session: &'a Session,
    group: String,
    filter: Option<String>,
    until: Option<i64>,
    seen: Seen,
}

impl Reader<'_> {
    /// Shows everything that is there now and was not shown before.
    async fn pass(&mut self, show: &mut (dyn FnMut(&Line) + Send)) -> Result<(), Error> {
        let mut next: Option<String> = None;
        loop {
            let request = self.session.clients.logs().filter_log_events().log_group_name(&self.group);
            let request = request
                .start_time(self.seen.from)
                .set_end_time(self.until)
                .set_filter_pattern(self.filter.clone())
                .set_next_token(next.clone());
            let page = match request.send().await.map_err(AwsError::from) {
                Ok(page) => page,
                Err(error) if error.kind == ErrorKind::NotFound => {
                    return Err(Error::NotDeployed(self.session.name().to_owned()));
                }
                Err(error) => return Err(error.into()),
            };
            self.seen.fresh(page.events().iter().map(Line::of)).iter().for_each(&mut *show);
            // A page may be empty and others follow; the same token twice is the end.
            match page.next_token.filter(|token| next.as_ref() != Some(token)) {
                Some(token) => next = Some(token),
                None => break,
            }
        }
        self.seen.passed();
        Ok(())
    }
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    millis: i64,
    id: String,
    message: String,
}

impl Line {
    fn of(event: &FilteredLogEvent) -> Self {
        Self {
            millis: event.timestamp().unwrap_or_default(),
            id: event.event_id().unwrap_or_default().to_owned(),
            message: event.message().unwrap_or_default().trim_end().to_owned(),
        }
    }
}

/// What was shown, as far as it may come again.
#[derive(Debug)]
struct Seen {
    /// What is older is not asked for any more.
    from: i64,
    latest: i64,
    shown: BTreeSet<(i64, String)>,
}

impl Seen {
    fn new(from: i64) -> Self {
        Self { from, latest: from, shown: BTreeSet::new() }
    }

    /// The lines that were not shown before.
    fn fresh(&mut self, lines: impl Iterator<Item = Line>) -> Vec<Line> {
        let fresh: Vec<Line> =
            lines.filter(|line| self.shown.insert((line.millis, line.id.clone()))).collect();
        self.latest = fresh.iter().map(|line| line.millis).fold(self.latest, i64::max);
        fresh
    }

    /// Everything that is there was looked at: the next time only what may have come late is asked for again.
    fn passed(&mut self) {
        self.from = self.from.max(self.latest - LATE);
        let from = self.from;
        self.shown.retain(|(millis, _)| *millis >= from);
    }
}

fn show(app: &App, function: &str, line: &Line) {
    let at = Timestamp::from_millis(line.millis).to_string();
    let message = &line.message;
    let document = json!({ "function": function, "at": at, "message": message });
    app.show(&document, || format!("{at}  {message}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_how_long_ago_or_an_instant() {
        let now = Timestamp::parse("2026-01-31T08:00:00Z").unwrap();
        for (text, ago) in [("30s", 30), ("10m", 600), ("2h", 7_200), ("3d", 259_200), ("0s", 0)] {
            assert_eq!(when(text).unwrap().millis(now), now.millis() - ago * 1_000, "{text}");
        }
        assert_eq!(when("2026-01-31T07:00:00Z").unwrap().millis(now), now.millis() - 3_600_000);
        for text in
            ["", "m", "-1m", "1w", "1.5h", "yesterday", "99999999999999999999d", "18446744073709551615d"]
        {
            assert!(when(text).is_err(), "{text}");
        }
    }

    fn line(millis: i64, id: &str) -> Line {
        Line { millis, id: id.to_owned(), message: format!("message {id}") }
    }

    #[test]
    fn a_line_that_comes_late_is_shown_and_none_is_shown_twice() {
        let ids = |lines: Vec<Line>| lines.into_iter().map(|line| line.id).collect::<Vec<_>>();
        let mut seen = Seen::new(0);
        assert_eq!(ids(seen.fresh([line(100_000, "a"), line(100_000, "b")].into_iter())), ["a", "b"]);
        seen.passed();
        assert_eq!(seen.from, 100_000 - LATE);
        let again = [line(99_000, "late"), line(100_000, "a"), line(100_000, "b"), line(101_000, "c")];
        assert_eq!(ids(seen.fresh(again.into_iter())), ["late", "c"]);
        seen.passed();
        assert_eq!(
            ids(seen.fresh([line(99_000, "late"), line(101_000, "c")].into_iter())),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_was_shown_is_forgotten_once_it_cannot_come_again() {
        let mut seen = Seen::new(0);
        for n in 0..1_000 {
            seen.fresh([line(n * 1_000, &n.to_string())].into_iter());
            seen.passed();
        }
        assert!(seen.shown.len() <= 31, "{}", seen.shown.len());
        // Nothing new leaves everything where it is.
        let from = seen.from;
        seen.passed();
        assert_eq!(seen.from, from);
    }
}
