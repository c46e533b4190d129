//! What can go wrong in the data plane.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::quotas::Quota;

/// The result of a call to the data plane.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was asked for is not there.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// Somebody else was first, or the state does not allow it.
    #[error("{0}")]
    Conflict(&'static str),
    /// A conditional write was refused.
    #[error("the condition of a write does not hold")]
    Condition,
    /// An idempotency key stands for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// A person has made as many of something as they may for now.
    #[error("the quota of {} is used up", quota.name())]
    Quota {
        /// Which quota.
        quota: Quota,
        /// In how many seconds it is renewed.
        seconds: u32,
    },
    /// The actor may not do this, or no longer.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Some condition of a transaction was refused; per action, the reason's code.
    #[error("the transaction was refused: {0:?}")]
    Refused(Vec<String>),
    /// The database asks to slow down, or two transactions met.
    #[error("the database is busy ({0})")]
    Busy(String),
    /// The database could not be reached, or failed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The function may not do this; its role lacks a permission.
    #[error("the database refused the call: {0}")]
    Denied(String),
    /// A row cannot be read.
    #[error("a row of {table} cannot be read: {what}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong; never its content.
        what: String,
    },
}

impl StoreError {
    pub(crate) fn corrupt(table: &'static str, what: impl Into<String>) -> Self {
        Self::Corrupt { table, what: what.into() }
    }

    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unavailable(_))
    }

    /// Whether the named action of a transaction was refused by its condition.
    pub(crate) fn refused_at(&self, action: usize) -> bool {
        matches!(self, Self::Refused(reasons) if reasons.get(action).is_some_and(|code| code == "ConditionalCheckFailed"))
    }

    /// Whether the named action of a transaction was refused by its condition, and no other one was.
    pub(crate) fn refused_only_at(&self, action: usize) -> bool {
        let failed = |code: &&String| *code == "ConditionalCheckFailed";
        self.refused_at(action)
            && matches!(self, Self::Refused(reasons) if reasons.iter().filter(failed).count() == 1)
    }

    /// Whether a transaction met another one, and nothing else is wrong.
    pub(crate) fn is_contention(&self) -> bool {
        match self {
            Self::Busy(_) => true,
            Self::Refused(reasons) => {
                reasons.iter().any(|code| code == "TransactionConflict")
                    && !reasons.iter().any(|code| code == "ConditionalCheckFailed")
            }
            _ => false,
        }
    }
}

const BUSY: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
    "LimitExceededException",
];

/// Sorts an SDK error by its code.
pub(crate) fn from_code(code: Option<&str>, message: String) -> StoreError {
    match code {
        Some("ConditionalCheckFailedException") => StoreError::Condition,
        Some(code) if BUSY.contains(&code) => StoreError::Busy(code.to_owned()),
        Some(code @ ("AccessDeniedException" | "UnrecognizedClientException" | "ExpiredTokenException")) => {
            StoreError::Denied(format!("{code}: {message}"))
        }
        Some(code) => StoreError::Unavailable(format!("{code}: {message}")),
        None => StoreError::Unavailable(message),
    }
}

/// Sorts any SDK error.
pub(crate) fn sdk<E, R>(error: SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error.code().map(str::to_owned);
    let message = match error.message() {
        Some(message) => message.to_owned(),
        None => aws_smithy_types::error::display::DisplayErrorContext(&error).to_string(),
    };
    from_code(code.as_deref(), message)
}
