//! After a change of a group's rules: a job for each of its providers.

use store::StoreError;
use store::directory::{Checkpoint, Job, JobKind};

use super::{Step, Worker};

impl Worker {
    /// Makes the jobs of a page of providers; then waits until all of them are finished.
    pub(super) async fn spread_page(&self, job: &mut Job, rules_from: u32) -> Result<Step, StoreError> {
        let group = self.store.group(&job.group).await?;
        if !group.active {
            return Ok(Step::Finished);
        }
        let after = match job.checkpoint.clone() {
            Some(Checkpoint::Waiting) => {
                let jobs = self.store.jobs(&group.id).await?;
                if jobs.iter().any(|other| matches!(other.kind, JobKind::Revise { .. }) && other.is_open()) {
                    return Ok(Step::Blocked);
                }
                // Every copy is where and what the rules of now say; those of former layouts are no longer read.
                self.store.settle_layout(&group).await?;
                return Ok(Step::Finished);
            }
            Some(Checkpoint::Members { after }) => after,
            _ => None,
        };
        let (providers, next) = self.store.providers(&group.id, after, &self.document).await?;
        for membership in &providers {
            let revision =
                self.store.create_revision(job, &membership.drive, membership.epoch, rules_from).await?;
            self.hand_out(&revision).await?;
        }
        job.done += providers.len() as u64;
        job.checkpoint = Some(match next {
            Some(next) => Checkpoint::Members { after: Some(next) },
            None => Checkpoint::Waiting,
        });
        Ok(Step::More)
    }
}
