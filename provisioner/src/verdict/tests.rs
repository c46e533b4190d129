//! Verdicts with and without the solver, over a table of changes and over random ones.
//!
//! Where there is no solver, the tests about it say so and end; with `FREEHOLD_SOLVER=required`, as in CI, they fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use domain::datatype::DataType;
use domain::id::{DriveId, ItemId, Name};
use domain::item::Item;
use domain::rules::compare::{Example, Side, Verdict};
use domain::rules::{CompiledRules, Terms, compile};
use domain::stack::{Rule, RuleSet};
use domain::time::Timestamp;
use domain::value::Fields;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value as Json, json};

use super::*;
use crate::event::{Collected, Event, Events};
use crate::plan::{Consents, Counted, Course, Measure, RuleChange, Sharing, impact};

const DAY: i64 = 86_400_000;

fn reading() -> DataType {
    serde_json::from_str(include_str!("../../../domain/src/rules/compare/reading.json")).unwrap()
}

fn types() -> BTreeMap<Name, DataType> {
    BTreeMap::from([(reading().name, reading())])
}

fn rules(json: &Json) -> RuleSet {
    let rules: Vec<Rule> = match json {
        Json::String(when) => serde_json::from_value(json!([{"types": ["reading"], "when": when}])).unwrap(),
        rules => serde_json::from_value(rules.clone()).unwrap(),
    };
    RuleSet { rules }
}

/// Rules that are compiled for the one data type.
struct Prepared {
    data_type: DataType,
    rules: RuleSet,
    compiled: CompiledRules,
}

impl Prepared {
    fn new(rules: RuleSet) -> Self {
        Self { data_type: reading(), compiled: compile(&types(), &rules).unwrap(), rules }
    }

    fn side(&self) -> Side<'_> {
        Side { data_type: &self.data_type, rules: &self.rules, compiled: &self.compiled }
    }
}

/// A solver, or none where there is none and none is required.
fn solver() -> Option<Solver> {
    match Solver::start() {
        Ok(solver) => Some(solver),
        Err(error) => {
            let required = std::env::var_os("FREEHOLD_SOLVER").is_some_and(|value| value == "required");
            assert!(!required, "{error}");
            eprintln!("not tested: {error}");
            None
        }
    }
}

fn turned(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Narrows => Verdict::Widens,
        Verdict::Widens => Verdict::Narrows,
        other => other,
    }
}

#[tokio::test]
async fn with_a_solver_every_change_of_the_table_has_its_verdict_and_it_is_proved() {
    let mut solver = solver();
    if solver.is_none() {
        return;
    }
    let table = include_str!("../../../domain/src/rules/compare/changes.json");
    let changes: Vec<(String, Json, Json, Verdict)> = serde_json::from_str(table).unwrap();
    assert!(changes.len() >= 60);
    let mut enumerated = std::collections::BTreeSet::new();
    for (name, before, after, expected) in &changes {
        let (before, after) = (Prepared::new(rules(before)), Prepared::new(rules(after)));
        for (before, after, expected) in [
            (&before, &after, *expected),
            (&after, &before, turned(*expected)),
            (&before, &before, Verdict::Unchanged),
        ] {
            let found = judge(before.side(), after.side(), &mut solver).await;
            assert_eq!(found.verdict, expected, "{name}: {found:?}");
            if found.known != Known::Proved {
                enumerated.insert(name.as_str());
            }
        }
    }
    // Inclusions of patterns, which the solver may give up on; that they hold is enumerated.
    let hard = ["a word within a word", "words within"];
    assert!(enumerated.iter().all(|name| hard.contains(name)), "{enumerated:?}");
}

#[tokio::test]
async fn a_solver_that_is_not_there_or_is_none_is_an_error_and_verdicts_are_enumerated_without_it() {
    let missing = Solver::start_at("no-such-program").map(drop).unwrap_err();
    assert!(matches!(missing, SolverError::Missing(_)), "{missing}");
    let (before, after) = (
        Prepared::new(rules(&json!("resource.mgdl > 180"))),
        Prepared::new(rules(&json!("resource.mgdl > 200"))),
    );
    // `cat` answers every question with the question, `true` with its end.
    for program in ["cat", "true"] {
        let mut broken = Solver::start_at(program).ok();
        let found = judge(before.side(), after.side(), &mut broken).await;
        assert_eq!((found.verdict, found.known), (Verdict::Narrows, Known::Enumerated), "{program}");
    }
}

