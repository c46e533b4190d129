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
use crate::times::{self, Times};
use crate::world::{Person, World, announcement, client};

/// Records in a delivery of the stream, as the mapping is deployed.
const BATCH: usize = 100;
/// A call's time at DynamoDB where it is put in: the median that AWS's own console shows for small calls is below 5 ms.
const CALL: Duration = Duration::from_millis(5);

/// Deliveries where calls take that time.
const LATE_BATCHES: usize = 5;
/// And rounds, of the naive handlers.
const LATE_ROUNDS: usize = 3;

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
        let naive = [Duration::ZERO, CALL].map(|delay| scene.replicate_naively(delay, rounds, false));
        let at_once = [Duration::ZERO, CALL].map(|delay| scene.replicate_naively(delay, rounds, true));
        let ([own_out, own_in], [other_out, other_in], [fast_out, fast_in]) = (own, naive, at_once);
        let (own_out, own_in, other_in) = (own_out?, own_in?, other_in?);
        for (name, times) in [
            ("Freehold, database's time out", &own_out),
            ("Freehold, 5 ms a call", &own_in),
            ("naive, database's time out", &other_out?),
            ("naive, 5 ms a call", &other_in),
            ("naive, all at once, database's time out", &fast_out?),
            ("naive, all at once, 5 ms a call", &fast_in?),
        ] {
            table.push(rates(format!("{name}, {what}"), times));
        }
        let rate = 1.0 / own_out.median();
        report.at_least(format!("replicator, {what}: records per second and core"), rate, 20_000.0);
        let times = other_in.median() / own_in.median();
        report.at_least(format!("replicator, {what}, 5 ms a call: times the naive handler"), times, 10.0);
    }
    report.tables.push(table);
    report.tables.push(backfill(2 * count, rounds).await?);
    decisions(&mut report, rounds).await?;
    report.note(
        "The database's time is taken out by a connection that answers from memory; what is left is reading the records, \
         deciding, and the SDK's making, signing and reading of requests.",
    );
    report.note(
        "With 5 ms a call the database is not the limit, the waiting is: the naive handler takes the records of a batch one \
         after the other, ours takes providers side by side and writes 25 copies a call. \"All at once\" is naive copying by \
         somebody who has measured that: it waits as little as ours, and still keeps none of the promises.",
    );
    report.note(
        "A backfill writes at most 500 copies a second unless the stack says otherwise (`FREEHOLD_WRITES_PER_SECOND`); here \
         nothing held it back.",
    );
    report.note(
        "With the database's time out, and for decisions, times are those that the thread had a core, as Linux counts them; \
         all others are wall-clock, of a machine that may have had other work.",
    );
    Ok(report)
}

/// A line of a table of rates, of times for one of something.
fn rates(name: String, times: &Times) -> [Cell; 4] {
    let rate = |seconds: f64| seconds.recip().round();
    [name.into(), rate(times.max()).into(), rate(times.median()).into(), rate(times.min()).into()]
}

/// How fast the job function copies a past.
async fn backfill(count: usize, rounds: usize) -> Result<Table> {
    let title = format!("The worker's backfill of {count} items on one core, one group");
    let mut table = Table::new(&title, &["", "items/s, least", "median", "greatest"]);
    let world = World::new().await?;
    let (ann, bob) = (world.person("ann").await?, world.person("bob").await?);
    let group = world.group(&ann, "Group").await?;
    items(&world, &readings(&bob.drive, count)?).await?;
    world.admit(&group, &ann, "provider", &bob).await?;
    let job = world.next_job().ok_or_else(|| BenchError::other("there is no backfill"))?;
    for (name, delay) in [("database's time out", Duration::ZERO), ("5 ms a call", CALL)] {
        let worker = world.worker(Store::new(stubbed(&world, delay), Tables::of_stack("t")));
        let event = announcement(&job);
        let times = on_one_core(async || {
            // Nothing is noted in the database: every round is the whole job.
            timed(delay, (rounds, count), async || {
                let deadline = Instant::now() + Duration::from_secs(900);
                worker.handle(&event, deadline).await.map_err(BenchError::other)
            })
            .await
        })?;
        table.push(rates(name.into(), &times));
    }
    Ok(table)
}

/// How long one of so many takes in each of so many rounds, after one that is not counted: it fills the stub.
async fn timed(
    delay: Duration,
    (rounds, count): (usize, usize),
    mut round: impl AsyncFnMut() -> Result<()>,
) -> Result<Times> {
    // Where nothing is waited for, what counts is the core, and not what else the machine has to do.
    let clock = if delay.is_zero() { times::of_this_thread } else { times::since_start };
    let mut times = Vec::new();
    for number in 0..=rounds {
        let begun = clock();
        round().await?;
        times.extend((number > 0).then(|| (clock() - begun) / count as f64));
    }
    Ok(Times::sorted(times))
}

/// A client of a database that answers from memory what is in the world's, each call after so long.
fn stubbed(world: &World, delay: Duration) -> aws_sdk_dynamodb::Client {
    let stub = Stub::new(world.database.clone(), delay);
    client("http://unused", None, Some(stub.network()))
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

    fn replicate(&self, delay: Duration, rounds: usize) -> Result<Times> {
        let store = Store::new(stubbed(&self.world, delay), Tables::of_stack("t"));
        let replicator = Replicator::new(store, Arc::clone(&self.world.document));
        let batches = some(&self.batches, delay);
        let events: Vec<Json> = batches.iter().map(|batch| json!({ "Records": batch })).collect();
        let count = batches.iter().map(Vec::len).sum();
        on_one_core(async || {
            timed(delay, (rounds, count), async || {
                for event in &events {
                    replicator.handle(event, Instant::now() + Duration::from_secs(600)).await?;
                }
                Ok(())
            })
            .await
        })
    }

    fn replicate_naively(&self, delay: Duration, rounds: usize, at_once: bool) -> Result<Times> {
        let naive = Naive(stubbed(&self.world, delay));
        let batches = some(&self.naive, delay);
        let count = batches.iter().map(Vec::len).sum();
        on_one_core(async || {
            timed(delay, (rounds.min(LATE_ROUNDS), count), async || {
                for batch in batches {
                    match at_once {
                        true => naive.handle_at_once(batch).await?,
                        false => naive.handle(batch).await?,
                    };
                }
                Ok(())
            })
            .await
        })
    }
}

/// Fewer deliveries where calls are waited for: the naive handler takes 13 ms for each record then.
fn some(batches: &[Vec<Json>], delay: Duration) -> &[Vec<Json>] {
    if delay.is_zero() { batches } else { batches.get(..LATE_BATCHES).unwrap_or(batches) }
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

/// How long one of so many has a core, in microseconds.
fn micros(rounds: usize, each: usize, mut work: impl FnMut() -> usize) -> Times {
    // Linux may count a thread's time in ticks of some milliseconds: so often that those do not matter.
    const RUNS: usize = 20;
    let mut times = Vec::new();
    for _ in 0..rounds.max(1) * 5 {
        let begun = times::of_this_thread();
        for _ in 0..RUNS {
            std::hint::black_box(work());
        }
        times.push((times::of_this_thread() - begun) * 1e6 / (each * RUNS) as f64);
    }
    Times::sorted(times)
}
