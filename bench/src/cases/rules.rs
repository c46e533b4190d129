//! Changes of a group's rules: writes are the symmetric difference, and nothing else.

use domain::rules::compare::{self, Judged, Verdict};
use domain::stack::RuleSet;
use serde_json::json;

use crate::error::{BenchError, Result};
use crate::load::{items, readings};
use crate::meter::Tally;
use crate::report::{Cell, Report, Table};
use crate::world::{Person, World};

/// How a change is told to the store, which is what the plan has proved of it.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// Nothing is.
    Nothing,
    /// It only takes away.
    Narrower,
    /// It changes nothing.
    Unchanged,
}

/// One change: its name, the conditions before and after, what is known, and what it shows before and after.
struct Change {
    name: &'static str,
    conditions: [&'static str; 2],
    known: Known,
    selects: [fn(i64) -> bool; 2],
}

const CHANGES: [Change; 6] = [
    Change {
        name: "wider",
        conditions: ["resource.mgdl > 199", "resource.mgdl > 189"],
        known: Known::Nothing,
        selects: [|mgdl| mgdl > 199, |mgdl| mgdl > 189],
    },
    Change {
        name: "narrower, proved",
        conditions: ["resource.mgdl > 189", "resource.mgdl > 199"],
        known: Known::Narrower,
        selects: [|mgdl| mgdl > 189, |mgdl| mgdl > 199],
    },
    Change {
        name: "narrower, not proved",
        conditions: ["resource.mgdl > 189", "resource.mgdl > 199"],
        known: Known::Nothing,
        selects: [|mgdl| mgdl > 189, |mgdl| mgdl > 199],
    },
    Change {
        name: "both",
        conditions: ["resource.mgdl > 199", "resource.mgdl > 149 && resource.mgdl < 260"],
        known: Known::Nothing,
        selects: [|mgdl| mgdl > 199, |mgdl| mgdl > 149 && mgdl < 260],
    },
    Change {
        name: "unchanged, proved",
        conditions: ["resource.mgdl > 199", "199 < resource.mgdl"],
        known: Known::Unchanged,
        selects: [|mgdl| mgdl > 199, |mgdl| mgdl > 199],
    },
    Change {
        name: "unchanged, not proved",
        conditions: ["resource.mgdl > 199", "199 < resource.mgdl"],
        known: Known::Nothing,
        selects: [|mgdl| mgdl > 199, |mgdl| mgdl > 199],
    },
];

/// Measures all of it, for so many items of each of two providers.
///
/// # Errors
/// If something fails.
pub async fn run(count: usize) -> Result<Report> {
    let mut report = Report::of("rules");
    let columns = [
        "change",
        "differ",
        "copies written",
        "write units on copies",
        "write units on the directory",
        "read units on items",
        "read units on copies",
        "refused",
        "requests",
    ];
    let title = format!("A change of rules, 2 providers with {count} items each");
    let mut table = Table::new(&title, &columns);
    for change in &CHANGES {
        let (job, live) = measure(change, count).await?;
        let values = || (0..count).map(|number| 100 + (number % 200) as i64);
        let [before, after] = change.selects;
        let differ = 2 * values().filter(|&mgdl| before(mgdl) != after(mgdl)).count();
        let expected = 2 * values().filter(|&mgdl| after(mgdl)).count();
        if live != expected {
            let found = format!("{}: {live} copies instead of {expected}", change.name);
            return Err(BenchError::other(found));
        }
        let copies = job.of("-replicas");
        let written = copies.writes - copies.refused as f64;
        table.push([
            Cell::from(change.name),
            differ.into(),
            written.into(),
            copies.writes.into(),
            job.of("-directory").writes.into(),
            job.of("-data").reads.into(),
            copies.reads.into(),
            copies.refused.into(),
            job.all().requests.into(),
        ]);
        let what = format!("change of rules, {}: copies written beyond what differs", change.name);
        report.at_most(what, written - differ as f64, 0.0);
        if let Known::Unchanged = change.known {
            report.at_most(
                "change of rules, proved unchanged: requests of a job",
                job.all().requests as f64,
                0.0,
            );
        }
        if let Known::Narrower = change.known {
            let items = job.of("-data").requests as f64;
            report.at_most("change of rules, proved narrower: requests to the providers' items", items, 0.0);
        }
    }
    report.tables.push(table);
    report.note(
        "A change of which nothing is proved reads every item of every provider; one that is proved to take away only reads \
         the copies; one that is proved to change nothing has no job.",
    );
    report.note(
        "What is to be written of a first version is tried as an insert. Where a copy or a tombstone lies in its place already, \
         that is refused and billed before an update takes effect.",
    );
    Ok(report)
}

fn rules(condition: &str) -> Result<RuleSet> {
    Ok(serde_json::from_value(json!([{"types": ["glucose"], "when": condition, "history": "all"}]))?)
}

async fn measure(change: &Change, count: usize) -> Result<(Tally, usize)> {
    let world = World::new().await?;
    let ann = world.person("ann").await?;
    let group = world.group(&ann, "Group").await?;
    let [before, after] = change.conditions;
    let row = world.store.group(&group).await?;
    let job = world.store.change_rules(&row, (&rules(before)?, Judged::UNDECIDED), 1, world.now).await?;
    world.announce(&job);
    world.work().await?;
    for name in ["bob", "cid"] {
        let provider: Person = world.person(name).await?;
        items(&world, &readings(&provider.drive, count)?).await?;
        // A change of rules costs nothing of this for providers who are asked.
        let follows = json!({"rules": "follow"});
        world.admit_with(&group, &ann, ("provider", follows), &provider).await?;
    }
    world.work().await?;
    let (row, after) = (world.store.group(&group).await?, rules(after)?);
    let judged = match change.known {
        Known::Unchanged => {
            world.store.reword_rules(&row, &after, world.now).await?;
            return Ok((world.work().await?, world.live()?));
        }
        Known::Narrower => Judged { verdict: Verdict::Narrows, known: compare::Known::Enumerated },
        Known::Nothing => Judged::UNDECIDED,
    };
    let job = world.store.change_rules(&row, (&after, judged), 1, world.now).await?;
    world.announce(&job);
    Ok((world.work().await?, world.live()?))
}
