use std::time::Duration;

use serde_json::json;

use super::*;
use crate::rules::compare::{Budget, Finding, Side, adds_nothing, compare, theorems};
use crate::rules::explain::{Answer, explain};
use crate::rules::{CompiledContract, Question, Terms};
use crate::stack::Rule;
use crate::time::Timestamp;

/// The stack of a thread of tokio's.
const WORKER: usize = 2 * 1024 * 1024;

fn on_a_worker<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(WORKER).spawn(test).unwrap().join().unwrap()
}

/// The processor's time that this thread has used.
fn used() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

fn types() -> BTreeMap<Name, DataType> {
    let types: Vec<DataType> = serde_json::from_value(json!([
        {"name": "reading", "time": "at", "fields": {
            "at": {"type": "datetime", "required": true},
            "mgdl": {"type": "integer", "required": true},
            "ratio": {"type": "decimal", "required": true},
            "text": {"type": "string", "required": true},
            "short": {"type": "string", "required": true, "maxLength": 20},
            "tags": {"type": "set", "required": true},
            "more": {"type": "set", "required": true},
            "fasting": {"type": "boolean", "required": true},
        }},
    ]))
    .unwrap();
    types.into_iter().map(|data_type| (data_type.name.clone(), data_type)).collect()
}

fn reading() -> Name {
    Name::parse("reading").unwrap()
}

/// A rule for each condition.
fn rules(conditions: impl IntoIterator<Item = String>) -> RuleSet {
    let rule =
        |when| Rule { types: vec![reading()], when: Some(when), fields: None, history: Default::default() };
    RuleSet { rules: conditions.into_iter().map(rule).collect() }
}

/// Conditions that are this deep, of every kind of depth.
fn nested(levels: usize) -> Vec<(&'static str, String)> {
    let around = |open: &str, inner: &str, close: &str| open.repeat(levels) + inner + &close.repeat(levels);
    vec![
        ("(", around("(", "resource.mgdl > 1", ")")),
        ("[", around("[", "1", "]") + " == [1]"),
        ("{", around("{a: ", "1", "}") + " == {a: 1}"),
        ("!", around("!", "resource.fasting", "")),
        ("!(", around("!(", "resource.fasting", ")")),
        ("-", around("-", "resource.mgdl", "") + " > 1"),
        ("-(", around("-(", "resource.mgdl", ")") + " > 1"),
        ("if", around("if resource.fasting then true else ", "false", "")),
        ("if then", around("if resource.fasting then ", "true", " else false")),
        ("if if", around("if ", "resource.fasting", " then true else false")),
        ("&&", around("true && ", "true", "")),
        ("||", around("false||", "true", "")),
        ("+", around("1 + ", "1", "") + " == 1"),
        ("*", around("1*", "1", "") + " == 1"),
        (".", "resource".to_owned() + &".a".repeat(levels)),
        ("[]", "resource".to_owned() + &"[\"a\"]".repeat(levels)),
        ("[] behind comments", "resource".to_owned() + &"//\r[\"a\"]".repeat(levels)),
        ("[] behind blanks", "resource".to_owned() + &"\u{a0}[\"a\"]".repeat(levels)),
        ("()", "resource.tags".to_owned() + &".contains(".repeat(levels) + "1" + &")".repeat(levels)),
        ("unclosed (", "(".repeat(levels)),
        ("unclosed [", "[".repeat(levels)),
        ("unclosed if", "if ".repeat(levels)),
        ("unopened", ")".repeat(levels)),
        ("then a text without an end", "(".repeat(levels) + "\""),
        ("behind a comment", format!("// a\r{}", around("(", "true", ")"))),
        ("behind a text", format!("\"\\\"\" == {}", around("(", "\"\"", ")"))),
    ]
}

