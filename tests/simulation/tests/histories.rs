//! The protocol holds in every history; what was tried and failed still fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::sync::atomic::{AtomicU64, Ordering};

use simulation::{Faults, Variant, commit, run};

const HISTORIES: u64 = 20_000;

/// Runs histories on two threads until one says something.
fn search<T: Send>(upto: u64, each: impl Fn(u64) -> Option<T> + Sync) -> Option<(u64, T)> {
    let (next, found) = (AtomicU64::new(0), std::sync::Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= upto || found.lock().unwrap().is_some() {
                        return;
                    }
                    if let Some(what) = each(seed) {
                        found.lock().unwrap().get_or_insert((seed, what));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

#[test]
fn the_invariants_hold_in_every_history_and_every_fault_happens() {
    let sum = std::sync::Mutex::new((Faults::default(), 0));
    let broken = search(HISTORIES, |seed| match run(seed, Variant::Protocol) {
        Ok(report) => {
            let mut sum = sum.lock().unwrap();
            sum.0.add(&report.faults);
            sum.1 += report.rows;
            None
        }
        Err(violation) => Some(violation),
    });
    if let Some((seed, violation)) = broken {
        let (at, what) = (commit(), violation.what);
        panic!("seed {seed} at {at}: {}: {what}; run it again with --seed {seed}", violation.invariant);
    }
    let (faults, rows) = sum.into_inner().unwrap();
    assert!(rows > 50_000, "lists returned only {rows} rows: nothing was tested");
    // A fault that never happens proves nothing: each has a floor.
    for (name, count) in faults.each() {
        assert!(count >= 1_000, "{name}: only {count}");
    }
}

#[test]
fn one_seed_is_one_history() {
    for seed in 0..200 {
        assert_eq!(run(seed, Variant::Protocol), run(seed, Variant::Protocol));
    }
}

#[test]
fn each_variant_that_failed_in_the_model_fails_here() {
    for variant in Variant::FAILED {
        let found = search(HISTORIES, |seed| run(seed, variant).err());
        assert!(found.is_some(), "{variant:?} broke nothing");
    }
}
