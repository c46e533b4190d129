//! The protocol holds in every history; what was tried and failed still fails.

use simulation::{Faults, Variant, run};

const HISTORIES: u64 = 20_000;

#[test]
fn the_invariants_hold_in_every_history() {
    let halves: Vec<_> = (0..2)
        .map(|half| {
            std::thread::spawn(move || {
                let mut faults = Faults::default();
                let mut rows = 0;
                for seed in (half..HISTORIES).step_by(2) {
                    match run(seed, Variant::Protocol) {
                        Ok(report) => {
                            faults.add(&report.faults);
                            rows += report.rows;
                        }
                        Err(violation) => panic!("seed {seed}: {}: {}", violation.invariant, violation.what),
                    }
                }
                (faults, rows)
            })
        })
        .collect();
    let mut faults = Faults::default();
    let mut rows = 0;
    for half in halves {
        let (f, r) = half.join().unwrap();
        faults.add(&f);
        rows += r;
    }
    assert!(rows > 10_000, "lists returned only {rows} rows: nothing was tested");
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
        let found = (0..20_000).find_map(|seed| run(seed, variant).err().map(|violation| (seed, violation)));
        assert!(found.is_some(), "{variant:?} broke nothing");
    }
}
