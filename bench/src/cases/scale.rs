//! Much of everything: items by the million, groups by the ten thousand, a thousand providers in one group. Each part is
//! measured while the rest is there; what must not grow is compared with the same call in a small stack.

use domain::id::{DriveId, GroupId};
use serde_json::Value as Json;

use store::directory::NewGroup;

use crate::error::Result;
use crate::load::{copies, item, items, membership, more_providers};
use crate::meter::Tally;
use crate::report::{Cell, Report, Table};
use crate::world::{Person, World};

/// How much.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Items in all drives.
    pub items: usize,
    /// Groups.
    pub groups: usize,
    /// Providers of one group.
    pub providers: usize,
}

/// Measures it.
///
/// # Errors
/// If something fails.
pub async fn run(sizes: Sizes) -> Result<Report> {
    let mut report = Report::of("scale");
    let columns = ["", "requests", "read units", "write units", "memory of this process, MB"];
    let title =
        format!("{} items, {} groups, {} providers in one group", sizes.items, sizes.groups, sizes.providers);
    let mut table = Table::new(&title, &columns);
    let world = World::new().await?;
    let (ann, bob) = (world.person("ann").await?, world.person("bob").await?);
    let group = world.group(&ann, "The large one").await?;
    world.admit(&group, &ann, "consumer", &ann).await?;
    world.admit(&group, &ann, "provider", &bob).await?;
    world.work().await?;
    let mut drives = vec![bob.drive.clone()];
    drives.extend(more_providers(&world, &group, &bob, sizes.providers - 1, 0)?);
    fill(&world, &group, &bob, &drives, 1_000).await?;
    let small = page(&world, &ann, &group).await?;
    line(&mut table, "a page, 1,000 items", &small);
    for _ in 0..sizes.groups {
        let rules = &world.document.group_defaults;
        let new = NewGroup { id: store::ids::group(), name: "G", owner: None, rules, shards: 1 };
        world.store.create_group(&new, None, world.now).await?;
    }
    world.meter.take();
    fill(&world, &group, &bob, &drives, sizes.items).await?;
    let filled = world.meter.take();
    line(&mut table, "writing the items and their copies", &filled);
    let large = page(&world, &ann, &group).await?;
    line(&mut table, "a page, all items", &large);
    report.at_most(
        "scale: read units of a page among all, over those among 1,000",
        large.all().reads / small.all().reads,
        1.02,
    );
    world.meter.take();
    world.call(&bob, "POST", &format!("/groups/{group}/leave"), Json::Null).await?;
    line(&mut table, "one of the providers leaves", &world.meter.take());
    let purge = world.work().await?;
    line(&mut table, "and is purged", &purge);
    report.tables.push(table);
    report.note("The memory is the whole process's: the database lies in it.");
    report.note(
        "A purge counts what is left of a provider in all of the group's copies (ADR 5), so it grows with the group and \
         not only with the provider.",
    );
    Ok(report)
}

async fn fill(world: &World, group: &GroupId, like: &Person, drives: &[DriveId], count: usize) -> Result<()> {
    let template = membership(world, group, &like.drive).await?;
    // In parts, so that what waits to be written is no part of the memory measured.
    for start in (0..count).step_by(10_000) {
        let part = (start..count.min(start + 10_000)).zip(drives.iter().cycle());
        let part: Vec<_> = part.map(|(number, drive)| item(drive, number, 100)).collect::<Result<_>>()?;
        items(world, &part).await?;
        copies(world, group, &template, &part).await?;
    }
    Ok(())
}

async fn page(world: &World, reader: &Person, group: &GroupId) -> Result<Tally> {
    let path = format!("/groups/{group}/data/types/glucose?limit=50");
    world.call(reader, "GET", &path, Json::Null).await?;
    world.meter.take();
    world.call(reader, "GET", &path, Json::Null).await?;
    Ok(world.meter.take())
}

fn line(table: &mut Table, what: &str, cost: &Tally) {
    let all = cost.all();
    let memory = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    });
    table.push([
        Cell::from(what),
        all.requests.into(),
        all.reads.into(),
        all.writes.into(),
        (memory.unwrap_or(f64::NAN) / 1024.0).into(),
    ]);
}
