//! Completeness: a provider with a long past joins while they go on writing, and the replicas are exactly what the
//! rule selects of the source and projects, also when the functions are killed on the way.
//!
//! `FREEHOLD_ITEMS` says how long the past is; `.ci/leaves` makes it 10,000.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use freehold_client::Group;
use journeys::{Person, Row, World, processes, text, until, until_within};
use serde_json::{Value, json};

/// How long a page's work may be hidden after its function died: in a real stack half an hour.
const HIDDEN: &str = "3";
/// Deaths of the worker while its job is open.
const DEATHS: usize = 5;
/// For all of a long past, on a slow machine.
const LONG: Duration = Duration::from_secs(1200);

fn items() -> usize {
    std::env::var("FREEHOLD_ITEMS").map_or(2000, |items| items.parse().expect("`FREEHOLD_ITEMS` is a number"))
}

fn reading(n: usize) -> Value {
    let time =
        format!("2023-{:02}-{:02}T{:02}:{:02}:00Z", 1 + n / 40_320, 1 + n / 1440 % 28, n / 60 % 24, n % 60);
    // Two thirds of them meet the rule, in no order.
    json!({"type": "glucose", "fields": {"takenAt": time, "mgdl": 81 + n * 37 % 300, "device": "sensor"}})
}

/// Somebody with a past, and all others.
struct Scene<'w> {
    world: &'w World,
    owner: Person,
    provider: Person,
    reader: Person,
    /// How much the provider has written while they joined.
    written: Cell<usize>,
    done: Cell<bool>,
}

impl<'w> Scene<'w> {
    async fn new(world: &'w World) -> Self {
        let (owner, provider, reader) =
            (world.person("owner").await, world.person("provider").await, world.person("reader").await);
        let past: Vec<Value> = (0..items()).map(reading).collect();
        for batch in past.chunks(100) {
            let results = provider.create_items(batch).await.unwrap();
            assert!(results.iter().all(|result| result.status == 201), "{results:?}");
        }
        Self { world, owner, provider, reader, written: Cell::new(0), done: Cell::new(false) }
    }

    async fn group(&self, name: &str) -> Group {
        let group = self.owner.make_group(name).await;
        self.reader.join(&self.owner, &group, "consumer").await;
        group
    }

    /// Writes until told to stop: new readings, changes of old ones into the rule and out of it, deletions.
    async fn write(&self, past: &[String]) {
        let mut turn = 0;
        while !self.done.get() {
            // Spread over the past, so that some are before where the backfill is and some after.
            let id = &past[turn * 7919 % past.len()];
            let path = format!("/user/data/{id}");
            let (method, path, body) = match turn % 4 {
                0 | 1 => ("POST", "/user/data".to_owned(), Some(reading(100_000 + self.written.get()))),
                2 => {
                    ("PATCH", path, Some(json!({"fields": {"mgdl": if turn % 8 == 2 { 100 } else { 350 }}})))
                }
                _ => ("DELETE", path, None),
            };
            let answer = self.provider.ask(method, &path, body).await;
            // A function that is killed answers nothing; a deleted item is not there.
            let known = answer.status.is_success() || answer.status == 404 || answer.status.is_server_error();
            assert!(known, "{method} {path}: {answer:?}");
            self.written.set(self.written.get() + usize::from(answer.status.is_success()));
            turn += 1;
        }
    }

    /// The replicas of a group as the rule makes them of what is in the source now.
    async fn projection(&self, group: &Group) -> BTreeMap<(String, String), Row> {
        let drive = &self.provider.user.drive;
        let rows = self.world.rows("data").await.into_iter().filter_map(|row| {
            let (pk, sk) = (text(&row, "pk"), text(&row, "sk"));
            let id = sk.strip_prefix("glucose#").filter(|_| pk == *drive)?;
            let fields = row["body"].as_m().unwrap();
            let selected = fields["mgdl"].as_n().unwrap().parse::<i64>().unwrap() > 180;
            let kept = ["takenAt", "mgdl"].map(|name| (name.to_owned(), fields[name].clone()));
            let place = (format!("{}#glucose#0", group.id), format!("{id}#{drive}"));
            selected.then(|| (place, Row::from(kept)))
        });
        rows.collect()
    }

