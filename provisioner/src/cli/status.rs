//! `provision status`

use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::App;
use super::health::{Health, health, open_groups};
use crate::error::{Error, Exit, count, holder};
use crate::event::Event;
use crate::session::{Followed, Session, data_plane, follow};
use crate::state::{Lock, Run, Snapshot, Status as EntryStatus, now};

/// Show what is deployed, how it fares, who works on it, and the last runs
///
/// Data jobs with their progress, how far copies are behind what people write, and messages that nobody could deal with.
/// What is deployed is told from the stack's state; `plan` compares it with what is really there.
#[derive(Debug, Args)]
pub(super) struct Status {
    /// Watch the data jobs until they are done, from wherever they were begun
    #[arg(long)]
    follow: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    stack: &'a str,
    account: &'a str,
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    emulator: Option<&'a str>,
    resources: Vec<Row<'a>>,
    runs: &'a [Run],
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_by: Option<&'a Lock>,
    #[serde(flatten)]
    health: Health,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    address: String,
    physical_id: &'a str,
    status: EntryStatus,
    updated: String,
}

impl Status {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        if self.follow {
            return follow_all(&Session::open(&app.options()).await?).await;
        }
        let session = Session::open(&app.options_for_document()).await?;
        let Some(snapshot) = session.state.load().await? else {
            return Err(Error::NotDeployed(session.name().to_owned()));
        };
        let health = health(&session, &snapshot, now()).await;
        let document = document(&session, &snapshot, health);
        app.show(&document, || text(&document));
        Ok(Exit::Done)
    }
}

/// Follows the open jobs of all groups; there may be none.
async fn follow_all(session: &Session) -> Result<Exit, Error> {
    let (store, _) = data_plane(session).await?;
    let groups = open_groups(&store).await?;
    if groups.is_empty() {
        session.options.events.event(Event::Step { text: "no data job is open".into() });
    }
    match follow(session, &store, groups, now()).await? {
        Followed::Finished => Ok(Exit::Done),
        Followed::Left(groups) => Err(Error::JobsLeft(groups)),
    }
}

fn document<'a>(session: &'a Session, snapshot: &'a Snapshot, health: Health) -> Document<'a> {
    let resources = snapshot.entries.iter().map(|(address, entry)| Row {
        address: address.to_string(),
        physical_id: &entry.recorded.physical_id,
        status: entry.status,
        updated: entry.updated.to_string(),
    });
    Document {
        stack: session.name(),
        account: &session.account,
        region: session.clients.region(),
        emulator: session.clients.endpoint(),
        resources: resources.collect(),
        runs: &snapshot.runs,
        locked_by: snapshot.lock.as_ref().filter(|lock| lock.holds_at(now())),
        health,
    }
}

fn text(document: &Document<'_>) -> String {
    let mut text = String::new();
    let place = document.emulator.map_or_else(
        || format!("account {}, {}", document.account, document.region),
        |endpoint| format!("local target at {endpoint}"),
    );
    let _ = writeln!(text, "`{}` ({place}): {}", document.stack, count(document.resources.len(), "resource"));
    if let Some(lock) = document.locked_by {
        let _ = writeln!(text, "locked by {} since {}", holder(&lock.owner), lock.acquired);
    }
    text.push_str(&document.health.text());
    let _ = writeln!(text, "resources:");
    let width = document.resources.iter().map(|row| row.address.len()).max().unwrap_or(0);
    for row in &document.resources {
        let state = match row.status {
            EntryStatus::Ready => "ready     ",
            EntryStatus::Creating => "unfinished",
            EntryStatus::Updating => "unfinished",
            EntryStatus::Deleting => "unfinished",
        };
        let _ = writeln!(text, "  {:width$}  {state}  {}  {}", row.address, row.updated, row.physical_id);
    }
    if !document.runs.is_empty() {
        let _ = writeln!(text, "last runs:");
    }
    for run in document.runs {
        let _ = writeln!(text, "  {}  {}  by {}", run.ended, run.outcome, holder(&run.owner));
    }
    text
}