fn threshold(group: usize, before: i64, after: i64) -> RuleChange {
    let rules = |mgdl: i64| rules(&json!(format!("resource.mgdl > {mgdl}")));
    RuleChange {
        group: Name::parse(&format!("g{group}")).unwrap(),
        before: rules(before),
        after: rules(after),
        types_before: types(),
        types_after: types(),
    }
}

async fn judged(judge: &Judge, changes: &[RuleChange]) -> (Vec<Sharing>, usize) {
    let collected = Arc::new(Collected::default());
    let events: Events = collected.clone();
    let sharing = judge.judge(changes, &events).await;
    let warnings = collected.events().iter().filter(|event| matches!(event, Event::Warning { .. })).count();
    (sharing, warnings)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_changed_groups_are_judged_each_with_its_own_verdict() {
    let changes: Vec<RuleChange> = (0..100)
        .map(|n| {
            let at = i64::try_from(n).unwrap() + 100;
            threshold(n, at, if n % 2 == 0 { at + 7 } else { at - 7 })
        })
        .collect();
    let begun = Instant::now();
    let there = solver().is_some();
    let judge = Judge::default();
    let (sharing, warnings) = judged(&judge, &changes).await;
    println!("100 changed groups: {:.1} s, solver: {there}", begun.elapsed().as_secs_f64());
    assert_eq!(warnings, usize::from(!there), "that there is no solver is said once");
    let known = if there { Known::Proved } else { Known::Enumerated };
    for (n, (sharing, change)) in sharing.iter().zip(&changes).enumerate() {
        assert_eq!((&sharing.group, &sharing.code), (&change.group, &change.code()));
        let expected = if n % 2 == 0 { Verdict::Narrows } else { Verdict::Widens };
        let found: Vec<_> = sharing.types.values().map(|one| (one.verdict, one.known)).collect();
        assert_eq!(found, [(expected, known)]);
    }
    assert_eq!(judged(&judge, &changes).await, (sharing, 0), "and remembered");
}

#[tokio::test]
async fn rules_in_other_words_move_nothing_if_they_ask_for_the_same_fields() {
    let change = |before: &str, after: &str| RuleChange {
        before: rules(&json!(before)),
        after: rules(&json!(after)),
        ..threshold(1, 1, 1)
    };
    let changes = [
        change("resource.mgdl > 180", "180 < resource.mgdl"),
        // Asks for another field, which copies of before do not carry.
        change("resource.mgdl > 180", "resource.mgdl > 180 && (resource has low || !(resource has low))"),
        change("resource.mgdl > 180", "resource.mgdl > 181"),
    ];
    let (sharing, _) = judged(&Judge::default(), &changes).await;
    let found: Vec<_> = sharing
        .iter()
        .flat_map(|sharing| sharing.types.values())
        .map(|one| (one.verdict, one.moves))
        .collect();
    use Verdict::{Narrows, Unchanged};
    assert_eq!(found, [(Unchanged, false), (Unchanged, true), (Narrows, true)]);
}

#[tokio::test]
async fn rules_that_cannot_be_read_any_more_are_not_decided() {
    let change = RuleChange { before: rules(&json!("resource.gone > 1")), ..threshold(1, 1, 2) };
    let (sharing, _) = judged(&Judge::default(), &[change]).await;
    assert!(sharing[0].needs_approval());
    assert_eq!(sharing[0].verdict(), Verdict::Undecided);
}

/// Conditions as people write them, of every kind of field.
fn condition() -> impl Strategy<Value = String> {
    let number = prop::sample::select(vec![70, 100, 140, 180, 181, 200]);
    let word = prop::sample::select(vec!["a", "ab", "b", "apple"]);
    let compared = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let atom = prop_oneof![
        (compared, number.clone()).prop_map(|(is, number)| format!("resource.mgdl {is} {number}")),
        number.prop_map(|number| format!("(resource has low && resource.mgdl > resource.low + {number})")),
        word.clone().prop_map(|word| format!("(resource has device && resource.device == \"{word}\")")),
        word.clone().prop_map(|word| format!("(resource has device && resource.device like \"{word}*\")")),
        word.clone().prop_map(|word| format!("(resource has note && resource.note like \"*{word}*\")")),
        word.prop_map(|word| format!("(resource has tags && resource.tags.contains(\"{word}\"))")),
        Just("(resource has fasting && resource.fasting)".to_owned()),
        Just("resource has note".to_owned()),
        Just("resource.takenAt >= datetime(\"2024-01-01\")".to_owned()),
        Just("(resource has ratio && resource.ratio.lessThan(decimal(\"1.5\")))".to_owned()),
    ];
    atom.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} && {other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} || {other})")),
            inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
}

