//! What takes something away is applied to the groups' copies in the request that did it.
//!
//! The stream does the same again later, which changes nothing. But once a call is answered, no reader may still see
//! what it took away (invariant I1), and the stream makes no such promise.

use std::time::Duration;

use domain::id::{DriveId, ItemId, Name};
use domain::item::Item;
use domain::replication::{Change, Decision, decide, must_ask_source};
use domain::rules::Question;
use domain::value::Fields;
use store::StoreError;
use store::sharing::Outlet;

use super::Call;

/// How often copies that the database did not take are sent again before the caller is asked to.
const ATTEMPTS: u32 = 4;

/// Buries the copies of an item that was deleted at this version. If the version is not known any more it is taken
/// to be the greatest there is: the identifier is never used again, so nothing later can come.
pub(super) async fn deleted(
    call: &Call<'_>,
    drive: &DriveId,
    data_type: &Name,
    id: &ItemId,
    version: Option<u64>,
) -> Result<(), StoreError> {
    let change = Change::Deleted { id, data_type, version: version.unwrap_or(u64::MAX) };
    for_outlets(call, drive, &change, |_| true).await
}

/// Takes away from groups what the change of an item takes away: the item, or some of its fields.
pub(super) async fn updated(call: &Call<'_>, before: &Item, after: &Item) -> Result<(), StoreError> {
    let hidden = |outlet: &Outlet| hides(outlet, before, after);
    for_outlets(call, &after.drive, &Change::Present(after), hidden).await
}

/// Brings the copies of an item up to its version, for a call that found its change made already.
pub(super) async fn repeated(call: &Call<'_>, item: &Item) -> Result<(), StoreError> {
    if item.version <= 1 {
        return Ok(());
    }
    for_outlets(call, &item.drive, &Change::Present(item), |_| true).await
}

/// Whether a group's consumers may lose sight of something. A changed value of a field that stays in sight is no loss:
/// that comes by the stream. What no rule selects now is buried even if none selected it before: the version before that
/// may still be on show, by a request of another device that has not got as far as the copies.
fn hides(outlet: &Outlet, before: &Item, after: &Item) -> bool {
    match (visible(outlet, before), visible(outlet, after)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(before), Some(after)) => before.keys().any(|name| !after.contains_key(name)),
    }
}

fn visible(outlet: &Outlet, item: &Item) -> Option<Fields> {
    outlet.book.rules.visible(Question {
        data_type: &item.data_type,
        time: item.time(),
        fields: &item.fields,
        terms: &outlet.membership.terms,
    })
}

async fn for_outlets(
    call: &Call<'_>,
    drive: &DriveId,
    change: &Change<'_>,
    concerns: impl Fn(&Outlet) -> bool,
) -> Result<(), StoreError> {
    let mut pause = Duration::from_millis(50);
    for attempt in 1.. {
        match apply(call, drive, change, &concerns).await {
            Err(error) if error.is_transient() && attempt < ATTEMPTS => tokio::time::sleep(pause).await,
            settled => return settled,
        }
        pause *= 2;
    }
    Ok(())
}

async fn apply(
    call: &Call<'_>,
    drive: &DriveId,
    change: &Change<'_>,
    concerns: impl Fn(&Outlet) -> bool,
) -> Result<(), StoreError> {
    let outlets = call.store().outlets(drive, call.document()).await?;
    let mut decisions = Vec::new();
    for Outlet { membership, book } in outlets.iter().filter(|outlet| concerns(outlet)) {
        let decision = decide(change, membership, book);
        // What this call has written may be deleted by now, and the membership or its rules be younger than that: then
        // nothing was buried there that would keep the copy from coming back.
        let shown = match (&decision, change) {
            (Decision::Write { .. }, Change::Present(item)) => Some(item),
            _ => None,
        };
        decisions.push(match shown.filter(|_| must_ask_source(Some(call.now), &membership.terms, book)) {
            Some(item) => match call.store().item(drive, &item.id, call.document()).await {
                Ok(source) => decide(&Change::Present(&source), membership, book),
                Err(StoreError::Missing(_)) => {
                    let Item { id, data_type, .. } = item;
                    decide(&Change::Deleted { id, data_type, version: u64::MAX }, membership, book)
                }
                Err(error) => return Err(error),
            },
            None => decision,
        });
    }
    decisions.retain(|decision| *decision != Decision::Nothing);
    call.store().apply(&decisions, call.now).await?;
    Ok(())
}
