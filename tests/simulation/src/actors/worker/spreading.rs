//! After a change of a group's rules: a job for each of its providers, and the end of the former layouts.

use domain::replication::{Order, ReplicaKey};

use super::{Next, PAGE, Task, Worker};
use crate::directory::{At, Group, Job, JobKind};
use crate::terms;
use crate::variant::Variant;
use crate::world::{Part, Refused, World, group};

impl Worker {
    /// Makes the jobs of a page of providers; then waits until all of them are finished, and settles the layout.
    pub(super) fn spread(&mut self, world: &mut World, job: &Job) -> Result<Task, Refused> {
        let Some(state) = world.groups.get(job.group).filter(|group| group.active).cloned() else {
            return Ok(self.finish());
        };
        // A later change has a job of its own, which goes back as far as this one.
        if matches!(job.kind, JobKind::Spread { revision, .. } if revision != state.revision()) {
            return Ok(self.finish());
        }
        if job.checkpoint != Some(At::Waiting) {
            return Ok(self.members(world, job));
        }
        let mut jobs = world.jobs.iter().filter(|other| other.group == job.group);
        let open = jobs.any(|other| matches!(other.kind, JobKind::Revise { .. }) && other.open);
        if open && world.variant != Variant::SettleEarly {
            self.next = Next::Blocked;
            return Ok(Task::Checkpoint);
        }
        if let Some(left) = self.left_behind(world, job, &state)? {
            self.next = Next::At(job.checkpoint.clone());
            return Ok(Task::Clear(left));
        }
        if let Some(group) = world.groups.get_mut(job.group).filter(|g| g.revision() == state.revision()) {
            group.settle();
        }
        Ok(self.finish())
    }

    /// What lies in partitions that are given up: nobody would find it there when its provider leaves. Tombstones stay.
    fn left_behind(
        &self,
        world: &mut World,
        job: &Job,
        state: &Group,
    ) -> Result<Option<Vec<(ReplicaKey, Order)>>, Refused> {
        if matches!(
            world.variant,
            Variant::FormerCopiesStay | Variant::LayoutsComeBack | Variant::SettleEarly
        ) {
            return Ok(None);
        }
        world.ask(Part::Copies(job.group))?;
        let former = state.layout.iter().filter(|spread| **spread != state.spread());
        for shard in former.flat_map(|spread| spread.shards()) {
            let stamp = world.copies.stamp();
            let id = group(job.group);
            let stretch = world.copies.stretch((&id, terms::glucose(), shard), None, usize::MAX - 1);
            let alive = stretch.rows.into_iter().filter(|(_, copy)| !copy.order.dead);
            let left: Vec<_> = alive.take(2 * PAGE).map(|(key, copy)| (key, copy.order)).collect();
            if !left.is_empty() {
                return Ok(Some(left));
            }
            world.cleared.insert((job.group, shard), stamp);
        }
        Ok(None)
    }

    pub(super) fn hand_out(&mut self, world: &mut World, job: &Job, on: usize, epoch: u64) {
        let kind = match job.kind {
            JobKind::Spread { rules_from, .. } => {
                let contracts = world.open_contracts(job.group, on, epoch);
                JobKind::Revise { rules_from, contracts }
            }
            _ => JobKind::Purge,
        };
        world.make_job(self.at, kind, on, epoch);
    }
}
