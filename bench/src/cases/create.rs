//! Creating, changing and deleting an item of a provider of G groups: the request, and what the stream does after it.

use domain::id::GroupId;
use lambdas::replicator::Replicator;
use serde_json::{Value as Json, json};
use store::Store;

use crate::baseline::naive::{self, Naive};
use crate::error::{BenchError, Result};
use crate::load::{minute, record, size, write_units};
use crate::meter::{Cost, Tally};
use crate::report::{Cell, Report, Table};
use crate::world::{Person, World, reading, text};

/// What one way of changing an item has cost.
struct Measured {
    request: Tally,
    stream: Tally,
    naive: Cost,
}

impl Measured {
    fn all(&self) -> Cost {
        let mut all = self.request.clone();
        all.add(&self.stream);
        all.all()
    }
}

/// Groups, a provider of all of them, and the naive system beside.
struct Scene {
    world: World,
    owner: Person,
    provider: Person,
    naive: Naive,
    groups: usize,
    number: usize,
    note: Option<String>,
}

/// Measures all of it.
///
/// # Errors
/// If something fails.
pub async fn run(groups: &[usize]) -> Result<Report> {
    let mut report = Report::of("create");
    for (title, note) in [("an item of 0.2 KB", 0), ("an item of 2.5 KB", 2300)] {
        of_size(&mut report, groups, title, note).await?;
    }
    report.note(
        "A function that knows a drive confirms by one request what it remembers of its memberships, and reads the rows of \
         their groups with the same; of more than 99 groups, their marks. That is the steady state, and what the floor is \
         compared with.",
    );
    report.note(
        "A new process knows no drive. For the first item of each it reads the memberships and then the rows of their groups: \
         one request more, or two with 100 groups; and the rules of up to 100 groups at a revision, once in its life, in \
         another one, one read unit for each. The API looks up who calls.",
    );
    report.note(
        "What a request takes away it also takes from the groups before it answers; the stream repeats that, and what it \
         repeats is refused and billed.",
    );
    report.note(
        "Naive copying writes every row three times, once for each index, and its copies come back by the stream of the \
         one table, which calls its handler once more for each of them (not counted).",
    );
    Ok(report)
}

async fn of_size(report: &mut Report, groups: &[usize], title: &str, note: usize) -> Result<()> {
    let mut scene = Scene::new((note > 0).then(|| "n".repeat(note))).await?;
    let columns = [
        "groups",
        "operation",
        "write units",
        "floor",
        "naive",
        "requests",
        "floor",
        "naive",
        "read units",
        "refused",
    ];
    let mut table = Table::new(&format!("Writing {title}"), &columns);
    for &count in groups {
        scene.grow(count).await?;
        let new = Replicator::new(
            Store::new(scene.world.client.clone(), scene.world.store.tables().clone()),
            scene.world.document.clone(),
        );
        let (first, row, cold) = scene.create(&new).await?;
        let known = scene.world.replicator();
        let (warm, ..) = scene.create(&known).await?;
        scene.update(&warm).await?;
        let (id, _, created) = scene.create(&known).await?;
        let units = write_units(size(&row));
        let floor = units * (1.0 + count as f64);
        let requests = 2.0 + count.div_ceil(25) as f64;
        line(&mut table, count, "create", &created, (floor, requests));
        line(&mut table, count, "create, in a new process", &cold, (floor, requests));
        report.at_most(
            format!("create, {title}, {count} groups: write units over floor"),
            created.all().writes / floor,
            1.05,
        );
        report.at_most(
            format!("create, {title}, {count} groups: requests (the floor is {requests})"),
            created.all().requests as f64,
            requests,
        );
        let updated = scene.update(&id).await?;
        line(&mut table, count, "update", &updated, (floor, requests));
        let deleted = scene.delete(&id).await?;
        // A tombstone is small, whatever it buries.
        line(&mut table, count, "delete", &deleted, (units + count as f64, requests));
        scene.delete(&warm).await?;
        scene.delete(&first).await?;
    }
    report.tables.push(table);
    Ok(())
}

