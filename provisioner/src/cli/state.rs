//! `provision state`

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::App;
use crate::error::{Error, Exit, count};
use crate::kinds::Recorded;
use crate::resource::{Address, Outputs};
use crate::session::{Session, rebuild};
use crate::state::{JournalLine, Status};

/// Look into the stack's state, or recover it
///
/// What the stack remembers of itself lies in its own table `NAME-control`.
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the resources that it knows
    List,
    /// Show what it knows of one resource, as it was last applied
    Show {
        /// Which: `table.data`
        #[arg(value_name = "ADDRESS")]
        address: String,
    },
    /// Show what a run began and ended, resource by resource
    ///
    /// Also of a run whose process died: what it had begun has no end.
    Journal {
        /// The run's number, which `status --json` calls its token; the last one if left out
        #[arg(long, value_name = "NUMBER")]
        run: Option<u64>,
    },
    /// Find everything of the stack by name and tag, and write down what the state does not know
    ///
    /// For a control table that was lost, or restored from before the last apply. Writes only the state, making its table
    /// anew if it is gone; what the state knows stays as it is. Fencing tokens go on above all that were ever given, so
    /// that nobody who held a lock in the lost state can write over this one. The next `plan` shows whether anything
    /// differs from the file.
    Rebuild,
}

/// A resource as it was last applied.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    address: &'a Address,
    physical_id: &'a str,
    status: Status,
    updated: Timestamp,
    depends_on: &'a [Address],
    outputs: &'a Outputs,
    attributes: &'a Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rebuilt<'a> {
    stack: &'a str,
    recorded: Vec<&'a Address>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Journal<'a> {
    stack: &'a str,
    run: u64,
    journal: &'a [JournalLine],
}

impl StateArgs {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let session = Session::open(&app.options_for_document()).await?;
        match self.command {
            Command::List => list(app, &session).await,
            Command::Show { address } => show(app, &session, address).await,
            Command::Journal { run } => journal(app, &session, run).await,
            Command::Rebuild => {
                let found = rebuild(&session).await?;
                let recorded: Vec<&Address> = found.iter().map(|adoption| &adoption.address).collect();
                let document = Rebuilt { stack: session.name(), recorded };
                app.show(&document, || rebuilt(session.name(), found.len()));
                Ok(Exit::Done)
            }
        }
    }
}

async fn list(app: &App, session: &Session) -> Result<Exit, Error> {
    let entries = session.entries().await?;
    let known: Vec<&Address> = entries.keys().collect();
    app.show(&known, || {
        entries.iter().fold(String::new(), |mut text, (address, entry)| {
            let open = if entry.status == Status::Ready { "" } else { "  (unfinished)" };
            let _ = writeln!(text, "{address}{open}");
            text
        })
    });
    Ok(Exit::Done)
}

async fn show(app: &App, session: &Session, address: String) -> Result<Exit, Error> {
    let entries = session.entries().await?;
    let wanted = Address::try_from(address.clone()).map_err(Error::Usage)?;
    let Some(entry) = entries.get(&wanted) else {
        // All of one kind if there are some: a stack may have thousands of groups.
        let of_kind = entries.keys().filter(|known| known.kind == wanted.kind).map(ToString::to_string);
        let known: Vec<String> = of_kind.take(SHOWN).collect();
        return Err(Error::Unknown { what: "in the state, the resource", name: address, known });
    };
    let Recorded { address, physical_id, attributes, outputs } = &entry.recorded;
    let (status, updated, depends_on) = (entry.status, entry.updated, &entry.depends_on);
    let shown = Shown { address, physical_id, status, updated, depends_on, outputs, attributes };
    app.show(&shown, || serde_json::to_string_pretty(&shown).unwrap_or_default() + "\n");
    Ok(Exit::Done)
}

/// How many resources are named to whoever asked for one that is not there.
const SHOWN: usize = 20;

async fn journal(app: &App, session: &Session, run: Option<u64>) -> Result<Exit, Error> {
    let run = match run {
        Some(run) => run,
        None => {
            let missing = || Error::NotDeployed(session.name().to_owned());
            session.state.lock().await?.ok_or_else(missing)?.token
        }
    };
    let lines = session.state.run_journal(run).await?;
    let document = Journal { stack: session.name(), run, journal: &lines };
    app.show(&document, || journal_text(&document));
    Ok(Exit::Done)
}

fn journal_text(document: &Journal<'_>) -> String {
    let Journal { stack, run, journal } = document;
    if journal.is_empty() {
        return format!("run {run} of `{stack}` changed nothing\n");
    }
    let mut text = format!("run {run} of `{stack}`: {}\n", count(journal.len(), "resource"));
    let width = journal.iter().map(|line| line.address.to_string().len()).max().unwrap_or(0);
    for line in *journal {
        let took = line.ended.map(|ended| ended.millis() - line.begun.millis());
        let took = took.map_or_else(|| "-".to_owned(), |ms| format!("{}.{} s", ms / 1000, ms % 1000 / 100));
        let end = match (&line.error, line.ended) {
            (Some(error), _) => format!("failed: {error}"),
            (None, None) => "not ended".to_owned(),
            (None, Some(_)) => String::new(),
        };
        let action = serde_json::to_value(line.action).unwrap_or_default();
        let action = action.as_str().unwrap_or_default();
        let (begun, address) = (line.begun.to_string(), line.address.to_string());
        let row = format!("  {begun:24}  {took:>7}  {action:8}  {address:width$}  {end}");
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text
}

fn rebuilt(stack: &str, recorded: usize) -> String {
    match recorded {
        0 => format!("the state of `{stack}` knows everything that is there\n"),
        n => format!("wrote down {} of `{stack}`; see `provision plan`\n", count(n, "resource")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Action;

    #[test]
    fn a_journal_tells_what_was_ended_what_failed_and_what_was_left_open() {
        let line = |name: &str, action, ended: Option<i64>, error: Option<&str>| JournalLine {
            token: 7,
            address: Address::new("table", name),
            action,
            begun: Timestamp::from_millis(1_700_000_000_000),
            ended: ended.map(|after| Timestamp::from_millis(1_700_000_000_000 + after)),
            error: error.map(str::to_owned),
        };
        let journal = [
            line("data", Action::Create, Some(8_230), None),
            line("replicas", Action::Update, Some(450), Some("rate exceeded")),
            line("directory", Action::Delete, None, None),
        ];
        insta::assert_snapshot!(journal_text(&Journal { stack: "study", run: 7, journal: &journal }), @r"
        run 7 of `study`: 3 resources
          2023-11-14T22:13:20Z        8.2 s  create    table.data
          2023-11-14T22:13:20Z        0.4 s  update    table.replicas   failed: rate exceeded
          2023-11-14T22:13:20Z            -  delete    table.directory  not ended
        ");
        let none = Journal { stack: "study", run: 8, journal: &[] };
        assert_eq!(journal_text(&none), "run 8 of `study` changed nothing\n");
    }
}
