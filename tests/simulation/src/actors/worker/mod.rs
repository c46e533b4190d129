//! One invocation of the job function.

mod copying;
mod purging;
mod sifting;
mod spreading;

use domain::id::ItemId;
use domain::item::Item;
use domain::replication::{Decision, Order, ReplicaKey};

use super::{ATTEMPTS, Step};
use crate::directory::{At, Group, Job, JobKind, Member, Outlet};
use crate::faults::Fault;
use crate::variant::{Variant, Violation};
use crate::world::{Part, Refused, World, drive_number};

/// Items on a page, copies in a stretch, members on a page.
const PAGE: usize = 2;

/// What an invocation is about to do.
#[derive(Debug, Clone)]
enum Task {
    /// Reads what the page is about.
    Begin,
    /// Reads the group, after the membership.
    Group(Member),
    /// Reads the items, after both.
    Page(Member, Group),
    /// Reads the members of a group whose copies are to be looked through.
    Members(Group),
    /// Reads copies and decides about them, after both.
    Sift(Group, Vec<Member>),
    /// Reads the items of copies that say too little.
    Ask(Vec<(Outlet, ItemId)>, Vec<(ItemId, Decision)>),
    /// Writes copies.
    Write(Vec<(ItemId, Decision)>),
    /// Removes copies of a membership or an earlier one.
    Purge(Vec<ReplicaKey>),
    /// Removes copies, if they are still as they were read.
    Clear(Vec<(ReplicaKey, Order)>),
    /// Hands jobs out to members.
    HandOut(Vec<(usize, u64)>),
    /// Notes how far the job is.
    Checkpoint,
}

/// An invocation.
#[derive(Debug, Clone)]
pub struct Worker {
    at: usize,
    job: Option<Job>,
    task: Task,
    next: Next,
    attempts: u32,
    wrote: bool,
}

/// Where a page leads.
#[derive(Debug, Clone)]
enum Next {
    /// On from here.
    At(Option<At>),
    /// To the end.
    Finished,
    /// Nowhere, until other jobs are finished.
    Blocked,
}

impl Worker {
    /// An invocation for a job.
    pub fn new(at: usize) -> Self {
        Self { at, job: None, task: Task::Begin, next: Next::At(None), attempts: 0, wrote: false }
    }

    /// The group whose copies it works on.
    pub fn group(&self) -> Option<usize> {
        self.job.as_ref().map(|job| job.group)
    }

    pub(super) fn is_between_reads(&self) -> bool {
        matches!(
            self.task,
            Task::Group(_) | Task::Page(..) | Task::Members(_) | Task::Sift(..) | Task::Ask(..)
        )
    }

    pub(super) fn is_between_writes(&self) -> bool {
        let left = match &self.task {
            Task::Write(left) => left.len(),
            Task::Purge(left) => left.len(),
            _ => 0,
        };
        self.wrote && left > 0
    }

    pub(super) fn step(&mut self, world: &mut World) -> Result<Step, Violation> {
        let Some(job) = self.job.clone() else {
            // Read once: later pages go on from what this invocation knows.
            self.job = world.jobs.get(self.at).cloned().filter(|job| job.open);
            return Ok(if self.job.is_some() { Step::More } else { Step::Done });
        };
        match self.go_on(world, &job) {
            Ok(step) => step,
            Err(Refused::Busy) => {
                self.attempts += 1;
                // The message comes again.
                Ok(if self.attempts < ATTEMPTS { Step::More } else { Step::Done })
            }
            Err(Refused::TooLarge) => Ok(self.too_large(world)),
        }
    }

    /// A copy that the database never takes is parked, and keeps none of the others from being written.
    fn too_large(&mut self, world: &mut World) -> Step {
        if world.variant == Variant::NoParking {
            return Step::Done;
        }
        if let Task::Write(left) = &mut self.task
            && let Some((id, Decision::Write { key, .. })) = left.pop()
        {
            world.faults.note(Fault::OversizeCopy);
            world.park(drive_number(&key.drive), &id, None);
        }
        Step::More
    }

