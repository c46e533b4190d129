//! Purging: the copies of those who left, and the remains of deleted groups.

use domain::id::{DriveId, ItemId};
use domain::replication::{ReplicaKey, Shard};

use super::{Next, PAGE, Task, Worker, items};
use crate::directory::{At, Group, Job, JobKind};
use crate::faults::Fault;
use crate::terms;
use crate::variant::{Variant, Violation};
use crate::world::{Part, Receipt, Refused, World, drive, group};

/// Every partition that copies may lie in, those of a later spread behind those of an earlier one.
pub(super) fn partitions(group: &Group) -> Vec<Shard> {
    group.layout.iter().flat_map(|spread| spread.shards()).collect()
}

impl Worker {
    /// Removes a page of a drive's copies: first those of its own items, then whatever looking through the group's
    /// copies finds.
    pub(super) fn purge(&mut self, world: &mut World, job: &Job) -> Result<Task, Refused> {
        let (Some(on), Some(state)) = (job.drive, world.groups.get(job.group).cloned()) else {
            return Ok(self.finish());
        };
        if let Some(mine) = &mut self.job {
            mine.seen = state.spread().revision;
        }
        if let Some(At::Copies(shard, after)) = &job.checkpoint {
            world.ask(Part::Copies(job.group))?;
            if after.is_none() {
                let stamp = world.copies.stamp();
                if let Some(mine) = &mut self.job {
                    mine.looked.insert(*shard, stamp);
                }
            }
            let id = group(job.group);
            let stretch = world.copies.stretch((&id, terms::glucose(), *shard), after.as_ref(), PAGE);
            let theirs = |key: &ReplicaKey| key.drive == drive(on);
            let found = stretch
                .rows
                .iter()
                .filter(|(key, copy)| theirs(key) && copy.order.epoch <= job.epoch && !copy.order.dead);
            let keys: Vec<ReplicaKey> = found.map(|(key, _)| key.clone()).collect();
            // What was found is removed, and the stretch looked at once more: only what is empty counts as empty.
            self.next = if !keys.is_empty() {
                Next::At(job.checkpoint.clone())
            } else {
                behind(&state, *shard, stretch.next)
            };
            return Ok(Task::Purge(keys));
        }
        let after = match &job.checkpoint {
            Some(At::Items(at)) => Some(at),
            _ => None,
        };
        let (page, next) = items(world, on, after);
        let keys = page.iter().flat_map(|item| {
            state.layout.iter().map(|spread| ReplicaKey {
                group: group(job.group),
                data_type: item.data_type.clone(),
                shard: spread.shard_of(&item.id),
                id: item.id.clone(),
                drive: item.drive.clone(),
            })
        });
        let first = partitions(&state).into_iter().next();
        self.next = match (next, first) {
            (Some(next), _) => Next::At(Some(At::Items(next))),
            (None, Some(first)) if world.variant != Variant::NoSweep => {
                Next::At(Some(At::Copies(first, None)))
            }
            _ => Next::Finished,
        };
        Ok(Task::Purge(keys.collect()))
    }

    /// Each provider's copies are removed by a purge of its own, so that each has a receipt; then whatever else there is.
    pub(super) fn dissolve(&mut self, world: &mut World, job: &Job) -> Result<Task, Refused> {
        let Some(state) = world.groups.get(job.group).cloned() else { return Ok(self.finish()) };
        match &job.checkpoint {
            Some(At::Waiting) => {
                let mut jobs = world.jobs.iter().filter(|other| other.group == job.group);
                let open = jobs.any(|other| other.kind == JobKind::Purge && other.open);
                let first = partitions(&state).into_iter().next();
                self.next = match first.filter(|_| !open) {
                    Some(first) => Next::At(Some(At::Copies(first, None))),
                    None => Next::Blocked,
                };
                Ok(Task::Checkpoint)
            }
            Some(At::Copies(shard, after)) => {
                world.ask(Part::Copies(job.group))?;
                let id = group(job.group);
                let stretch = world.copies.stretch((&id, terms::glucose(), *shard), after.as_ref(), 2 * PAGE);
                let alive = stretch.rows.into_iter().filter(|(_, copy)| !copy.order.dead);
                self.next = behind(&state, *shard, stretch.next);
                Ok(Task::Clear(alive.map(|(key, copy)| (key, copy.order)).collect()))
            }
            _ => Ok(self.members(world, job)),
        }
    }

    /// A page of members, for each of which there will be a job.
    pub(super) fn members(&mut self, world: &World, job: &Job) -> Task {
        let after = match job.checkpoint {
            Some(At::Members(on)) => Some(on),
            _ => None,
        };
        let behind =
            world.members.iter().filter(|((at, on), _)| *at == job.group && after.is_none_or(|a| *on > a));
        let mut page: Vec<(usize, u64)> =
            behind.take(PAGE + 1).map(|((_, on), member)| (*on, member.membership.epoch)).collect();
        let more = page.len() > PAGE;
        page.truncate(PAGE);
        let last = page.last().map(|(on, _)| At::Members(*on));
        self.next = Next::At(last.filter(|_| more).or(Some(At::Waiting)));
        Task::HandOut(page)
    }
}

/// The place behind a stretch: further on in the partition, or at the beginning of the next one.
pub(super) fn behind(state: &Group, shard: Shard, next: Option<(ItemId, DriveId)>) -> Next {
    let all = partitions(state);
    let following = match all.iter().position(|other| *other == shard) {
        Some(at) => all.get(at + 1).copied(),
        // It was given up meanwhile.
        None => all.first().copied(),
    };
    match (next, following) {
        (Some(next), _) => Next::At(Some(At::Copies(shard, Some(next)))),
        (None, Some(next)) => Next::At(Some(At::Copies(next, None))),
        (None, None) => Next::Finished,
    }
}

impl World {
    /// Writes the receipt of a purge, and checks that it is true.
    pub(super) fn receipt(&mut self, job: &Job) -> Result<(), Violation> {
        let (Some(on), epoch) = (job.drive, job.epoch) else { return Ok(()) };
        let receipt = Receipt { group: job.group, drive: on, epoch, remaining: 0 };
        let (id, provider) = (group(job.group), drive(on));
        let theirs = self.copies.rows().filter(|(key, copy)| {
            let theirs = key.group == id && key.drive == provider && copy.order.epoch <= epoch;
            theirs && !copy.order.dead && key.shard.revision() <= job.seen
        });
        // What a writer who was late has left behind its back is the scrubber's; so is what lies in partitions that
        // began after it had looked for them.
        let after = |shard: &Shard| job.looked.get(shard).or_else(|| self.cleared.get(&(job.group, *shard)));
        let left =
            theirs.filter(|(key, copy)| after(&key.shard).is_none_or(|looked| copy.stamp <= *looked)).count();
        if left > 0 {
            let what = format!("a receipt says that no copies are left, and there are {left}");
            return Err(Violation::new("receipt", what));
        }
        if !self.receipts.contains(&receipt) {
            self.receipts.push(receipt);
            self.faults.note(Fault::Receipt);
        }
        Ok(())
    }
}
