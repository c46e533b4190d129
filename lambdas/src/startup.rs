//! What every function does before its first event: read its settings, its credentials and the stack's document.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use store::document::Document;
use store::{AwsEnvironment, Store, StoreError};

use crate::metrics::Source;
use crate::settings::{Settings, SettingsError};
use crate::telemetry;

/// Why a function could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its environment is not complete.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Its environment has no credentials.
    #[error("{0}")]
    Credentials(String),
    /// The stack could not be read.
    #[error("the stack's document cannot be read: {0}")]
    Store(#[from] StoreError),
}

/// How long one call of the sign-up trigger may take with all of its attempts: Cognito waits 5 s for all of it.
const LONGEST_CALL_AT_SIGN_UP: Duration = Duration::from_secs(4);

/// What a function starts with.
#[derive(Debug, Clone)]
pub struct Base {
    /// Its settings.
    pub settings: Settings,
    /// Its region and credentials.
    pub environment: AwsEnvironment,
    /// The tables.
    pub store: Store,
}

impl Base {
    /// Reads the environment and begins to log, as a function of this name.
    ///
    /// # Errors
    /// If something is missing from it.
    pub fn read(function: &'static str) -> Result<Self, StartError> {
        let settings = Settings::read()?;
        telemetry::init(settings.level, Source { stack: settings.stack.clone(), function });
        let environment = AwsEnvironment::read().map_err(StartError::Credentials)?;
        let longest = if function == "identity" { LONGEST_CALL_AT_SIGN_UP } else { store::LONGEST_CALL };
        let store = Store::new(environment.dynamodb_within(longest), settings.tables.clone());
        Ok(Self { settings, environment, store })
    }

    /// Reads the stack's document with the era of now. The connection that this opens serves the first event too.
    ///
    /// # Errors
    /// If it is not there or cannot be read, after a few attempts.
    pub async fn document(&self) -> Result<Arc<Document>, StartError> {
        Ok(Arc::new(retried(|| self.store.current_document(&self.settings.config)).await?))
    }
}

/// Tries a read of the start a few times: a role or a row that was just made may take a moment to be seen.
///
/// # Errors
/// That of the last attempt.
pub async fn retried<T, F>(mut read: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = Duration::from_millis(100);
    for _ in 0..4 {
        match read().await {
            Err(StoreError::Corrupt { table, what }) => return Err(StoreError::Corrupt { table, what }),
            Err(_) => tokio::time::sleep(pause).await,
            done => return done,
        }
        pause *= 2;
    }
    read().await
}
