//! Joining with a past of N items, and leaving again.

use crate::error::{BenchError, Result};
use crate::load::{Like, item, size, write_units};
use crate::meter::{Cost, Tally};
use crate::report::{Cell, Line, Plot, Report, Table, exponent};
use crate::world::World;
use serde_json::Value as Json;

/// What a join and a leave with so many items have cost.
struct Measured {
    count: usize,
    bytes: f64,
    accept: Cost,
    backfill: Tally,
    leave: Cost,
    purge: Tally,
}

/// What a job may take besides what it cannot do without: the job and its group, the membership of now or what is left of
/// the copies, and the note that it is done.
const FIXED: f64 = 3.0;

impl Measured {
    /// Batches of 25 writes, and reads of 1 MB.
    fn floor(&self) -> f64 {
        let megabytes = self.bytes * self.count as f64 / (1024.0 * 1024.0);
        (self.count as f64 / 25.0).ceil() + megabytes.ceil()
    }
}

/// Measures all of it.
///
/// # Errors
/// If something fails.
pub async fn run(counts: &[usize]) -> Result<Report> {
    let mut all = Vec::new();
    for &count in counts {
        all.push(measure(count).await?);
    }
    let mut report = Report::of("join");
    report
        .tables
        .push(table("Joining with N items, all of which match", &all, |one| (one.accept, &one.backfill)));
    report.tables.push(table("Leaving with N copies", &all, |one| (one.leave, &one.purge)));
    for (name, of) in kinds() {
        for (unit, value) in units() {
            let points: Vec<(f64, f64)> =
                all.iter().map(|one| (one.count as f64, value(&of(one).all()))).collect();
            report.at_most(
                format!("{name}: growth of {unit} with N, as an exponent"),
                exponent(&points),
                1.02,
            );
        }
        for one in &all {
            let (found, batches) = (of(one).all().requests as f64, one.count as f64 / 25.0);
            let of = format!("{name} of {} items: requests", one.count);
            // Below that, what no job can do without is more than a tenth of N/25 already.
            if one.floor() + FIXED <= 1.1 * batches {
                report.at_most(format!("{of} over N/25"), found / batches, 1.1);
            } else {
                report.at_most(format!("{of} beyond the floor"), found - one.floor(), FIXED);
            }
        }
    }
    report.note(
        "A page of a job is 2,000 items or 1 MB of them. Besides its 80 batches of 25 it takes three requests: it asks \
         again whether the membership and the group still are what the job is about, reads the items, and notes how far it is.",
    );
    report.note(
        "A purge reads the provider's items for the keys of their copies, buries these, and then counts what is left in all \
         of the group's copies, for the receipt (ADR 5).",
    );
    report.note(
        "A job begins and ends with three requests besides those of the floor, however little it has to do. So from 1,000 items \
         on it takes at most 1.1 x N/25. Of 100 items the floor itself is five requests, 1.25 x N/25: four batches and a read. \
         There the three are bounded.",
    );
    report.plots.push(plot(&all));
    Ok(report)
}

type Of = fn(&Measured) -> &Tally;

fn kinds() -> [(&'static str, Of); 2] {
    [("backfill", |one| &one.backfill), ("purge", |one| &one.purge)]
}

type Unit = (&'static str, fn(&Cost) -> f64);

fn units() -> [Unit; 3] {
    [("requests", |c| c.requests as f64), ("read units", |c| c.reads), ("write units", |c| c.writes)]
}

async fn measure(count: usize) -> Result<Measured> {
    let world = World::new().await?;
    let (ann, bob) = (world.person("ann").await?, world.person("bob").await?);
    let group = world.group(&ann, "Group").await?;
    let all = (0..count).map(|number| item(&bob.drive, number, 100)).collect::<Result<Vec<_>>>()?;
    let (first, rest) = all.split_first().ok_or_else(|| BenchError::other("a past of nothing"))?;
    Like::item(&world, first).await?.put(&world, rest)?;
    let rows = world.rows("t-data", None)?;
    let bytes = rows.iter().map(size).sum::<usize>() as f64 / count as f64;
    let accept = world.admit(&group, &ann, "provider", &bob).await?.all();
    let backfill = world.work().await?;
    if world.live()? != count {
        return Err(BenchError::other("a backfill is not complete"));
    }
    world.meter.take();
    world.call(&bob, "POST", &format!("/groups/{group}/leave"), Json::Null).await?;
    let leave = world.meter.take().all();
    let purge = world.work().await?;
    if world.live()? != 0 {
        return Err(BenchError::other("a purge is not complete"));
    }
    Ok(Measured { count, bytes, accept, backfill, leave, purge })
}

fn table(title: &str, all: &[Measured], of: impl Fn(&Measured) -> (Cost, &Tally)) -> Table {
    let columns = [
        "items N",
        "call: requests",
        "call: write units",
        "job: write units",
        "floor",
        "job: read units",
        "floor (consistent)",
        "job: requests",
        "floor",
        "requests over N/25",
    ];
    let mut table = Table::new(title, &columns);
    for one in all {
        let (call, job) = of(one);
        let (job, count) = (job.all(), one.count as f64);
        let kilobytes = one.bytes * count / 1024.0;
        table.push([
            Cell::from(one.count),
            call.requests.into(),
            call.writes.into(),
            job.writes.into(),
            (count * write_units(one.bytes as usize)).into(),
            job.reads.into(),
            (kilobytes / 4.0).ceil().into(),
            job.requests.into(),
            one.floor().into(),
            (job.requests as f64 / (count / 25.0)).into(),
        ]);
    }
    table
}

fn plot(all: &[Measured]) -> Plot {
    let line = |name: &str, of: fn(&Measured) -> f64| Line {
        name: name.into(),
        points: all.iter().map(|one| (one.count as f64, of(one))).collect(),
    };
    Plot {
        name: "join".into(),
        title: "Joining and leaving with N items: requests".into(),
        axes: ("items".into(), "requests".into()),
        lines: vec![
            line("backfill", |one| one.backfill.all().requests as f64),
            line("purge", |one| one.purge.all().requests as f64),
            line("N / 25", |one| one.count as f64 / 25.0),
        ],
    }
}
