//! Times: reported with minimum, median and maximum, never asserted by a test, since they are the machine's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::authorize::{Actor, GroupFacts, Roles, Subject, Verdict, decide as authorize};
use domain::id::GroupId;
use domain::replication::{Change, Decision, decide, shown};
use domain::routes::Operation;
use lambdas::replicator::Replicator;
use serde_json::{Value as Json, json};
use store::layout::Layout;
use store::page::{Direction, Window};
use store::{Store, Tables};

use crate::baseline::naive::Naive;
use crate::error::{BenchError, Result};
use crate::load::{items, membership, minute, readings, record, records};
use crate::report::{Cell, Report, Table};
use crate::stub::Stub;
use crate::times::Times;
use crate::world::{Person, World, client};

/// Records in a delivery of the stream, as the mapping is deployed.
const BATCH: usize = 100;
/// A call's time at DynamoDB where it is put in: the median that AWS's own console shows for small calls is below 5 ms.
const CALL: Duration = Duration::from_millis(5);

/// A stack with records to be copied into two groups each.
struct Scene {
    world: World,
    group: GroupId,
    people: Vec<Person>,
    batches: Vec<Vec<Json>>,
    naive: Vec<Vec<Json>>,
}

/// Measures all of it, with so many records and so many rounds.
///
/// # Errors
/// If something fails.
pub async fn run(count: usize, rounds: usize) -> Result<Report> {
    let mut report = Report::of("speed");
    let mut table =
        Table::new("The replicator on one core, two groups", &["", "records/s, least", "median", "greatest"]);
    for (what, people) in [("10 providers in a batch", 10), ("1 provider in a batch", 1)] {
        let scene = Scene::new(people, count).await?;
        let own = [Duration::ZERO, CALL].map(|delay| scene.replicate(delay, rounds));
        let others = [Duration::ZERO, CALL].map(|delay| scene.replicate_naively(delay, rounds));
        let ([own_out, own_in], [other_out, other_in]) = (own, others);
        let (own_out, own_in, other_out, other_in) = (own_out?, own_in?, other_out?, other_in?);
        for (name, times) in [
            ("Freehold, database's time out", &own_out),
            ("Freehold, 5 ms a call", &own_in),
            ("naive, database's time out", &other_out),
            ("naive, 5 ms a call", &other_in),
        ] {
            let rate = |seconds: f64| count as f64 / seconds;
            table.push([
                Cell::from(format!("{name}, {what}")),
                rate(times.max()).round().into(),
                rate(times.median()).round().into(),
                rate(times.min()).round().into(),
            ]);
        }
        let rate = count as f64 / own_out.median();
        report.at_least(format!("replicator, {what}: records per second and core"), rate, 20_000.0);
        let times = other_in.median() / own_in.median();
        report.at_least(format!("replicator, {what}, 5 ms a call: times the naive handler"), times, 10.0);
    }
    report.tables.push(table);
    decisions(&mut report, rounds).await?;
    report.note(
        "The database's time is taken out by a connection that answers from memory; what is left is reading the records, \
         deciding, and the SDK's making, signing and reading of requests.",
    );
    report.note(
        "With 5 ms a call the database is not the limit, the waiting is: the naive handler takes the records of a batch one \
         after the other, ours takes providers side by side and writes 25 copies a call.",
    );
    report.note("Times are wall-clock, of a machine that may have had other work.");
    Ok(report)
}

/// Runs something on a thread with a runtime of its own, as a function has it: one core.
fn on_one_core<T: Send>(work: impl AsyncFnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(BenchError::other)?.block_on(work())
        });
        thread.join().map_err(|_| BenchError::other("a thread of the measurement has ended early"))?
    })
}

impl Scene {
    async fn new(people: usize, count: usize) -> Result<Self> {
        let world = World::new().await?;
        let ann = world.person("ann").await?;
        let naive = Naive::new(&world)?;
        let mut groups = Vec::new();
        for name in ["One", "Two"] {
            groups.push(world.group(&ann, name).await?);
        }
        let (mut own, mut others, mut providers) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..people {
            let name = format!("p{number}");
            let person = world.person(&name).await?;
            for group in &groups {
                world.admit(group, &ann, "provider", &person).await?;
                naive.join(&name, group.as_str()).await?;
            }
            items(&world, &readings(&person.drive, count / people)?).await?;
            own.push(records(&world, &person.drive)?);
            let naive_row = |number: usize| {
                let at = minute(number).to_string();
                json!({
                    "pk": {"S": format!("USER#{name}")}, "sk": {"S": format!("ITEM#{number:026}")},
                    "at": {"S": at}, "kind": {"S": format!("glucose#{at}")},
                    "body": {"M": {
                        "takenAt": {"S": at}, "mgdl": {"N": "150"}, "device": {"S": "meter 7"},
                    }},
                })
            };
            others.push((0..count / people).map(|number| record("INSERT", &naive_row(number))).collect());
            providers.push(person);
        }
        let group = groups.into_iter().next().ok_or_else(|| BenchError::other("no group"))?;
        Ok(Self { world, group, people: providers, batches: batches(&own), naive: batches(&others) })
    }