#[test]
fn conditions_of_any_depth_are_refused_or_compiled_on_the_stack_of_a_worker() {
    let (refused, all) = on_a_worker(|| {
        let (mut refused, mut all) = (0, 0);
        for levels in [1, 2, 30, 60, 100, 127, 200, 255, 300, 800, 1_000, 20_000, 60_000] {
            for (kind, condition) in nested(levels) {
                let set = rules([condition.clone()]);
                let started = used();
                let compiled = compile(&types(), &set);
                let took = used() - started;
                assert!(took < Duration::from_secs(1), "{levels} of `{kind}` took {took:?}");
                all += 1;
                refused += usize::from(compiled.is_err());
                if levels >= 300 && kind != "unopened" {
                    let errors = compiled.err().unwrap();
                    assert!(
                        errors[0].message.contains("may have at most"),
                        "{levels} of `{kind}`: {errors:?}"
                    );
                }
                // These parse text of their own.
                let other = rules([format!("{condition} || true")]);
                let _ = adds_nothing(&types(), &set, &other, &mut Budget::request());
                let fields = item(&"a".repeat(10));
                let explained = explain(&types()[&reading()], &set, &fields, Timestamp::from_millis(0));
                assert_eq!(explained.rules.len(), 1);
            }
        }
        (refused, all)
    });
    eprintln!("{refused} of {all} conditions were refused, and none ended the process");
}

#[test]
fn comparing_and_explaining_refuse_what_compiling_refuses() {
    on_a_worker(|| {
        for levels in [1_000, 20_000] {
            for (kind, condition) in nested(levels).into_iter().filter(|(kind, _)| *kind != "unopened") {
                let (set, compiled) = (rules([condition]), CompiledRules::default());
                let side = Side { data_type: &types()[&reading()], rules: &set, compiled: &compiled };
                assert_eq!(compare(side, side).appears, Finding::Unknown, "{kind}");
                assert!(theorems(side, side).is_none(), "{kind}");
                let explained = explain(&types()[&reading()], &set, &item("a"), Timestamp::from_millis(0));
                let condition = explained.rules[0].condition.as_ref().unwrap();
                assert_eq!(condition.answer, Answer::Failed, "{kind}");
                assert!(condition.parts[0].failure.as_ref().unwrap().contains("may have at most"), "{kind}");
            }
        }
    });
}

/// The deepest that is accepted, of each kind that is sound at any depth.
#[test]
fn the_deepest_conditions_that_are_accepted_mean_what_they_say() {
    let most = on_a_worker(|| {
        let mut most = Vec::new();
        let sound = ["(", "!(", "if", "if then", "if if", "&&", "||"];
        for kind in sound {
            let of = |levels: usize| nested(levels).into_iter().find(|(of, _)| *of == kind).unwrap().1;
            let levels = (1..300).rev().find(|levels| check_text(&of(*levels)).is_ok()).unwrap();
            let set = rules([of(levels)]);
            let compiled =
                compile(&types(), &set).unwrap_or_else(|errors| panic!("{levels} of {kind}: {errors:?}"));
            let (name, fields) = (reading(), item("a"));
            let terms = Terms::of_everything(Timestamp::from_millis(0));
            let question = Question {
                data_type: &name,
                time: Timestamp::from_millis(0),
                fields: &fields,
                terms: &terms,
            };
            // `fasting` is true.
            let expected = kind != "!(" || levels % 2 == 0;
            assert_eq!(compiled.visible(question).is_some(), expected, "{levels} of `{kind}`");
            most.push(format!("{levels} of `{kind}`"));
        }
        most
    });
    eprintln!("the most: {}", most.join(", "));
}

#[test]
fn what_people_write_is_far_from_the_limits() {
    for condition in [
        "resource.mgdl > 180 && (resource.fasting || !(resource.text like \"*private*\"))",
        "if resource.fasting then resource.mgdl > 100 else resource.mgdl > 180",
        "resource.tags.containsAll([\"lunch\", \"sports\"]) || resource.at.toTime() >= duration(\"22h\")",
        "// a comment with (((((((((((((((((\n!!!resource.fasting && \"(((\" != \"\\\"[[[\"",
    ] {
        assert!(depth(condition) <= 16, "{condition} has {}", depth(condition));
    }
    let longest = vec!["resource.mgdl==1"; 4096 / 18].join("||");
    assert!(check_text(&longest).is_ok(), "{}", depth(&longest));
}

