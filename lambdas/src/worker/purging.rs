//! Purging: the copies of those who left, and the remains of deleted groups.

use std::time::Instant;

use domain::item::Item;
use domain::rules::Question;
use domain::time::Timestamp;
use store::StoreError;
use store::clock::now;
use store::directory::{Checkpoint, Departure, GroupRow, Job, JobKind};
use store::receipts::Receipt;
use store::removal::Ended;

use super::{Step, Worker, is_late};

/// Stretches of copies looked through between two checkpoints, at most: 1 MB each.
const STRETCHES: usize = 8;

impl Worker {
    /// Removes copies of a drive that left: first those of its own items, whose keys follow from the items; then,
    /// looking through the group's copies, whatever that has missed; and makes the receipt.
    pub(super) async fn purge_page(
        &self,
        job: &mut Job,
        departure: &Departure,
        group: Option<GroupRow>,
        deadline: Instant,
    ) -> Result<Step, StoreError> {
        let group = match group {
            Some(group) => group,
            None => self.store.group(&job.group).await?,
        };
        if matches!(job.checkpoint, None | Some(Checkpoint::Items { .. })) {
            if let Some(next) = self.purge_items(job, &group, departure, deadline).await? {
                job.checkpoint = Some(next);
                return Ok(Step::More);
            }
            let first = self.partitions(&group).into_iter().next();
            job.checkpoint = first.map(|partition| Checkpoint::Copies { partition, after: None });
            if is_late(deadline) {
                return Ok(Step::More);
            }
        }
        self.purge_copies(job, &group, departure).await
    }

    /// The place behind a stretch of items whose copies are removed; none behind the last.
    async fn purge_items(
        &self,
        job: &mut Job,
        group: &GroupRow,
        departure: &Departure,
        deadline: Instant,
    ) -> Result<Option<Checkpoint>, StoreError> {
        // All types, not only those that today's rules name: earlier rules may have shared others.
        let windows = self.windows(|_| true, |_| (None, None));
        let expired_too = Timestamp::from_millis(i64::MIN);
        let drive = &departure.drive;
        let stretch = self.stretch(drive, &windows, job.checkpoint.as_ref(), expired_too).await?;
        self.estimate(job, drive, &windows, &stretch).await?;
        let each = async |items: &[Item]| {
            let keys: Vec<_> = items.iter().map(|item| (item.data_type.clone(), item.id.clone())).collect();
            let ended = self.ended(departure);
            let removed = self.store.purge(&group.id, &group.layout, ended, &keys, now()).await? as u64;
            job.done += keys.len() as u64;
            job.changed += removed;
            job.expected += self.selected(items, group, departure).await?;
            Ok((items.len(), removed))
        };
        self.portions(stretch, deadline, each).await
    }

    /// How many of the items the rules and the contract selected when the membership ended.
    async fn selected(
        &self,
        items: &[Item],
        group: &GroupRow,
        departure: &Departure,
    ) -> Result<u64, StoreError> {
        let rules = match self.store.rules(&group.id, departure.rule_revision, &self.document).await {
            Ok(rules) => rules,
            Err(StoreError::Corrupt { .. }) => return Ok(0),
            Err(error) => return Err(error),
        };
        let consent = departure.consent.clone();
        let terms = self.store.terms_of(&group.id, departure.joined, consent, &self.document).await?;
        let selected = items.iter().filter(|item| {
            let Item { data_type, fields, .. } = item;
            rules.visible(Question { data_type, time: item.time(), fields, terms: &terms }).is_some()
        });
        Ok(selected.count() as u64)
    }

    async fn purge_copies(
        &self,
        job: &mut Job,
        group: &GroupRow,
        departure: &Departure,
    ) -> Result<Step, StoreError> {
        let partitions = self.partitions(group);
        for _ in 0..STRETCHES {
            let Some(Checkpoint::Copies { partition, after }) = &job.checkpoint else { break };
            let swept = self.store.sweep(partition, self.ended(departure), after.as_deref(), now()).await?;
            job.changed += swept.removed as u64;
            // What was found is removed, and the stretch looked at once more: only what is empty counts as empty.
            if swept.found > 0 {
                return Ok(Step::More);
            }
            job.checkpoint = behind(&partitions, partition, swept.next);
        }
        Ok(match job.checkpoint {
            Some(Checkpoint::Copies { .. }) => Step::More,
            _ => Step::Purged(receipt(job, departure)),
        })
    }

