//! The AWS clients of one account and region.

/// The clients.
#[derive(Debug, Clone)]
pub struct Clients {}

/// A call to AWS that failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AwsError {
    /// What AWS said.
    pub message: String,
}