fn line(table: &mut Table, groups: usize, what: &str, measured: &Measured, (writes, requests): (f64, f64)) {
    let all = measured.all();
    table.push([
        Cell::from(groups),
        what.into(),
        all.writes.into(),
        writes.into(),
        measured.naive.writes.into(),
        all.requests.into(),
        requests.into(),
        measured.naive.requests.into(),
        all.reads.into(),
        all.refused.into(),
    ]);
}

impl Scene {
    async fn new(note: Option<String>) -> Result<Self> {
        let world = World::new().await?;
        let (owner, provider) = (world.person("ann").await?, world.person("bob").await?);
        let naive = Naive::new(&world)?;
        Ok(Self { world, owner, provider, naive, groups: 0, number: 0, note })
    }

    async fn grow(&mut self, groups: usize) -> Result<()> {
        while self.groups < groups {
            let group: GroupId = self.world.group(&self.owner, &format!("Group {}", self.groups)).await?;
            self.world.admit(&group, &self.owner, "provider", &self.provider).await?;
            self.naive.join("bob", group.as_str()).await?;
            self.groups += 1;
        }
        self.world.work().await?;
        Ok(())
    }

    fn row(&self, id: &str) -> Result<Json> {
        let rows = self.world.rows("t-data", Some(self.provider.drive.as_str()))?;
        let found = rows.into_iter().find(|row| row["sk"]["S"].as_str().is_some_and(|sk| sk.ends_with(id)));
        found.ok_or_else(|| BenchError::other("the item is not there"))
    }

    async fn stream(&self, event: &str, row: &Json) -> Result<Tally> {
        Ok(self.world.deliver(&self.world.replicator(), &[record(event, row)]).await?.1)
    }

    /// With this process of the stream function.
    async fn create(&mut self, replicator: &Replicator) -> Result<(String, Json, Measured)> {
        self.number += 1;
        let body =
            json!({"type": "glucose", "fields": reading(minute(self.number), 150, self.note.as_deref())});
        self.world.meter.take();
        let made = self.world.call(&self.provider, "POST", "/user/data", body).await?;
        let request = self.world.meter.take();
        let id = text(&made, "id")?.to_owned();
        let row = self.row(&id)?;
        let stream = self.world.deliver(replicator, &[record("INSERT", &row)]).await?.1;
        let naive = self.naive_put(&id, 150).await?;
        Ok((id, row, Measured { request, stream, naive }))
    }

    async fn update(&self, id: &str) -> Result<Measured> {
        self.world.meter.take();
        let body = json!({"fields": {"mgdl": 160}});
        self.world.call(&self.provider, "PATCH", &format!("/user/data/{id}"), body).await?;
        let request = self.world.meter.take();
        let stream = self.stream("MODIFY", &self.row(id)?).await?;
        let naive = self.naive_put(id, 160).await?;
        Ok(Measured { request, stream, naive })
    }

    async fn delete(&self, id: &str) -> Result<Measured> {
        let row = self.row(id)?;
        self.world.meter.take();
        self.world.call(&self.provider, "DELETE", &format!("/user/data/{id}"), Json::Null).await?;
        let request = self.world.meter.take();
        let stream = self.stream("REMOVE", &row).await?;
        let before = self.naive_row(id)?;
        self.naive.delete("bob", id).await?;
        self.naive.handle(&[record("REMOVE", &before)]).await?;
        Ok(Measured { request, stream, naive: self.world.meter.take().of(naive::TABLE) })
    }

    fn naive_row(&self, id: &str) -> Result<Json> {
        let rows = self.world.rows(naive::TABLE, Some("USER#bob"))?;
        let found = rows.into_iter().find(|row| row["sk"]["S"].as_str().is_some_and(|sk| sk.ends_with(id)));
        found.ok_or_else(|| BenchError::other("the item is not there"))
    }

    /// What the naive system does; its readings are small, whatever ours are.
    async fn naive_put(&self, id: &str, mgdl: i64) -> Result<Cost> {
        self.world.meter.take();
        self.naive.put("bob", id, &minute(self.number).to_string(), mgdl).await?;
        self.naive.handle(&[record("INSERT", &self.naive_row(id)?)]).await?;
        Ok(self.world.meter.take().of(naive::TABLE))
    }
}
