//! State in memory: what tests of everything above it use.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{JournalLine, Lock, RowChange, Run, Snapshot, StateError, StateStore, Write};
use crate::resource::Address;

/// State that lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryState(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    snapshot: Snapshot,
    journal: BTreeMap<(u64, Address), JournalLine>,
    /// Under which token each row was written.
    tokens: BTreeMap<Address, u64>,
}

impl MemoryState {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The journal so far.
    pub fn journal(&self) -> Vec<JournalLine> {
        self.inner().journal.values().cloned().collect()
    }
}

impl Inner {
    fn fence(&mut self, address: &Address, token: u64) -> Result<(), StateError> {
        let written = self.tokens.entry(address.clone()).or_insert(token);
        if *written > token {
            return Err(StateError::Lost);
        }
        *written = token;
        Ok(())
    }
}

impl StateStore for MemoryState {
    fn load(&self) -> BoxFuture<'_, Result<Option<Snapshot>, StateError>> {
        async { Ok(Some(self.inner().snapshot.clone())) }.boxed()
    }

    fn write<'a>(&'a self, token: u64, write: &'a Write) -> BoxFuture<'a, Result<(), StateError>> {
        async move {
            let mut inner = self.inner();
            match &write.row {
                RowChange::Keep => {}
                RowChange::Put(entry) => {
                    inner.fence(&entry.recorded.address, token)?;
                    inner.snapshot.entries.insert(entry.recorded.address.clone(), entry.clone());
                }
                RowChange::Remove(address) => {
                    inner.fence(address, token)?;
                    inner.tokens.remove(address);
                    inner.snapshot.entries.remove(address);
                }
            }
            inner.journal.insert((write.journal.token, write.journal.address.clone()), write.journal.clone());
            Ok(())
        }
        .boxed()
    }

    fn run_journal(&self, token: u64) -> BoxFuture<'_, Result<Vec<JournalLine>, StateError>> {
        async move {
            let mut lines = self.journal();
            lines.retain(|line| line.token == token);
            lines.sort_by_key(|line| line.begun);
            Ok(lines)
        }
        .boxed()
    }

    fn end_run<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), StateError>> {
        async move {
            let mut inner = self.inner();
            inner.snapshot.runs.insert(0, run.clone());
            Ok(())
        }
        .boxed()
    }

    fn lock(&self) -> BoxFuture<'_, Result<Option<Lock>, StateError>> {
        async { Ok(self.inner().snapshot.lock.clone()) }.boxed()
    }

    fn swap_lock<'a>(
        &'a self,
        expected: Option<&'a Lock>,
        new: &'a Lock,
    ) -> BoxFuture<'a, Result<bool, StateError>> {
        async move {
            let mut inner = self.inner();
            let same = inner.snapshot.lock.as_ref() == expected;
            if same {
                inner.snapshot.lock = Some(new.clone());
            }
            Ok(same)
        }
        .boxed()
    }
}
