//! Contracts, changes of terms, and shards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::datatype::DataType;
use crate::id::{DriveId, GroupId, ItemId, Name};
use crate::item::Item;
use crate::rules::{
    AgreedRules, Carried, CompiledContract, CompiledRules, Contract, MAX_CONDITION, Terms, compile,
};
use crate::stack::RuleSet;
use crate::time::Timestamp;
use crate::value::Fields;

pub(super) fn types() -> BTreeMap<Name, DataType> {
    let json = json!({
        "name": "glucose", "time": "takenAt",
        "fields": {
            "takenAt": {"type": "datetime", "required": true}, "mgdl": {"type": "integer", "required": true},
            "note": {"type": "string"}, "device": {"type": "string"},
        }
    });
    let data_type: DataType = serde_json::from_value(json).unwrap();
    BTreeMap::from([(data_type.name.clone(), data_type)])
}

/// Rules and contracts that disagree about values, fields, and what is not there.
pub(super) const RULES: [(&str, &[&str]); 5] = [
    ("true", &["takenAt", "mgdl"]),
    ("resource.mgdl > 100", &["takenAt", "mgdl"]),
    ("resource.mgdl > 200", &["takenAt"]),
    ("!(resource has note)", &["mgdl"]),
    ("resource has device && resource.device == \"a\"", &["mgdl", "note"]),
];
pub(super) const CONTRACTS: [&str; 4] =
    ["true", "resource.mgdl < 150", "!(resource has device)", "resource has note && resource.note == \"x\""];

pub(super) fn rules(at: usize) -> Arc<CompiledRules> {
    static ALL: OnceLock<Vec<Arc<CompiledRules>>> = OnceLock::new();
    ALL.get_or_init(|| (0..RULES.len()).map(compiled_rules).collect())[at].clone()
}

fn compiled_rules(at: usize) -> Arc<CompiledRules> {
    let (when, fields) = RULES[at];
    let set: RuleSet = serde_json::from_value(
        json!([{"types": ["glucose"], "when": when, "fields": fields, "history": "all"}]),
    )
    .unwrap();
    Arc::new(compile(&types(), &set).unwrap())
}

/// A contract of a provider who agreed to these rules; who follows the rules if `None`.
pub(super) fn contract(at: usize, agreed: Option<usize>, revision: u32) -> Arc<CompiledContract> {
    static ALL: OnceLock<Vec<CompiledContract>> = OnceLock::new();
    let compiled = &ALL.get_or_init(|| (0..CONTRACTS.len()).map(compiled_contract).collect())[at];
    let agreed = agreed.map(|at| AgreedRules { revision: at as u32, rules: rules(at) });
    let mut compiled = compiled.clone().with_agreed(agreed);
    compiled.revision = revision;
    Arc::new(compiled)
}

/// How many numbers name a contract and an agreement.
pub(super) const CONSENTS: usize = 3 * CONTRACTS.len();

/// What the number of a consent says: its contract, and the rules that are agreed to. A provider follows the rules, agrees
/// to the current ones, or leaves the agreement as it is.
fn consent(number: usize, current: usize, before: Option<usize>) -> (usize, Option<usize>) {
    let agreed = match number / CONTRACTS.len() % 3 {
        0 => None,
        1 => Some(current),
        _ => before,
    };
    (number % CONTRACTS.len(), agreed)
}

fn compiled_contract(at: usize) -> CompiledContract {
    let types_named = BTreeSet::from([Name::parse("glucose").unwrap()]);
    let written =
        Contract { types: Some(types_named), when: Some(CONTRACTS[at].into()), ..Contract::default() };
    CompiledContract::compile(&types(), written, 0).unwrap()
}

fn spread(revision: u32, shards: u16) -> Spread {
    Spread { revision, shards }
}

/// The terms at one moment.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) book: Rulebook,
    pub(super) membership: ProviderMembership,
}

