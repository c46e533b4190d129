//! Much of everything: items by the million, groups by the ten thousand, a thousand providers in one group. What a call
//! costs then is compared with the same call among a thousand items; and what memory the functions take, whose own
//! programs work on it, with what they take there.
//!
//! The rows are put into the database past its front door, as copies of rows that the store has written: writing them
//! through the API would take longer than all that is measured. The database lies in this process; the functions do not.

use std::path::Path;

use domain::id::{DriveId, GroupId};
use serde_json::{Value as Json, json};
use store::directory::{Job, NewGroup};

use crate::cases::cold::request;
use crate::error::{BenchError, Result};
use crate::function::{Function, Place, memory};
use crate::load::{Like, item, membership, more_providers, record};
use crate::meter::Tally;
use crate::report::{Cell, Report, Table};
use crate::world::{Person, World, announcement};

/// How much.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Items in all drives.
    pub items: usize,
    /// Groups.
    pub groups: usize,
    /// Providers of one group.
    pub providers: usize,
    /// Items of the one provider whose past is copied, and whose copies are removed.
    pub past: usize,
}

/// Items that there are when small is measured.
const FEW: usize = 1_000;
/// Items of the provider whose past is copied when small is measured: more than one page.
const SHORT_PAST: usize = 4_000;
/// Rows that are put at once.
const PORTION: usize = 10_000;
/// Pages that one reader goes through.
const PAGES: usize = 200;
/// Deliveries of 100 records that one stream function gets.
const DELIVERIES: usize = 20;
/// How much more memory a function may take when there is much of everything.
const FLAT: f64 = 1.25;

/// What was measured while there was so much.
struct Measured {
    page: Tally,
    backfill: Tally,
    purge: Tally,
    memory: [f64; 3],
}

/// Measures it; `functions` is the folder of their programs.
///
/// # Errors
/// If something fails.
pub async fn run(sizes: Sizes, functions: &Path) -> Result<Report> {
    let Sizes { items: count, groups, providers, past } = sizes;
    let few = Sizes { items: FEW, groups: 1, providers: 1, past: SHORT_PAST };
    let few = Scene::new(few).await?.measure(functions, SHORT_PAST).await?;
    let scene = Scene::new(sizes).await?;
    let (much, stored) = (scene.measure(functions, past).await?, scene.stored()?);
    let mut report = Report::of("scale");
    let title = format!("{count} items, {groups} groups, {providers} providers in one of them");
    report.tables.push(costs(&title, &few, &much, past));
    let memories = memories(&mut report, &few, &much, past);
    report.tables.push(memories);
    let mut table = Table::new("What lies in this process", &["", "MB"]);
    for (name, megabytes) in stored {
        table.push([Cell::from(name), megabytes.into()]);
    }
    report.tables.push(table);
    report.at_most(
        "scale: read units of a page among all, over those among few",
        much.page.all().reads / few.page.all().reads,
        1.02,
    );
    let each = much.backfill.all().requests as f64 / (past as f64 / 25.0);
    report.at_most(format!("scale: requests of a backfill of {past} items over N/25"), each, 1.1);
    report.note(
        "A page is the second one that a function reads: with more providers than few, its ledger has more entries, which are \
         its write units. The roster is read when it has changed.",
    );
    report.note(
        "A purge counts what is left of a provider in all of the group's copies (ADR 5), so it grows with the group and \
         not only with the provider.",
    );
    report.note(
        "The functions are programs of their own, built as for AWS; their memory is the most that each process had \
         resident. The database's memory is this process's, nearly all of it.",
    );
    Ok(report)
}

/// A stack with a large group.
struct Scene {
    world: World,
    owner: Person,
    group: GroupId,
    before: f64,
}

impl Scene {
    async fn new(sizes: Sizes) -> Result<Self> {
        let before = memory("/proc/self/status", "VmRSS:");
        let world = World::new().await?;
        let (ann, bob) = (world.person("ann").await?, world.person("bob").await?);
        let group = world.group(&ann, "The large one").await?;
        world.admit(&group, &ann, "consumer", &ann).await?;
        world.admit(&group, &ann, "provider", &bob).await?;
        world.work().await?;
        let mut drives = vec![bob.drive.clone()];
        drives.extend(more_providers(&world, &group, &bob, sizes.providers - 1, 0)?);
        for _ in 1..sizes.groups {
            let rules = &world.document.group_defaults;
            let new = NewGroup {
                id: store::ids::group(),
                name: "G",
                description: None,
                owner: None,
                rules,
                shards: 1,
            };
            world.store.create_group(&new, None, world.now).await?;
        }
        fill(&world, &group, &bob, &drives, sizes.items).await?;
        Ok(Self { world, owner: ann, group, before })
    }

    async fn measure(&self, functions: &Path, past: usize) -> Result<Measured> {
        let Self { world, owner, group, .. } = self;
        let place = Place::of(world, functions).await?;
        let page = page(world, owner, group).await?;
        let reader = self.read(&place).await?;
        // One whose past is copied in this process, where calls are counted, and one whose past a program copies.
        let (cid, job) = self.join("cid", past).await?;
        world.announce(&job);
        let backfill = world.work().await?;
        let (_, job) = self.join("dan", past).await?;
        let mut worker = Function::start(&place, "worker").await?;
        worker.invoke(&announcement(&job)).await?;
        let streaming = self.stream(&place, &cid).await?;
        world.call(&cid, "POST", &format!("/groups/{group}/leave"), Json::Null).await?;
        let purge = world.work().await?;
        Ok(Measured { page, backfill, purge, memory: [reader, streaming, worker.peak()] })
    }

