//! Declared variables: the section `variables`, and which value each of them has.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::nearest;

use super::expand::Variables;
use super::report::{Report, list, quoted};
use super::source::At;
use super::yaml::{Entry, Kind, Node};
use super::{codes, reference};

/// Where the section stands.
pub(super) const SECTION: &str = "variables";
/// What a variable of the shell begins with that gives a declared variable its value.
pub const SHELL_PREFIX: &str = "FREEHOLD_VAR_";

/// Where the values of `${…}` come from.
#[derive(Clone, Copy)]
pub struct Values<'v> {
    /// Variables of the shell: for names that are not declared, and for declared ones with [`SHELL_PREFIX`].
    pub shell: &'v Variables<'v>,
    /// What was given to declared variables by name; it goes before the shell.
    pub given: &'v BTreeMap<String, String>,
}

/// A declared variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    at: At,
    default: Option<String>,
    /// Whether its declaration is wrong, which was reported: nothing more is said about its value.
    broken: bool,
}

/// All declared variables, with what was found out about their use.
pub(super) struct Declarations {
    all: BTreeMap<String, Declared>,
    /// Where each that has no value is asked for first.
    missing: BTreeMap<String, At>,
    /// Where one that is not declared would be.
    place: At,
}

/// What a declared variable has to say.
pub(super) enum Answer {
    /// It is not declared.
    NotDeclared,
    /// It has this value.
    Value(String),
    /// It has none, which is noted.
    Missing,
}

impl Declarations {
    /// Reads the section of a whole tree.
    pub fn read(tree: &Node, report: &mut Report) -> Self {
        let mut all = BTreeMap::new();
        let mut place = At { end: tree.at.start, ..tree.at };
        let Some(section) = entries(tree).iter().find(|entry| entry.key == SECTION) else {
            return Self { all, missing: BTreeMap::new(), place };
        };
        place = section.key_at;
        for entry in report.mapping(&section.value, section.key_at, "`variables`").unwrap_or_default() {
            if !is_name(&entry.key) {
                let message = format!("{} cannot be the name of a variable", quoted(&entry.key));
                let help = "begin with a letter or `_`, and go on with letters, digits and `_`";
                report.add(codes::VARIABLE, entry.key_at, message, help);
                continue;
            }
            let default = default(entry, report);
            let broken = default.is_err();
            let default = default.unwrap_or_default();
            all.insert(entry.key.clone(), Declared { at: entry.key_at, default, broken });
        }
        Self { all, missing: BTreeMap::new(), place }
    }

    /// The value of a variable, asked for at a place.
    pub fn answer(&mut self, name: &str, values: Values<'_>, at: At) -> Answer {
        let Some(declared) = self.all.get(name) else { return Answer::NotDeclared };
        let shell = || (values.shell)(&format!("{SHELL_PREFIX}{name}")).filter(|value| !value.is_empty());
        let value = values.given.get(name).cloned().or_else(shell).or_else(|| declared.default.clone());
        match value {
            Some(value) => Answer::Value(value),
            None if declared.broken => Answer::Missing,
            None => {
                self.missing.entry(name.to_owned()).or_insert(at);
                Answer::Missing
            }
        }
    }

    /// The declared name that somebody probably meant.
    pub fn near(&self, name: &str) -> Option<&str> {
        nearest(name, self.all.keys().map(String::as_str))
    }

    /// Reports what has no value, what nobody asks for, and what was given to a name that is not declared.
    pub fn finish(&self, used: &BTreeSet<String>, values: Values<'_>, report: &mut Report) {
        for (name, first) in &self.missing {
            let Some(declared) = self.all.get(name) else { continue };
            let message = format!("the variable `{name}` has no value and no default");
            let help =
                format!("give it with `--var {name}=…` or {SHELL_PREFIX}{name}, or add `default:` to it");
            report.add_pair(codes::VARIABLE, declared.at, *first, message, help);
        }
        for (name, declared) in self.all.iter().filter(|(name, _)| !used.contains(*name)) {
            let message = format!("the variable `{name}` is declared, but nothing uses it");
            let help = format!("write `${{{name}}}` where its value belongs, or remove it");
            report.add(codes::VARIABLE, declared.at, message, help);
        }
        for name in values.given.keys().filter(|name| !self.all.contains_key(*name)) {
            let help = match self.near(name) {
                Some(near) => format!("did you mean `{near}`?"),
                None if self.all.is_empty() => format!("declare it: `variables: {{ {name}: {{}} }}`"),
                None => format!(
                    "declare it under `variables`; there is {}",
                    list(self.all.keys().map(String::as_str))
                ),
            };
            let message = format!("`--var` gives a value to {}, which is not declared", quoted(name));
            report.add(codes::VARIABLE, self.place, message, help);
        }
    }
}

fn entries(tree: &Node) -> &[Entry] {
    match &tree.kind {
        Kind::Mapping(entries) => entries,
        _ => &[],
    }
}

/// The declaration is wrong, and it was said why.
struct Wrong;

fn default(entry: &Entry, report: &mut Report) -> Result<Option<String>, Wrong> {
    let what = format!("variable {}", quoted(&entry.key));
    if let (Kind::Scalar(scalar), false) = (&entry.value.kind, entry.value.is_null()) {
        let message = format!("{what} must be a mapping, not {}", quoted(&scalar.text));
        let help = format!("write `{}: {{ default: {} }}`", entry.key, scalar.text);
        report.add(codes::WRONG_KIND, entry.value.at, message, help);
        return Err(Wrong);
    }
    let section = report.section(&entry.value, entry.key_at, &reference::VARIABLE, &what).ok_or(Wrong)?;
    if let Some(description) = section.get("description") {
        report.text(description);
    }
    let Some(default) = section.get("default") else { return Ok(None) };
    let text = report.text(default).ok_or(Wrong)?;
    if text.contains("${") {
        let message = format!("the default of {} refers to another variable", quoted(&entry.key));
        let help = "write the value itself; a default is taken as it is";
        report.add(codes::VARIABLE, default.value.at, message, help);
        return Err(Wrong);
    }
    Ok(Some(text.to_owned()))
}

/// Whether a text can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Adds the names of all variables that a tree asks for, apart from its section of variables.
pub(super) fn used(tree: &Node, names: &mut BTreeSet<String>) {
    for entry in entries(tree).iter().filter(|entry| entry.key != SECTION) {
        collect(&entry.value, names);
    }
}

fn collect(node: &Node, names: &mut BTreeSet<String>) {
    match &node.kind {
        Kind::Scalar(scalar) => {
            for inside in scalar.text.split("${").skip(1) {
                let name = inside.split(['}', ':']).next().unwrap_or_default();
                if is_name(name) && !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        }
        Kind::Sequence(nodes) => nodes.iter().for_each(|node| collect(node, names)),
        Kind::Mapping(entries) => entries.iter().for_each(|entry| collect(&entry.value, names)),
        Kind::Broken => {}
    }
}
