//! Every example of docs/rules.md is compiled, every verdict in it is the one that is given, and every item in it is shared
//! or not as it says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops"
)]

use std::path::Path;

use domain::datatype::DataType;
use domain::rules::bounds::excesses;
use domain::rules::compare::{Budget, Side, Verdict, compare};
use domain::rules::compile;
use domain::rules::explain::explain;
use domain::stack::{RuleSet, Stack, parse};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules.md");
    std::fs::read_to_string(path).unwrap()
}

/// The fenced blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{language}") {
            let block = lines.by_ref().take_while(|line| *line != "```");
            found.push(block.map(|line| format!("{line}\n")).collect());
        }
    }
    found
}

/// The rows of the tables that begin with this column, cell by cell.
fn rows(page: &str, first: &str, columns: usize) -> Vec<Vec<String>> {
    let start = page.find(&format!("\n| {first} |")).unwrap();
    let table = page[start + 1..].lines().take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| -> Vec<String> {
        let row = row.replace("\\|", "\u{1}");
        let cells = row.trim_matches('|').split('|');
        let plain = |cell: &str| cell.trim().replace('\u{1}', "|");
        cells.map(plain).collect()
    };
    let rows: Vec<Vec<String>> = table.map(cells).collect();
    assert!(rows.iter().all(|row| row.len() == columns), "{rows:?}");
    rows
}

/// What stands between the backticks that a cell begins and ends with.
fn code(cell: &str) -> &str {
    cell.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap_or_else(|| panic!("{cell}"))
}

fn read(text: &str) -> Stack {
    parse(text, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes:#?} in\n{text}"))
}

/// The stack that all of the page is about, up to its groups.
fn head(page: &str) -> String {
    let blocks = blocks(page, "yaml");
    let whole = blocks.first().unwrap();
    read(whole);
    whole.split("groups:\n").next().unwrap().to_owned()
}

fn with_rule(page: &str, rule: &str) -> Result<RuleSet, String> {
    let text = format!(
        "{}groups:\n  team:\n    owner: a@example.org\n    rules:\n      - types: [reading]\n        {rule}\n",
        head(page)
    );
    let told = |mistakes: Vec<domain::diagnostic::Diagnostic>| {
        mistakes.into_iter().map(|one| format!("{}: {}\n", one.message, one.help)).collect::<String>()
    };
    Ok(parse(&text, &|_| None).map_err(told)?.groups["team"].rules.clone())
}

/// A condition as a rule; JSON's texts are YAML's as well.
fn when(condition: &str) -> String {
    format!("when: {}", serde_json::Value::from(condition))
}

#[test]
fn every_stack_on_the_page_is_sound_and_every_item_in_it_is_as_it_says() {
    let page = page();
    let (head, mut items) = (head(&page), 0);
    for block in blocks(&page, "yaml").iter().skip(1) {
        let stack = read(&format!("{head}{block}"));
        for group in stack.groups.values() {
            let examples = &group.examples;
            let lists = [(&examples.should_share, true), (&examples.should_not_share, false)];
            for (item, should) in
                lists.into_iter().flat_map(|(list, should)| list.iter().map(move |one| (one, should)))
            {
                let data_type: &DataType = &stack.data_types[&item.data_type];
                let fields = data_type.validate(&item.fields).unwrap();
                let joined = item.joined.or_else(|| data_type.time_of(&fields)).unwrap();
                assert_eq!(explain(data_type, &group.rules, &fields, joined).shared, should, "{item:?}");
                items += 1;
            }
        }
    }
    assert!(items >= 4, "{items}");
}

#[test]
fn every_condition_on_the_page_compiles() {
    let page = page();
    let mut seen = 0;
    for condition in blocks(&page, "cedar").iter().flat_map(|block| block.lines()) {
        with_rule(&page, &when(condition)).unwrap_or_else(|why| panic!("{condition}: {why}"));
        seen += 1;
    }
    assert!(seen >= 25, "{seen}");
}

#[test]
fn what_is_refused_is_refused_with_that_advice() {
    let page = page();
    for row in rows(&page, "condition", 2) {
        let told = with_rule(&page, &when(code(&row[0]))).expect_err(&row[0]);
        assert!(told.contains(&row[1]), "{row:?}: {told}");
    }
}

#[test]
fn every_change_of_the_gallery_has_that_verdict() {
    let page = page();
    let stack = read(&blocks(&page, "yaml")[0]);
    let data_type = &stack.data_types["reading"];
    let rows = rows(&page, "change", 5);
    assert!(rows.len() >= 20, "{}", rows.len());
    for row in rows {
        let rules = |cell: &str| {
            let cell = code(cell);
            let is_key = cell.starts_with("fields:") || cell.starts_with("history:");
            let rule = if is_key { cell.to_owned() } else { when(cell) };
            with_rule(&page, &rule).unwrap_or_else(|why| panic!("{row:?}: {why}"))
        };
        let (before, after) = (rules(&row[1]), rules(&row[2]));
        let types = &stack.data_types;
        let (old, new) = (compile(types, &before).unwrap(), compile(types, &after).unwrap());
        let found = compare(
            Side { data_type, rules: &before, compiled: &old },
            Side { data_type, rules: &after, compiled: &new },
        );
        let expected = match (row[3].as_str(), row[4].as_str()) {
            (_, "not decided") => Verdict::Undecided,
            ("unchanged", "enumerated") => Verdict::Unchanged,
            ("narrows", "enumerated") => Verdict::Narrows,
            ("widens", "enumerated") => Verdict::Widens,
            ("both", "enumerated") => Verdict::Both,
            other => panic!("{other:?}"),
        };
        assert_eq!(found.verdict(), expected, "{row:?}");
    }
}

#[test]
fn every_rule_of_an_owner_on_the_page_is_inside_its_limits_or_not_as_it_says() {
    let page = page();
    let types = read(blocks(&page, "yaml").first().unwrap()).data_types;
    let rows = rows(&page, "`groupDefaults`", 3);
    assert!(rows.len() >= 10);
    for row in &rows {
        let (limits, rule) =
            (with_rule(&page, code(&row[0])).unwrap(), with_rule(&page, code(&row[1])).unwrap());
        let found = excesses(&types, ("`groupDefaults`", &limits), &rule, &mut Budget::request());
        let undecided = found.iter().any(|excess| excess.message.starts_with("cannot be shown"));
        let expected = (row[2] == "yes", row[2] == "no: not decided");
        assert_eq!((found.is_empty(), undecided), expected, "{row:?}: {found:?}");
    }
}
