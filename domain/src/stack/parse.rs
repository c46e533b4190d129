//! From the text of stack.yaml to a [`Stack`], or to everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Diagnostic;
use crate::id::Name;
use crate::stack::Stack;

use super::check_groups::{self, Rules};
use super::check_types::{self, Types};
use super::expand::{self, Scope, Variables};
use super::report::{Fields, Report, describe, quoted};
use super::source::{At, Locator, Source, check_size};
use super::variables::{self, Declarations, Values};
use super::yaml::{self, Entry, Kind, Node};
use super::{check_removed, check_settings, codes, forms, reference, secrets};

/// The longest name of a stack: `{stack}-{function}` and a generated ending must fit AWS's 64.
pub const MAX_STACK_NAME: usize = 32;

/// Reads a stack; `variables` gives the value of a variable of the shell.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn parse(text: &str, variables: &Variables<'_>) -> Result<Stack, Vec<Diagnostic>> {
    parse_with_overlay(Source { name: "stack.yaml", text }, None, variables)
}

/// Reads a stack with an environment's file laid over it: mappings merge by key, all else is replaced.
///
/// # Errors
/// Everything that is wrong with them, in the order of the files; a span's `file` tells which.
pub fn parse_with_overlay(
    base: Source<'_>,
    over: Option<Source<'_>>,
    variables: &Variables<'_>,
) -> Result<Stack, Vec<Diagnostic>> {
    parse_with(base, over, Values { shell: variables, given: &BTreeMap::new() })
}

/// Reads a stack like [`parse_with_overlay`], with values given to its declared variables.
///
/// # Errors
/// Everything that is wrong with the files, in their order, and with what was given.
pub fn parse_with(
    base: Source<'_>,
    over: Option<Source<'_>>,
    values: Values<'_>,
) -> Result<Stack, Vec<Diagnostic>> {
    read(base, over, values).0
}

/// Also tells how many rule sets were compiled.
pub(super) fn read(
    base: Source<'_>,
    over: Option<Source<'_>>,
    values: Values<'_>,
) -> (Result<Stack, Vec<Diagnostic>>, usize) {
    for (file, source) in (0..).zip([Some(base), over].into_iter().flatten()) {
        if let Err(large) = check_size(source.name, file, source.text.len() as u64) {
            return (Err(large), 0);
        }
    }
    let mut report = Report::default();
    let mut files = vec![Locator::new(base.text)];
    files.extend(over.map(|over| Locator::new(over.text)));
    let mut trees =
        (0..).zip(&files).map(|(file, locator)| yaml::read(locator, file, &mut report)).collect::<Vec<_>>();
    let over_tree = if over.is_some() { trees.pop().flatten() } else { None };
    let tree = trees.pop().flatten();
    if !report.is_empty() && (tree.is_none() || (over.is_some() && over_tree.is_none())) {
        return (Err(report.finish(&files)), 0);
    }
    let Some(tree) = mapping(tree, base.name, true, &mut report) else {
        return (Err(report.finish(&files)), 0);
    };
    // What an overlay replaces still counts as a use: a variable need not matter in every environment.
    let mut used = BTreeSet::new();
    variables::used(&tree, &mut used);
    let mut tree = match mapping(over_tree, over.map_or("", |over| over.name), false, &mut report) {
        Some(over_tree) => {
            variables::used(&over_tree, &mut used);
            expand::overlay(tree, over_tree)
        }
        None => tree,
    };
    // First of all, so that no other message quotes one; and again for what the variables bring.
    secrets::refuse(&mut tree, &mut report);
    let mut scope = Scope { values, declared: Declarations::read(&tree, &mut report) };
    expand::expand(&mut tree, &mut scope, &mut report);
    scope.declared.finish(&used, values, &mut report);
    secrets::refuse(&mut tree, &mut report);
    let (stack, compilations) = stack(&tree, &mut report);
    match stack {
        Some(stack) if report.is_empty() => (Ok(stack), compilations),
        _ => (Err(report.finish(&files)), compilations),
    }
}

/// Holds a file to being a mapping; an overlay may also be empty.
fn mapping(tree: Option<Node>, name: &str, needed: bool, report: &mut Report) -> Option<Node> {
    const HELP: &str = "begin with `version: 1`, `name:`, `region:` and `dataTypes:`; see docs/stack-yaml.md";
    match tree {
        Some(node) if matches!(node.kind, Kind::Mapping(_)) => Some(node),
        Some(node) if !node.is_null() => {
            let what = match node.kind {
                Kind::Sequence(_) => "a list",
                Kind::Broken => return None,
                _ => "a text",
            };
            let at = At { end: node.at.start, ..node.at };
            report.add(codes::NOT_A_MAPPING, at, format!("`{name}` is {what}, not a mapping"), HELP);
            None
        }
        // A file that begins with a further document has been told so.
        _ if needed && report.is_empty() => {
            report.add(codes::NOT_A_MAPPING, At::default(), format!("`{name}` is empty"), HELP);
            None
        }
        _ => None,
    }
}

