//! A page of 500 large items, which becomes too large for an answer before it is full.

use domain::id::Name;
use domain::value::Value;
use serde_json::Value as Json;

use crate::error::{BenchError, Result};
use crate::load::{item, items, size};
use crate::report::{Cell, Report, Table};
use crate::world::World;

/// Bytes that all items have together: more than a page.
const TOTAL: usize = 8 * 1024 * 1024;

/// Measures it for items whose notes have so many bytes.
///
/// # Errors
/// If something fails.
pub async fn run(notes: &[usize]) -> Result<Report> {
    let mut report = Report::of("large");
    let columns = ["bytes of an item", "list", "items on the page", "read units", "of the page alone"];
    let mut table = Table::new("A page of 500 large items", &columns);
    for &bytes in notes {
        let world = World::new().await?;
        let (ann, bob) = (world.person("ann").await?, world.person("bob").await?);
        let note = Name::parse("note").map_err(BenchError::other)?;
        let large = (0..TOTAL / bytes).map(|number| {
            let mut one = item(&bob.drive, number, 100)?;
            one.fields.insert(note.clone(), Value::String("x".repeat(bytes)));
            Ok(one)
        });
        items(&world, &large.collect::<Result<Vec<_>>>()?).await?;
        let group = world.group(&ann, "Group").await?;
        world.admit(&group, &ann, "consumer", &ann).await?;
        world.admit(&group, &ann, "provider", &bob).await?;
        world.work().await?;
        for (list, person, path, rows) in [
            ("own", &bob, "/user/data?limit=500".to_owned(), "data"),
            ("shared", &ann, format!("/groups/{group}/data?limit=500"), "replicas"),
        ] {
            let stored = world.rows(&format!("t-{rows}"), None)?;
            let each = stored.iter().map(size).max().unwrap_or_default();
            world.meter.take();
            let page = world.call(person, "GET", &path, Json::Null).await?;
            let reads = world.meter.take().of(rows).reads;
            let shown = page["items"].as_array().map_or(0, Vec::len);
            let needed = ((shown * each) as f64 / 4096.0).ceil();
            report.at_most(
                format!("{list} list, notes of {bytes} bytes: read units over those needed"),
                reads / needed,
                1.1,
            );
            table.push([Cell::from(each), list.into(), shown.into(), reads.into(), needed.into()]);
        }
    }
    report.tables.push(table);
    report.note("A page ends where its answer would become larger than 4 MB; reading ends there too.");
    Ok(report)
}