    /// Joins, while writing, until everything has settled; meanwhile something may happen to them.
    async fn joins(&self, group: &Group, meanwhile: impl Future<Output = ()>) {
        let past = self.provider.items_of("glucose").limit(500).all().await.unwrap();
        let past: Vec<String> = past.into_iter().map(|item| item.id).collect();
        let before = self.written.get();
        self.done.set(false);
        let join = async {
            self.provider.join(&self.owner, group, "provider").await;
            meanwhile.await;
            let finished = async || self.world.open_jobs(group).await.is_empty().then_some(());
            until_within(LONG, "the past has been copied", finished).await;
            let some = async || (self.written.get() >= before + 40).then_some(());
            until("something was written meanwhile", some).await;
            self.done.set(true);
        };
        tokio::join!(self.write(&past), join);
        self.settles(group).await;
    }

    /// Waits for the last word of the stream, and compares.
    async fn settles(&self, group: &Group) {
        let last = self.provider.read_glucose("2025-01-01T08:00:00Z", 777).await;
        let place = (format!("{}#glucose#0", group.id), format!("{last}#{}", self.provider.user.drive));
        let passed = async || self.world.copies(group).await.contains_key(&place).then_some(());
        until_within(LONG, "the stream has passed", passed).await;
        let (copies, projection) = (self.world.copies(group).await, self.projection(group).await);
        eprintln!(
            "`{}`: {} copies of {} past items, with {} writes meanwhile",
            group.name,
            copies.len(),
            items(),
            self.written.get()
        );
        let differing: Vec<_> = copies
            .keys()
            .chain(projection.keys())
            .filter(|place| copies.get(place) != projection.get(place))
            .collect();
        assert!(differing.is_empty(), "{} differ, such as {:?}", differing.len(), differing[0]);
        assert!(copies.len() > items() / 3, "most were not deleted meanwhile");
        let mut seen = self.reader.sees(group).await;
        let mut expected: Vec<i64> =
            projection.values().map(|row| row["mgdl"].as_n().unwrap().parse().unwrap()).collect();
        seen.sort_unstable();
        expected.sort_unstable();
        assert_eq!(seen, expected);
    }

    /// The copies of what was there before they joined. A job notes how far it is after thousands of items only, and shall
    /// die in between too.
    async fn past_copies(&self, group: &Group) -> usize {
        let copies = self.world.copies(group).await;
        copies.values().filter(|row| row["takenAt"].as_s().is_ok_and(|at| at.starts_with("2023-01"))).count()
    }

    /// Ends the worker again and again while its job is open, and the replicator with it.
    async fn kills(&self, group: &Group) {
        let emulator = self.world.emulator.pid().await;
        let mut last = 0;
        for death in 1..=DEATHS {
            let workers = until("a worker has got further", async || {
                let done = self.past_copies(group).await;
                let open = self.world.open_jobs(group).await;
                assert_eq!(open.len(), 1, "death {death} would come after the work: {open:?}");
                let workers = processes::of_function(emulator, &format!("{}-worker", self.world.name));
                // Every other one dies as soon as it is there, whatever it does.
                let now = !workers.is_empty() && (death % 2 == 0 || done > last);
                now.then(|| {
                    last = done;
                    workers
                })
            })
            .await;
            let replicators = processes::of_function(emulator, &format!("{}-replicator", self.world.name));
            workers.into_iter().chain(replicators).for_each(processes::kill);
        }
        assert_eq!(self.world.open_jobs(group).await.len(), 1, "all deaths were on the way");
        // So many deaths in a row use a message up; who finds the silent job later is the scrubber.
        self.world.announce(group).await;
    }
}

/// What a dead function was working on comes back soon: nobody can wait for half an hour here.
async fn hide_only_shortly(world: &World) {
    let sqs = world.clients.sqs();
    let queue = sqs.get_queue_url().queue_name(format!("{}-jobs", world.name)).send().await.unwrap();
    let set = sqs.set_queue_attributes().set_queue_url(queue.queue_url);
    set.attributes(QueueAttributeName::VisibilityTimeout, HIDDEN).send().await.unwrap();
}

#[tokio::test]
async fn a_long_past_that_joins_while_it_grows_is_copied_exactly_however_often_functions_die() {
    let world = World::new("long-past").await;
    hide_only_shortly(&world).await;
    let scene = Scene::new(&world).await;
    let quiet = scene.group("in peace").await;
    scene.joins(&quiet, async {}).await;
    let deadly = scene.group("with deaths").await;
    scene.joins(&deadly, scene.kills(&deadly)).await;
}
