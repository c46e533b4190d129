//! What a change of sharing means: which consumers come to see more, which less, with an example, and how that is known.
//!
//! Examples and enumeration come first ([`domain::rules::compare`]); what they leave open, and what they found never to
//! happen, is asked of the solver if there is one. An example that the solver gives is believed only if the rules
//! themselves say the same of it.

mod case;
mod judge;
mod solver;
#[cfg(test)]
mod tests;

use domain::rules::compare::{Comparison, Finding, Side, Theorem, Verdict, compare, theorems};
use domain::stack::History;

pub use judge::Judge;
pub use solver::{Answer, Solver, SolverError};

use crate::plan::{Known, Sample, TypeSharing};

/// Compares what consumers see before and after a change, with a solver if there is one. One that fails is
/// replaced: it may still be busy with the question.
async fn judge(before: Side<'_>, after: Side<'_>, solver: &mut Option<Solver>) -> TypeSharing {
    let mut found = compare(before, after);
    let mut proved = false;
    if solver.is_some()
        && let Some(theorems) = theorems(before, after)
    {
        let (appears, sure) = settle((before, after), &theorems, true, found.appears, solver).await;
        let (vanishes, sure_too) = settle((before, after), &theorems, false, found.vanishes, solver).await;
        (found, proved) = (Comparison { appears, vanishes }, sure && sure_too);
    }
    let verdict = found.verdict();
    let known = match verdict {
        Verdict::Undecided => Known::NotDecided,
        _ if proved => Known::Proved,
        _ => Known::Enumerated,
    };
    let windows = [before, after].iter().any(|side| has_window(side));
    let sample = |finding| match finding {
        Finding::Example(example) => Some(Sample::of(*example, windows)),
        Finding::Never | Finding::Unknown => None,
    };
    TypeSharing {
        verdict,
        known,
        moves: true,
        appears: sample(found.appears),
        vanishes: sample(found.vanishes),
    }
}

/// Whether it matters to what is seen when a provider joined.
fn has_window(side: &Side<'_>) -> bool {
    let own = side.rules.rules.iter().filter(|rule| rule.types.contains(&side.data_type.name));
    own.into_iter().any(|rule| matches!(rule.history, History::None | History::Days(_)))
}

/// What the solver makes of one direction: whether more is seen after the change, or less. And whether that is sure.
async fn settle(
    (before, after): (Side<'_>, Side<'_>),
    theorems: &[Theorem],
    gains: bool,
    known: Finding,
    solver: &mut Option<Solver>,
) -> (Finding, bool) {
    if matches!(known, Finding::Example(_)) {
        return (known, true);
    }
    let mut open: Vec<&Theorem> = theorems.iter().rev().collect();
    while let Some(theorem) = open.pop() {
        let (plain, sets) = match gains {
            true => (theorem.adds_nothing, (&theorem.after, &theorem.before)),
            false => (theorem.keeps, (&theorem.before, &theorem.after)),
        };
        if plain {
            continue;
        }
        let Some(asked) = solver.as_mut() else { return (known, false) };
        let case = match asked.implies(theorem, &after.data_type.name, sets).await {
            Ok(Answer::Yes) => continue,
            Ok(Answer::No(case)) => case,
            Err(error) => {
                tracing::debug!(%error, "the solver did not help");
                *solver = Solver::start().ok();
                return (known, false);
            }
        };
        let example = case::example(&case, before, after);
        match example.filter(|example| if gains { example.gains() } else { example.loses() }) {
            Some(example) => return (Finding::Example(Box::new(example)), true),
            None if theorem.refined.is_empty() => return (known, false),
            None => open.extend(&theorem.refined),
        }
    }
    (Finding::Never, true)
}
