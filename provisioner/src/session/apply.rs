//! Brings a stack to what its file says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::follow::{Followed, follow_declared, moved};
use super::outputs::follow_step;
use super::{Options, Seen, Session, control, next_steps, outputs_of};
use crate::engine::{Execution, Interrupt, Urgency, execute};
use crate::error::{Error, Refusal, Widening};
use crate::event::{Event, Summary};
use crate::kinds::{Observed, Recorded};
use crate::local::Running;
use crate::plan::{Action, Change, Plan, SavedPlan, note_courses, unapproved};
use crate::resource::{Address, Outputs, Resource, resolve};
use crate::state::{Entry, JournalLine, Lease, RowChange, Run, Status, Write, now};

/// Asks whether a plan may be carried out.
pub type Ask = dyn Fn(&Plan) -> Result<(), Error> + Send + Sync;

/// Whether a plan may be carried out.
#[derive(Clone)]
pub enum Approval {
    /// It may.
    Given,
    /// Ask; the answer may also be an error that says why nobody can be asked.
    Ask(Arc<Ask>),
}

/// What came of it.
#[derive(Debug)]
pub struct Applied {
    /// What the stack gives to its users.
    pub outputs: Outputs,
    /// What was done.
    pub summary: Summary,
    /// The emulator, on the local target. One that lives with its parent stops when this is dropped.
    pub emulator: Option<Running>,
}

/// Brings a stack to what its file says. Without anything to do it only reads.
///
/// # Errors
/// See [`Error`]. What was done until then is recorded, and the next call goes on from there.
pub async fn apply(options: &Options, approval: &Approval) -> Result<Applied, Error> {
    carry_out(Session::open(options).await?, Basis::Made(approval)).await
}

/// What an apply goes by.
#[derive(Clone, Copy)]
pub(super) enum Basis<'a> {
    /// The plan that it makes itself.
    Made(&'a Approval),
    /// One that was saved, and agreed to by being given.
    Saved(&'a SavedPlan),
}

impl Basis<'_> {
    /// Refuses to go on if what was agreed to is not what would be done now. `made` is what this run made to begin with.
    fn check(
        self,
        session: &Session,
        desired: &[Resource],
        (seen, shown): (&Seen, Option<&Plan>),
        made: bool,
    ) -> Result<(), Error> {
        let control = control();
        match (self, shown) {
            (Self::Saved(saved), _) => session.check_fresh(saved, desired, seen, made.then_some(&control)),
            (Self::Made(Approval::Ask(_)), Some(shown)) if !shown.same_work(&seen.plan, &[control]) => {
                Err(Error::Stale { changed: differences(shown, &seen.plan) })
            }
            (Self::Made(_), _) => Ok(()),
        }
    }

    /// The plan to carry out.
    fn plan(self, desired: &[Resource], seen: &Seen, made: bool) -> Plan {
        let Self::Saved(saved) = self else { return seen.plan.clone() };
        let mut plan = saved.plan_here(desired);
        // The table for the state was made a moment ago, as the plan says.
        if let (true, Some(now)) = (made, seen.plan.node(&control())) {
            plan.nodes
                .iter_mut()
                .filter(|node| node.address == now.address)
                .for_each(|node| *node = now.clone());
        }
        plan
    }
}

pub(super) async fn carry_out(session: Session, basis: Basis<'_>) -> Result<Applied, Error> {
    let options = session.options.clone();
    let desired = session.desired().await?;
    options.step("reading what is there");
    let seen = session.plan_with_impact(&desired).await?;
    basis.check(&session, &desired, (&seen, None), false)?;
    options.events.event(Event::Plan { plan: Arc::new(seen.plan.clone()) });
    refuse(&seen.plan)?;
    approved(&session, &seen.plan)?;
    if seen.plan.is_empty() {
        let outputs = outputs_of(&session, &seen.observed);
        let unchanged = Summary { unchanged: seen.plan.nodes.len(), ..Summary::default() };
        return Ok(finish(session, outputs, unchanged, &[]));
    }
    if let Basis::Made(Approval::Ask(ask)) = basis {
        ask(&seen.plan)?;
    }
    calm(&options.interrupt, &seen.plan)?;
    let made = ensure_control(&session, &desired, &seen).await?;
    let lease = session.lock_after(&seen, made.is_some()).await?;
    let begun = now();
    let done = under_lock(&session, &desired, &lease, (basis, &seen.plan), made).await;
    let released = lease.release().await;
    let (execution, mut summary, observed) = done?;
    released?;
    let mut outputs = outputs_of(&session, &observed);
    outputs.extend(super::outputs::of_execution(&session, &execution));
    if let Err(error) = execution.result() {
        summary = session.complete(summary);
        options.events.event(Event::Summary(summary));
        return Err(error);
    }
    let left = jobs(&session, &seen.plan, begun).await;
    let applied = finish(session, outputs, summary, &left);
    if left.is_empty() || options.detach { Ok(applied) } else { Err(Error::JobsLeft(left)) }
}