impl Moment {
    pub(super) fn former(&self) -> Former {
        Former {
            rules: self.book.rules.clone(),
            spread: self.book.spread,
            terms: self.membership.terms.clone(),
        }
    }

    fn projection(&self, item: &Item) -> Option<Carried> {
        self.book.rules.replica(decide::question(item, &self.membership.terms))
    }

    /// What a reader sees of a copy.
    pub(super) fn seen(&self, item: &Item, (order, carried): (Order, Carried)) -> Option<Fields> {
        let Item { id, data_type, drive, .. } = item.clone();
        let row = ReplicaRow { data_type, id, drive: drive.clone(), order, carried, expires: None };
        let provider = ProviderTerms { epoch: 3, terms: self.membership.terms.clone() };
        let roster = Roster { providers: BTreeMap::from([(drive, provider)]), ..Roster::default() };
        shown(&row, &roster, &self.book, Timestamp::from_millis(0))
    }
}

/// A history of terms: each step changes the rules, or the contract and the agreement.
pub(super) fn moments(first: (usize, usize), steps: &[(bool, usize)]) -> Vec<Moment> {
    let (mut rule, mut rule_revision, mut contract_revision) = (first.0, 1, 0);
    let (mut contract_at, mut agreed) = consent(first.1, rule, None);
    let mut all = Vec::new();
    for step in std::iter::once(None).chain(steps.iter().map(Some)) {
        match step {
            Some((true, to)) => (rule, rule_revision) = (to % RULES.len(), rule_revision + 1),
            Some((false, to)) => {
                contract_revision += 1;
                (contract_at, agreed) = consent(*to, rule, agreed);
            }
            None => {}
        }
        all.push(Moment {
            book: Rulebook {
                revision: rule_revision,
                era: 0,
                since: Timestamp::from_millis(0),
                spread: spread(1, 1),
                rules: rules(rule),
            },
            membership: ProviderMembership {
                group: GroupId::from_bits(1),
                drive: DriveId::from_bits(2),
                epoch: 3,
                terms: Terms {
                    joined: Timestamp::from_millis(0),
                    contract: contract(contract_at, agreed, contract_revision),
                },
            },
        });
    }
    all
}

pub(super) fn item(mgdl: i64, note: Option<&str>, device: Option<&str>, version: u64) -> Item {
    let types = types();
    let data_type = &types["glucose"];
    let mut json = json!({"takenAt": "2014-02-03T03:42:12Z", "mgdl": mgdl});
    for (name, value) in [("note", note), ("device", device)] {
        if let Some(value) = value {
            json[name] = value.into();
        }
    }
    let fields = data_type.validate(json.as_object().unwrap()).unwrap();
    let time = data_type.time_of(&fields).unwrap();
    Item {
        drive: DriveId::from_bits(2),
        data_type: data_type.name.clone(),
        id: ItemId::new(time, &data_type.name, 7),
        version,
        fields,
        updated: time,
        expires: None,
    }
}

pub(super) type Copy = (Order, Option<Carried>);

pub(super) fn take(copy: &mut Option<Copy>, decision: Decision) {
    let (order, carried) = match decision {
        Decision::Write { order, carried, .. } => (order, Some(carried)),
        Decision::Bury { order, .. } => (order, None),
        Decision::Nothing => return,
    };
    if copy.as_ref().is_none_or(|(held, _)| *held < order) {
        *copy = Some((order, carried));
    }
}

