//! What can go wrong with the local target, each with its page in `docs/errors`.

use std::path::PathBuf;

use super::python::PythonError;

/// Why the emulator could not be started, stopped or reset.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The emulator's Python environment could not be made.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// Something else listens on the port.
    #[error(
        "port {port} is taken by {by}: stop that, or choose another port with `FREEHOLD_LOCAL_PORT=<port>`"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// What holds it, as far as can be told.
        by: String,
    },
    /// `FREEHOLD_LOCAL_PORT` is not a port.
    #[error("`FREEHOLD_LOCAL_PORT` is `{0}`, which is not a port number: give one from 1 to 65535")]
    BadPort(String),
    /// The emulator ended before it answered.
    #[error("the emulator died while starting; its last words, from `{}`:\n{tail}", log.display())]
    Died {
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The emulator runs, or seems to, and does not answer.
    #[error("the emulator did not answer within {seconds} s; the end of its log, `{}`:\n{tail}", log.display())]
    NotHealthy {
        /// How long it was given.
        seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A file of the local target cannot be read or written.
    #[error("cannot {what} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The emulator does not stop.
    #[error("the emulator (process {pid}) does not stop: end it yourself, then try again")]
    WillNotStop {
        /// Its process.
        pid: u32,
    },
    /// Another `provision` is starting or stopping the emulator, and does not finish.
    #[error(
        "another `provision` has been starting or stopping this project's emulator for {0} s: see what it waits for"
    )]
    Busy(u64),
}

impl LocalError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Python(error) => error.code(),
            Self::PortTaken { .. } | Self::BadPort(_) => "FH0503",
            Self::Died { .. } => "FH0504",
            Self::NotHealthy { .. } => "FH0505",
            Self::Io { .. } => "FH0506",
            Self::WillNotStop { .. } | Self::Busy(_) => "FH0507",
        }
    }

    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
