//! What the reader promises beyond single mistakes.

use super::super::{codes, parse::read as read_counted, source::Source};
use super::{GOOD, layered, nothing_given, read, with};
use crate::datatype::FieldType;
use crate::stack::{Encryption, History, Mfa, parse};
use crate::time::Timestamp;

#[test]
fn a_good_file_is_read_as_it_says() {
    let stack = read(GOOD).unwrap();
    let glucose = &stack.data_types["glucose"];
    assert_eq!((glucose.time.as_str(), glucose.retention_days), ("takenAt", Some(1096)));
    assert_eq!(glucose.fields["ratio"].min, Some(5000));
    assert_eq!((glucose.fields["mgdl"].kind, glucose.fields["mgdl"].max), (FieldType::Integer, Some(1000)));
    let group = &stack.groups["endocrinology"];
    let [rule] = group.rules.rules.as_slice() else { panic!() };
    assert_eq!(rule.when.as_deref(), Some("resource.mgdl > 180"));
    assert_eq!(rule.history, History::Since(Timestamp::parse("2014-01-01T00:00:00Z").unwrap()));
}

#[test]
fn what_a_file_leaves_out_is_safe() {
    let stack = read(GOOD).unwrap();
    assert!(stack.protection.deletion_protection && stack.protection.point_in_time_recovery);
    assert_eq!(stack.protection.encryption, Encryption::AwsOwned);
    assert_eq!(stack.identity.callback_urls, ["http://localhost:8765/callback"]);
    assert_eq!(stack.identity.logout_urls, stack.identity.callback_urls);
    assert_eq!((stack.identity.mfa, stack.identity.password_policy.minimum_length), (Mfa::Optional, 12));
    assert!(stack.api.cors_origins.is_empty());
    assert_eq!((stack.api.rate_limit, stack.api.burst_limit), (1000, 2000));
    assert_eq!(stack.api.per_person_rate_limit, 100);
    assert_eq!((stack.functions.memory, stack.functions.log_retention_days), (256, 30));
    let defaults = stack.group_defaults.unwrap();
    assert_eq!(defaults.rules[0].types, [crate::id::Name::parse("glucose").unwrap()]);
}

#[test]
fn the_stacks_of_this_repository_are_right() {
    for text in [
        include_str!("../../../../stack.yaml"),
        include_str!("../../../../examples/glucose-study/stack.yaml"),
    ] {
        if let Err(diagnostics) = read(text) {
            panic!("{}", super::render(&[text], &diagnostics));
        }
    }
}

#[test]
fn every_mistake_is_reported_in_one_run_in_the_order_of_the_file() {
    let text = GOOD
        .replace("region: eu-west-1", "region: Ireland\ncolour: red")
        .replace("max: 1000", "max: -1")
        .replace("lead@example.org", "lead")
        .replace("resource.mgdl", "resource.mgld")
        .replace("[takenAt, mgdl]", "[takenAt, mgld]");
    let found = read(&text).unwrap_err();
    let codes: Vec<_> = found.iter().map(|d| d.code).collect();
    // A data type with a wrong limit still tells which fields a condition may ask.
    let expected = [
        codes::REGION,
        codes::UNKNOWN_KEY,
        codes::LIMIT,
        codes::ADDRESS,
        codes::CONDITION,
        codes::UNKNOWN_FIELD,
    ];
    assert_eq!(codes, expected);
    assert!(found.is_sorted_by_key(|d| d.span.start));
}

#[test]
fn rules_beyond_their_limits_are_refused_at_their_place() {
    let text = |when: &str| {
        GOOD.replace("maxLength: 8, oneOf: [apple, \"garmin\"]", "maxLength: 4096, required: true")
            .replace("resource.mgdl > 180", when)
    };
    let like = |length: usize| format!("resource.device like \"*{}\"", "a".repeat(length));
    let told = |text: &str| super::render(&[text], &read(text).unwrap_err());
    assert!(read(&text(&like(20))).is_ok());
    let costly = told(&text(&like(1_900)));
    assert!(costly.starts_with("FH0127 18:15 the condition takes up to 780"), "{costly}");
    assert!(costly.contains("500000 is the most") && costly.contains("maxLength"), "{costly}");
    let deep = told(&text(&format!("{}true{}", "(".repeat(300), ")".repeat(300))));
    assert!(deep.starts_with("FH0118 18:15 the condition has up to"), "{deep}");

    // A group whose conditions look the same but for the length of a pattern.
    let rules = |when: &str| format!("rules: [{{ types: [glucose], when: '{when}' }}]");
    let group =
        |name: &str, when: &str| format!("  {name}:\n    owner: lead@example.org\n    {}\n", rules(when));
    let two = text("true") + &group("cheap", &like(20)) + &group("costly", &like(1_900));
    assert!(told(&two).starts_with("FH0127 26:"), "{}", told(&two));
    let defaults = text("true") + "groupDefaults:\n  " + &rules(&like(1_900)) + "\n";
    assert!(told(&defaults).starts_with("FH0127 22:"), "{}", told(&defaults));
    let many = text("true") + &"      - types: [glucose]\n".repeat(50);
    assert!(told(&many).starts_with("FH0127 70:"), "{}", told(&many));
}

