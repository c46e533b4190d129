//! Why a figure could not be had.

/// Why a figure could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The API answered something else than it should.
    #[error("the API answered {status} to {call}: {body}")]
    Answer {
        /// Method and path.
        call: String,
        /// The status of the answer.
        status: u16,
        /// Its body.
        body: String,
    },
    /// The database failed, or something was not as it has to be for the figure to mean anything.
    #[error("{0}")]
    Other(String),
    /// A file.
    #[error("`{path}`: {error}")]
    File {
        /// Which.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
}

impl BenchError {
    /// Anything that can be told in words.
    pub fn other(error: impl std::fmt::Display) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<serde_json::Error> for BenchError {
    fn from(error: serde_json::Error) -> Self {
        Self::other(error)
    }
}

/// What a measurement gives.
pub type Result<T, E = BenchError> = std::result::Result<T, E>;
