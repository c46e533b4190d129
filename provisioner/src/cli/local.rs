//! `provision local`

use clap::{Args, Subcommand};
use serde::Serialize;

use super::App;
use crate::error::{Error, Exit};
use crate::event::{Event, Sink};
use crate::local::{self, LocalOptions};

/// Start, stop and look at the emulator of the local target
///
/// `apply --target local` starts it by itself. It listens on this machine only; its state lies in `.freehold`.
#[derive(Debug, Args)]
pub(super) struct Local {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start it, installing it on first use
    Start {
        /// The port; 0 takes any that is free
        #[arg(long)]
        port: Option<u16>,
        /// Do not enforce IAM policies
        #[arg(long)]
        no_iam: bool,
    },
    /// Stop it; its state stays
    Stop,
    /// Say whether it runs, and where
    Status,
    /// Stop it and forget everything in it
    Reset,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthy: Option<bool>,
}

const STOPPED: State = State { running: false, endpoint: None, pid: None, healthy: None };

impl Local {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let options = app.options().local();
        match self.command {
            Command::Start { port, no_iam } => {
                let wanted = LocalOptions { port: port.or(options.port), enforce_iam: !no_iam, ..options };
                let printer = app.printer.clone();
                let progress = move |text: &str| printer.event(Event::Step { text: text.to_owned() });
                let running = local::ensure_running(&wanted, &progress).await?;
                let state = State {
                    running: true,
                    endpoint: Some(running.endpoint.clone()),
                    pid: Some(running.pid),
                    healthy: Some(true),
                };
                app.show(&state, || format!("running at {} (process {})\n", running.endpoint, running.pid));
            }
            Command::Stop => {
                let ran = local::stop(&options).await?;
                app.show(&STOPPED, || if ran { "stopped\n".into() } else { "it was not running\n".into() });
            }
            Command::Status => status(app, local::status(&options).await),
            Command::Reset => {
                local::reset(&options).await?;
                app.show(&STOPPED, || "stopped, and everything in it is gone\n".into());
            }
        }
        Ok(Exit::Done)
    }
}

fn status(app: &App, status: local::Status) {
    match status {
        local::Status::Stopped => app.show(&STOPPED, || "not running\n".into()),
        local::Status::Running { endpoint, pid, healthy, enforce_iam, log } => {
            let state = State {
                running: true,
                endpoint: Some(endpoint.clone()),
                pid: Some(pid),
                healthy: Some(healthy),
            };
            app.show(&state, || {
                let health = if healthy { "answers" } else { "does not answer" };
                let iam = if enforce_iam { "IAM enforced" } else { "IAM not enforced" };
                format!("running at {endpoint} (process {pid}, {health}, {iam})\nlog: {}\n", log.display())
            });
        }
    }
}
