//! What follows whatever the answers to the atoms are.

use std::collections::BTreeSet;

use super::Budget;
use super::atoms::{Atoms, Tree};
use crate::id::Name;
use crate::stack::History;

/// Atoms whose every combination of answers is tried.
const MOST: usize = 12;

/// A rule, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// When it selects.
    pub tree: Tree,
    /// What it shows; every field if none.
    pub fields: Option<BTreeSet<Name>>,
    /// How far back it reaches.
    pub history: History,
}

/// The answer to an atom, or to a tree over atoms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    No,
    Yes,
    /// Asking failed, and with it the whole condition.
    Failed,
}

/// Whether whatever each of these rules shows is shown by others that select every item or have the very same condition.
pub(super) fn is_covered_as_written(rules: &[Part], others: &[Part], fields: &BTreeSet<Name>) -> bool {
    rules.iter().all(|rule| {
        let selecting = |other: &&Part| other.tree == Tree::Constant(true) || other.tree == rule.tree;
        is_covered(rule, &others.iter().filter(selecting).collect::<Vec<_>>(), fields)
    })
}

/// Whether whatever these rules show is shown by those others as well, whatever the answers to the atoms are: answers
/// that no item can give are tried too, so a yes is certain and a no is not. None if there are too many atoms, or if
/// trying them costs more than the budget.
pub(super) fn shows_no_more(
    rules: &[Part],
    than: &[Part],
    atoms: &Atoms,
    fields: &BTreeSet<Name>,
    budget: &mut Budget,
) -> Option<bool> {
    if atoms.all.len() > MOST {
        return None;
    }
    let choices: Vec<&[Answer]> = atoms.all.iter().map(|atom| answers(atom.can_fail)).collect();
    let combinations = choices.iter().fold(1u64, |count, choices| count.saturating_mul(choices.len() as u64));
    let trees: usize = rules.iter().chain(than).map(|part| part.tree.size()).sum();
    if !budget.take_combinations(combinations, trees + rules.len() * fields.len()) {
        return None;
    }
    let mut at = vec![0; choices.len()];
    loop {
        let answers: Vec<Answer> = at
            .iter()
            .zip(&choices)
            .map(|(at, choices)| choices.get(*at).copied().unwrap_or(Answer::Failed))
            .collect();
        let selected = |part: &&Part| ask(&part.tree, &answers) == Answer::Yes;
        let theirs: Vec<&Part> = than.iter().filter(selected).collect();
        if !rules.iter().filter(selected).all(|rule| is_covered(rule, &theirs, fields)) {
            return Some(false);
        }
        if !advance(&mut at, &choices) {
            return Some(true);
        }
    }
}

fn answers(can_fail: bool) -> &'static [Answer] {
    if can_fail { &[Answer::No, Answer::Yes, Answer::Failed] } else { &[Answer::No, Answer::Yes] }
}

/// The next combination; false after the last one.
fn advance(at: &mut [usize], choices: &[&[Answer]]) -> bool {
    for (digit, choices) in at.iter_mut().zip(choices) {
        *digit += 1;
        if *digit < choices.len() {
            return true;
        }
        *digit = 0;
    }
    false
}

/// As Cedar asks: from the left, and no further than needed.
fn ask(tree: &Tree, answers: &[Answer]) -> Answer {
    match tree {
        Tree::Constant(true) => Answer::Yes,
        Tree::Constant(false) => Answer::No,
        Tree::Atom(number) => answers.get(*number).copied().unwrap_or(Answer::Failed),
        Tree::Not(inner) => match ask(inner, answers) {
            Answer::Yes => Answer::No,
            Answer::No => Answer::Yes,
            Answer::Failed => Answer::Failed,
        },
        Tree::And(left, right) => match ask(left, answers) {
            Answer::Yes => ask(right, answers),
            other => other,
        },
        Tree::Or(left, right) => match ask(left, answers) {
            Answer::No => ask(right, answers),
            other => other,
        },
        Tree::If(asked, then, otherwise) => match ask(asked, answers) {
            Answer::Yes => ask(then, answers),
            Answer::No => ask(otherwise, answers),
            Answer::Failed => Answer::Failed,
        },
    }
}

/// Whether everything that a selecting rule shows is shown by others that select, at least as far back.
fn is_covered(rule: &Part, others: &[&Part], fields: &BTreeSet<Name>) -> bool {
    let reaching: Vec<&&Part> = others.iter().filter(|other| reaches(other.history, rule.history)).collect();
    let shown = |part: &Part, field: &Name| part.fields.as_ref().is_none_or(|shown| shown.contains(field));
    let covered = |field: &Name| reaching.iter().any(|other| shown(other, field));
    // An item of which nothing is shown is still seen to be there.
    !reaching.is_empty() && fields.iter().filter(|field| shown(rule, field)).all(covered)
}

/// Whether a window lets through whatever another one does, whenever somebody joins.
fn reaches(window: History, other: History) -> bool {
    let days = |window| match window {
        History::None => Some(0),
        History::Days(days) => Some(days),
        _ => None,
    };
    match (window, other) {
        (History::All, _) => true,
        (History::Since(start), History::Since(other)) => start <= other,
        _ => days(window).zip(days(other)).is_some_and(|(window, other)| window >= other),
    }
}
