//! What `provision` asks of AWS, and how long an apply takes beside its longest chain. AWS is the tests' hostile one, in
//! process and on a clock of its own: a table that takes eight seconds takes none, and a run is the same twice.

use std::collections::BTreeMap;

use hostile::spent::{self, Spent, apply, large};
use hostile::world::usual;
use hostile::{Aws, Record, World};

use crate::error::{BenchError, Result};
use crate::report::{Cell, Report, Table};

/// Groups that the large stack has more than the usual one.
const GROUPS: usize = 350;
/// Chances of latencies that the usual stack is applied under.
const SEEDS: u64 = 3;
/// How much longer than its longest chain an apply may take.
const SLACK: f64 = 1.15;

/// Calls of one kind that a command makes.
#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    reads: usize,
    changes: usize,
}

/// What the calls of a command are about: a service, or the state that `provision` keeps.
type Asked = BTreeMap<String, Calls>;

/// Measures it, the large stack too or not.
///
/// # Errors
/// If a command fails.
pub fn run(large_too: bool) -> Result<Report> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // The clock goes on when everybody waits for it: only on one thread is that the same twice.
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
            runtime.map_err(BenchError::other)?.block_on(measure(large_too))
        });
        thread.join().map_err(|_| BenchError::other("`provision` has failed in the hostile AWS"))?
    })
}

async fn measure(large_too: bool) -> Result<Report> {
    let mut report = Report::of("provision");
    let columns = ["stack", "command", "asked of", "reads", "changes"];
    let mut table = Table::new("Calls to AWS by kind", &columns);
    let mut stacks = vec![("usual", usual())];
    if large_too {
        stacks.push(("large", large(GROUPS)));
    }
    for (name, yaml) in &stacks {
        for (command, changes_nothing, asked) in commands(yaml).await? {
            let mut sum = Calls::default();
            for (of, calls) in &asked {
                sum.reads += calls.reads;
                sum.changes += calls.changes;
                table.push([
                    (*name).into(),
                    command.into(),
                    of.as_str().into(),
                    calls.reads.into(),
                    calls.changes.into(),
                ]);
            }
            let all = [Cell::from(*name), command.into(), "all".into(), sum.reads.into(), sum.changes.into()];
            table.push(all);
            if changes_nothing {
                let own: usize =
                    asked.iter().filter(|(of, _)| *of != OWN).map(|(_, calls)| calls.changes).sum();
                report.at_most(
                    format!("{command}, {name} stack: calls that change something"),
                    own as f64,
                    0.0,
                );
            }
        }
    }
    report.tables.push(table);
    let durations = durations(&mut report, large_too).await;
    report.tables.push(durations);
    report.note(
        "The AWS of these figures is the one that our tests have, in process: it answers the calls that are made, each in 50 \
         to 400 ms by chance, with tables that take 8 s, mappings 15 s and roles 10 s until they can be used. No account of \
         AWS was asked.",
    );
    report.note(
        "The longest chain is computed from what the server delayed: of things that need each other, the accepted changes, \
         the one read that tells that a thing is ready, and the time that it took to be.",
    );
    Ok(report)
}

const OWN: &str = "its own state and lock";

fn by_kind(calls: &[Record]) -> Asked {
    let mut asked = Asked::new();
    for record in calls {
        let of = if record.is_bookkeeping() { OWN.to_owned() } else { format!("{:?}", record.call.service) };
        let calls = asked.entry(of).or_default();
        if record.call.is_mutating() { calls.changes += 1 } else { calls.reads += 1 }
    }
    asked
}

/// Each command with whether it may change nothing, and its calls.
async fn commands(yaml: &str) -> Result<Vec<(&'static str, bool, Asked)>> {
    let world = World::with(Aws::new(spent::switches(0)), yaml);
    let mut all = Vec::new();
    for (name, changes_nothing, arguments) in [
        ("plan, nothing there", true, &["plan"] as &[&str]),
        ("apply, nothing there", false, &["apply", "--yes"]),
        ("plan, unchanged", true, &["plan"]),
        ("apply, unchanged", true, &["apply", "--yes"]),
    ] {
        let ended = world.command(arguments).await;
        if ended.code != 0 {
            return Err(BenchError::other(format!("{name}: exit code {}: {}", ended.code, ended.err)));
        }
        all.push((name, changes_nothing, by_kind(&world.aws.take_calls())));
    }
    Ok(all)
}

async fn durations(report: &mut Report, large_too: bool) -> Table {
    let columns = ["stack", "resources", "seconds", "longest chain, seconds", "times"];
    let mut table = Table::new("An apply from nothing under injected latencies", &columns);
    let mut runs: Vec<(String, Spent)> = Vec::new();
    for seed in 0..SEEDS {
        runs.push((format!("usual, seed {seed}"), apply(&usual(), seed).await));
    }
    if large_too {
        runs.push(("large, seed 7".into(), apply(&large(GROUPS), 7).await));
    }
    for (name, spent) in runs {
        report.at_most(format!("apply, {name}: times its longest chain"), spent.ratio(), SLACK);
        table.push([
            Cell::from(name),
            spent.resources.into(),
            spent.took.as_secs_f64().into(),
            spent.least.as_secs_f64().into(),
            spent.ratio().into(),
        ]);
    }
    table
}
