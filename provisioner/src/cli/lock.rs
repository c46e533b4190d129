//! `provision lock`

use clap::{Args, Subcommand};
use domain::time::Timestamp;
use serde::Serialize;

use super::App;
use crate::error::{Error, Exit, holder};
use crate::session::Session;
use crate::state::{Lock, now, take_away};

/// Show or break the stack's lock
#[derive(Debug, Args)]
pub(super) struct LockArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show who holds the lock, from where, and when they were last alive
    Show,
    /// Take the lock away from whoever holds it
    ///
    /// Only needed if somebody's process hangs: one that died loses the lock by itself after a minute. Whoever loses it
    /// ends what was begun, and can write nothing over what others write after them.
    Break {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    stack: &'a str,
    /// Whether others must leave the stack alone.
    held: bool,
    /// Whether the lease ran out without the lock being given back.
    expired: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_age_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<&'a Lock>,
}

impl LockArgs {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let session = Session::open(&app.options_for_document()).await?;
        match self.command {
            Command::Show => {
                let (lock, at) = (session.state.lock().await?, now());
                let document = document(session.name(), lock.as_ref(), at);
                app.show(&document, || text(&document, at));
                Ok(Exit::Done)
            }
            Command::Break { yes } => break_lock(app, &session, yes).await,
        }
    }
}

/// Asks, and takes the lock away.
async fn break_lock(app: &App, session: &Session, yes: bool) -> Result<Exit, Error> {
    let found = session.state.lock().await?;
    let Some(lock) = found.clone().filter(|lock| !lock.released) else {
        let nobody = document(session.name(), found.as_ref(), now());
        app.show(&nobody, || format!("nobody holds the lock of `{}`\n", session.name()));
        return Ok(Exit::Done);
    };
    let whose = holder(&lock.owner);
    if !yes {
        let beat = ago(now().millis() - lock.heartbeat.millis());
        app.printer.talk(&format!("the lock is held by {whose}, who was last alive {beat} ago"));
        app.printer.agree("take it away from them?", "breaking the lock")?;
    }
    if let Some(broken) = take_away(session.state.as_ref(), &lock).await? {
        let document = document(session.name(), Some(&broken), now());
        app.show(&document, || format!("broke the lock of {whose}\n"));
        return Ok(Exit::Done);
    }
    let nobody = session.state.lock().await?;
    let document = document(session.name(), nobody.as_ref(), now());
    app.show(&document, || format!("{whose} gave it back just now\n"));
    Ok(Exit::Done)
}

fn document<'a>(stack: &'a str, lock: Option<&'a Lock>, at: Timestamp) -> Document<'a> {
    let open = lock.filter(|lock| !lock.released);
    Document {
        stack,
        held: open.is_some_and(|lock| lock.holds_at(at)),
        expired: open.is_some_and(|lock| !lock.holds_at(at)),
        heartbeat_age_ms: open.map(|lock| at.millis() - lock.heartbeat.millis()),
        lock,
    }
}

fn text(document: &Document<'_>, at: Timestamp) -> String {
    let stack = document.stack;
    let Some(lock) = document.lock else { return format!("nobody ever locked `{stack}`\n") };
    let whose = holder(&lock.owner);
    if lock.released {
        return format!("nobody holds the lock of `{stack}`; {whose} was the last to hold it\n");
    }
    let left = lock.heartbeat.plus_millis(lock.lease_ms).millis() - at.millis();
    let state = if document.held {
        format!("for {} more unless it is renewed", ago(left))
    } else {
        "no longer: the next command takes it over".to_owned()
    };
    format!(
        "`{stack}` is locked by {whose}\n  since      {}\n  last alive {} ago\n  holds      {state}\n  token      {}\n",
        lock.acquired,
        ago(at.millis() - lock.heartbeat.millis()),
        lock.token,
    )
}

/// A span of time, roughly.
fn ago(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Owner;

    fn lock(released: bool) -> Lock {
        let owner = Owner {
            user: "ann".into(),
            host: "ci-7".into(),
            pid: 42,
            id: "x".into(),
            run_url: Some("https://ci.example/1".into()),
        };
        let at = Timestamp::from_millis(1_700_000_000_000);
        Lock { token: 7, owner, acquired: at, heartbeat: at, lease_ms: 60_000, released }
    }

    fn shown(lock: Option<&Lock>, seconds: i64) -> String {
        let at = Timestamp::from_millis(1_700_000_000_000 + seconds * 1000);
        text(&document("study", lock, at), at)
    }

    #[test]
    fn the_lock_says_whose_it_is_and_how_they_are() {
        insta::assert_snapshot!(shown(Some(&lock(false)), 12), @r"
        `study` is locked by ann@ci-7, process 42 (https://ci.example/1)
          since      2023-11-14T22:13:20Z
          last alive 12 s ago
          holds      for 48 s more unless it is renewed
          token      7
        ");
        insta::assert_snapshot!(shown(Some(&lock(false)), 600), @r"
        `study` is locked by ann@ci-7, process 42 (https://ci.example/1)
          since      2023-11-14T22:13:20Z
          last alive 10 min ago
          holds      no longer: the next command takes it over
          token      7
        ");
        insta::assert_snapshot!(shown(Some(&lock(true)), 600), @"nobody holds the lock of `study`; ann@ci-7, process 42 (https://ci.example/1) was the last to hold it");
        insta::assert_snapshot!(shown(None, 0), @"nobody ever locked `study`");
    }
}
