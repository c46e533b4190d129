//! After a change of a group's rules that only takes away: its copies are looked through, and no source is read but for
//! copies that say too little.

use domain::id::ItemId;
use domain::item::Item;
use domain::replication::{Decision, ReplicaRow, Sifted, rewrite, sift};
use domain::rules::Terms;
use domain::time::Timestamp;

use super::purging::behind;
use super::{PAGE, Task, Worker};
use crate::directory::{At, Group, Job, Member, Outlet};
use crate::faults::Fault;
use crate::terms;
use crate::variant::Variant;
use crate::world::{Part, Refused, World, drive_number, group};

impl Worker {
    /// Reads the group.
    pub(super) fn sift(&mut self, world: &mut World, job: &Job, revision: u32) -> Result<Task, Refused> {
        world.ask(Part::Directory)?;
        let state = world.groups.get(job.group).filter(|group| group.active).cloned();
        // A later change has a job of its own, which goes back as far as this one.
        Ok(match state.filter(|state| state.revision() == revision) {
            Some(state) => Task::Members(state),
            None => self.finish(),
        })
    }

    /// Reads a page of copies and decides about them.
    pub(super) fn sift_page(&mut self, world: &World, job: &Job, state: &Group, members: &[Member]) {
        let settled = Group { layout: vec![state.spread()], ..state.clone() };
        let first = settled.spread().shards().next();
        let (shard, after) = match (&job.checkpoint, first) {
            (Some(At::Copies(shard, after)), _) => (*shard, after.clone()),
            (_, Some(first)) => (first, None),
            (_, None) => return self.task = self.finish(),
        };
        let id = group(job.group);
        let stretch = world.copies.stretch((&id, terms::glucose(), shard), after.as_ref(), PAGE);
        let (mut untold, mut decided) = (Vec::new(), Vec::new());
        for (key, copy) in stretch.rows {
            let member = members.iter().find(|member| member.membership.drive == key.drive);
            let Some(member) = member else { continue };
            let outlet = Outlet { at: job.group, membership: member.membership.clone(), book: state.book() };
            let row = ReplicaRow {
                data_type: key.data_type,
                id: key.id,
                drive: key.drive,
                order: copy.order,
                carried: copy.carried.unwrap_or_default(),
                expires: copy.expires.map(|end| Timestamp::from_millis(end * 1_000)),
            };
            match self.look(world, (&row, &outlet), &late(world, job.group, member)) {
                Sifted::Decided(Decision::Nothing) => {}
                Sifted::Decided(decision) => decided.push((row.id, decision)),
                Sifted::Untold => untold.push((outlet, row.id)),
            }
        }
        self.next = behind(&settled, shard, stretch.next);
        self.task = if untold.is_empty() { Task::Write(decided) } else { Task::Ask(untold, decided) };
    }

    fn look(&self, world: &World, (row, outlet): (&ReplicaRow, &Outlet), late: &[Terms]) -> Sifted {
        let Outlet { membership, book, .. } = outlet;
        let now = Timestamp::from_millis(world.now);
        match sift(row, membership, book, late, now) {
            Sifted::Untold if world.variant == Variant::SiftUntold => {
                let mut row = row.clone();
                let asked = book.rules.asked(&row.data_type, &membership.terms);
                row.carried.absent.extend(asked.into_iter().cloned());
                sift(&row, membership, book, late, now)
            }
            sifted => sifted,
        }
    }

    /// Reads the sources of copies that say too little, and decides anew.
    pub(super) fn ask_sources(
        &mut self,
        world: &mut World,
        untold: &[(Outlet, ItemId)],
        mut decided: Vec<(ItemId, Decision)>,
    ) {
        for (Outlet { membership, book, .. }, id) in untold {
            let items = world.items.get(drive_number(&membership.drive));
            world.faults.note(Fault::SiftAsked);
            let item: Option<&Item> = items.and_then(|items| items.get(id));
            // What is gone meanwhile is buried by whoever deleted it.
            decided.extend(item.map(|item| (id.clone(), rewrite(item, membership, book))));
        }
        self.task = Task::Write(decided);
    }
}

/// The terms of former contracts that a writer may still act upon.
fn late(world: &World, at: usize, member: &Member) -> Vec<Terms> {
    if world.variant == Variant::SiftForgetful {
        return Vec::new();
    }
    let on = drive_number(&member.membership.drive);
    let joined = member.membership.terms.joined;
    let contracts = world.open_contracts(at, on, member.membership.epoch);
    contracts.into_iter().map(|contract| Terms { joined, contract: terms::contract(contract, 0) }).collect()
}
