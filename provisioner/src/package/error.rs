//! What can go wrong when functions are built and packed.

use std::path::PathBuf;

use crate::local::python::PythonError;

/// Why there are no artefacts.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// No workspace with the functions around.
    #[error(
        "no Cargo workspace with the member `lambdas` was found from `{}` upwards: run inside a clone of Freehold, or point \
         `FREEHOLD_FUNCTIONS_DIR` to a folder with `api.zip`, `replicator.zip`, `worker.zip`, `scrubber.zip` and `identity.zip`",
        from.display()
    )]
    NoWorkspace {
        /// Where the search began.
        from: PathBuf,
    },
    /// The build failed.
    #[error("building the functions failed:\n{tail}")]
    Build {
        /// The errors, or the last lines.
        tail: String,
    },
    /// The build tool cannot be started.
    #[error("`{program}` cannot be started ({source}): {remedy}")]
    Tool {
        /// Which.
        program: String,
        /// Why not.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A function is missing after the build, or in the folder of prebuilt ones.
    #[error("the function `{name}` is not in `{}`", dir.display())]
    Missing {
        /// Which.
        name: String,
        /// Where it should be.
        dir: PathBuf,
    },
    /// Rust cannot build for the architecture.
    #[error(
        "this machine's Rust cannot build for `{target}`: run `rustup target add {target}`, or use `architecture: x86_64`"
    )]
    NoTarget {
        /// The Rust target.
        target: &'static str,
    },
    /// A package is too large.
    #[error(
        "the package of `{name}` has {bytes} bytes, more than the {limit} that are allowed: see what it has come to depend on"
    )]
    TooLarge {
        /// Which function.
        name: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The build tools for AWS could not be installed.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// A file cannot be read or written.
    #[error("cannot {what} `{}`: {why}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

impl PackageError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoWorkspace { .. } => "FH0540",
            Self::Build { .. } | Self::Tool { .. } => "FH0541",
            Self::Missing { .. } => "FH0542",
            Self::NoTarget { .. } => "FH0543",
            Self::TooLarge { .. } => "FH0544",
            Self::Python(error) => error.code(),
            Self::Io { .. } => "FH0506",
        }
    }

    pub(super) fn io<E: std::fmt::Display>(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |error| Self::Io { what, path, why: error.to_string() }
    }
}
