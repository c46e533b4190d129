//! Runs seeded histories and says which invariants held.

use std::process::ExitCode;

use clap::Parser;
use simulation::{Faults, Variant, run};

/// Seeded histories of the replication protocol.
#[derive(Parser)]
struct Options {
    /// How many histories
    #[arg(long, default_value_t = 20_000)]
    histories: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: u64,
}

#[expect(clippy::print_stdout, reason = "the program's whole purpose is to print its findings")]
fn main() -> ExitCode {
    let options = Options::parse();
    let threads: Vec<_> = (0..options.threads.max(1))
        .map(|part| {
            let (from, step, upto) =
                (options.from + part, options.threads.max(1), options.from + options.histories);
            std::thread::spawn(move || worker(from, step, upto))
        })
        .collect();
    let (mut faults, mut rows, mut orphans, mut broken) = (Faults::default(), 0, 0, 0u64);
    for thread in threads {
        let Ok((f, r, o, violations)) = thread.join() else { return ExitCode::FAILURE };
        faults.add(&f);
        rows += r;
        orphans += o;
        for (seed, what) in violations {
            broken += 1;
            println!("seed {seed}: {what}");
        }
    }
    for (name, count) in faults.each() {
        println!("{count:>12}  {name}");
    }
    println!(
        "{} histories, {rows} rows checked, {orphans} copies left to the scrubber, {broken} violations",
        options.histories
    );
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Found = (Faults, u64, u64, Vec<(u64, String)>);

fn worker(from: u64, step: u64, upto: u64) -> Found {
    let mut found: Found = (Faults::default(), 0, 0, Vec::new());
    for seed in (from..upto).step_by(step as usize) {
        match run(seed, Variant::Protocol) {
            Ok(report) => {
                found.0.add(&report.faults);
                found.1 += report.rows;
                found.2 += report.orphans;
            }
            Err(violation) if found.3.len() < 10 => {
                found.3.push((seed, format!("{}: {}", violation.invariant, violation.what)));
            }
            Err(_) => {}
        }
    }
    found
}
