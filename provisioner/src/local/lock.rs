//! Locks between processes, as files. A lock ends with the process that holds it, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(30);

/// Takes the lock if it is free.
pub fn take(path: &Path) -> std::io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether some process holds the lock. Looking creates nothing.
pub fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Waits for the lock; a wait that is too long ends with `TimedOut`.
pub async fn wait(path: &Path, at_most: Option<Duration>) -> std::io::Result<File> {
    let begun = Instant::now();
    loop {
        if let Some(file) = take(path)? {
            return Ok(file);
        }
        if at_most.is_some_and(|limit| begun.elapsed() > limit) {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        tokio::time::sleep(POLL).await;
    }
}
