//! What takes something away is applied to the groups' copies in the request that did it.
//!
//! The stream does the same again later, which changes nothing. But once a call is answered, no reader may still see
//! what it took away (invariant I1), and the stream makes no such promise.

use std::time::Duration;

use domain::id::{DriveId, ItemId, Name};
use domain::item::Item;
use domain::replication::{Change, Decision, decide};
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
    for_outlets(call, drive, |outlet| decide(&change, &outlet.membership, &outlet.book)).await
}

/// Takes away from groups what the change of an item takes away: the item, or some of its fields.
pub(super) async fn updated(call: &Call<'_>, before: &Item, after: &Item) -> Result<(), StoreError> {
    for_outlets(call, &after.drive, |outlet| {
        if hides(outlet, before, after) {
            decide(&Change::Present(after), &outlet.membership, &outlet.book)
        } else {
            Decision::Nothing
        }
    })
    .await
}

/// Brings the copies of an item up to its version, for a call that found its change made already.
pub(super) async fn repeated(call: &Call<'_>, item: &Item) -> Result<(), StoreError> {
    if item.version <= 1 {
        return Ok(());
    }
    for_outlets(call, &item.drive, |outlet| decide(&Change::Present(item), &outlet.membership, &outlet.book))
        .await
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
    decision: impl Fn(&Outlet) -> Decision,
) -> Result<(), StoreError> {
    let mut pause = Duration::from_millis(50);
    for attempt in 1.. {
        match apply(call, drive, &decision).await {
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
    decision: impl Fn(&Outlet) -> Decision,
) -> Result<(), StoreError> {
    let outlets = call.store().outlets(drive, call.document()).await?;
    let decisions: Vec<Decision> =
        outlets.iter().map(decision).filter(|decision| *decision != Decision::Nothing).collect();
    call.store().apply(&decisions, call.now).await?;
    Ok(())
}