pub(super) fn some_item() -> impl Strategy<Value = Item> {
    let text = |options: &'static [&'static str]| prop::option::of(prop::sample::select(options));
    (prop::sample::select(vec![50, 120, 170, 250]), text(&["x", "y"]), text(&["a", "b"]), 1..3u64)
        .prop_map(|(mgdl, note, device, version)| item(mgdl, note, device, version))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever late writers of former terms still do, before or after the job of the last change: the copy says what
    /// the terms of now say, and nothing is written that nobody disagrees about.
    #[test]
    fn after_a_change_of_terms_copies_say_what_the_terms_of_now_say(
        item in some_item(),
        first in (0..RULES.len(), 0..CONSENTS),
        steps in prop::collection::vec((any::<bool>(), 0..60usize), 1..4),
        late in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<bool>()), 0..6),
    ) {
        let moments = moments(first, &steps);
        let (begin, end) = (&moments[0], &moments[moments.len() - 1]);
        let job = |at: usize| {
            let former: Vec<Former> = moments[..at].iter().map(Moment::former).collect();
            revise(&item, &moments[at].membership, &moments[at].book, &former)
        };
        let mut copy = None;
        take(&mut copy, decide(&Change::Present(&item), &begin.membership, &begin.book));
        let writer = |(at, as_job, _): &(prop::sample::Index, bool, bool)| {
            let at = at.index(moments.len());
            let moment = &moments[at];
            if *as_job { job(at) } else { decide(&Change::Present(&item), &moment.membership, &moment.book) }
        };
        late.iter().filter(|late| late.2).for_each(|late| take(&mut copy, writer(late)));
        let last = job(moments.len() - 1);
        take(&mut copy, last.clone());
        late.iter().filter(|late| !late.2).for_each(|late| take(&mut copy, writer(late)));

        let (projection, copy) = (end.projection(&item), copy.and_then(|(order, carried)| Some((order, carried?))));
        prop_assert_eq!(copy.as_ref().map(|(_, carried)| &carried.fields), projection.as_ref().map(|p| &p.fields));
        let seen = copy.and_then(|copy| end.seen(&item, copy));
        prop_assert_eq!(seen, end.book.rules.visible(decide::question(&item, &end.membership.terms)));
        if moments.iter().all(|moment| moment.projection(&item).is_none()) {
            prop_assert_eq!(last, Decision::Nothing);
        }
    }

    /// A reader with the terms of now never shows what they do not select, whatever terms the copy was written under.
    #[test]
    fn a_copy_of_former_terms_shows_nothing_that_the_terms_of_now_do_not(
        item in some_item(),
        first in (0..RULES.len(), 0..CONSENTS),
        steps in prop::collection::vec((any::<bool>(), 0..60usize), 0..4),
    ) {
        let moments = moments(first, &steps);
        let (begin, end) = (&moments[0], &moments[moments.len() - 1]);
        let Decision::Write { order, carried, .. } = decide(&Change::Present(&item), &begin.membership, &begin.book)
        else {
            return Ok(());
        };
        let seen = end.seen(&item, (order, carried));
        let right = end.book.rules.visible(decide::question(&item, &end.membership.terms));
        match (&seen, &right) {
            (Some(_), None) => prop_assert!(false, "shown although nothing selects it"),
            (Some(seen), Some(right)) => {
                prop_assert!(seen.iter().all(|(name, value)| right.get(name) == Some(value)));
            }
            (None, _) => {}
        }
        if steps.is_empty() {
            prop_assert_eq!(seen, right, "terms that did not change show everything");
        }
    }
}

#[test]
fn a_condition_on_what_is_not_there_hides_copies_that_were_never_asked() {
    // The copy of an item with a note, written when nobody asked for notes.
    let with_note = item(250, Some("x"), None, 1);
    let all = moments((1, 0), &[(true, 3)]);
    let Decision::Write { carried, .. } =
        decide(&Change::Present(&with_note), &all[0].membership, &all[0].book)
    else {
        panic!("selected by the first rule");
    };
    assert!(!carried.fields.contains_key("note") && !carried.absent.contains("note"));
    let without = item(250, None, None, 1);
    // It looks the same as one of an item without a note, which the second rule does select: that one is written anew.
    let again = revise(&without, &all[1].membership, &all[1].book, &[all[0].former()]);
    assert!(matches!(again, Decision::Write { .. }));
    let buried = revise(&with_note, &all[1].membership, &all[1].book, &[all[0].former()]);
    assert!(matches!(buried, Decision::Bury { .. }));
}