#[test]
fn a_broken_data_type_does_not_spread_to_the_rules_that_use_it() {
    let found = read(&with("type: integer", "type: intger")).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    let found = read(&with("    time: takenAt\n", "")).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn conditions_are_pointed_at_to_the_byte() {
    for (written, found) in [
        ("resource.mgld > 1", "resource.mgld"),
        ("'resource.mgld > 1'", "resource.mgld"),
        ("\"resource.mgld > 1\"", "resource.mgld"),
        ("|\n          resource.mgdl > 1 &&\n            resource.mgld > 1", "resource.mgld"),
        ("'\"äß😀\" == \"äß😀\" && resource.mgld > 1'", "resource.mgld"),
    ] {
        let text = format!("# é\n{}", with("resource.mgdl > 180", written));
        let error = read(&text).unwrap_err().remove(0);
        assert_eq!(&text[error.span.start..error.span.end], found, "{error:?}");
        let line = text.lines().nth(error.span.line - 1).unwrap();
        assert_eq!(line.chars().skip(error.span.column - 1).take(13).collect::<String>(), found);
    }
}

#[test]
fn every_name_that_is_accepted_can_be_spoken_of_in_conditions() {
    let words = [
        "true",
        "false",
        "if",
        "then",
        "else",
        "in",
        "is",
        "like",
        "has",
        "principal",
        "action",
        "resource",
        "context",
        "permit",
        "forbid",
        "when",
        "unless",
        "__cedar",
        "Bool",
        "Boolean",
        "String",
        "Long",
        "Set",
        "Record",
        "Entity",
        "Extension",
        "decimal",
        "datetime",
        "duration",
        "ip",
        "ipaddr",
        "Group",
        "Action",
        "namespace",
        "entity",
        "type",
        "contains",
        "item",
        "x",
    ];
    let mut accepted = 0;
    for word in words {
        for text in [
            GOOD.replace("  glucose:", &format!("  {word}:")).replace("[glucose]", &format!("[{word}]")),
            GOOD.replace("mgdl", word),
        ] {
            match read(&text) {
                Ok(_) => accepted += 1,
                Err(found) => assert!(found.iter().all(|d| d.code == codes::NAME), "{word}: {found:?}"),
            }
        }
    }
    assert!(accepted > words.len(), "{accepted}");
}

#[test]
fn a_file_of_nothing_but_mistakes_is_not_a_way_to_keep_the_reader_busy() {
    let text = (0..20_000).map(|n| format!("k{n}: x\n")).collect::<String>();
    let found = read(&text).unwrap_err();
    assert_eq!(found.len(), 1000);
    assert!(found.last().unwrap().help.ends_with("there are more mistakes than are shown"));
}

#[test]
fn variables_are_put_in_their_places() {
    let text = with("lead@example.org", "${WHO:-lead}@${WHERE}\n    description: $${x} is $${y}")
        + "functions: { memory: \"${MEMORY:-512}\" }\ntags: { b: \"x${EMPTY:-y}\" }\n";
    let variables = |name: &str| match name {
        "WHERE" => Some("example.net".into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let stack = parse(&text, &variables).unwrap();
    assert_eq!(stack.groups["endocrinology"].owner.as_str(), "lead@example.net");
    assert_eq!(stack.functions.memory, 512);
    assert_eq!(stack.groups["endocrinology"].description.as_ref().unwrap().as_str(), "${x} is ${y}");
    assert_eq!(stack.tags["b"], "xy");
}

#[test]
fn a_purpose_is_plain_text_of_a_group_that_can_be_seen() {
    let described =
        |yaml: &str| read(&with("lead@example.org", &format!("lead@example.org\n    description: {yaml}")));
    let stack = described("|\n      Readings for the clinic.\n      Ask at the desk.\n").unwrap();
    let purpose = stack.groups["endocrinology"].description.as_ref().unwrap();
    assert_eq!(purpose.as_str(), "Readings for the clinic.\nAsk at the desk.");
    for (yaml, told) in [
        ("\"\"".to_owned(), "`description` must not be empty"),
        ("\"care\\u202eteam\"".to_owned(), "`description` contains `U+202E`"),
        ("x".repeat(1001), "`description` has 1001 characters; it may have at most 1000"),
    ] {
        let found = described(&yaml).unwrap_err();
        assert_eq!((found.len(), found[0].code), (1, crate::stack::codes::VALUE), "{found:?}");
        assert!(found[0].message.starts_with(told), "{found:?}");
    }
}

#[test]
fn an_overlay_merges_mappings_and_replaces_all_else() {
    let over = "name: study-test\ngroups:\n  endocrinology: { owner: test@example.org }\n  second:\n    owner: a@example.org\n    rules: [{ types: [glucose] }]\nprotection: { deletionProtection: false }\n";
    let stack = layered(GOOD, over).unwrap();
    assert_eq!(stack.name.as_str(), "study-test");
    assert_eq!(stack.groups["endocrinology"].owner.as_str(), "test@example.org");
    assert_eq!(stack.groups["endocrinology"].rules.rules.len(), 1);
    assert_eq!(stack.groups.len(), 2);
    assert!(!stack.protection.deletion_protection && stack.protection.point_in_time_recovery);
    assert_eq!(layered(GOOD, "# nothing\n"), read(GOOD));
}

#[test]
fn a_variable_that_an_overlay_replaces_need_not_be_set() {
    let base = with("lead@example.org", "${OWNER}");
    assert!(layered(&base, "groups:\n  endocrinology: { owner: a@example.org }\n").is_ok());
}

#[test]
fn byte_order_marks_and_windows_line_ends_change_nothing() {
    let windows = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(read(&windows), read(GOOD));
    let wrong = windows.replace("resource.mgdl", "resource.mgld");
    let error = read(&wrong).unwrap_err().remove(0);
    assert_eq!(&wrong[error.span.start..error.span.end], "resource.mgld");
    assert_eq!((error.span.line, error.span.column), (18, 15));
}

#[test]
fn a_file_that_is_too_large_is_refused_by_its_size() {
    let text = "#".repeat(17 << 20);
    assert_eq!(read(&text).unwrap_err()[0].code, codes::UNREADABLE);
}

fn many_groups(count: usize, condition: impl Fn(usize) -> String) -> String {
    let head = GOOD.split("groups:").next().unwrap();
    let groups = (0..count).map(|n| {
        format!(
            "  g{n}:\n    owner: lead@example.org\n    rules:\n      - types: [glucose]\n        when: {}\n",
            condition(n)
        )
    });
    format!("{head}groups:\n{}", groups.collect::<String>())
}

#[test]
fn rules_of_one_shape_are_compiled_once_however_many_groups_have_them() {
    let text = many_groups(10_000, |n| format!("resource.mgdl {} {n}", [">", "<", "=="][n % 3]));
    let (stack, compilations) =
        read_counted(Source { name: "stack.yaml", text: &text }, None, nothing_given());
    assert_eq!((stack.unwrap().groups.len(), compilations), (10_000, 3));
}

#[test]
fn equal_mistakes_are_compiled_once_and_reported_at_each_place() {
    let text = many_groups(500, |_| "resource.mgld > 1".into());
    let (stack, compilations) =
        read_counted(Source { name: "stack.yaml", text: &text }, None, nothing_given());
    assert_eq!((stack.unwrap_err().len(), compilations), (500, 1));
}

/// Time grows with the size of the file, not with its square: four times the groups may take at most
/// ten times as long, where a square would take sixteen times.
#[test]
fn reading_takes_time_in_proportion() {
    let time = |count| {
        let text = many_groups(count, |_| "resource.mgdl > 1".into());
        let least = (0..3).map(|_| {
            let start = std::time::Instant::now();
            assert!(read(&text).is_ok());
            start.elapsed()
        });
        least.min().unwrap()
    };
    // A machine that is busy with something else for a moment is no square: one pair of five has to show it.
    let proportional = (0..5).any(|_| time(8_000) < time(2_000) * 10);
    assert!(proportional, "four times the groups took more than ten times as long, five times over");
}

#[test]
fn what_has_the_shape_of_a_sound_rule_is_as_sound() {
    let sound = "resource.mgdl > 180 && (resource has device && resource.device == \"apple\")";
    for other in [
        "resource.mgdl > 80 && (resource has device && resource.device == \"garmin\")",
        "resource.mgdl > 80 && (resource has device && resource.device == \"ga\\\"rmin\")",
        "resource.mgdl > 99999999999999999999 && (resource has device && resource.device == \"\")",
        "resource.mgdl > 80 && (resource has ratio && resource.device == \"garmin\")",
        "resource.mgdl > 80 && (resource has device && resource.device == garmin)",
    ] {
        let text = |first: &str| {
            let head = GOOD.split("groups:").next().unwrap();
            let group = |name, when: &str| {
                format!(
                    "  {name}:\n    owner: a@example.org\n    rules: [{{ types: [glucose], when: '{when}' }}]\n"
                )
            };
            format!("{head}groups:\n{}{}", group("first", first), group("second", other))
        };
        // The same mistakes, or none, whether or not a rule of that shape was found to be sound before.
        let told = |text: &str| {
            read(text).err().map(|found| found.into_iter().map(|d| d.message).collect::<Vec<_>>())
        };
        let alone = told(&text("true"));
        assert_eq!(told(&text(sound)), alone, "{other}");
    }
}
