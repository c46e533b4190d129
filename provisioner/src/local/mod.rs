//! The local target: an emulator of AWS on this machine, as a process of the project.
//!
//! The emulator is MiniStack, pinned in `requirements.lock` and installed into the user's cache on first use. Its
//! state lies in the project's `.freehold/emulator` and outlives any death of its process (`emulator/durable.py`
//! says how, and where that ends). It listens on loopback only.

mod error;
mod lock;
mod port;
mod process;
pub mod python;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

pub use error::LocalError;
use process::{Home, Start};
use python::PythonSettings;

/// The account that everything on the local target belongs to.
pub const ACCOUNT: &str = "000000000000";
/// The access key of that account's root.
pub const ACCESS_KEY: &str = "test";
/// The secret of that key. It protects nothing: only this machine reaches the emulator.
pub const SECRET_KEY: &str = "test";

/// Called with each line of news, for a person to read.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

const PATIENCE: Duration = Duration::from_secs(60);
/// Another process may be installing the emulator first.
const BUSY: Duration = Duration::from_secs(600);

/// How long the emulator lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is stopped.
    Detached,
    /// Until the process that started it ends, or drops what [`ensure_running`] gave it. For tests.
    WithParent,
}

/// Which emulator, and how.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The folder of the stack's file; the emulator's files go to `.freehold/emulator` in it.
    pub project_dir: PathBuf,
    /// The port; 0 takes any that is free. `None`: `FREEHOLD_LOCAL_PORT`, else the project's last one, else 4747.
    pub port: Option<u16>,
    /// Whether IAM policies are enforced, as on AWS.
    pub enforce_iam: bool,
    /// How long it lives.
    pub owner: Lifetime,
}

impl LocalOptions {
    /// The usual: detached, IAM enforced.
    pub fn new(project_dir: impl Into<PathBuf>) -> Self {
        Self { project_dir: project_dir.into(), port: None, enforce_iam: true, owner: Lifetime::Detached }
    }
}

/// An emulator that answers.
#[derive(Debug)]
pub struct Running {
    /// Where: `http://127.0.0.1:4747`.
    pub endpoint: String,
    /// Its process.
    pub pid: u32,
    /// Its port.
    pub port: u16,
    /// Whether it was started just now.
    pub fresh: bool,
    /// With [`Lifetime::WithParent`], the emulator's end of the line: it stops when this is dropped.
    _child: Option<tokio::process::Child>,
}

impl Running {
    fn new(pid: u32, port: u16, child: Option<tokio::process::Child>) -> Self {
        Self { endpoint: endpoint(port), pid, port, fresh: child.is_some(), _child: child }
    }
}

/// Whether the project's emulator runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It does not.
    Stopped,
    /// It does.
    Running {
        /// Where: `http://127.0.0.1:4747`.
        endpoint: String,
        /// Its process.
        pid: u32,
        /// Whether it answers.
        healthy: bool,
        /// Whether it enforces IAM.
        enforce_iam: bool,
        /// Its log.
        log: PathBuf,
    },
}

/// What comes from the environment of the process, except in tests.
#[derive(Debug, Clone)]
struct Settings {
    python: PythonSettings,
    port: Option<String>,
    patience: Duration,
}

impl Settings {
    fn from_env() -> Self {
        let port = std::env::var("FREEHOLD_LOCAL_PORT").ok();
        Self { python: PythonSettings::from_env(), port, patience: PATIENCE }
    }
}

/// Sees to it that the project's emulator runs: finds it, or installs and starts it. One that was started by another
/// version of `provision`, on another port than the one asked for, or with IAM enforced otherwise is started again.
///
/// # Errors
/// See [`LocalError`].
pub async fn ensure_running(options: &LocalOptions, progress: Progress<'_>) -> Result<Running, LocalError> {
    ensure_with(&Settings::from_env(), options, progress).await
}

async fn ensure_with(
    settings: &Settings,
    options: &LocalOptions,
    progress: Progress<'_>,
) -> Result<Running, LocalError> {
    let wanted = port::wanted(options.port, settings.port.as_deref())?;
    let home = Home::of(&options.project_dir);
    home.make()?;
    let _reserved = home.reserve(BUSY).await?;
    if home.is_alive() {
        match home.noted(settings.patience).await {
            Some(note) => {
                let fits = note.build == process::build() && note.auth == options.enforce_iam;
                if fits
                    && wanted.is_none_or(|port| port == note.port || port == 0)
                    && process::answers(note.port).await
                {
                    return Ok(Running::new(note.pid, note.port, None));
                }
                progress("restarting the emulator: it was started with other settings");
                home.stop(settings.patience).await?;
            }
            None if home.is_alive() => return Err(home.not_healthy(settings.patience)),
            // It was ending while we looked.
            None => {}
        }
    }
    let port = port::claim(wanted.or_else(|| home.note().map(|note| note.port)).unwrap_or(port::DEFAULT))?;
    let venv = python::ensure(&settings.python, process::PACKAGES, progress).await?;
    progress("starting the emulator");
    let start = Start {
        venv: &venv,
        port,
        auth: options.enforce_iam,
        owner: options.owner,
        patience: settings.patience,
    };
    let child = home.start(&start).await?;
    let pid = child.id().unwrap_or_default();
    Ok(Running::new(pid, port, Some(child)))
}

/// Stops the project's emulator; its state stays. Says whether it ran.
///
/// # Errors
/// When it does not stop.
pub async fn stop(options: &LocalOptions) -> Result<bool, LocalError> {
    let home = Home::of(&options.project_dir);
    if !home.is_alive() {
        return Ok(false);
    }
    let _reserved = home.reserve(PATIENCE).await?;
    home.stop(PATIENCE).await
}

/// Whether the project's emulator runs, and where.
pub async fn status(options: &LocalOptions) -> Status {
    let home = Home::of(&options.project_dir);
    match home.note() {
        Some(note) if home.is_alive() => Status::Running {
            endpoint: endpoint(note.port),
            pid: note.pid,
            healthy: process::answers(note.port).await,
            enforce_iam: note.auth,
            log: home.log(),
        },
        _ => Status::Stopped,
    }
}

/// Stops the project's emulator and forgets everything in it. Says whether it ran.
///
/// # Errors
/// When it does not stop or its files cannot be removed.
pub async fn reset(options: &LocalOptions) -> Result<bool, LocalError> {
    let home = Home::of(&options.project_dir);
    home.make()?;
    let _reserved = home.reserve(PATIENCE).await?;
    let ran = home.stop(PATIENCE).await?;
    home.wipe()?;
    Ok(ran)
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