fn stack(tree: &Node, report: &mut Report) -> (Option<Stack>, usize) {
    let at = At { end: tree.at.start, ..tree.at };
    let Some(root) = report.section(tree, at, &reference::ROOT, "the file") else { return (None, 0) };
    if let Some(entry) = root.require("version", "1", report) {
        version(entry, report);
    }
    let name = root.require("name", "glucose-study", report).and_then(|entry| name(entry, &root, report));
    let region = root.require("region", "eu-west-1", report).and_then(|entry| region(entry, report));
    let types =
        root.require("dataTypes", "{ glucose: … }", report).map(|entry| check_types::types(entry, report));
    let types: Types = types.unwrap_or_default();
    let mut rules = Rules::new(&types);
    let groups =
        root.get("groups").map(|entry| check_groups::groups(entry, &mut rules, report)).unwrap_or_default();
    let group_defaults = match root.get("groupDefaults") {
        Some(entry) => check_groups::defaults(entry, &mut rules, report),
        None => rules.everything(),
    };
    let identity = check_settings::identity(&root, report);
    let api = check_settings::api(&root, report);
    let functions = check_settings::functions(&root, report);
    let protection = check_settings::protection(&root, report);
    let removed = check_removed::removed(&root, report);
    check_removed::renames(&root, report);
    let tags = check_settings::tags(&root, report);
    let compilations = rules.compilations;
    let (Some(name), Some(region)) = (name, region) else { return (None, compilations) };
    let data_types = types.good;
    let stack = Stack {
        name,
        region,
        data_types,
        groups,
        group_defaults,
        identity,
        api,
        functions,
        protection,
        removed,
        tags,
    };
    (Some(stack), compilations)
}

fn version(entry: &Entry, report: &mut Report) {
    const HELP: &str = "write `version: 1`";
    let Some(scalar) = report.scalar(entry, "`1`", HELP) else { return };
    if scalar.plain && scalar.text == "1" {
        return;
    }
    let help = if scalar.plain && scalar.text.parse::<u64>().is_ok() {
        "this Freehold reads version 1; use a newer one for a newer file"
    } else {
        HELP
    };
    report.add(
        codes::VERSION,
        entry.value.at,
        format!("`version` must be `1`, not {}", describe(&entry.value)),
        help,
    );
}

fn name(entry: &Entry, root: &Fields<'_>, report: &mut Report) -> Option<Name> {
    let text = report.text(entry)?;
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let why = if !text.bytes().all(good) {
        "use lower-case letters, digits and `-`: the sign-in page's address is made from it".to_owned()
    } else if !text.starts_with(|c: char| c.is_ascii_lowercase()) || text.ends_with('-') {
        "it must begin with a letter, and end with a letter or a digit".to_owned()
    } else if text.len() > MAX_STACK_NAME {
        format!(
            "it has {} characters; at most {MAX_STACK_NAME} leave room for the names made from it",
            text.len()
        )
    } else if let (Some(word), None) = (
        check_settings::reserved_by_cognito(text),
        root.get("identity").and_then(|identity| match &identity.value.kind {
            Kind::Mapping(entries) => entries.iter().find(|entry| entry.key == "domainPrefix"),
            _ => None,
        }),
    ) {
        format!(
            "Cognito refuses `{word}` in the sign-in page's address, which is made from it; choose another, or set `identity.domainPrefix`"
        )
    } else {
        return Name::parse(text).ok();
    };
    report.add(codes::NAME, entry.value.at, format!("{} cannot be the name of a stack", quoted(text)), why);
    None
}

fn region(entry: &Entry, report: &mut Report) -> Option<String> {
    let text = report.text(entry)?;
    match check_region(text) {
        Ok(()) => Some(text.to_owned()),
        Err(message) => {
            report.add(codes::REGION, entry.value.at, message, REGION_HELP);
            None
        }
    }
}

/// What to do about a string that is no region.
pub const REGION_HELP: &str = "write its code, for example `eu-west-1`";

/// Checks a region's code, in the file and on the command line alike.
///
/// # Errors
/// What is wrong with it, for people; its code is FH0122.
pub fn check_region(text: &str) -> Result<(), String> {
    if forms::is_region(text) { Ok(()) } else { Err(format!("{} is not an AWS region", quoted(text))) }
}
