//! What is left when a process dies, call by call.
//!
//! A process that dies leaves nothing behind but what AWS was told: its next run sees the account, and no more. So the
//! account is kept as it is after every call that changes something, and each of these is taken up by a new process.
//! Dying before the next call and dying after the last one, whether its answer came or not, leave the same account;
//! [`Matrix`] counts each once. That a future which is dropped leaves nothing else behind is a test of its own.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::server::{Aws, Snapshot};
use crate::world::World;

/// What became of the accounts that dying processes left.
#[derive(Debug, Default)]
pub struct Matrix {
    /// How many accounts there were.
    pub all: usize,
    /// How many were brought to what was wanted, with nothing twice and nothing left to do.
    pub converged: usize,
    /// What was wrong with the others, by the call after which the process died.
    pub failures: BTreeMap<String, String>,
}

/// What a new process does, and what is there afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It applies.
    Apply,
    /// It takes the stack down.
    Destroy,
}

/// Every so-manieth death is taken up, unless `HOSTILE_CRASHES=all` asks for all of them, which takes minutes. Which
/// ones is another matter each day.
fn chosen(snapshots: &[Snapshot]) -> Vec<&Snapshot> {
    if std::env::var("HOSTILE_CRASHES").is_ok_and(|which| which == "all") {
        return snapshots.iter().collect();
    }
    let offset = fastrand::usize(..EVERY);
    snapshots.iter().skip(offset).step_by(EVERY).collect()
}

/// How many deaths there are to one that is taken up.
const EVERY: usize = 12;

/// Lets a new process take up each account; a whole one ends with `inventory`.
pub fn matrix(world: &World, snapshots: &[Snapshot], next: Next, inventory: &[String]) -> Matrix {
    let snapshots = chosen(snapshots);
    let (turn, matrix) =
        (AtomicUsize::new(0), Mutex::new(Matrix { all: snapshots.len(), ..Matrix::default() }));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = turn.fetch_add(1, Ordering::Relaxed);
                    let Some(snapshot) = snapshots.get(number) else { break };
                    let result = quickly(take_up(world, snapshot, next, inventory));
                    let mut matrix = matrix.lock().unwrap();
                    match result {
                        Ok(()) => matrix.converged += 1,
                        Err(why) => {
                            drop(matrix.failures.insert(format!("{number}, {}", snapshot.after), why))
                        }
                    }
                }
            });
        }
    });
    matrix.into_inner().unwrap()
}

/// Runs on a clock that jumps over every wait.
fn quickly<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(work)
}

fn difference(there: &[String], wanted: &[String]) -> String {
    let count = |list: &[String], name: &String| list.iter().filter(|other| *other == name).count();
    let of = |name: &String| (count(there, name), count(wanted, name));
    let mut names: Vec<&String> =
        there.iter().chain(wanted).filter(|name| of(name).0 != of(name).1).collect();
    names.sort();
    names.dedup();
    let each = names.into_iter().map(|name| format!("{name}: {} instead of {}", of(name).0, of(name).1));
    each.collect::<Vec<_>>().join(", ")
}

async fn take_up(world: &World, snapshot: &Snapshot, next: Next, wanted: &[String]) -> Result<(), String> {
    let world = world.elsewhere(Aws::restored(snapshot));
    let told = |when: &str, error: provision::Error| format!("{when}: {error}");
    let again = match next {
        Next::Apply => {
            world.try_apply().await.map_err(|error| told("the next apply", error))?;
            let again = world.try_apply().await.map_err(|error| told("the one after", error))?;
            again.summary.mutating_calls
        }
        Next::Destroy => {
            world.try_destroy().await.map_err(|error| told("the next destroy", error))?;
            world.try_destroy().await.map_err(|error| told("the one after", error))?.mutating_calls
        }
    };
    if again != 0 {
        return Err(format!("{again} calls were still to be made"));
    }
    let there = world.aws.state().inventory();
    if there != wanted {
        return Err(difference(&there, wanted));
    }
    Ok(())
}
