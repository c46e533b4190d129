//! Requests that change groups, rules, memberships and contracts: what is read first may have changed when it counts.

use std::collections::BTreeSet;

use super::Step;
use crate::check::Memory;
use crate::directory::{Group, Member};
use crate::faults::Fault;
use crate::terms;
use crate::world::{Part, World};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A drive joins, with a contract; and whether it follows the rules.
    Join(usize, usize, bool),
    /// A drive leaves.
    Leave(usize),
    /// A drive changes its contract.
    Contract(usize, usize),
    /// A drive agrees to the current rules, or follows them from now on.
    Consent(usize, bool),
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
            if let Change::Contract(on, _) | Change::Consent(on, _) = self.change {
                self.member = world.members.get(&(self.at, on)).cloned();
            }
            return Step::More;
        };
        let busy = world.jobs.iter().any(|job| job.open && job.group == self.at);
        match self.change {
            Change::Join(on, contract, follows) => {
                let contract = terms::consent(contract, rules_of(group, follows));
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
                    let agreed =
                        world.members_of(self.at).into_iter().filter_map(|m| terms::agreed(m.contract));
                    let beyond = agreed.filter(|agreed| !terms::narrows(*agreed, rules)).count();
                    note(world, beyond > 0, Fault::Widening);
                    note(world, busy, Fault::RulesDuringBackfill);
                    note(world, before.0 != shards, Fault::Reshard);
                    note(world, before.0 != shards && before.1, Fault::ReshardBack);
                }
            }
            Change::Contract(on, _) | Change::Consent(on, _) => {
                let Some(read) = &self.member else { return Step::Done };
                let contract = match self.change {
                    Change::Contract(_, contract) => terms::consent(contract, terms::agreed(read.contract)),
                    Change::Consent(_, follows) => terms::consent(read.contract, rules_of(group, follows)),
                    _ => read.contract,
                };
                if read.contract == contract {
                    return Step::Done;
                }
                let Some(former) = self.former.take() else {
                    self.former = Some(world.former_of(self.at, on, read, group.revision()));
                    return Step::More;
                };
                if world.change_contract((self.at, on), contract, read, former) {
                    note(world, true, Fault::Contract);
                    let agrees = matches!(self.change, Change::Consent(_, false));
                    note(world, agrees, Fault::Agreement);
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

/// The rules that somebody agrees to who has read this group; none if they follow the rules.
fn rules_of(group: &Group, follows: bool) -> Option<usize> {
    (!follows).then(|| group.at(group.revision()).0)
}

fn note(world: &mut World, happened: bool, fault: Fault) {
    if happened {
        world.faults.note(fault);
    }
}
