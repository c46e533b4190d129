//! Records that arrive again, in another order, or together with later ones: nothing changes, and what that costs.

use serde_json::{Value as Json, json};

use crate::error::Result;
use crate::load::{items, readings, record, records};
use crate::meter::Tally;
use crate::report::{Cell, Report, Table};
use crate::world::World;

/// Measures it for batches of so many records of a provider of two groups.
///
/// # Errors
/// If something fails.
pub async fn run(count: usize) -> Result<Report> {
    let world = World::new().await?;
    let (ann, bob) = (world.person("ann").await?, world.person("bob").await?);
    for name in ["One", "Two"] {
        let group = world.group(&ann, name).await?;
        world.admit(&group, &ann, "provider", &bob).await?;
    }
    world.work().await?;
    items(&world, &readings(&bob.drive, count)?).await?;
    let created = records(&world, &bob.drive)?;
    let mut report = Report::of("redeliver");
    let columns = ["batch", "records", "rows changed", "write units", "refused", "requests"];
    let title = format!("A batch of {count} records for two groups, delivered again");
    let mut table = Table::new(&title, &columns);
    let (changed, cost) = deliver(&world, &created).await?;
    line(&mut table, "created, first", created.len(), changed, &cost);
    let backwards: Vec<Json> = created.iter().rev().cloned().collect();
    again(&world, &mut report, &mut table, "created, again", &created).await?;
    again(&world, &mut report, &mut table, "created, backwards", &backwards).await?;
    let mut updated = Vec::new();
    for id in ids(&created) {
        let body = json!({"fields": {"mgdl": 170}});
        world.call(&bob, "PATCH", &format!("/user/data/{id}"), body).await?;
    }
    updated.extend(records(&world, &bob.drive)?);
    let (changed, cost) = deliver(&world, &updated).await?;
    line(&mut table, "updated, first", updated.len(), changed, &cost);
    again(&world, &mut report, &mut table, "updated, again", &updated).await?;
    again(&world, &mut report, &mut table, "created, after the update", &created).await?;
    let rows = world.rows("t-data", Some(bob.drive.as_str()))?;
    for id in ids(&created) {
        world.call(&bob, "DELETE", &format!("/user/data/{id}"), Json::Null).await?;
    }
    let removed: Vec<Json> = rows.iter().map(|row| record("REMOVE", row)).collect();
    again(&world, &mut report, &mut table, "deleted, after the request", &removed).await?;
    again(&world, &mut report, &mut table, "created, after the deletion", &created).await?;
    report.tables.push(table);
    report.note("What is refused is billed: a repetition costs what the first delivery did, or more.");
    Ok(report)
}

fn ids(records: &[Json]) -> Vec<String> {
    let id =
        |record: &Json| Some(record["dynamodb"]["Keys"]["sk"]["S"].as_str()?.split_once('#')?.1.to_owned());
    records.iter().filter_map(id).collect()
}

/// Delivers, and tells how many rows of copies are different afterwards.
async fn deliver(world: &World, records: &[Json]) -> Result<(usize, Tally)> {
    let before = world.rows("t-replicas", None)?;
    let replicator = world.replicator();
    let mut cost = Tally::default();
    for batch in records.chunks(100) {
        cost.add(&world.deliver(&replicator, batch).await?.1);
    }
    let after = world.rows("t-replicas", None)?;
    let changed = after.iter().filter(|row| !before.contains(row)).count();
    Ok((changed, cost))
}

async fn again(
    world: &World,
    report: &mut Report,
    table: &mut Table,
    what: &str,
    records: &[Json],
) -> Result<()> {
    let (changed, cost) = deliver(world, records).await?;
    line(table, what, records.len(), changed, &cost);
    report.at_most(format!("{what}: rows changed"), changed as f64, 0.0);
    Ok(())
}

fn line(table: &mut Table, what: &str, records: usize, changed: usize, cost: &Tally) {
    let all = cost.all();
    table.push([
        Cell::from(what),
        records.into(),
        changed.into(),
        all.writes.into(),
        all.refused.into(),
        all.requests.into(),
    ]);
}
