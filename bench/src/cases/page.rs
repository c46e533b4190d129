//! A page of 50 for P providers and N copies.

use domain::id::GroupId;
use serde_json::Value as Json;

use crate::baseline::per_provider;
use crate::error::{BenchError, Result};
use crate::load::{Like, item, membership, more_providers, size};
use crate::meter::{Cost, Tally};
use crate::report::{Cell, Line, Plot, Report, Table, exponent};
use crate::world::{Person, World};

const PAGE: usize = 50;

/// What a page has cost.
struct Measured {
    providers: usize,
    rows: usize,
    cold: Tally,
    warm: Tally,
    floor: f64,
    per_provider: Option<Cost>,
}

/// The ledger's entries, which are no part of reading.
fn ledger(tally: &Tally) -> Cost {
    tally.only(|operation, _| operation == "BatchWriteItem")
}

fn reading(tally: &Tally) -> Cost {
    tally.only(|operation, _| operation != "BatchWriteItem")
}

/// Measures all of it; the baseline for so many rows.
///
/// # Errors
/// If something fails.
pub async fn run(providers: &[usize], rows: &[usize], baseline_rows: usize) -> Result<Report> {
    let mut all = Vec::new();
    for &count in rows {
        for &people in providers {
            all.push(measure(people, count, count == baseline_rows).await?);
        }
    }
    let mut report = Report::of("page");
    report.tables.push(table(&all));
    report.tables.push(compared(&all));
    for one in &all {
        let what = format!("page, P = {}, N = {}: requests that read", one.providers, one.rows);
        report.at_most(what, reading(&one.warm).requests as f64, 2.0);
    }
    growth(&mut report, &all, providers, rows);
    for one in all.iter().filter(|one| one.providers == 100) {
        let Some(other) = one.per_provider else { continue };
        let own = reading(&one.warm);
        report.at_least("page, P = 100: read units of N+1 over ours", other.reads / own.reads, 10.0);
        let requests = other.requests as f64 / own.requests as f64;
        report.at_least("page, P = 100: requests of N+1 over ours", requests, 50.0);
    }
    report.note(
        "Every read is consistent, so that what was taken away is gone when the call returns; that costs twice what the \
         floor of the design has, which is for eventual reads.",
    );
    report.note(
        "The roster is read when it has changed since this function last read it; \"first page\" is that of a function that \
         has just started, with the roster and the rules.",
    );
    report.note(
        "The ledger of who was shown what (ADR 9) is one write for each provider on a page, in calls of 25. It is no part \
         of the floor, and dearer than the page.",
    );
    report.plots.push(plot(&all, rows));
    Ok(report)
}

async fn measure(people: usize, count: usize, baseline: bool) -> Result<Measured> {
    let world = World::new().await?;
    let (ann, bob) = (world.person("ann").await?, world.person("bob").await?);
    let group = world.group(&ann, "Group").await?;
    world.admit(&group, &ann, "consumer", &ann).await?;
    world.admit(&group, &ann, "provider", &bob).await?;
    world.work().await?;
    let mut drives = vec![bob.drive.clone()];
    drives.extend(more_providers(&world, &group, &bob, people - 1, 0)?);
    let all: Vec<_> = drives
        .iter()
        .cycle()
        .take(count)
        .enumerate()
        .map(|(number, drive)| item(drive, number, 100))
        .collect::<Result<_>>()?;
    let (first, rest) = all.split_first().ok_or_else(|| BenchError::other("a page of nothing"))?;
    let membership = membership(&world, &group, &bob.drive).await?;
    Like::copy(&world, &group, &membership, first).await?.put(&world, rest)?;
    let (cold, warm) = (page(&world, &ann, &group).await?, page(&world, &ann, &group).await?);
    let rows = world.rows("t-replicas", None)?;
    let bytes = rows.iter().map(size).sum::<usize>() as f64 / rows.len() as f64;
    let floor = 0.5 * (PAGE as f64 * bytes / 4096.0).ceil();
    let mut per_provider = None;
    if baseline {
        Like::item(&world, first).await?.put(&world, rest)?;
        world.meter.take();
        let found = per_provider::page(&world, &group, PAGE).await?;
        if found.len() != PAGE.min(count) {
            return Err(BenchError::other("the baseline does not find the page"));
        }
        per_provider = Some(world.meter.take().all());
    }
    Ok(Measured { providers: people, rows: count, cold, warm, floor, per_provider })
}

