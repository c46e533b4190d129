//! Takes a stack down.

use std::sync::Arc;

use super::apply::{calm, end_run, ensure_control, run};
use super::{Approval, Options, Seen, Session, control};
use crate::engine::Outcome;
use crate::error::Error;
use crate::event::{Event, Summary};
use crate::kinds::Read;
use crate::plan::{Action, Node, Plan};
use crate::resource::Address;
use crate::state::{Lease, now};

/// Deletes everything of a stack that is there, and its state last.
///
/// # Errors
/// If deletion protection is on, or something cannot be deleted; the next call goes on from there.
pub async fn destroy(options: &Options, approval: &Approval) -> Result<Summary, Error> {
    let session = Session::open(options).await?;
    let mut desired = super::wanted::without_code(&session);
    // Should the table for the lock have to be made again, it must not be what then cannot be deleted.
    for resource in desired.iter_mut().filter(|resource| resource.address == control()) {
        if let Some(protection) = resource.attributes.get_mut("deletionProtection") {
            *protection = false.into();
        }
    }
    options.step("reading what is there");
    let seen = session.plan_destroy(&desired).await?;
    let protected = protected(&seen);
    if !protected.is_empty() {
        return Err(Error::Protected(protected));
    }
    options.events.event(Event::Plan { plan: Arc::new(seen.plan.clone()) });
    if seen.plan.is_empty() {
        let summary = session.complete(Summary::default());
        options.events.event(Event::Summary(summary.clone()));
        return Ok(summary);
    }
    if let Approval::Ask(ask) = approval {
        let losses = super::losses::of_stack(&session).await?;
        options.events.event(Event::Losses { losses });
        ask(&seen.plan)?;
    }
    calm(&options.interrupt, &seen.plan)?;
    let made = ensure_control(&session, &desired, &seen).await?;
    let lease = session.lock_after(&seen, made.is_some()).await?;
    let done = under_lock(&session, &desired, &lease).await;
    let released = lease.release().await;
    let (mut summary, result) = done?;
    released?;
    if result.is_ok() {
        delete_control(&session, &seen).await?;
        summary.deleted += 1;
    }
    let summary = session.complete(summary);
    options.events.event(Event::Summary(summary.clone()));
    result.map(|()| summary)
}

/// What a destroy would delete, and what people would lose by it. Only reads.
///
/// # Errors
/// If something cannot be read.
pub async fn destroy_plan(session: &Session) -> Result<Seen, Error> {
    let mut seen = session.plan_destroy(&super::wanted::without_code(session)).await?;
    if !seen.plan.is_empty() {
        seen.losses = super::losses::of_stack(session).await?;
    }
    Ok(seen)
}

async fn under_lock(
    session: &Session,
    desired: &[crate::resource::Resource],
    lease: &Lease,
) -> Result<(Summary, Result<(), Error>), Error> {
    let begun = now();
    let mut seen = session.plan_destroy(desired).await?;
    let protected = protected(&seen);
    if !protected.is_empty() {
        return Err(Error::Protected(protected));
    }
    seen.plan.nodes.retain(|node| node.address != control());
    let mut execution = run(session, lease, &seen.plan).await;
    execution.outcomes.retain(|_, outcome| !matches!(outcome, Outcome::Unchanged));
    let summary = execution.summary();
    end_run(session, lease, begun, &summary).await?;
    Ok((summary, execution.result()))
}

/// What must not be deleted, as it is now: the file may already say otherwise.
fn protected(seen: &Seen) -> Vec<Address> {
    let on = |read: &Read| match read {
        Read::Owned(observed) => {
            observed.attributes.get("deletionProtection").and_then(serde_json::Value::as_bool) == Some(true)
        }
        Read::Missing | Read::Foreign(_) => false,
    };
    seen.observed.iter().filter(|(_, read)| on(read)).map(|(address, _)| address.clone()).collect()
}

/// The state goes last: until then it says what is left to do.
async fn delete_control(session: &Session, seen: &Seen) -> Result<(), Error> {
    let address = control();
    let read = session.world.read(&address, &control_name(session), None).await?;
    let Read::Owned(observed) = read else { return Ok(()) };
    let known = seen.plan.node(&address).and_then(|node| node.prior.clone());
    let recorded = known.unwrap_or(crate::kinds::Recorded {
        address: address.clone(),
        physical_id: observed.physical_id,
        attributes: observed.attributes,
        outputs: observed.outputs,
    });
    let events = &session.options.events;
    let started = std::time::Instant::now();
    let action = Action::Delete;
    events.event(Event::ResourceStarted { address: address.clone(), action });
    session.world.delete(&recorded).await?;
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    events.event(Event::ResourceDone { address, action, duration_ms });
    Ok(())
}

fn control_name(session: &Session) -> serde_json::Value {
    serde_json::json!({ "name": format!("{}-control", session.name()) })
}

/// What would be lost with a stack: its resources that hold what people own.
pub fn losses<'p>(plan: &'p Plan, holds_data: &dyn Fn(&Address) -> bool) -> Vec<&'p Node> {
    let lost = |node: &&Node| {
        node.action == Action::Delete && node.address != control() && holds_data(&node.address)
    };
    plan.nodes.iter().filter(lost).collect()
}
