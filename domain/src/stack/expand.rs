//! What makes one tree of the file, the overlay of an environment, and the variables of the shell.

use std::collections::HashMap;

use super::codes;
use super::report::{Report, quoted};
use super::source::At;
use super::variables::{self, Answer, Declarations, Values};
use super::yaml::{Entry, Kind, Node, Scalar};

/// The value of a variable of the shell.
pub type Variables<'v> = dyn Fn(&str) -> Option<String> + 'v;

/// The most mistakes that are reported within one text.
const MAX_MISTAKES: usize = 20;

/// Lays one tree over another: mappings merge by key, everything else is replaced.
pub(super) fn overlay(base: Node, over: Node) -> Node {
    match (base.kind, over.kind) {
        (Kind::Mapping(mut entries), Kind::Mapping(over_entries)) => {
            let places: HashMap<String, usize> =
                entries.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect();
            for entry in over_entries {
                match places.get(&entry.key).and_then(|at| entries.get_mut(*at)) {
                    Some(slot) => {
                        let old =
                            std::mem::replace(&mut slot.value, Node { at: slot.key_at, kind: Kind::Broken });
                        let merges =
                            matches!((&old.kind, &entry.value.kind), (Kind::Mapping(_), Kind::Mapping(_)));
                        if !merges {
                            slot.key_at = entry.key_at;
                        }
                        slot.value = overlay(old, entry.value);
                    }
                    None => entries.push(entry),
                }
            }
            Node { at: base.at, kind: Kind::Mapping(entries) }
        }
        (_, kind) => Node { at: over.at, kind },
    }
}

/// Puts the values of variables in the place of every `${NAME}` of a whole file.
pub(super) fn expand(tree: &mut Node, scope: &mut Scope<'_>, report: &mut Report) {
    let Kind::Mapping(entries) = &mut tree.kind else { return };
    for entry in entries.iter_mut().filter(|entry| entry.key != variables::SECTION) {
        inside(&mut entry.value, scope, report);
    }
}

/// What `${NAME}` can stand for.
pub(super) struct Scope<'v> {
    pub values: Values<'v>,
    pub declared: Declarations,
}

fn inside(node: &mut Node, scope: &mut Scope<'_>, report: &mut Report) {
    match &mut node.kind {
        Kind::Scalar(scalar) if scalar.text.contains("${") => {
            match expanded(scalar, node.at, scope, report) {
                Some(text) => {
                    // A number or a truth may come out of quotes, which `{…}` lists need around `${`.
                    node.kind = Kind::Scalar(Scalar { text, plain: true, exact: None, indent: 0 });
                }
                None => node.kind = Kind::Broken,
            }
        }
        Kind::Scalar(_) | Kind::Broken => {}
        Kind::Sequence(nodes) => nodes.iter_mut().for_each(|node| inside(node, scope, report)),
        Kind::Mapping(entries) => {
            for Entry { value, .. } in entries {
                inside(value, scope, report);
            }
        }
    }
}

fn expanded(scalar: &Scalar, at: At, scope: &mut Scope<'_>, report: &mut Report) -> Option<String> {
    let mut text = String::with_capacity(scalar.text.len());
    let mut rest = scalar.text.as_str();
    let mut mistakes = 0;
    while let Some(dollar) = rest.find("${") {
        let (before, from) = rest.split_at(dollar);
        // `$${` is a plain `${`.
        if let Some(literal) = before.strip_suffix('$') {
            text.push_str(literal);
            text.push_str("${");
            rest = from.get(2..).unwrap_or_default();
            continue;
        }
        text.push_str(before);
        let place = || {
            let length = from.find('}').map_or(from.len(), |end| end + 1);
            part(scalar, at, scalar.text.len() - from.len(), length)
        };
        let Some((inside, after)) = from.get(2..).and_then(|inside| inside.split_once('}')) else {
            let help = "write `${NAME}` or `${NAME:-default}`; for the characters themselves write `$${`";
            report.add(codes::VARIABLE, place(), "`${` has no `}`", help);
            return None;
        };
        rest = after;
        match value(inside, place(), scope) {
            Ok(value) => text.push_str(&value),
            Err(mistake) => {
                if let Some((message, help)) = mistake {
                    report.add(codes::VARIABLE, place(), message, help);
                }
                mistakes += 1;
                if mistakes == MAX_MISTAKES {
                    return None;
                }
            }
        }
    }
    text.push_str(rest);
    (mistakes == 0).then_some(text)
}

/// The place of a part of a scalar, if the scalar can be mapped to the file; the scalar's otherwise.
pub(super) fn part(scalar: &Scalar, at: At, start: usize, length: usize) -> At {
    let Some(first) = scalar.exact else { return at };
    // Every line but the first is indented in the file.
    let place = |offset: usize| {
        let lines = scalar.text.get(..offset).unwrap_or_default().matches('\n').count();
        first + offset + lines * scalar.indent
    };
    At { file: at.file, start: place(start), end: place(start + length) }
}

/// The value of one variable; why not, unless that is reported later for all of its uses at once.
fn value(inside: &str, at: At, scope: &mut Scope<'_>) -> Result<String, Option<(String, String)>> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !variables::is_name(name) {
        return Err(Some((
            format!("{} is not the name of a variable", quoted(name)),
            "write `${NAME}` or `${NAME:-default}` with letters, digits and `_`; there is no other templating".into(),
        )));
    }
    match (scope.declared.answer(name, scope.values, at), default) {
        (Answer::NotDeclared, default) => {
            let value = (scope.values.shell)(name).filter(|value| !value.is_empty());
            value.or_else(|| default.map(str::to_owned)).ok_or_else(|| {
                let help = match scope.declared.near(name) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "declare it under `variables`, set it in the environment, or give it a default: `${{{name}:-default}}`"
                    ),
                };
                Some((format!("the variable `{name}` is not set"), help))
            })
        }
        (_, Some(_)) => Err(Some((
            format!("the variable `{name}` is declared, so its default belongs to its declaration"),
            format!("write `${{{name}}}`, and `default:` under `variables`"),
        ))),
        (Answer::Value(value), None) => Ok(value),
        (Answer::Missing, None) => Err(None),
    }
}
