//! Runs seeded histories and says which invariants held.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use simulation::{Faults, Variant, commit, run};

/// Seeded histories of the replication protocol.
#[derive(Parser)]
struct Options {
    /// How many histories
    #[arg(long, default_value_t = 20_000)]
    histories: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Only the history of this seed
    #[arg(long)]
    seed: Option<u64>,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// What is left out of the protocol, by the variant's name
    #[arg(long, default_value = "Protocol")]
    variant: String,
}

/// What the histories of one thread did.
#[derive(Default)]
struct Found {
    faults: Faults,
    rows: u64,
    orphans: u64,
    broken: u64,
    violations: Vec<(u64, String)>,
}

impl Found {
    fn note(&mut self, seed: u64, variant: Variant) {
        match run(seed, variant) {
            Ok(report) => {
                self.faults.add(&report.faults);
                self.rows += report.rows;
                self.orphans += report.orphans;
            }
            Err(violation) => {
                self.broken += 1;
                if self.violations.len() < 10 {
                    self.violations.push((seed, format!("{}: {}", violation.invariant, violation.what)));
                }
            }
        }
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the program's whole purpose is to print its findings"
)]
fn main() -> ExitCode {
    let options = Options::parse();
    let named = |variant: &&Variant| format!("{variant:?}").eq_ignore_ascii_case(&options.variant);
    let Some(variant) =
        [Variant::Protocol].iter().chain(&Variant::FAILED).chain(&Variant::RARE).find(named).copied()
    else {
        eprintln!("there is no variant `{}`; there are {:?}", options.variant, Variant::FAILED);
        return ExitCode::FAILURE;
    };
    let from = options.seed.unwrap_or(options.from);
    let upto = options.seed.map_or(options.from + options.histories, |seed| seed + 1);
    let (next, done, began) = (AtomicU64::new(from), AtomicU64::new(0), Instant::now());
    let all = std::thread::scope(|scope| {
        let worker = || {
            let mut found = Found::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= upto {
                    return found;
                }
                found.note(seed, variant);
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        let threads: Vec<_> = (0..options.threads.max(1)).map(|_| scope.spawn(worker)).collect();
        let mut told = Instant::now();
        while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(20));
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                eprintln!("{}", progress(done.load(Ordering::Relaxed), upto - from, began));
            }
        }
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Result<Vec<_>, _>>()
    });
    let Ok(all) = all else { return ExitCode::FAILURE };
    let mut sum = Found::default();
    for found in all {
        sum.faults.add(&found.faults);
        (sum.rows, sum.orphans, sum.broken) =
            (sum.rows + found.rows, sum.orphans + found.orphans, sum.broken + found.broken);
        sum.violations.extend(found.violations);
    }
    for (name, count) in sum.faults.each() {
        println!("{count:>12}  {name}");
    }
    sum.violations.sort();
    for (seed, what) in &sum.violations {
        println!("seed {seed}: {what}");
    }
    if !sum.violations.is_empty() {
        println!("commit {}; run one again with --seed", commit());
    }
    println!(
        "{} histories in {:.0} s, {} rows checked, {} copies left to the scrubber, {} violations",
        upto - from,
        began.elapsed().as_secs_f64(),
        sum.rows,
        sum.orphans,
        sum.broken
    );
    if sum.broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn progress(done: u64, all: u64, began: Instant) -> String {
    let rate = done as f64 / began.elapsed().as_secs_f64();
    let left = all.saturating_sub(done) as f64 / rate.max(0.1);
    format!("{done} of {all} histories, {rate:.0} a second, about {:.0} s left", left.ceil())
}
