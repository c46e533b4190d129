//! Copying: a drive's past after a join, and what a change of terms means for its copies.

use std::time::Instant;

use domain::datatype::DataType;
use domain::id::DriveId;
use domain::item::Item;
use domain::replication::{Change, Decision, Former, ProviderMembership, Rulebook, decide, revise};
use domain::time::Timestamp;
use store::StoreError;
use store::clock::now;
use store::directory::{Consent, GroupRow, Job};
use store::page::{Direction, Window};

use super::walk::Windows;
use super::{Step, Worker, slice_of};

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
        rules: Option<u32>,
        deadline: Instant,
    ) -> Result<Step, StoreError> {
        let Some(Standing { membership, book, .. }) = self.standing(job, drive, epoch, rules).await? else {
            return Ok(Step::Finished);
        };
        let contract = &membership.terms.contract;
        let allowed =
            |data_type: &&DataType| book.rules.covers(&data_type.name) && contract.covers(&data_type.name);
        let windows = self.windows(allowed, |data_type| {
            (book.rules.reaches_back_to(&data_type.name, &membership.terms), contract.written().to)
        });
        let each = |item: &Item| decide(&Change::Present(item), &membership, &book);
        self.copy(job, drive, &windows, deadline, each).await
    }

    /// Brings the copies of a page of items after a change of terms.
    pub(super) async fn revise_page(
        &self,
        job: &mut Job,
        (drive, epoch): (&DriveId, u64),
        (rules_from, consents): (u32, &[Consent]),
        rules: Option<u32>,
        deadline: Instant,
    ) -> Result<Step, StoreError> {
        let Some(Standing { group, membership, book }) = self.standing(job, drive, epoch, rules).await?
        else {
            return Ok(Step::Finished);
        };
        let former = self.store.former_terms(&group, &membership, rules_from, consents, &self.document);
        let former = former.await?;
        let reach = |data_type: &DataType| reach(data_type, &membership, &book, &former);
        let touched = |data_type: &&DataType| reach(data_type).is_some();
        let windows = self.windows(touched, |data_type| (reach(data_type), None));
        self.copy(job, drive, &windows, deadline, |item| revise(item, &membership, &book, &former)).await
    }

    /// The windows of the types that a job is about, each from its first to its last time.
    pub(super) fn windows(
        &self,
        about: impl Fn(&&DataType) -> bool,
        times: impl Fn(&DataType) -> (Option<Timestamp>, Option<Timestamp>),
    ) -> Vec<(&DataType, Window)> {
        let window = |data_type| {
            let (from, to) = times(data_type);
            // How many are read at once is the walk's.
            (data_type, Window { from, to, limit: usize::MAX, direction: Direction::Asc, after: None })
        };
        self.document.data_types.values().filter(about).map(window).collect()
    }

    /// What the job is about, asked again on every page: a drive that left, or left and came back, has no use for it.
    /// `rules` is the revision that the group's rules had a moment ago.
    async fn standing(
        &self,
        job: &Job,
        drive: &DriveId,
        epoch: u64,
        rules: Option<u32>,
    ) -> Result<Option<Standing>, StoreError> {
        let found = self.store.provider_and_group(&job.group, drive, rules, &self.document).await?;
        let Some((membership, group)) = found.filter(|(membership, _)| membership.epoch == epoch) else {
            return Ok(None);
        };
        if !group.active {
            return Ok(None);
        }
        let book = self.store.rulebook(&group, &self.document).await?;
        Ok(Some(Standing { group, membership, book }))
    }

    /// Writes what is decided of the next stretch of items.
    async fn copy(
        &self,
        job: &mut Job,
        drive: &DriveId,
        windows: &Windows<'_>,
        deadline: Instant,
        decision: impl Fn(&Item) -> Decision,
    ) -> Result<Step, StoreError> {
        let stretch = self.stretch(drive, windows, job.checkpoint.as_ref(), now()).await?;
        self.estimate(job, drive, windows, &stretch).await?;
        let each = async |items: &[Item]| {
            let decisions: Vec<Decision> = slice_of(items, &decision).collect();
            let written = self.store.apply(&decisions, now()).await?.written as u64;
            job.done += decisions.len() as u64;
            job.changed += written;
            Ok((decisions.len(), written))
        };
        let next = self.portions(stretch, deadline, each).await?;
        Ok(match next {
            Some(next) => {
                job.checkpoint = Some(next);
                Step::More
            }
            None => Step::Finished,
        })
    }
}

/// The earliest time of an item that any of the terms, of now or before, may select; none if none is about its type.
fn reach(
    data_type: &DataType,
    membership: &ProviderMembership,
    book: &Rulebook,
    former: &[Former],
) -> Option<Timestamp> {
    let now = book.rules.reaches_back_to(&data_type.name, &membership.terms);
    let before = former.iter().map(|f| f.rules.reaches_back_to(&data_type.name, &f.terms));
    before.flatten().chain(now).min()
}