/// Follows the jobs that bring copies after a change of what groups share; which groups' are left to run. The lock is
/// free by then: jobs are the stack's own, and a later change takes over from them.
async fn jobs(session: &Session, plan: &Plan, begun: domain::time::Timestamp) -> Vec<String> {
    let groups = moved(plan);
    let names = || groups.iter().map(ToString::to_string).collect();
    if groups.is_empty() || session.options.detach {
        return names();
    }
    match follow_declared(session, &groups, begun).await {
        Ok(Followed::Finished) => Vec::new(),
        Ok(Followed::Left(groups)) => groups,
        Err(error) => {
            let text = format!("jobs cannot be followed any more: {error}");
            session.options.events.event(Event::Warning { text });
            names()
        }
    }
}

type Observations = BTreeMap<Address, crate::kinds::Read>;

/// Looks again, now that nobody else changes anything, and does it.
async fn under_lock(
    session: &Session,
    desired: &[Resource],
    lease: &Lease,
    (basis, shown): (Basis<'_>, &Plan),
    made: Option<Observed>,
) -> Result<(Execution, Summary, Observations), Error> {
    let begun = now();
    if let Some(observed) = &made {
        record_control(session, desired, lease.token(), observed).await?;
    }
    let seen = session.plan(desired).await?;
    refuse(&seen.plan)?;
    basis.check(session, desired, (&seen, Some(shown)), made.is_some())?;
    approved(session, &seen.plan)?;
    let mut plan = basis.plan(desired, &seen, made.is_some());
    // As it is now, whatever a file says.
    plan.sharing.clone_from(&seen.plan.sharing);
    note_courses(&mut plan);
    let execution = run(session, lease, &plan).await;
    let mut summary = execution.summary();
    if made.is_some() {
        summary.created += 1;
        summary.unchanged = summary.unchanged.saturating_sub(1);
    }
    end_run(session, lease, begun, &summary).await?;
    Ok((execution, summary, seen.observed))
}

/// Carries a plan out until it is done, interrupted, or the lock is lost.
pub(super) async fn run(session: &Session, lease: &Lease, plan: &Plan) -> Execution {
    let (handle, interrupt) = Interrupt::new();
    let outer = session.options.interrupt.clone();
    let mut lost = lease.lost();
    let engine = session.engine(lease.token(), interrupt);
    let work = execute(&engine, plan);
    tokio::pin!(work);
    let mut passed_on = Urgency::Calm;
    let mut lock_lost = false;
    loop {
        tokio::select! {
            execution = &mut work => return execution,
            () = outer.changed_from(passed_on), if passed_on != Urgency::Abort => {
                passed_on = outer.urgency();
                handle.raise(passed_on);
            }
            changed = lost.wait_for(|lost| *lost), if !lock_lost => {
                lock_lost = true;
                if changed.is_ok() {
                    let text = "the lock was lost: ending what was begun, and nothing more".to_owned();
                    session.options.events.event(Event::Warning { text });
                    handle.drain();
                }
            }
        }
    }
}

/// Writes down that the run ended.
pub(super) async fn end_run(
    session: &Session,
    lease: &Lease,
    begun: domain::time::Timestamp,
    summary: &Summary,
) -> Result<(), Error> {
    let outcome = format!(
        "{} created, {} changed, {} replaced, {} deleted, {} failed, {} left out",
        summary.created, summary.updated, summary.replaced, summary.deleted, summary.failed, summary.skipped
    );
    let run = Run { token: lease.token(), owner: lease.held().await.owner, begun, ended: now(), outcome };
    Ok(session.state.end_run(&run).await?)
}

/// Makes the table that holds the state, if it is not there: without it there is no lock to take.
pub(super) async fn ensure_control(
    session: &Session,
    desired: &[Resource],
    seen: &Seen,
) -> Result<Option<Observed>, Error> {
    let address = control();
    if matches!(seen.observed.get(&address), Some(crate::kinds::Read::Owned(_))) {
        return Ok(None);
    }
    let Some(resource) = desired.iter().find(|resource| resource.address == address) else { return Ok(None) };
    let attributes = resolve(&resource.attributes, &|_| None).attributes;
    let events = &session.options.events;
    let started = std::time::Instant::now();
    events.event(Event::ResourceStarted { address: address.clone(), action: Action::Create });
    let made = session.world.converge(&address, &attributes, None).await;
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let action = Action::Create;
    events.event(match &made {
        Ok(_) => Event::ResourceDone { address, action, duration_ms },
        Err(error) => Event::ResourceFailed { address, action, duration_ms, error: error.report() },
    });
    made.map(Some)
}

pub(super) async fn record_control(
    session: &Session,
    desired: &[Resource],
    token: u64,
    observed: &Observed,
) -> Result<(), Error> {
    let address = control();
    let attributes =
        desired.iter().find(|resource| resource.address == address).map(|r| r.attributes.clone());
    let recorded = Recorded {
        address: address.clone(),
        physical_id: observed.physical_id.clone(),
        attributes: attributes.unwrap_or_default(),
        outputs: observed.outputs.clone(),
    };
    let at = now();
    let entry = Entry { recorded, depends_on: Vec::new(), status: Status::Ready, updated: at };
    let journal =
        JournalLine { token, address, action: Action::Create, begun: at, ended: Some(at), error: None };
    Ok(session.state.write(token, &Write { row: RowChange::Put(entry), journal }).await?)
}

fn refuse(plan: &Plan) -> Result<(), Error> {
    let refusals: Vec<Refusal> = plan
        .refusals()
        .map(|node| Refusal {
            address: node.address.clone(),
            reason: node.reason.clone().unwrap_or_default(),
            foreign: node.action == Action::Conflict,
        })
        .collect();
    if refusals.is_empty() { Ok(()) } else { Err(Error::Refused(refusals)) }
}

/// Refuses to share more than before unless somebody has approved just that.
fn approved(session: &Session, plan: &Plan) -> Result<(), Error> {
    let by_name = &session.options.allow_widening;
    let known = || session.stack.groups.keys().map(ToString::to_string);
    if let Some(unknown) = by_name.iter().find(|name| !known().any(|known| known == **name)) {
        let (what, name) = ("the group", unknown.clone());
        return Err(Error::Unknown { what, name, known: known().collect() });
    }
    let refused = unapproved(plan, by_name, &session.stack.groups);
    let refused: Vec<Widening> = refused.into_iter().map(Widening::from).collect();
    if refused.is_empty() { Ok(()) } else { Err(Error::Widening(refused)) }
}

/// Fails if somebody asked to stop before anything was begun.
pub(super) fn calm(interrupt: &Interrupt, plan: &Plan) -> Result<(), Error> {
    let open = plan.nodes.iter().filter(|node| node.action != Action::NoOp).count();
    if interrupt.urgency() == Urgency::Calm { Ok(()) } else { Err(Error::Interrupted { open }) }
}

/// What would be done now and was not shown, or the other way round, by resource and attribute.
fn differences(shown: &Plan, current: &Plan) -> Vec<String> {
    let work = |plan: &Plan| -> BTreeMap<Address, (Action, Vec<Change>)> {
        let nodes = plan.nodes.iter().filter(|node| node.address != control());
        nodes.map(|node| (node.address.clone(), (node.action, node.changes.clone()))).collect()
    };
    let (before, after) = (work(shown), work(current));
    let changed: BTreeSet<&Address> =
        before.keys().chain(after.keys()).filter(|a| before.get(a) != after.get(a)).collect();
    let none = (Action::NoOp, Vec::new());
    let words = |address: &Address| -> Vec<String> {
        let (_, one) = before.get(address).unwrap_or(&none);
        let (_, other) = after.get(address).unwrap_or(&none);
        let only = |a: &[Change], b: &[Change]| -> Vec<String> {
            a.iter().filter(|change| !b.contains(change)).map(|change| change.path.clone()).collect()
        };
        let paths: BTreeSet<String> = only(one, other).into_iter().chain(only(other, one)).collect();
        match paths.is_empty() {
            true => vec![format!("`{address}`")],
            false => paths.iter().map(|path| format!("`{path}` of `{address}`")).collect(),
        }
    };
    changed.into_iter().flat_map(words).collect()
}

fn finish(session: Session, outputs: Outputs, summary: Summary, left: &[String]) -> Applied {
    let summary = session.complete(summary);
    let events = &session.options.events;
    events.event(Event::Summary(summary.clone()));
    events.event(Event::Outputs { outputs: outputs.clone() });
    let mut lines = next_steps(&session, &outputs);
    lines.extend((!left.is_empty()).then(|| follow_step(&session, left)));
    events.event(Event::NextSteps { lines });
    Applied { outputs, summary, emulator: session.emulator }
}
