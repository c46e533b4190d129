//! Cold starts: the times from a function's start to its first question for an event, and to the answer to that event; the
//! most memory it took; and the size of its package.

use std::collections::BTreeMap;
use std::path::Path;

use provision::package::Artefact;
use serde_json::{Value as Json, json};

use crate::error::{BenchError, Result};
use crate::function::{Function, Place, program};
use crate::report::{Cell, Report, Table};
use crate::times::Times;
use crate::world::World;

const MEGABYTE: f64 = 1_048_576.0;

/// One start.
struct Started {
    ready: f64,
    answered: f64,
    memory: f64,
}

/// The sizes of the functions' packages, as `provision package` makes them, in MB.
fn packages(folder: &Path) -> Result<BTreeMap<String, f64>> {
    let out = std::env::temp_dir().join(format!("freehold-bench-{}", std::process::id()));
    let packed = provision::package::pack(&out, |name| program(folder, name)).map_err(BenchError::other);
    let _ = std::fs::remove_dir_all(&out);
    let of = |artefact: Artefact| (artefact.name, artefact.bytes as f64 / MEGABYTE);
    Ok(packed?.into_iter().map(of).collect())
}

/// Starts each function so many times; `folder` has their programs.
///
/// # Errors
/// If a program is missing, cannot be started or does not ask for an event.
pub async fn run(folder: &Path, rounds: usize) -> Result<Report> {
    let mut report = Report::of("cold");
    let columns = [
        "function",
        "ready, ms: least",
        "median",
        "greatest",
        "first answer, ms: least",
        "median",
        "greatest",
        "memory, MB: least",
        "greatest",
        "program, MB",
        "zip, MB",
    ];
    let mut table = Table::new("Cold starts", &columns);
    let world = World::new().await?;
    let place = Place::of(&world, folder).await?;
    for (name, zip) in packages(folder)? {
        let bytes = std::fs::metadata(program(folder, &name)).map_err(BenchError::other)?.len();
        let mut all = Vec::new();
        // The first start reads the program from the disk, which Lambda does on its own time.
        for round in 0..=rounds {
            let started = start(&place, &name).await?;
            all.extend((round > 0).then_some(started));
        }
        let times = |of: fn(&Started) -> f64| Times::sorted(all.iter().map(of).collect());
        let (ready, answered) = (times(|one| one.ready * 1e3), times(|one| one.answered * 1e3));
        let memory = times(|one| one.memory);
        table.push([
            Cell::from(name.as_str()),
            ready.min().into(),
            ready.median().into(),
            ready.max().into(),
            answered.min().into(),
            answered.median().into(),
            answered.max().into(),
            memory.min().into(),
            memory.max().into(),
            (bytes as f64 / MEGABYTE).into(),
            zip.into(),
        ]);
        if matches!(&*name, "api" | "replicator") {
            report.at_most(format!("{name}: ms from spawn to ready, median"), ready.median(), 30.0);
        }
        report.at_most(format!("{name}: MB of memory at most"), memory.max(), 40.0);
        report.at_most(format!("{name}: MB of its package"), zip, 5.0);
    }
    report.tables.push(table);
    report.note(
        "\"Ready\" includes reading the stack's document from the database, and for the API the keys for cursors and tokens: over \
         loopback and without TLS, so without the network's time and a handshake's.",
    );
    report.note(
        "The first event asks the API for its own description, and the others for nothing that touches a group. Memory is \
         what the process had resident at most, the pages of its program included.",
    );
    Ok(report)
}

async fn start(place: &Place, name: &str) -> Result<Started> {
    let mut function = Function::start(place, name).await?;
    let (_, answer) = function.invoke(&event(name)).await?;
    let (ready, memory) = (function.ready, function.peak());
    Ok(Started { ready, answered: ready + answer, memory })
}

fn event(name: &str) -> Json {
    match name {
        "api" => request("/openapi.json", "", ""),
        _ => json!({"Records": []}),
    }
}

/// A request as the gateway hands it on.
pub fn request(path: &str, query: &str, token: &str) -> Json {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": {"authorization": format!("Bearer {token}")}, "isBase64Encoded": false,
        "requestContext": {"requestId": "r", "http": {"method": "GET", "path": path}},
    })
}
