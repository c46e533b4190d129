//! The simulation's table of copies does what the real store does over an embedded DynamoDB.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops")]

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use domain::datatype::DataType;
use domain::id::{DriveId, GroupId, ItemId, Name};
use domain::replication::{Decision, Order, ReplicaKey, ReplicaRow, Spread};
use domain::rules::Carried;
use domain::time::Timestamp;
use serde_json::json;
use simulation::copies::{Copies, apply_all, merge};
use simulation::terms::{self, NOTES, Reading, VALUES};
use store::layout::Layout;
use store::page::{Direction, Window};
use store::removal::Ended;
use store::{Store, Tables};

/// Seeds, each with its own group in one database.
const SEEDS: u64 = 20;
/// Calls of each.
const CALLS: usize = 50;
const SPREADS: [Spread; 3] =
    [Spread { revision: 1, shards: 1 }, Spread { revision: 2, shards: 2 }, Spread { revision: 3, shards: 3 }];
const LAYOUTS: [&[Spread]; 4] =
    [&[SPREADS[0]], &[SPREADS[1]], &[SPREADS[0], SPREADS[1]], &[SPREADS[1], SPREADS[2]]];

fn layout_of(spreads: &[Spread]) -> Layout {
    let first = Layout::of(spreads[0]);
    spreads.iter().fold(first, |layout, spread| layout.moving_to(spread.shards, spread.revision))
}

async fn store() -> Store {
    let database = dynoxide::Database::memory().unwrap();
    let request = json!({
        "TableName": "t-replicas", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"},
        ],
    });
    database.create_table(serde_json::from_value(request).unwrap()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .build();
    Store::new(aws_sdk_dynamodb::Client::from_conf(config), Tables::of_stack("t"))
}

/// One sequence of calls, made of the model and of the store.
struct Pair<'a> {
    rng: fastrand::Rng,
    store: &'a Store,
    model: Copies,
    group: GroupId,
    now: Timestamp,
}

