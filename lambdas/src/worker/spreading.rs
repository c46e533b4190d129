//! After a change of a group's rules: a job for each of its providers, and the end of the former layouts.

use store::StoreError;
use store::directory::{Checkpoint, GroupRow, Job, JobKind};

use super::purging::behind;
use super::{Step, Worker};

impl Worker {
    /// Makes the jobs of a page of providers; then waits until all of them are finished, and clears the partitions that
    /// are given up.
    pub(super) async fn spread_page(
        &self,
        job: &mut Job,
        rules_from: u32,
        revision: u32,
    ) -> Result<Step, StoreError> {
        let group = self.store.group(&job.group).await?;
        // A later change has a job of its own, which goes back as far as this one.
        if !group.active || group.rule_revision != revision {
            return Ok(Step::Finished);
        }
        let after = match job.checkpoint.clone() {
            Some(at @ (Checkpoint::Waiting | Checkpoint::Copies { .. })) => {
                return self.give_up(job, &group, &at).await;
            }
            Some(Checkpoint::Members { after }) => after,
            _ => None,
        };
        let (providers, next) = self.store.providers(&group.id, after, &self.document).await?;
        for membership in &providers {
            let (drive, epoch) = (&membership.drive, membership.epoch);
            let revision = self.store.create_revision(job, drive, epoch, rules_from).await?;
            self.hand_out(&revision).await?;
        }
        job.done += providers.len() as u64;
        job.checkpoint = Some(match next {
            Some(next) => Checkpoint::Members { after: Some(next) },
            None => {
                job.total = Some(job.done);
                Checkpoint::Waiting
            }
        });
        Ok(Step::More)
    }

    /// Removes what lies in the partitions of former layouts, when every copy is where and what the rules of now say:
    /// nobody would find it there when its provider leaves. Then they are read no longer.
    async fn give_up(&self, job: &mut Job, group: &GroupRow, at: &Checkpoint) -> Result<Step, StoreError> {
        let jobs = self.store.jobs(&group.id).await?;
        if jobs.iter().any(|other| matches!(other.kind, JobKind::Revise { .. }) && other.is_open()) {
            return Ok(Step::Blocked);
        }
        let types = self.document.data_types.keys();
        let former = group.layout.given_up().map(|layout| layout.partitions(&group.id, types));
        let partitions = former.unwrap_or_default();
        let (partition, after) = match at {
            Checkpoint::Copies { partition, after } => (Some(partition), after.as_deref()),
            _ => (partitions.first(), None),
        };
        if let Some(partition) = partition {
            let cleared = self.store.clear(partition, after).await?;
            job.changed += cleared.removed as u64;
            if let Some(next) = behind(&partitions, partition, cleared.next) {
                job.checkpoint = Some(next);
                return Ok(Step::More);
            }
        }
        self.store.settle_layout(group).await?;
        Ok(Step::Finished)
    }
}