fn item(text: &str) -> crate::value::Fields {
    let tags: Vec<String> = (0..256).map(|n| format!("{n:0>60}")).collect();
    let fields = json!({"at": "2024-01-01T00:00:00Z", "mgdl": 100, "ratio": 1.5, "text": text, "short": "aaaa",
        "tags": tags, "more": tags, "fasting": true});
    types()[&reading()].validate(fields.as_object().unwrap()).unwrap()
}

fn refused(conditions: impl IntoIterator<Item = String>) -> Vec<RuleError> {
    accept(&types(), &rules(conditions)).err().unwrap_or_default()
}

#[test]
fn patterns_that_take_long_to_match_are_refused_with_cost_limit_and_remedy() {
    let long = format!("resource.text like \"*{}\"", "a".repeat(1_900));
    let [error] = <[RuleError; 1]>::try_from(refused([long.clone()])).unwrap();
    assert_eq!(error.part, RulePart::Rule);
    assert!(error.message.contains("up to 780"), "{error:?}");
    assert!(error.message.contains(&MAX_CONDITION_COST.to_string()), "{error:?}");
    assert!(error.help.contains("maxLength"), "{error:?}");
    // In two patterns of a rule, in fifty rules, behind an `if`, and as a contract.
    let some = format!("resource.text like \"*{}\"", "a".repeat(70));
    assert!(refused([some.clone()]).is_empty());
    assert_eq!(refused([format!("{some} || {some}")]).len(), 1);
    let each = refused(std::iter::repeat_n(some, 50));
    assert_eq!(each.iter().map(|error| error.rule).collect::<Vec<_>>(), [3], "{each:?}");
    assert_eq!(
        refused([format!(
            "(if resource.fasting then resource.short else resource.text) like \"*{}\"",
            "a".repeat(1_900)
        )])
        .len(),
        1
    );
    let contract = serde_json::from_value(json!({"types": ["reading"], "when": long})).unwrap();
    let errors = CompiledContract::compile(&types(), contract, 1).unwrap_err();
    assert!(errors[0].to_string().contains("steps"), "{errors:?}");
    // Of a short text a long pattern is cheap.
    assert!(refused([format!("resource.short like \"*{}\"", "a".repeat(1_900))]).is_empty());
}

#[test]
fn the_number_and_the_size_of_rules_are_bounded() {
    assert!(refused(vec!["true".to_owned(); MAX_RULES]).is_empty());
    let errors = refused(vec!["true".to_owned(); MAX_RULES + 1]);
    assert_eq!(
        (errors[0].rule, errors[0].message.as_str()),
        (50, "a group may have at most 50 rules, not 51")
    );
    let long = format!("{}true", " ".repeat(4_000));
    assert!(refused(vec![long.clone(); 16]).is_empty());
    assert_eq!(refused(vec![long; 17])[0].rule, 16);
    let mut many = rules(["true".to_owned()]);
    many.rules[0].types = vec![reading(); MAX_POLICIES + 1];
    assert_eq!(accept(&types(), &many).unwrap_err()[0].part, RulePart::Rule);
}

/// Rules that cost as much as is accepted: as many of the conditions as the limits let through.
fn costliest(condition: &str) -> RuleSet {
    // Halving: what is refused with fewer is refused with more.
    let largest = |most: usize, is_accepted: &dyn Fn(usize) -> bool| {
        let (mut low, mut high) = (1, most + 1);
        while low + 1 < high {
            let middle = usize::midpoint(low, high);
            if is_accepted(middle) { low = middle } else { high = middle }
        }
        low
    };
    let joined = |count: usize| vec![condition; count].join("||");
    let terms = largest(254, &|count| refused([joined(count)]).is_empty());
    let rules_of = |count: usize| vec![joined(terms); count];
    rules(rules_of(largest(MAX_RULES, &|count| refused(rules_of(count)).is_empty())))
}