fn some_rules() -> impl Strategy<Value = RuleSet> {
    let fields = prop::sample::select(vec![
        Json::Null,
        json!(["takenAt", "mgdl"]),
        json!(["mgdl", "note"]),
        json!(["takenAt", "device", "raw"]),
    ]);
    let history = prop::sample::select(vec![
        json!("all"),
        json!("none"),
        json!({"days": 7}),
        json!({"days": 30}),
        json!({"since": "2024-01-01T00:00:00Z"}),
    ]);
    let rule = (condition(), fields, history).prop_map(
        |(when, fields, history)| json!({"types": ["reading"], "when": when, "fields": fields, "history": history}),
    );
    prop::collection::vec(rule, 1..3).prop_map(|all| rules(&Json::Array(all)))
}

/// An item that has nothing to do with any condition, and somebody who has joined at some time.
fn some_item(random: &mut fastrand::Rng) -> (Fields, Timestamp) {
    let time = 1_704_067_200_000 + random.i64(-40 * DAY..40 * DAY);
    let texts = ["a", "ab", "b", "apple", "apples", "xbx", ""];
    let mut item = json!({
        "takenAt": Timestamp::from_millis(time).to_string(), "mgdl": random.i64(60..210),
        "low": random.i64(-100..100), "device": random.choice(texts), "note": random.choice(texts),
        "ratio": random.f64().mul_add(3.0, 0.0).to_string().get(..4), "fasting": random.bool(),
        "tags": [random.choice(texts), random.choice(texts)], "raw": {"any": 1},
    });
    for optional in ["low", "device", "note", "ratio", "tags", "fasting", "raw"] {
        if random.u8(..4) == 0 {
            item[optional] = Json::Null;
        }
    }
    let fields = reading().validate(item.as_object().unwrap()).unwrap();
    (fields, Timestamp::from_millis(1_704_067_200_000 + random.i64(-50 * DAY..50 * DAY)))
}

/// An example as the rules themselves see it.
fn holds(sample: &Sample, (before, after): (Side<'_>, Side<'_>), gains: bool) -> bool {
    let fields = reading().validate(&sample.fields).unwrap();
    let joined = sample.joined.unwrap_or(Timestamp::from_millis(1_767_225_600_000));
    let example = Example::of(fields, joined, before, after);
    assert_eq!((&example.before, &example.after), (&sample.before, &sample.after), "{sample:?}");
    if gains { example.gains() } else { example.loses() }
}

async fn check(before: &Prepared, after: &Prepared, seed: u64, solver: &mut Option<Solver>) -> Known {
    let sides = (before.side(), after.side());
    let found = judge(sides.0, sides.1, solver).await;
    assert!(found.appears.iter().all(|sample| holds(sample, sides, true)), "{found:?}");
    assert!(found.vanishes.iter().all(|sample| holds(sample, sides, false)), "{found:?}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (more, less) = match found.verdict {
        Verdict::Unchanged => (false, false),
        Verdict::Narrows => (false, true),
        Verdict::Widens => (true, false),
        Verdict::Both | Verdict::Undecided => return found.known,
    };
    for _ in 0..10_000 {
        let (fields, joined) = some_item(&mut random);
        let item = Example::of(fields, joined, sides.0, sides.1);
        assert!((more || !item.gains()) && (less || !item.loses()), "{found:?}, but {item:?}");
    }
    found.known
}

