//! Copying: a drive's past after a join, and what a change of terms means for its copies.

use domain::item::Item;
use domain::replication::{Decision, revise};

use super::{Next, Task, Worker, items};
use crate::directory::{At, Group, Job, JobKind, Member, Outlet};
use crate::judge::decide;
use crate::world::World;

impl Worker {
    /// Reads a page of items and decides about their copies.
    pub(super) fn copy_page(&mut self, world: &World, job: &Job, member: &Member, group: &Group) {
        let Some(on) = job.drive else { return };
        let after = match &job.checkpoint {
            Some(At::Items(at)) => Some(at),
            _ => None,
        };
        let (page, next) = items(world, on, after);
        let outlet = Outlet { at: job.group, membership: member.membership.clone(), book: group.book() };
        let decisions: Vec<_> = match &job.kind {
            JobKind::Revise { rules_from, contracts } => {
                let former = world.former_terms(group, member, *rules_from, contracts);
                let Outlet { membership, book, .. } = &outlet;
                let decision = |item: &Item| revise(item, membership, book, &former);
                page.iter().map(|item| (item.id.clone(), decision(item))).collect()
            }
            _ => {
                let decision = |item: &Item| decide((&item.id, Some(item), item.version), &outlet);
                page.iter().map(|item| (item.id.clone(), decision(item))).collect()
            }
        };
        let writes = decisions.into_iter().filter(|(_, decision)| *decision != Decision::Nothing);
        self.task = Task::Write(writes.collect());
        self.next = next.map_or(Next::Finished, |at| Next::At(Some(At::Items(at))));
    }
}
