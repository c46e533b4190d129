//! Judging the changes of a plan: several at once, each different one once, and again only if it has changed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use domain::id::Name;
use domain::rules::compare::{Side, Verdict};
use domain::rules::{CompiledRules, compile};
use domain::stack::RuleSet;
use futures::future::join_all;
use tokio::sync::Mutex;

use super::{Solver, SolverError, judge};
use crate::event::{Event, Events};
use crate::plan::{Known, RuleChange, Sharing, TypeSharing};

/// Changes judged between two messages about how far it is.
const REPORT_EVERY: usize = 50;

/// Judges changes of rules, and remembers what it judged.
#[derive(Default)]
pub struct Judge {
    /// Verdicts by what is compared, the group apart.
    known: Mutex<BTreeMap<String, BTreeMap<Name, TypeSharing>>>,
    /// Whether it was said that there is no solver.
    said: AtomicBool,
}

impl Judge {
    /// What each change means, in the order given. Says once if there is no solver, and how to get one.
    pub async fn judge(&self, changes: &[RuleChange], events: &Events) -> Vec<Sharing> {
        let mut known = self.known.lock().await;
        let mut open: BTreeMap<String, &RuleChange> = BTreeMap::new();
        for change in changes {
            let key = key(change);
            if !known.contains_key(&key) {
                open.insert(key, change);
            }
        }
        if !open.is_empty() {
            let solvers = self.solvers(open.len(), events).await;
            known.extend(judge_all(open, solvers, events).await);
        }
        let sharing = |change: &RuleChange| Sharing {
            group: change.group.clone(),
            code: change.code(),
            types: known.get(&key(change)).cloned().unwrap_or_default(),
            impact: None,
        };
        changes.iter().map(sharing).collect()
    }

    /// A solver for each core that there is work for; none of them if there is no solver.
    async fn solvers(&self, work: usize, events: &Events) -> Vec<Option<Solver>> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let solvers: Vec<_> = (0..work.min(cores)).map(|_| Solver::start()).collect();
        if let Some(Err(SolverError::Missing(why))) = solvers.first()
            && !self.said.swap(true, Ordering::Relaxed)
        {
            let text = format!(
                "verdicts on rules are enumerated, not proved: cvc5 cannot be started ({why}); install it \
                 (`apt install cvc5`, `brew install cvc5/cvc5/cvc5`), or name it in the variable `CVC5`"
            );
            events.event(Event::Warning { text });
        }
        solvers.into_iter().map(Result::ok).collect()
    }
}

/// What a verdict depends on.
fn key(change: &RuleChange) -> String {
    let RuleChange { group: _, before, after, types_before, types_after } = change;
    serde_json::to_string(&(before, after, types_before, types_after)).unwrap_or_default()
}

type Verdicts = Vec<(String, BTreeMap<Name, TypeSharing>)>;

async fn judge_all(
    open: BTreeMap<String, &RuleChange>,
    solvers: Vec<Option<Solver>>,
    events: &Events,
) -> Verdicts {
    let all = open.len();
    let queue: Mutex<VecDeque<(String, RuleChange)>> =
        Mutex::new(open.into_iter().map(|(key, change)| (key, change.clone())).collect());
    let done = AtomicUsize::new(0);
    let work = async |mut solver: Option<Solver>| {
        let mut verdicts = Verdicts::new();
        loop {
            let Some((key, change)) = queue.lock().await.pop_front() else { return verdicts };
            // On a thread of its own: enumeration computes for a while, and the others are to go on meanwhile.
            let worked = tokio::spawn(async move { (of_change(&change, &mut solver).await, solver) }).await;
            let Ok((types, back)) = worked else { return verdicts };
            solver = back;
            verdicts.push((key, types));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(REPORT_EVERY) {
                events.event(Event::Step { text: format!("comparing rules: {done} of {all}") });
            }
        }
    };
    join_all(solvers.into_iter().map(work)).await.into_iter().flatten().collect()
}

async fn of_change(change: &RuleChange, solver: &mut Option<Solver>) -> BTreeMap<Name, TypeSharing> {
    let compiled = |types, rules: &RuleSet| compile(types, rules).ok();
    let before = compiled(&change.types_before, &change.before);
    let after = compiled(&change.types_after, &change.after);
    let mut types = BTreeMap::new();
    for name in change.types() {
        let sharing = match sides(change, name, (before.as_ref(), after.as_ref())) {
            Some((before, after)) => {
                let alike =
                    before.compiled.asks_alike(after.compiled, name) && before.data_type == after.data_type;
                let sharing = judge(before, after, solver).await;
                TypeSharing { moves: sharing.verdict != Verdict::Unchanged || !alike, ..sharing }
            }
            None => undecided(),
        };
        types.insert(name.clone(), sharing);
    }
    types
}

/// Both sides for one type. None if what was deployed cannot be compiled any more.
fn sides<'c>(
    change: &'c RuleChange,
    name: &Name,
    (before, after): (Option<&'c CompiledRules>, Option<&'c CompiledRules>),
) -> Option<(Side<'c>, Side<'c>)> {
    let old = Side { data_type: change.types_before.get(name)?, rules: &change.before, compiled: before? };
    let new = Side { data_type: change.types_after.get(name)?, rules: &change.after, compiled: after? };
    Some((old, new))
}

fn undecided() -> TypeSharing {
    TypeSharing {
        verdict: Verdict::Undecided,
        known: Known::NotDecided,
        moves: true,
        appears: None,
        vanishes: None,
    }
}