/// Pairs whose verdict can be contradicted by an item: ones that differ much say both ways at once.
fn pairs() -> impl Strategy<Value = (RuleSet, RuleSet)> {
    let with = |rules: RuleSet, more: &str, how: usize| {
        let mut changed = rules;
        for rule in &mut changed.rules {
            let when = rule.when.clone().unwrap_or_else(|| "true".to_owned());
            rule.when = Some(match how {
                0 => format!("({when}) && {more}"),
                1 => format!("({when}) || {more}"),
                2 => format!("!(!({when}))"),
                _ => format!("if {more} then ({when}) else ({when})"),
            });
        }
        changed
    };
    prop_oneof![
        3 => (some_rules(), condition(), 0_usize..4).prop_map(move |(rules, more, how)| {
            (rules.clone(), with(rules, &more, how))
        }),
        1 => (some_rules(), some_rules()),
    ]
}

#[test]
fn no_item_of_ten_thousand_contradicts_a_verdict_and_examples_are_what_they_say() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let known: BTreeMap<String, usize> = BTreeMap::new();
    let cases = std::env::var("FREEHOLD_PAIRS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let known_of = |solve: bool, (before, after): &(RuleSet, RuleSet), seed| {
        let (before, after) = (Prepared::new(before.clone()), Prepared::new(after.clone()));
        runtime.block_on(async {
            let mut solver = if solve { solver() } else { None };
            check(&before, &after, seed, &mut solver).await
        })
    };
    let known = std::cell::RefCell::new(known);
    let run = runner.run(&(pairs(), any::<u64>()), |(pair, seed)| {
        for solve in [false, true] {
            let how = known_of(solve, &pair, seed);
            *known.borrow_mut().entry(format!("{how:?}, solver {solve}")).or_default() += 1;
        }
        Ok(())
    });
    run.unwrap();
    println!("{:?}", known.borrow());
}

/// Such an item in a drive.
fn stored((fields, joined): (Fields, Timestamp)) -> (Item, Terms) {
    let data_type = reading();
    let time = data_type.time_of(&fields).unwrap();
    let item = Item {
        drive: DriveId::from_bits(1),
        id: ItemId::new(time, &data_type.name, 7),
        data_type: data_type.name,
        version: 1,
        fields,
        updated: time,
        expires: None,
    };
    (item, Terms::of_everything(joined))
}

#[test]
fn a_narrowing_never_schedules_a_copy() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let narrowed = std::cell::Cell::new(0);
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)).run(
        &(pairs(), any::<u64>()),
        |((before, after), seed)| {
            let (before, after) = (Prepared::new(before), Prepared::new(after));
            let found = runtime.block_on(judge(before.side(), after.side(), &mut None));
            let sharing = Sharing {
                group: Name::parse("g").unwrap(),
                code: String::new(),
                types: [(reading().name, found)].into(),
                impact: None,
            };
            let course = sharing.course();
            let takes_away_only = matches!(sharing.verdict(), Verdict::Narrows | Verdict::Unchanged);
            assert_eq!(course != Course::Compare, takes_away_only, "{sharing:?}");
            if !takes_away_only {
                return Ok(());
            }
            narrowed.set(narrowed.get() + 1);
            let measure = Measure { before: &before.compiled, after: &after.compiled, course };
            let (mut random, mut counted) = (fastrand::Rng::with_seed(seed), Counted::default());
            for _ in 0..1_000 {
                let (item, terms) = stored(some_item(&mut random));
                measure.count(&mut counted, &item, &terms);
            }
            let copied = impact(&[counted], 1, false, Consents::default()).copied.count;
            assert_eq!(copied, 0, "{sharing:?}: {} -> {}", json!(before.rules), json!(after.rules));
            Ok(())
        },
    );
    run.unwrap();
    assert!(narrowed.get() >= 20, "only {} changes were narrowings", narrowed.get());
}
