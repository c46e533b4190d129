//! The protocol holds in every interleaving of these scenarios; what was tried and failed still fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code, which stops where something is wrong"
)]

mod failed;
mod meaning;
mod offers;
mod protocol;
mod remembering;
mod rosters;
mod scenarios;

use std::fmt::Debug;
use std::hash::Hash;
use std::io::Write as _;
use std::time::Instant;

use models::{Action, Protocol, Scenario, State, Variant};
use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

/// What checking a model came to.
struct Outcome {
    states: usize,
    done: bool,
    /// What was found, by the names of properties, with the shortest way there.
    found: Vec<(&'static str, Path<State, Action>)>,
}

impl Outcome {
    fn has(&self, property: &str) -> bool {
        self.found.iter().any(|(name, _)| *name == property)
    }
}

/// Checks a model until everything has been looked at, or what is asked for was found.
fn check(scenario: Scenario, variant: Variant, until: HasDiscoveries) -> Outcome {
    let (name, begun) = (scenario.name, Instant::now());
    let model = Protocol { scenario, variant };
    let checker = model.checker().finish_when(until).spawn_bfs().join();
    let mut found: Vec<_> = checker.discoveries().into_iter().collect();
    found.sort_by_key(|(name, _)| *name);
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    let seconds = begun.elapsed().as_secs_f32();
    let line = format!(
        "{name:<24} {:<18} {states:>9} states, depth {depth:>2}, {seconds:.1} s",
        format!("{variant:?}")
    );
    tell(&line);
    Outcome { states, done: checker.is_done(), found }
}

/// What happens on the way to what was found, and where it ends.
fn steps<S, A: Debug>(path: &Path<S, A>) -> String
where
    Path<S, A>: Clone,
{
    let steps: Vec<String> = path.clone().into_actions().iter().map(|action| format!("{action:?}")).collect();
    steps.join(", ")
}

/// The properties of a model of what is remembered that are broken, or shown, by their names.
fn found<M>(name: &str, variant: &str, model: M, until: HasDiscoveries) -> Vec<&'static str>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq + Send + Sync,
{
    let checker = model.checker().finish_when(until).spawn_bfs().join();
    tell(&format!("{name:<24} {variant:<18} {:>9} states", checker.unique_state_count()));
    let mut found: Vec<_> = checker.discoveries().into_iter().collect();
    found.sort_by_key(|(name, _)| *name);
    for (name, path) in &found {
        // What is shown is as it should be.
        if checker.model().property(name).expectation == Expectation::Always {
            tell(&format!("    breaks `{name}`: {}", steps(path)));
        }
    }
    found.into_iter().map(|(name, _)| name).collect()
}

/// To the terminal itself: what a passing test prints is swallowed, and these figures are worth seeing.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}
