//! The engine: carries a plan out.
//!
//! A node runs as soon as everything it depends on has ended well; there are no levels to wait for. What is on the
//! longest way to the end goes first. Nodes with the same serial key never overlap. A failure stops only what depends
//! on it. Nothing is rolled back: what is done is recorded, and the next run goes on from there.

#[cfg(test)]
pub(crate) mod fake;
mod interrupt;
mod node;
mod read;
mod schedule;
#[cfg(test)]
mod tests;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

pub use interrupt::{Interrupt, InterruptHandle, Urgency};
pub use read::{Wanted, read_all};
pub use world::{AwsWorld, World};

use crate::error::{Error, Exit};
use crate::event::{Event, Events, Summary};
use crate::plan::{Action, Node, Plan};
use crate::resource::{Address, Outputs};
use crate::state::StateStore;

use node::{Done, Worker, is_deferred};
use schedule::Schedule;

/// How many resources are worked on at once, unless told otherwise. Most of them wait for AWS most of the time; what
/// AWS does not like at once has a serial key.
pub const CONCURRENCY: usize = 32;

/// What the engine works with.
#[derive(Clone)]
pub struct Engine {
    /// What is acted on.
    pub world: Arc<dyn World>,
    /// Where it is recorded.
    pub state: Arc<dyn StateStore>,
    /// The lock's fencing token.
    pub token: u64,
    /// Who is told.
    pub events: Events,
    /// How many resources are worked on at once.
    pub concurrency: usize,
    /// When to stop.
    pub interrupt: Interrupt,
}

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Execution {
    /// How each node ended.
    pub outcomes: BTreeMap<Address, Outcome>,
    /// The outputs of what is there now.
    pub outputs: BTreeMap<Address, Outputs>,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

/// How a node ended.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing had to be done.
    Unchanged,
    /// It was done.
    Done(Action),
    /// It failed.
    Failed(Error),
    /// It was left out because of that failure, or because of an interrupt.
    Skipped(Option<Address>),
}

impl Execution {
    /// What was done, in numbers.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for outcome in self.outcomes.values() {
            match outcome {
                Outcome::Unchanged | Outcome::Done(Action::NoOp | Action::Blocked | Action::Conflict) => {
                    summary.unchanged += 1;
                }
                Outcome::Done(Action::Create) => summary.created += 1,
                Outcome::Done(Action::Update) => summary.updated += 1,
                Outcome::Done(Action::Replace) => summary.replaced += 1,
                Outcome::Done(Action::Delete | Action::Forget) => summary.deleted += 1,
                Outcome::Failed(_) => summary.failed += 1,
                Outcome::Skipped(_) => summary.skipped += 1,
            }
        }
        summary
    }

    /// The plan's success, or what kept it from it.
    pub fn result(&self) -> Result<(), Error> {
        let summary = self.summary();
        if self.interrupted {
            return Err(Error::Interrupted { open: summary.failed + summary.skipped });
        }
        let failed: Vec<Address> = self.failures().map(|(address, _)| address.clone()).collect();
        if failed.is_empty() {
            return Ok(());
        }
        let deferred = self.failures().filter(|(_, error)| error.exit() == Exit::Partly).count();
        let done = summary.created + summary.updated + summary.replaced + summary.deleted + deferred;
        Err(Error::Incomplete { failed, skipped: summary.skipped, done })
    }

    /// What failed, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&Address, &Error)> {
        self.outcomes.iter().filter_map(|(address, outcome)| match outcome {
            Outcome::Failed(error) => Some((address, error)),
            _ => None,
        })
    }
}

type Running<'a> = FuturesUnordered<BoxFuture<'a, (usize, Result<Done, Error>)>>;

/// Carries out a plan. Nodes that the plan refuses are left alone, together with what depends on them.
pub async fn execute(engine: &Engine, plan: &Plan) -> Execution {
    let worker = Worker::new(engine);
    let mut schedule = Schedule::new(plan, &|node| serial_key(engine, node));
    let mut running: Running<'_> = FuturesUnordered::new();
    let mut execution = Execution::default();
    loop {
        let stopping = engine.interrupt.urgency();
        if stopping == Urgency::Calm {
            while running.len() < engine.concurrency.max(1)
                && let Some(index) = schedule.next()
            {
                let Some(node) = plan.nodes.get(index) else { continue };
                let worker = &worker;
                running.push(Box::pin(async move { (index, worker.run(node).await) }));
            }
        }
        if running.is_empty() {
            break;
        }
        tokio::select! {
            Some((index, result)) = running.next() => settle(engine, plan, &mut schedule, &mut execution, index, result),
            () = engine.interrupt.changed_from(stopping) => {
                if engine.interrupt.urgency() == Urgency::Abort {
                    break;
                }
            }
        }
    }
    drop(running);
    execution.interrupted = engine.interrupt.urgency() != Urgency::Calm && !schedule.is_done();
    for node in &plan.nodes {
        if !execution.outcomes.contains_key(&node.address) {
            skip(engine, &mut execution, node, None);
        }
    }
    execution.outputs = worker.into_outputs();
    execution
}

fn serial_key(engine: &Engine, node: &Node) -> Option<String> {
    let prior = node.prior.as_ref().map(|prior| &prior.attributes);
    let attributes = node.desired.as_ref().or(prior)?;
    engine.world.serial_key(&node.address, attributes)
}

fn settle(
    engine: &Engine,
    plan: &Plan,
    schedule: &mut Schedule,
    execution: &mut Execution,
    index: usize,
    result: Result<Done, Error>,
) {
    let Some(node) = plan.nodes.get(index) else { return };
    match result {
        Ok(done) => {
            schedule.ended(index);
            let outcome =
                if done.action == Action::NoOp { Outcome::Unchanged } else { Outcome::Done(done.action) };
            execution.outcomes.insert(node.address.clone(), outcome);
        }
        Err(error) if is_deferred(&error) && node.prior.is_some() => {
            schedule.ended(index);
            execution.outcomes.insert(node.address.clone(), Outcome::Failed(error));
        }
        Err(error) => {
            execution.outcomes.insert(node.address.clone(), Outcome::Failed(error));
            for lost in schedule.failed(index) {
                if let Some(dependent) = plan.nodes.get(lost) {
                    skip(engine, execution, dependent, Some(node.address.clone()));
                }
            }
        }
    }
}

fn skip(engine: &Engine, execution: &mut Execution, node: &Node, because: Option<Address>) {
    if node.action == Action::NoOp {
        execution.outcomes.insert(node.address.clone(), Outcome::Unchanged);
        return;
    }
    let event = Event::ResourceSkipped {
        address: node.address.clone(),
        action: node.action,
        because: because.clone(),
    };
    engine.events.event(event);
    execution.outcomes.insert(node.address.clone(), Outcome::Skipped(because));
}

/// Milliseconds since an instant.
fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