    /// Somebody with a past who joins; the job that copies it.
    async fn join(&self, name: &str, past: usize) -> Result<(Person, Job)> {
        let Self { world, owner, group, .. } = self;
        let person = world.person(name).await?;
        let first = item(&person.drive, 0, 100)?;
        let like = Like::item(world, &first).await?;
        let all = (1..past).map(|number| item(&person.drive, number, 100)).collect::<Result<Vec<_>>>()?;
        like.put(world, &all)?;
        world.admit(group, owner, "provider", &person).await?;
        let job = world.next_job().ok_or_else(|| BenchError::other("there is no backfill"))?;
        Ok((person, job))
    }

    /// Lets a reader go through pages, one function for all of them; its memory.
    async fn read(&self, place: &Place) -> Result<f64> {
        let mut api = Function::start(place, "api").await?;
        let path = format!("/groups/{}/data/types/glucose", self.group);
        let mut query = "limit=50".to_owned();
        for _ in 0..PAGES {
            let (answer, _) = api.invoke(&request(&path, &query, &self.owner.token)).await?;
            let body: Json = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
            if answer["statusCode"].as_u64() != Some(200) {
                return Err(BenchError::other(format!("a page is answered {body}")));
            }
            let Some(next) = body["next"].as_str() else { break };
            query = format!("limit=50&cursor={next}");
        }
        Ok(api.peak())
    }

    /// Delivers records of somebody's items; the memory of the function that gets them.
    async fn stream(&self, place: &Place, whose: &Person) -> Result<f64> {
        let mut replicator = Function::start(place, "replicator").await?;
        let records = some(&self.world, whose.drive.as_str())?;
        for _ in 0..DELIVERIES {
            replicator.invoke(&json!({ "Records": records })).await?;
        }
        Ok(replicator.peak())
    }

    /// What there is in this process, and how much of its memory that is.
    fn stored(&self) -> Result<Vec<(&'static str, f64)>> {
        let pages = self.world.database.db_size_bytes().map_err(BenchError::other)?;
        let now = memory("/proc/self/status", "VmRSS:");
        Ok(vec![
            ("rows and their indexes, as the database counts its pages", pages as f64 / 1_048_576.0),
            ("memory of the process, above what it had before them", now - self.before),
            ("memory of the process", now),
        ])
    }
}

/// Items of these drives in turn, each with a copy in the group.
async fn fill(world: &World, group: &GroupId, like: &Person, drives: &[DriveId], count: usize) -> Result<()> {
    let membership = membership(world, group, &like.drive).await?;
    let first = item(&like.drive, 0, 100)?;
    let (items, copies) =
        (Like::item(world, &first).await?, Like::copy(world, group, &membership, &first).await?);
    // In parts, so that what waits to be put is no part of the memory.
    for start in (1..count).step_by(PORTION) {
        let part = (start..count.min(start + PORTION)).zip(drives.iter().cycle().skip(start % drives.len()));
        let part: Vec<_> = part.map(|(number, drive)| item(drive, number, 100)).collect::<Result<_>>()?;
        items.put(world, &part)?;
        copies.put(world, &part)?;
    }
    Ok(())
}

fn costs(title: &str, few: &Measured, much: &Measured, past: usize) -> Table {
    let columns = ["", "requests", "read units", "write units"];
    let mut table = Table::new(title, &columns);
    for (name, tally) in [
        (format!("a page, {FEW} items"), &few.page),
        ("a page, all items".to_owned(), &much.page),
        (format!("a backfill of {SHORT_PAST} items among few"), &few.backfill),
        (format!("a backfill of {past} items among all"), &much.backfill),
        (format!("the purge of {SHORT_PAST} items among few"), &few.purge),
        (format!("the purge of {past} items among all"), &much.purge),
    ] {
        let all = tally.all();
        table.push([Cell::from(name), all.requests.into(), all.reads.into(), all.writes.into()]);
    }
    table
}

fn memories(report: &mut Report, few: &Measured, much: &Measured, past: usize) -> Table {
    let columns = ["", "MB, few", "MB, all", "times"];
    let mut table = Table::new("Memory of the functions", &columns);
    let names = [
        (format!("api: up to {PAGES} pages of 50 in turn"), "api"),
        (format!("replicator: {DELIVERIES} deliveries of 100 records"), "replicator"),
        (format!("worker: a backfill of {SHORT_PAST} items, and of {past}"), "worker"),
    ];
    for ((name, function), (few, much)) in names.into_iter().zip(few.memory.iter().zip(much.memory)) {
        let times = much / few;
        table.push([Cell::from(name), (*few).into(), much.into(), times.into()]);
        report.at_most(format!("scale: memory of `{function}` among all, over that among few"), times, FLAT);
    }
    table
}

/// A hundred records of a drive.
fn some(world: &World, drive: &str) -> Result<Vec<Json>> {
    let request = json!({
        "TableName": "t-data", "Limit": 100,
        "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": drive}},
    });
    let answer = world.database.query(serde_json::from_value(request)?).map_err(BenchError::other)?;
    let answer = serde_json::to_value(answer)?;
    let rows = answer["Items"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(rows.iter().map(|row| record("INSERT", row)).collect())
}

async fn page(world: &World, reader: &Person, group: &GroupId) -> Result<Tally> {
    let path = format!("/groups/{group}/data/types/glucose?limit=50");
    world.call(reader, "GET", &path, Json::Null).await?;
    world.meter.take();
    world.call(reader, "GET", &path, Json::Null).await?;
    Ok(world.meter.take())
}