    fn ended<'a>(&self, departure: &'a Departure) -> Ended<'a> {
        Ended { drive: &departure.drive, era: self.document.era, epoch: departure.epoch }
    }

    /// Where copies of the group can lie, in order.
    fn partitions(&self, group: &GroupRow) -> Vec<String> {
        group.layout.partitions(&group.id, self.document.data_types.keys())
    }

    /// Removes some of what is left of a deleted group. Each provider's copies are removed by a purge of its own, so
    /// that each has a receipt; then whatever else is there.
    pub(super) async fn dissolve_page(&self, job: &mut Job) -> Result<Step, StoreError> {
        let group = self.store.group(&job.group).await?;
        match job.checkpoint.clone() {
            Some(Checkpoint::Copies { partition, after }) => {
                self.clear_copies(job, &group, &partition, after.as_deref()).await
            }
            Some(Checkpoint::Waiting) => {
                let purges = self.store.jobs(&group.id).await?;
                if purges.iter().any(|other| matches!(other.kind, JobKind::Purge(_)) && other.is_open()) {
                    return Ok(Step::Blocked);
                }
                let first = self.partitions(&group).into_iter().next();
                job.checkpoint = first.map(|partition| Checkpoint::Copies { partition, after: None });
                Ok(if job.checkpoint.is_some() { Step::More } else { Step::Finished })
            }
            at => self.purge_members(job, &group, at).await,
        }
    }

    async fn clear_copies(
        &self,
        job: &mut Job,
        group: &GroupRow,
        partition: &str,
        after: Option<&str>,
    ) -> Result<Step, StoreError> {
        let cleared = self.store.clear(partition, after).await?;
        job.done += cleared.found as u64;
        job.changed += cleared.removed as u64;
        if let Some(next) = behind(&self.partitions(group), partition, cleared.next) {
            job.checkpoint = Some(next);
            return Ok(Step::More);
        }
        // The members last: as long as they are there, the job can be done again from the beginning.
        while self.store.dissolve_page(&group.id).await? > 0 {}
        Ok(Step::Finished)
    }

    /// Makes a purge of each provider of a page of members.
    async fn purge_members(
        &self,
        job: &mut Job,
        group: &GroupRow,
        at: Option<Checkpoint>,
    ) -> Result<Step, StoreError> {
        let after = match at {
            Some(Checkpoint::Members { after }) => after,
            _ => None,
        };
        let (providers, next) = self.store.providers(&group.id, after, &self.document).await?;
        for membership in &providers {
            let kind = JobKind::Purge(Departure::of(membership, group.rule_revision));
            let id = store::ids::job_of(&job.id, &membership.drive, membership.epoch);
            let purge = Job::new(id, group.id.clone(), kind, job.created);
            self.store.create_job(&purge).await?;
            self.hand_out(&purge).await?;
        }
        job.checkpoint = Some(match next {
            Some(next) => Checkpoint::Members { after: Some(next) },
            None => Checkpoint::Waiting,
        });
        Ok(Step::More)
    }
}

/// What is left to say when nothing of a drive's copies is left.
fn receipt(job: &Job, departure: &Departure) -> Receipt {
    Receipt {
        job: job.id.clone(),
        group: job.group.clone(),
        drive: departure.drive.clone(),
        left: job.created,
        finished: now(),
        expected: job.expected,
        deleted: job.changed,
        remaining: 0,
    }
}

/// The place behind a stretch: further on in the partition, or at the beginning of the next one.
pub(super) fn behind(partitions: &[String], partition: &str, next: Option<String>) -> Option<Checkpoint> {
    let at = |partition: &str, after| Checkpoint::Copies { partition: partition.to_owned(), after };
    match next {
        Some(next) => Some(at(partition, Some(next))),
        None => {
            let next = match partitions.iter().position(|other| other == partition) {
                Some(here) => partitions.get(here + 1),
                // It was given up meanwhile, and with it what lay before it.
                None => partitions.first(),
            };
            next.map(|next| at(next, None))
        }
    }
}