impl Pair<'_> {
    fn drive(&mut self) -> DriveId {
        DriveId::from_bits(self.rng.u128(1..4))
    }

    fn id(&mut self) -> ItemId {
        let number = self.rng.u64(..5);
        ItemId::new(Timestamp::from_millis(number as i64 * 1000), terms::glucose(), number)
    }

    fn layout(&mut self) -> &'static [Spread] {
        self.rng.choice(LAYOUTS).unwrap()
    }

    fn decision(&mut self) -> Decision {
        let (id, drive) = (self.id(), self.drive());
        let spread = self.rng.choice(SPREADS).unwrap();
        let key = ReplicaKey {
            group: self.group.clone(),
            data_type: terms::glucose().clone(),
            shard: spread.shard_of(&id),
            id: id.clone(),
            drive,
        };
        let dead = self.rng.u8(..) < 80;
        let order = Order {
            era: self.rng.u16(..2),
            epoch: self.rng.u64(1..4),
            version: self.rng.u64(1..4),
            rule_revision: self.rng.u32(1..3),
            contract_revision: self.rng.u32(..3),
            dead,
        };
        if dead {
            return Decision::Bury { key, order };
        }
        let reading =
            Reading { mgdl: self.rng.choice(VALUES).unwrap(), note: self.rng.choice(NOTES).unwrap() };
        let expires = self.rng.bool().then(|| self.now.plus_millis(self.rng.i64(1_000..9_000)));
        // Whole seconds: that is how they are stored.
        let expires = expires.map(|end| Timestamp::from_millis(end.seconds() * 1000));
        let fields = terms::fields(id.time(), &reading);
        let note = Name::parse("note").unwrap();
        let absent = (reading.note.is_none() && self.rng.bool()).then_some(note).into_iter().collect();
        Decision::Write { key, order, carried: Carried { fields, absent }, expires }
    }

    async fn apply(&mut self) {
        let many = self.rng.usize(1..=40);
        let decisions: Vec<Decision> = (0..many).map(|_| self.decision()).collect();
        let applied = self.store.apply(&decisions, self.now).await.unwrap();
        let expected = apply_all(&mut self.model, &decisions, self.now);
        assert_eq!((applied.written, applied.superseded), expected);
    }

    async fn purge(&mut self) {
        let (spreads, drive) = (self.layout(), self.drive());
        let (era, epoch) = (self.rng.u16(..2), self.rng.u64(..4));
        let ended = Ended { drive: &drive, era, epoch };
        let ids: std::collections::BTreeSet<ItemId> = (0..3).map(|_| self.id()).collect();
        let items: Vec<(Name, ItemId)> = ids.into_iter().map(|id| (terms::glucose().clone(), id)).collect();
        let layout = layout_of(spreads);
        let removed = self.store.purge(&self.group, &layout, ended, &items, self.now).await.unwrap();
        let mut expected = 0;
        for (data_type, id) in items {
            for spread in spreads {
                let key = ReplicaKey {
                    group: self.group.clone(),
                    data_type: data_type.clone(),
                    shard: spread.shard_of(&id),
                    id: id.clone(),
                    drive: drive.clone(),
                };
                expected += usize::from(self.model.end(&key, (era, epoch), self.now));
            }
        }
        assert_eq!(removed, expected);
    }

    async fn sweep(&mut self) {
        let (spreads, drive) = (self.layout(), self.drive());
        let (era, epoch) = (self.rng.u16(..2), self.rng.u64(..4));
        let ended = Ended { drive: &drive, era, epoch };
        for shard in spreads.iter().flat_map(|spread| spread.shards()) {
            let partition = store::keys::replica_partition(&self.group, terms::glucose(), shard);
            let swept = self.store.sweep(&partition, ended, None, self.now).await.unwrap();
            let stretch = self.model.stretch((&self.group, terms::glucose(), shard), None, 1_000);
            let now = self.now;
            let theirs = stretch.rows.iter().filter(|(key, copy)| key.drive == drive && !copy.order.dead);
            let removed = theirs.filter(|(key, _)| self.model.end(key, (era, epoch), now)).count();
            assert_eq!((swept.found, swept.removed, swept.next), (removed, removed, None));
        }
    }

    /// What readers see of a layout, page by page, is what the model says: the whole table, in the end.
    async fn compare(&mut self, spreads: &[Spread]) {
        let layout = layout_of(spreads);
        let types: Vec<&DataType> = vec![&terms::types()[terms::glucose()]];
        let limit = self.rng.usize(2..9);
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let window = Window { from: None, to: None, limit, direction: Direction::Asc, after };
            let page = self.store.replicas(&self.group, &layout, &types, &window).await.unwrap();
            seen.extend(page.items.into_iter().map(Result::unwrap));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let lists =
            spreads.iter().flat_map(|spread| self.model.spread(&self.group, terms::glucose(), *spread));
        let mut expected: Vec<ReplicaRow> = merge(lists, false);
        expected.sort_by_key(|row| format!("{}#{}", row.id, row.drive));
        assert_eq!(seen, expected, "{spreads:?}");
    }
}

#[tokio::test]
async fn the_table_of_copies_does_what_the_store_does_over_dynamodb() {
    let store = store().await;
    let mut written = 0;
    for seed in 0..SEEDS {
        let mut pair = Pair {
            rng: fastrand::Rng::with_seed(seed),
            store: &store,
            model: Copies::default(),
            group: GroupId::from_bits(u128::from(seed) + 1),
            now: Timestamp::from_millis(1_000_000_000_000),
        };
        for _ in 0..CALLS {
            pair.now = pair.now.plus_millis(pair.rng.i64(1..5_000));
            match pair.rng.u8(..10) {
                0..=5 => pair.apply().await,
                6..=7 => pair.purge().await,
                8 => pair.sweep().await,
                _ => {
                    let spreads = pair.layout();
                    pair.compare(spreads).await;
                }
            }
        }
        pair.compare(&SPREADS).await;
        for spread in SPREADS {
            pair.compare(&[spread]).await;
        }
        written += pair.model.stamp();
    }
    assert!(written > SEEDS * 100, "only {written} writes: nothing was compared");
}