#[test]
fn the_costliest_rules_that_are_accepted_take_a_few_milliseconds_for_an_item() {
    let pattern = |length: usize| format!("resource.text like \"*{}b\"", "a".repeat(length));
    let kinds = [
        ("long patterns", pattern(100)),
        ("short patterns", pattern(1)),
        ("short texts", format!("resource.short like \"*{}b\"", "a".repeat(200))),
        ("comparisons", "resource.mgdl==1".to_owned()),
        ("decimals", "resource.ratio==decimal(\"1.25\")".to_owned()),
        ("times", "resource.at==datetime(\"2024-01-02\")".to_owned()),
        ("durations", "resource.at.toTime()==duration(\"22h\")".to_owned()),
        ("sums", "resource.mgdl+1+1+1+1+1+1+1+1+1+1+1+1==1".to_owned()),
        ("lists", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16].contains(resource.mgdl)".to_owned()),
        ("texts in lists", "[\"a\",\"b\"].contains(resource.text)".to_owned()),
        ("sets", "resource.tags.containsAll(resource.more)&&false".to_owned()),
        ("equal sets", "(resource.tags==resource.more&&false)".to_owned()),
        ("any of a list", "resource.tags.containsAny([\"a\",\"b\"])".to_owned()),
    ];
    let mut slowest = (Duration::ZERO, "");
    for (kind, condition) in kinds {
        let set = costliest(&condition);
        let compiled = accept(&types(), &set).unwrap();
        let (name, fields) = (reading(), item(&"a".repeat(4096)));
        let terms = Terms::of_everything(Timestamp::from_millis(0));
        let question =
            Question { data_type: &name, time: Timestamp::from_millis(0), fields: &fields, terms: &terms };
        // The clock of the processor ticks every few milliseconds.
        let started = used();
        for _ in 0..100 {
            assert!(compiled.visible(question).is_none(), "{kind}: nothing may end it early");
        }
        let took = (used() - started) / 100;
        eprintln!(
            "{kind}: {} rules of {} bytes, {} take {took:?}",
            set.rules.len(),
            set.rules[0].when.as_ref().unwrap().len(),
            compiled.cost(&name)
        );
        slowest = slowest.max((took, kind));
    }
    // Hardly optimised, and on a machine that does other things as well: docs/rules.md has the figure without either.
    assert!(slowest.0 < Duration::from_millis(10), "{slowest:?}");
}

#[test]
fn a_verdict_about_the_costliest_rules_is_found_or_given_up_in_time() {
    let different = |of: &dyn Fn(usize) -> String| rules((0..MAX_RULES).map(of));
    let many = |n: usize| {
        let terms: Vec<String> = (0..20).map(|m| format!("resource.mgdl == {}", n * 1000 + m)).collect();
        terms.join(" || ")
    };
    let times = |n: usize| {
        let terms: Vec<String> =
            (0..10).map(|m| format!("resource.at == datetime(\"{}-01-{:02}\")", 1950 + n, m + 1)).collect();
        terms.join(" || ")
    };
    let texts = |n: usize| format!("resource.short like \"*{n}aa*\" && resource.short != \"{n}\"");
    let failing = |n: usize| {
        let terms: Vec<String> = (0..12).map(|m| format!("resource.mgdl + {m} > {}", n % 2)).collect();
        terms.join(" && ")
    };
    let sets: [(&str, &dyn Fn(usize) -> String); 4] =
        [("numbers", &many), ("times", &times), ("texts", &texts), ("sums", &failing)];
    for (kind, of) in sets {
        let mut before = different(of);
        for (at, rule) in before.rules.iter_mut().enumerate() {
            let days = u32::try_from(at).unwrap() + 1;
            rule.history = crate::stack::History::Days(days);
        }
        accept(&types(), &before).unwrap_or_else(|errors| panic!("{kind}: {errors:?}"));
        let mut after = before.clone();
        after.rules.reverse();
        let started = used();
        let _ = adds_nothing(&types(), &before, &after, &mut Budget::request());
        let took = used() - started;
        eprintln!("{kind}: {took:?}");
        assert!(took < Duration::from_secs(2), "{kind} took {took:?}");
    }
}
