//! Copying: a drive's past after a join, and what a change of terms means for its copies.

use std::time::Instant;

use domain::datatype::DataType;
use domain::id::DriveId;
use domain::item::Item;
use domain::replication::{Change, Decision, Former, ProviderMembership, Rulebook, decide, revise};
use domain::rules::Contract;
use domain::time::Timestamp;
use store::StoreError;
use store::clock::now;
use store::directory::{GroupRow, Job};
use store::page::{Direction, Page, Window};

use super::walk::{PAGE, advance, next_type};
use super::{Step, Worker};

/// A membership that still is what a job is about, with the rules of now.
pub(super) struct Standing {
    pub(super) group: GroupRow,
    pub(super) membership: ProviderMembership,
    pub(super) book: Rulebook,
}

impl Worker {
    /// Copies a page of a joined drive's past.
    pub(super) async fn backfill_page(
        &self,
        job: &mut Job,
        (drive, epoch): (&DriveId, u64),
        deadline: Instant,
    ) -> Result<Step, StoreError> {
        let Some(Standing { membership, book, .. }) = self.standing(job, drive, epoch).await? else {
            return Ok(Step::Finished);
        };
        let allowed = |data_type: &&DataType| {
            book.rules.covers(&data_type.name) && membership.terms.contract.covers(&data_type.name)
        };
        let types: Vec<&DataType> = self.document.data_types.values().filter(allowed).collect();
        let to = membership.terms.contract.written().to;
        let window = |data_type: &DataType, after| {
            let from = book.rules.reaches_back_to(&data_type.name, &membership.terms);
            Window { from, to, limit: PAGE, direction: Direction::Asc, after }
        };
        self.estimate(job, drive, &types, |data_type| window(data_type, None)).await?;
        let Some((data_type, after)) = next_type(&types, job.checkpoint.as_ref()) else {
            return Ok(Step::Finished);
        };
        let window = window(data_type, after);
        let page = self.store.stretch_of_items(drive, data_type, &window, &self.document, now()).await?;
        let each = |item: &Item| decide(&Change::Present(item), &membership, &book);
        let next = self.write(job, page, deadline, each).await?;
        Ok(advance(job, &types, data_type, next))
    }

    /// Brings the copies of a page of items after a change of terms.
    pub(super) async fn revise_page(
        &self,
        job: &mut Job,
        (drive, epoch): (&DriveId, u64),
        (rules_from, contracts): (u32, &[Contract]),
        deadline: Instant,
    ) -> Result<Step, StoreError> {
        let Some(Standing { group, membership, book }) = self.standing(job, drive, epoch).await? else {
            return Ok(Step::Finished);
        };
        let former = self.store.former_terms(&group, &membership, rules_from, contracts, &self.document);
        let former = former.await?;
        let touched = |data_type: &&DataType| {
            book.rules.covers(&data_type.name) || former.iter().any(|f| f.rules.covers(&data_type.name))
        };
        let types: Vec<&DataType> = self.document.data_types.values().filter(touched).collect();
        let window = |data_type: &DataType, after| {
            let from = reach(data_type, &membership, &book, &former);
            Window { from, to: None, limit: PAGE, direction: Direction::Asc, after }
        };
        self.estimate(job, drive, &types, |data_type| window(data_type, None)).await?;
        let Some((data_type, after)) = next_type(&types, job.checkpoint.as_ref()) else {
            return Ok(Step::Finished);
        };
        let window = window(data_type, after);
        let page = self.store.stretch_of_items(drive, data_type, &window, &self.document, now()).await?;
        let each = |item: &Item| revise(item, &membership, &book, &former);
        let next = self.write(job, page, deadline, each).await?;
        Ok(advance(job, &types, data_type, next))
    }

    /// Counts once, at the beginning, how many items a job will look at, for those who watch it.
    pub(super) async fn estimate(
        &self,
        job: &mut Job,
        drive: &DriveId,
        types: &[&DataType],
        window: impl Fn(&DataType) -> Window,
    ) -> Result<(), StoreError> {
        if job.checkpoint.is_none() && job.total.is_none() {
            let windows: Vec<_> = types.iter().map(|data_type| (*data_type, window(data_type))).collect();
            job.total = self.store.count_items(drive, &windows).await?;
        }
        Ok(())
    }

    /// What the job is about, asked again on every page: a drive that left, or left and came back, has no use for it.
    async fn standing(&self, job: &Job, drive: &DriveId, epoch: u64) -> Result<Option<Standing>, StoreError> {
        let membership = self.store.provider(&job.group, drive, &self.document).await?;
        let Some(membership) = membership.filter(|membership| membership.epoch == epoch) else {
            return Ok(None);
        };
        let group = self.store.group(&job.group).await?;
        if !group.active {
            return Ok(None);
        }
        let book = self.store.rulebook(&group, &self.document).await?;
        Ok(Some(Standing { group, membership, book }))
    }

    async fn write(
        &self,
        job: &mut Job,
        page: Page<Item>,
        deadline: Instant,
        decision: impl Fn(&Item) -> Decision,
    ) -> Result<Option<String>, StoreError> {
        let each = async |items: &[Item]| {
            let decisions: Vec<Decision> = items.iter().map(&decision).collect();
            let written = self.store.apply(&decisions, now()).await?.written as u64;
            job.done += items.len() as u64;
            job.changed += written;
            Ok(written)
        };
        self.portions(page, deadline, each).await
    }
}

/// The earliest time of an item that any of the terms, of now or before, may select.
fn reach(
    data_type: &DataType,
    membership: &ProviderMembership,
    book: &Rulebook,
    former: &[Former],
) -> Option<Timestamp> {
    let now = book.rules.reaches_back_to(&data_type.name, &membership.terms);
    let before = former.iter().map(|f| f.rules.reaches_back_to(&data_type.name, &f.terms));
    // None is no bound for a type that nobody covers; those do not widen the stretch.
    before.flatten().chain(now).min()
}