#[test]
fn a_contract_narrows_by_type_date_and_condition_and_never_widens() {
    let reading = item(120, None, None, 1);
    let selects = |written: serde_json::Value| {
        let contract =
            CompiledContract::compile(&types(), serde_json::from_value(written).unwrap(), 1).unwrap();
        let terms = Terms { joined: Timestamp::from_millis(0), contract: Arc::new(contract) };
        rules(1).visible(decide::question(&reading, &terms)).is_some()
    };
    assert!(selects(json!({})));
    assert!(selects(json!({"types": ["glucose"]})) && !selects(json!({"types": []})));
    assert!(
        selects(json!({"from": "2014-02-03T03:42:12Z"})) && !selects(json!({"from": "2014-02-03T03:42:13Z"}))
    );
    assert!(
        selects(json!({"to": "2014-02-03T03:42:13Z"})) && !selects(json!({"to": "2014-02-03T03:42:12Z"}))
    );
    assert!(selects(json!({"types": ["glucose"], "when": "resource.mgdl < 130"})));
    assert!(!selects(json!({"types": ["glucose"], "when": "resource.mgdl > 130"})));
    let below = item(90, None, None, 1);
    let open = Terms::of_everything(Timestamp::from_millis(0));
    assert_eq!(rules(1).visible(decide::question(&below, &open)), None, "what the rule leaves out stays out");
}

#[test]
fn mistakes_of_a_contract_are_told_and_a_contract_that_lost_its_type_allows_nothing_of_it() {
    let errors = |written: serde_json::Value| {
        CompiledContract::compile(&types(), serde_json::from_value(written).unwrap(), 1).unwrap_err()
    };
    assert!(matches!(errors(json!({"when": "true"}))[..], [crate::rules::ContractError::NoTypes]));
    let reversed = json!({"from": "2015-01-01T00:00:00Z", "to": "2014-01-01T00:00:00Z"});
    assert!(matches!(errors(reversed)[..], [crate::rules::ContractError::Empty]));
    assert_eq!(errors(json!({"types": ["glucos"], "when": "resource.mgd > 1"})).len(), 1);
    let long = "true && ".repeat(600) + "true";
    assert!(matches!(
        errors(json!({"types": ["glucose"], "when": long}))[..],
        [crate::rules::ContractError::TooLong]
    ));
    let longest = format!("{}true", " ".repeat(MAX_CONDITION - 4));
    let longest = serde_json::from_value(json!({"types": ["glucose"], "when": longest})).unwrap();
    assert!(CompiledContract::compile(&types(), longest, 1).is_ok(), "as long as may be");
    let misspelt = errors(json!({"types": ["glucose"], "when": "resource.mgd > 1"}));
    assert!(misspelt[0].to_string().contains("mgdl"), "{misspelt:?}");

    let written: Contract = serde_json::from_value(json!({"types": ["gone", "glucose"]})).unwrap();
    let accepted = CompiledContract::accepted(&types(), written.clone(), 1);
    assert_eq!(*accepted.written(), written, "who accepted it reads what they accepted");

    let reading = item(250, None, None, 1);
    let closed = |written: serde_json::Value| {
        let written = serde_json::from_value(written).unwrap();
        let terms = Terms {
            joined: Timestamp::from_millis(0),
            contract: Arc::new(CompiledContract::accepted(&types(), written, 1)),
        };
        rules(0).visible(decide::question(&reading, &terms)).is_none()
    };
    assert!(closed(json!({"types": ["glucose"], "when": "resource.gone > 1"})), "a field that is gone");
    assert!(closed(json!({"types": ["gone"], "when": "resource.mgdl > 1"})), "a type that is gone");
    assert!(!closed(json!({"types": ["gone", "glucose"], "when": "resource.mgdl > 1"})));
}

