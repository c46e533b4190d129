//! Requests that change groups, rules, memberships and contracts: what is read first may have changed when it counts.

use std::collections::BTreeSet;

use super::Step;
use crate::check::Memory;
use crate::directory::{Group, Member};
use crate::faults::Fault;
use crate::world::{Part, World};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A drive joins, with a contract.
    Join(usize, usize),
    /// A drive leaves.
    Leave(usize),
    /// A drive changes its contract.
    Contract(usize, usize),
    /// The group gets other rules and this number of shards.
    Rules(usize, u16),
    /// The group is deleted.
    Delete,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Admin {
    at: usize,
    change: Change,
    group: Option<Group>,
    member: Option<Member>,
    former: Option<(u32, BTreeSet<usize>)>,
}

impl Admin {
    /// A request about a group.
    pub fn new(at: usize, change: Change) -> Self {
        Self { at, change, group: None, member: None, former: None }
    }

    pub(super) fn step(&mut self, world: &mut World, memory: &mut Memory) -> Step {
        if world.ask(Part::Directory).is_err() {
            return Step::Done;
        }
        let Some(group) = &self.group else {
            self.group = world.groups.get(self.at).cloned();
            if let Change::Contract(on, _) = self.change {
                self.member = world.members.get(&(self.at, on)).cloned();
            }
            return Step::More;
        };
        let busy = world.jobs.iter().any(|job| job.open && job.group == self.at);
        match self.change {
            Change::Join(on, contract) => {
                if let Some(epoch) = world.join(self.at, on, contract, group.roster_rev) {
                    memory.joins.push((self.at, on, epoch));
                    note(world, busy, Fault::RosterDuringBackfill);
                } else if group.active && world.groups.get(self.at).is_some_and(|now| !now.active) {
                    world.faults.note(Fault::DeletedDuringJoin);
                }
            }
            Change::Leave(on) => {
                if world.leave(self.at, on) {
                    note(world, busy, Fault::RosterDuringBackfill);
                }
            }
            Change::Rules(rules, shards) => {
                let Some((from, _)) = self.former else {
                    self.former = Some((world.settled_revision(self.at, group), BTreeSet::new()));
                    return Step::More;
                };
                let before = (
                    group.spread().shards,
                    group.revisions.iter().any(|(_, spread)| spread.shards == shards),
                );
                if world.change_rules(self.at, (rules, shards), group, from) {
                    note(world, busy, Fault::RulesDuringBackfill);
                    note(world, before.0 != shards, Fault::Reshard);
                    note(world, before.0 != shards && before.1, Fault::ReshardBack);
                }
            }
            Change::Contract(on, contract) => {
                let Some(read) = self.member.as_ref().filter(|member| member.contract != contract) else {
                    return Step::Done;
                };
                let Some(former) = self.former.take() else {
                    self.former = Some(world.former_of(self.at, on, read, group.revision()));
                    return Step::More;
                };
                if world.change_contract((self.at, on), contract, read, former) {
                    note(world, true, Fault::Contract);
                    note(world, busy, Fault::ContractDuringJob);
                }
            }
            Change::Delete => {
                if world.delete_group(self.at) {
                    note(world, busy, Fault::DeletedDuringBackfill);
                }
            }
        }
        Step::Done
    }
}

fn note(world: &mut World, happened: bool, fault: Fault) {
    if happened {
        world.faults.note(fault);
    }
}
