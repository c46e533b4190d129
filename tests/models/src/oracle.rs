//! The real functions of `domain::replication`, asked in the small values of the models.
//!
//! A model asks the same few questions millions of times, and an answer of Cedar takes microseconds: so each question
//! is put to the real function once, and its answer is remembered.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, LazyLock, Mutex};

use domain::datatype::DataType;
use domain::id::{DriveId, GroupId, ItemId};
use domain::item::Item;
use domain::replication::{
    Change, Decision, Former, ProviderMembership, ProviderTerms, ReplicaRow, Roster, Rulebook, Shard, Spread,
    decide as really_decide, must_ask_source, revise as really_revise, shown as really_shown,
};
use domain::rules::{
    AgreedRules, Carried, CompiledContract, CompiledRules, Contract as Written, Terms, compile,
};
use domain::time::Timestamp;
use domain::value::{Fields, Value};

use crate::terms::{Body, Contract, Edition, Layout, Op, Place, Reading, Row, Rule, Said, View};

/// Far more than the clocks of two machines are apart: how long passes between two changes of a roster.
const AGE: i64 = 100_000;

struct Fixture {
    data_type: DataType,
    rules: BTreeMap<Rule, Arc<CompiledRules>>,
    contracts: BTreeMap<(Contract, u8), Arc<CompiledContract>>,
    ids: Vec<ItemId>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(Fixture::new);

impl Fixture {
    fn new() -> Self {
        let data_type: DataType = serde_json::from_value(serde_json::json!({
            "name": "glucose", "time": "takenAt",
            "fields": {
                "takenAt": {"type": "datetime", "required": true},
                "mgdl": {"type": "integer", "required": true}
            }
        }))
        .unwrap();
        let types = BTreeMap::from([(data_type.name.clone(), data_type.clone())]);
        let rule = |json: serde_json::Value| {
            let set = serde_json::from_value(json).unwrap();
            Arc::new(compile(&types, &set).unwrap())
        };
        let all = rule(serde_json::json!([{"types": ["glucose"], "fields": ["takenAt"]}]));
        let high = rule(
            serde_json::json!([{"types": ["glucose"], "fields": ["takenAt"], "when": "resource.mgdl > 180"}]),
        );
        let rules = BTreeMap::from([(Rule::All, all), (Rule::High, high)]);
        let mut contracts = BTreeMap::new();
        for revision in 0..8 {
            let high: Written = serde_json::from_value(
                serde_json::json!({"types": ["glucose"], "when": "resource.mgdl > 180"}),
            )
            .unwrap();
            for (contract, written) in [(Contract::Open, Written::default()), (Contract::High, high)] {
                let compiled = CompiledContract::compile(&types, written, u32::from(revision)).unwrap();
                contracts.insert((contract, revision), Arc::new(compiled));
            }
            for (at, (rule, agreed)) in rules.iter().enumerate() {
                let agreed = AgreedRules { revision: at as u32, rules: agreed.clone() };
                let open =
                    CompiledContract::compile(&types, Written::default(), u32::from(revision)).unwrap();
                contracts
                    .insert((Contract::Agreed(*rule), revision), Arc::new(open.with_agreed(Some(agreed))));
            }
        }
        let ids = spread_ids(&data_type);
        Self { data_type, rules, contracts, ids }
    }
}

/// Identifiers in the order of their numbers, of which even ones lie in the first of two shards and odd ones in the
/// second.
fn spread_ids(data_type: &DataType) -> Vec<ItemId> {
    let halves = Spread { revision: 1, shards: 2 };
    let two: Vec<Shard> = halves.shards().collect();
    let id_of = |number: usize| {
        let time = Timestamp::from_millis(number as i64 * 1000);
        (0..)
            .map(|random| ItemId::new(time, &data_type.name, random))
            .find(|id| halves.shard_of(id) == two[number % 2])
    };
    (0..4).filter_map(id_of).collect()
}

fn drive() -> DriveId {
    DriveId::from_bits(1)
}

fn fields(item: u8, reading: Option<Reading>) -> Fields {
    let mgdl = reading.map(|reading| Value::Integer(if reading == Reading::High { 220 } else { 120 }));
    let time = Value::Datetime(FIXTURE.ids[usize::from(item)].time());
    let all = [("takenAt", Some(time)), ("mgdl", mgdl)];
    all.into_iter()
        .filter_map(|(name, value)| Some((domain::id::Name::parse(name).unwrap(), value?)))
        .collect()
}

fn terms(joined: u8, contract: Contract, revision: u8) -> Terms {
    let contract = FIXTURE.contracts[&(contract, revision)].clone();
    Terms { joined: Timestamp::from_millis(i64::from(joined) * AGE), contract }
}

fn book(era: u8, revision: u8, edition: Edition) -> Rulebook {
    Rulebook {
        revision: u32::from(revision),
        era: u16::from(era),
        since: Timestamp::from_millis(i64::from(edition.layout.at) * AGE),
        spread: spread(edition.layout),
        rules: FIXTURE.rules[&edition.rule].clone(),
    }
}

fn spread(layout: Layout) -> Spread {
    Spread { revision: u32::from(layout.since), shards: u16::from(layout.shards) }
}

fn membership(view: &View) -> ProviderMembership {
    ProviderMembership {
        group: GroupId::from_bits(1),
        drive: drive(),
        epoch: u64::from(view.epoch),
        terms: terms(view.joined, view.contract, view.contract_revision),
    }
}

fn item(said: &Said, reading: Reading) -> Item {
    let id = FIXTURE.ids[usize::from(said.item)].clone();
    Item {
        drive: drive(),
        data_type: FIXTURE.data_type.name.clone(),
        version: u64::from(said.version),
        fields: fields(said.item, Some(reading)),
        updated: id.time(),
        id,
        expires: None,
    }
}

fn op(said: &Said, decision: Decision) -> Option<Op> {
    let place = |shard| Place { item: said.item, shard };
    match decision {
        Decision::Nothing => None,
        Decision::Write { key, order, carried, .. } => {
            let carried = carried.fields.keys().any(|name| name.as_str() == "mgdl");
            let body = said.reading.map(|reading| Body { reading, carried });
            Some(Op::Put(place(key.shard), Row { order, body }))
        }
        Decision::Bury { key, order } => Some(Op::Put(place(key.shard), Row { order, body: None })),
    }
}

/// A remembered answer: looked up in the thread's own memory, then in everybody's, then asked.
macro_rules! remembered {
    ($question:ty => $answer:ty, $key:expr, $ask:expr) => {{
        static ALL: LazyLock<Mutex<HashMap<$question, $answer>>> = LazyLock::new(Mutex::default);
        thread_local!(static OWN: RefCell<HashMap<$question, $answer>> = RefCell::default());
        remember(&OWN, &ALL, $key, $ask)
    }};
}

fn remember<K: Hash + Eq + Clone, V: Clone>(
    own: &'static std::thread::LocalKey<RefCell<HashMap<K, V>>>,
    all: &Mutex<HashMap<K, V>>,
    key: K,
    ask: impl FnOnce() -> V,
) -> V {
    own.with_borrow_mut(|own| {
        if let Some(answer) = own.get(&key) {
            return answer.clone();
        }
        let mut all = all.lock().unwrap();
        let answer = all.entry(key.clone()).or_insert_with(ask).clone();
        own.insert(key, answer.clone());
        answer
    })
}

/// What follows for the copy of an item; nothing, or a write.
pub fn decide(said: Said, view: &View) -> Option<Op> {
    remembered!((Said, View) => Option<Op>, (said, *view), || {
        let present = said.reading.map(|reading| item(&said, reading));
        let change = match &present {
            Some(item) => Change::Present(item),
            None => Change::Deleted {
                id: &FIXTURE.ids[usize::from(said.item)],
                data_type: &FIXTURE.data_type.name,
                version: u64::from(said.version),
            },
        };
        let book = book(view.era, view.rule_revision, view.edition);
        op(&said, really_decide(&change, &membership(view), &book))
    })
}

/// What follows for the copy of an item that did not change, after a change of terms.
pub fn revise(said: Said, view: &View, former: &[(Edition, Contract)]) -> Option<Op> {
    type Question = (Said, View, Vec<(Edition, Contract)>);
    remembered!(Question => Option<Op>, (said, *view, former.to_vec()), || {
        let former: Vec<Former> = former
            .iter()
            .map(|(edition, contract)| Former {
                rules: FIXTURE.rules[&edition.rule].clone(),
                spread: spread(edition.layout),
                terms: terms(view.joined, *contract, 0),
            })
            .collect();
        let item = said.reading.map(|reading| item(&said, reading))?;
        let book = book(view.era, view.rule_revision, view.edition);
        op(&said, really_revise(&item, &membership(view), &book, &former))
    })
}

/// Whether what a record of this time says must be asked of the source.
pub fn must_ask(written: u8, joined: u8, layout: Layout) -> bool {
    // What begins an age stands at its beginning, and what is written in it in the middle.
    let written = Timestamp::from_millis(i64::from(written) * AGE + 70_000);
    let book = book(0, layout.since, Edition { rule: Rule::All, layout });
    must_ask_source(Some(written), &terms(joined, Contract::Open, 0), &book)
}

/// Whether a consumer sees a copy. The view is the reader's: the roster's membership and the rules of now.
pub fn shown(number: u8, row: &Row, view: &View) -> bool {
    remembered!((u8, Row, View) => bool, (number, *row, *view), || {
        let carried = row.body.filter(|body| body.carried).map(|body| body.reading);
        let replica = ReplicaRow {
            data_type: FIXTURE.data_type.name.clone(),
            id: FIXTURE.ids[usize::from(number)].clone(),
            drive: drive(),
            order: row.order,
            carried: Carried { fields: row.body.map(|_| fields(number, carried)).unwrap_or_default(), ..Carried::default() },
            expires: None,
        };
        let provider = ProviderTerms { epoch: u64::from(view.epoch), terms: membership(view).terms };
        let roster = Roster { providers: BTreeMap::from([(drive(), provider)]), ..Roster::default() };
        let book = book(view.era, view.rule_revision, view.edition);
        really_shown(&replica, &roster, &book, Timestamp::from_millis(0)).is_some()
    })
}

/// Where an item's copy lies in a layout.
pub fn place(item: u8, layout: Layout) -> Place {
    Place { item, shard: spread(layout).shard_of(&FIXTURE.ids[usize::from(item)]) }
}

/// Whether a place belongs to a layout.
pub fn is_in(place: &Place, layout: Layout) -> bool {
    spread(layout).shards().any(|shard| shard == place.shard)
}