#[test]
fn items_are_spread_over_all_shards_and_copies_of_two_layouts_never_share_a_partition() {
    assert!(spread(7, 3).shards().all(|shard| shard.revision() == 7));
    let name = Name::parse("glucose").unwrap();
    let mut held = BTreeMap::<String, usize>::new();
    for random in 0..8000_u64 {
        let id = ItemId::new(
            Timestamp::from_millis(1_400_000_000_000),
            &name,
            random.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        *held.entry(spread(2, 8).shard_of(&id).to_string()).or_default() += 1;
    }
    assert_eq!(held.len(), 8);
    assert!(held.values().all(|count| (800..1200).contains(count)), "{held:?}");
    let of = |revision, shards| {
        spread(revision, shards).shards().map(|shard| shard.to_string()).collect::<BTreeSet<_>>()
    };
    assert_eq!(of(1, 1), BTreeSet::from(["0".to_owned()]));
    assert_eq!(of(1, 0), of(1, 1));
    assert_eq!(of(2, 8), held.into_keys().collect());
    assert!(of(1, 1).is_disjoint(&of(2, 2)) && of(2, 2).is_disjoint(&of(3, 8)));
    assert!(
        of(1, 1).is_disjoint(&of(3, 1)) && of(2, 4).is_disjoint(&of(5, 4)),
        "nor do two of the same number"
    );
}

#[test]
fn a_change_of_shards_moves_what_is_selected_and_nothing_else() {
    let all = moments((1, 0), &[(true, 1)]);
    let (selected, other) = (item(250, None, None, 1), item(50, None, None, 1));
    let moved = Rulebook { spread: spread(2, 4), ..all[1].book.clone() };
    let decision = revise(&selected, &all[1].membership, &moved, &[all[0].former()]);
    assert!(
        matches!(decision, Decision::Write { key, .. } if key.shard == spread(2, 4).shard_of(&selected.id))
    );
    assert_eq!(revise(&other, &all[1].membership, &moved, &[all[0].former()]), Decision::Nothing);
    assert_eq!(revise(&selected, &all[1].membership, &all[1].book, &[all[0].former()]), Decision::Nothing);
}

#[test]
fn what_was_asked_before_and_after_need_not_be_written_again() {
    let compiled = |when: &str| {
        let set = serde_json::from_value(json!([{"types": ["glucose"], "when": when, "fields": ["mgdl"]}]))
            .unwrap();
        Arc::new(compile(&types(), &set).unwrap())
    };
    let all = moments((0, 0), &[(true, 0)]);
    let book = |revision, when| Rulebook { revision, rules: compiled(when), ..all[0].book.clone() };
    let (before, after) =
        (book(1, "!(resource has note)"), book(2, "!(resource has note) && resource.mgdl > 60"));
    let former = Former { rules: before.rules, ..all[0].former() };
    let plain = item(120, None, None, 1);
    assert_eq!(revise(&plain, &all[0].membership, &after, std::slice::from_ref(&former)), Decision::Nothing);
    let low = item(50, None, None, 1);
    assert!(matches!(revise(&low, &all[0].membership, &after, &[former]), Decision::Bury { .. }));
}

#[test]
fn two_contracts_are_the_same_if_text_and_revision_are() {
    let of = |to: i64, revision| {
        let written = Contract { to: Some(Timestamp::from_millis(to)), ..Contract::default() };
        CompiledContract::compile(&types(), written, revision).unwrap()
    };
    assert!(of(1, 1) == of(1, 1) && of(1, 1) != of(2, 1) && of(1, 1) != of(1, 2));
}

#[test]
fn where_an_item_lies_is_the_same_for_ever() {
    let name = Name::parse("glucose").unwrap();
    let of = |random| {
        let id = ItemId::new(Timestamp::from_millis(1_400_000_000_000), &name, random);
        spread(2, 64).shard_of(&id).to_string()
    };
    assert_eq!([of(1), of(2), of(3)], ["2.64.22", "2.64.15", "2.64.60"]);
}
