//! What `provision` asks of AWS, and how long an apply takes beside its longest chain. AWS is the tests' hostile one, in
//! process and on a clock of its own: a table that takes eight seconds takes none, and a run is the same twice.

use std::collections::{BTreeMap, BTreeSet};

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
    let mut stacks = vec![("usual", usual())];
    if large_too {
        stacks.push(("large", large(GROUPS)));
    }
    for (name, yaml) in &stacks {
        let commands = commands(yaml).await?;
        for (command, changes_nothing, asked) in &commands {
            let others = asked.iter().filter(|(of, _)| *of != OWN);
            let changes: usize = others.map(|(_, calls)| calls.changes).sum();
            if *changes_nothing {
                let what = format!("{command}, {name} stack: calls that change something");
                report.at_most(what, changes as f64, 0.0);
            }
        }
        report.tables.push(calls(name, &commands));
    }
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

/// The calls of the commands, by what they are about: reads and changes of each.
fn calls(stack: &str, commands: &[(&str, bool, Asked)]) -> Table {
    let columns: Vec<String> = commands
        .iter()
        .flat_map(|(command, ..)| [format!("{command}: reads"), "changes".to_owned()])
        .collect();
    let columns: Vec<&str> = std::iter::once("asked of").chain(columns.iter().map(String::as_str)).collect();
    let mut table = Table::new(&format!("Calls to AWS, the {stack} stack"), &columns);
    let kinds: BTreeSet<&String> = commands.iter().flat_map(|(_, _, asked)| asked.keys()).collect();
    let mut line = |of: &str, counted: &dyn Fn(&str) -> bool| {
        let cells = commands.iter().flat_map(|(_, _, asked)| {
            let calls = asked.iter().filter(|(kind, _)| counted(kind)).map(|(_, calls)| calls);
            let (reads, changes) =
                calls.fold((0, 0), |sum, calls| (sum.0 + calls.reads, sum.1 + calls.changes));
            [Cell::from(reads), Cell::from(changes)]
        });
        table.push(std::iter::once(Cell::from(of)).chain(cells));
    };
    for kind in kinds {
        line(kind, &|other| other == kind);
    }
    line("all", &|_| true);
    table
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