    fn go_on(&mut self, world: &mut World, job: &Job) -> Result<Result<Step, Violation>, Refused> {
        match &mut self.task {
            Task::Begin => {
                world.ask(Part::Directory)?;
                self.begin(world, job)?;
            }
            Task::Group(member) => {
                world.ask(Part::Directory)?;
                let member = member.clone();
                let group = world.groups.get(job.group).filter(|group| group.active).cloned();
                self.task = match group {
                    Some(group) => Task::Page(member, group),
                    None => self.finish(),
                };
            }
            Task::Page(member, group) => {
                world.ask(Part::Data)?;
                let (member, group) = (member.clone(), group.clone());
                self.copy_page(world, job, &member, &group);
            }
            Task::Members(state) => {
                world.ask(Part::Directory)?;
                let state = state.clone();
                self.task = Task::Sift(state, world.members_of(job.group));
            }
            Task::Sift(state, members) => {
                world.ask(Part::Copies(job.group))?;
                let (state, members) = (state.clone(), members.clone());
                self.sift_page(world, job, &state, &members);
            }
            Task::Ask(untold, decided) => {
                world.ask(Part::Data)?;
                let (untold, decided) = (untold.clone(), decided.clone());
                self.ask_sources(world, &untold, decided);
            }
            Task::Write(left) => match left.last() {
                Some((_, decision)) => {
                    world.write(decision)?;
                    self.wrote = true;
                    left.pop();
                }
                None => self.task = Task::Checkpoint,
            },
            Task::Purge(left) => match left.last() {
                Some(key) => {
                    world.ask(Part::Copies(job.group))?;
                    world.purge(key, job.epoch);
                    self.wrote = true;
                    left.pop();
                }
                None => self.task = Task::Checkpoint,
            },
            Task::Clear(left) => match left.last() {
                Some((key, read)) => {
                    world.ask(Part::Copies(job.group))?;
                    world.copies.remove(key, *read);
                    left.pop();
                }
                None => self.task = Task::Checkpoint,
            },
            Task::HandOut(left) => match left.last().copied() {
                Some((on, epoch)) => {
                    world.ask(Part::Directory)?;
                    self.hand_out(world, job, on, epoch);
                    if let Task::HandOut(left) = &mut self.task {
                        left.pop();
                    }
                }
                None => self.task = Task::Checkpoint,
            },
            Task::Checkpoint => {
                world.ask(Part::Directory)?;
                if matches!(self.next, Next::Finished)
                    && job.kind == JobKind::Purge
                    && let Err(violation) = world.receipt(job)
                {
                    return Ok(Err(violation));
                }
                return Ok(Ok(self.checkpoint(world)));
            }
        }
        Ok(Ok(Step::More))
    }

    fn begin(&mut self, world: &mut World, job: &Job) -> Result<(), Refused> {
        self.wrote = false;
        self.task = match &job.kind {
            JobKind::Backfill | JobKind::Revise { .. } => {
                let member = job.drive.and_then(|on| world.members.get(&(job.group, on)));
                match member.filter(|member| member.membership.epoch == job.epoch) {
                    Some(member) => Task::Group(member.clone()),
                    None => self.finish(),
                }
            }
            JobKind::Purge => self.purge(world, job)?,
            JobKind::Dissolve => self.dissolve(world, job)?,
            JobKind::Spread { .. } => self.spread(world, job)?,
            JobKind::Sift { revision, .. } => self.sift(world, job, *revision)?,
        };
        Ok(())
    }

    fn finish(&mut self) -> Task {
        self.next = Next::Finished;
        Task::Checkpoint
    }

    /// Writes down how far the job is, over whatever another delivery of it has written down.
    fn checkpoint(&mut self, world: &mut World) -> Step {
        let next = std::mem::replace(&mut self.next, Next::At(None));
        let (Some(row), Some(mine)) = (world.jobs.get_mut(self.at), self.job.as_mut()) else {
            return Step::Done;
        };
        row.looked.clone_from(&mine.looked);
        row.seen = mine.seen;
        match next {
            Next::At(at) => {
                mine.checkpoint = at;
                row.checkpoint.clone_from(&mine.checkpoint);
                row.open = true;
            }
            Next::Finished => {
                row.open = false;
                let (gone, group) = (row.kind == JobKind::Dissolve, row.group);
                if gone {
                    // Last: as long as they are there, the job can be done again from the beginning.
                    world.members.retain(|(at, _), _| *at != group);
                }
                return Step::Done;
            }
            Next::Blocked => return Step::Done,
        }
        (self.task, self.attempts) = (Task::Begin, 0);
        Step::More
    }
}

/// A page of a drive's items behind one of them, and where the next one begins.
fn items(world: &World, on: usize, after: Option<&ItemId>) -> (Vec<Item>, Option<ItemId>) {
    let all = world.items.get(on).into_iter().flat_map(|items| items.values());
    let mut page: Vec<Item> =
        all.filter(|item| after.is_none_or(|at| item.id > *at)).take(PAGE + 1).cloned().collect();
    let more = page.len() > PAGE;
    page.truncate(PAGE);
    let last = page.last().map(|item| item.id.clone());
    (page, last.filter(|_| more))
}