    fn stubbed(&self, delay: Duration) -> aws_sdk_dynamodb::Client {
        let stub = Stub::new(self.world.database.clone(), delay);
        client("http://unused", None, Some(stub.network()))
    }

    fn replicate(&self, delay: Duration, rounds: usize) -> Result<Times> {
        let store = Store::new(self.stubbed(delay), Tables::of_stack("t"));
        let replicator = Replicator::new(store, Arc::clone(&self.world.document));
        let events: Vec<Json> = self.batches.iter().map(|batch| json!({ "Records": batch })).collect();
        on_one_core(async || {
            let mut times = Vec::new();
            for round in 0..=rounds {
                let begun = Instant::now();
                for event in &events {
                    replicator.handle(event, begun + Duration::from_secs(600)).await?;
                }
                // The first round fills the stub.
                times.extend((round > 0).then(|| begun.elapsed().as_secs_f64()));
            }
            Ok(Times::sorted(times))
        })
    }

    fn replicate_naively(&self, delay: Duration, rounds: usize) -> Result<Times> {
        let naive = Naive(self.stubbed(delay));
        on_one_core(async || {
            let mut times = Vec::new();
            for round in 0..=rounds {
                let begun = Instant::now();
                for batch in &self.naive {
                    naive.handle(batch).await?;
                }
                times.extend((round > 0).then(|| begun.elapsed().as_secs_f64()));
            }
            Ok(Times::sorted(times))
        })
    }
}

/// Deliveries that have records of every one.
fn batches(records: &[Vec<Json>]) -> Vec<Vec<Json>> {
    let longest = records.iter().map(Vec::len).max().unwrap_or(0);
    let mixed: Vec<Json> =
        (0..longest).flat_map(|at| records.iter().filter_map(move |of| of.get(at).cloned())).collect();
    mixed.chunks(BATCH).map(<[Json]>::to_vec).collect()
}

/// What takes no call: deciding on a record, letting a row through to a reader, and letting a caller do something.
async fn decisions(report: &mut Report, rounds: usize) -> Result<()> {
    const ROWS: usize = 500;
    let scene = Scene::new(1, ROWS).await?;
    let world = &scene.world;
    world.work().await?;
    let person = scene.people.first().ok_or_else(|| BenchError::other("nobody"))?;
    let row = world.store.group(&scene.group).await?;
    let (roster, book) = (
        world.store.roster(&row, &world.document).await?,
        world.store.rulebook(&row, &world.document).await?,
    );
    let types: Vec<_> = world.document.data_types.values().collect();
    let window = Window { from: None, to: None, limit: ROWS, direction: Direction::Asc, after: None };
    let page = world.store.replicas(&scene.group, &Layout::default(), &types, &window).await?;
    let rows: Vec<_> = page.items.into_iter().collect::<std::result::Result<_, _>>()?;
    let membership = membership(world, &scene.group, &person.drive).await?;
    let all = readings(&person.drive, ROWS)?;
    let filter = micros(rounds, ROWS, || {
        rows.iter().filter(|row| shown(row, &roster, &book, world.now).is_some()).count()
    });
    let copies = micros(rounds, ROWS, || {
        all.iter()
            .filter(|item| {
                matches!(decide(&Change::Present(item), &membership, &book), Decision::Write { .. })
            })
            .count()
    });
    let caller = world.store.caller(crate::tokens::ISSUER, &person.subject).await?;
    let caller = caller.ok_or_else(|| BenchError::other("nobody"))?;
    let actor = Actor::User { id: &caller.user, drive: &caller.drive, address: None };
    let facts =
        GroupFacts { id: &scene.group, active: true, roles: Roles::of(&roster, &caller.user, &caller.drive) };
    let calls = micros(rounds, ROWS, || {
        let decided = (0..ROWS).map(|_| authorize(&actor, Operation::ListGroupData, &Subject::Group(facts)));
        decided.filter(|verdict| *verdict == Verdict::Allowed).count()
    });
    let mut table = Table::new("Decisions, in microseconds each", &["", "least", "median", "greatest"]);
    for (name, times) in [
        ("a row passes the guard of a list (rules, contract, roster)", &filter),
        ("a record is decided on for one group", &copies),
        ("Cedar lets a caller do something", &calls),
    ] {
        table.push([Cell::from(name), times.min().into(), times.median().into(), times.max().into()]);
    }
    report.at_most("reader's filter: microseconds a row, median", filter.median(), 5.0);
    report.tables.push(table);
    Ok(())
}

/// How long one of so many takes, in microseconds.
fn micros(rounds: usize, each: usize, mut work: impl FnMut() -> usize) -> Times {
    let mut times = Vec::new();
    for _ in 0..rounds.max(1) * 10 {
        let begun = Instant::now();
        std::hint::black_box(work());
        times.push(begun.elapsed().as_secs_f64() * 1e6 / each as f64);
    }
    Times::sorted(times)
}