async fn page(world: &World, reader: &Person, group: &GroupId) -> Result<Tally> {
    world.meter.take();
    let path = format!("/groups/{group}/data/types/glucose?limit={PAGE}");
    let answer = world.call(reader, "GET", &path, Json::Null).await?;
    if answer["items"].as_array().map(Vec::len) != Some(PAGE) {
        return Err(BenchError::other("a page is not full"));
    }
    Ok(world.meter.take())
}

fn table(all: &[Measured]) -> Table {
    let columns = [
        "rows N",
        "providers P",
        "requests",
        "floor",
        "read units",
        "floor (eventual)",
        "first page: requests",
        "first page: read units",
        "ledger: write units",
        "ledger: requests",
    ];
    let mut table = Table::new("A page of 50", &columns);
    for one in all {
        let (own, first, noted) = (reading(&one.warm), reading(&one.cold), ledger(&one.warm));
        table.push([
            Cell::from(one.rows),
            one.providers.into(),
            own.requests.into(),
            2_u64.into(),
            own.reads.into(),
            one.floor.into(),
            first.requests.into(),
            first.reads.into(),
            noted.writes.into(),
            noted.requests.into(),
        ]);
    }
    table
}

fn compared(all: &[Measured]) -> Table {
    let columns = [
        "providers P",
        "rows N",
        "read units",
        "N+1",
        "times",
        "requests",
        "N+1",
        "times",
        "copying pays above, views per update of a provider",
    ];
    let mut table = Table::new("A page of 50, beside N+1", &columns);
    for one in all {
        let (own, Some(other)) = (reading(&one.warm), one.per_provider) else { continue };
        table.push([
            Cell::from(one.providers),
            one.rows.into(),
            own.reads.into(),
            other.reads.into(),
            (other.reads / own.reads).into(),
            own.requests.into(),
            other.requests.into(),
            (other.requests as f64 / own.requests as f64).into(),
            pays_above(one.providers, &own, &other),
        ]);
    }
    table
}

/// At list prices a write unit costs as much as so many read units.
const WRITE_PRICE: f64 = 5.0;

/// How often a page has to be viewed for each update of a provider until the copy's write is paid for by what it saves.
fn pays_above(providers: usize, own: &Cost, other: &Cost) -> Cell {
    let saved = other.reads - own.reads;
    if saved > 0.0 { Cell::from(WRITE_PRICE * providers as f64 / saved) } else { Cell::from("never") }
}

fn growth(report: &mut Report, all: &[Measured], providers: &[usize], rows: &[usize]) {
    let points = |of: &dyn Fn(&Measured) -> bool, along: fn(&Measured) -> usize| {
        let chosen = all.iter().filter(|one| of(one));
        chosen.map(|one| (along(one) as f64, reading(&one.warm).reads)).collect::<Vec<_>>()
    };
    let mut worst = [0.0_f64; 2];
    for &people in providers {
        let found = exponent(&points(&|one| one.providers == people, |one| one.rows)).abs();
        worst = [worst[0].max(found), worst[1]];
    }
    for &count in rows {
        let found = exponent(&points(&|one| one.rows == count, |one| one.providers)).abs();
        worst = [worst[0], worst[1].max(found)];
    }
    let [in_rows, in_providers] = worst;
    report.at_most("page: growth of read units with N, as an exponent", in_rows, 0.02);
    report.at_most("page: growth of read units with P, as an exponent", in_providers, 0.02);
}

fn plot(all: &[Measured], rows: &[usize]) -> Plot {
    let mut lines: Vec<Line> = rows
        .iter()
        .map(|&count| Line {
            name: format!("Freehold, N = {count}"),
            points: all
                .iter()
                .filter(|one| one.rows == count)
                .map(|one| (one.providers as f64, reading(&one.warm).reads))
                .collect(),
        })
        .collect();
    let baseline = all.iter().filter_map(|one| Some((one.providers as f64, one.per_provider?.reads)));
    lines.push(Line { name: "N+1".into(), points: baseline.collect() });
    Plot {
        name: "page".into(),
        title: "A page of 50: read units".into(),
        axes: ("providers".into(), "read units".into()),
        lines,
    }
}
