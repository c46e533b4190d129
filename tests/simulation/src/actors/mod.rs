//! Who acts in the world: each a machine that makes one call of the database at a time.

mod admin;
mod owner;
mod reader;
mod repairer;
mod replicator;
mod scrubber;
mod worker;

use domain::replication::ProviderMembership;

pub use admin::{Admin, Change};
pub use owner::{Owner, Wish};
pub use reader::{Reader, list};
pub use repairer::Repairer;
pub use replicator::Replicator;
pub use scrubber::Scrubber;
pub use worker::Worker;

use crate::check::Memory;
use crate::directory::Outlet;
use crate::variant::Violation;
use crate::world::{Part, Refused, World};

/// Where an actor stands after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It has more to do.
    More,
    /// It is finished.
    Done,
}

/// An actor.
#[derive(Debug, Clone)]
pub enum Actor {
    /// An owner's request that changes or deletes an item.
    Owner(Box<Owner>),
    /// A request that changes a group, its rules, a membership or a contract.
    Admin(Box<Admin>),
    /// One invocation of the stream function.
    Replicator(Box<Replicator>),
    /// One invocation of the job function.
    Worker(Box<Worker>),
    /// One list by a consumer.
    Reader(Box<Reader>),
    /// One repair.
    Repairer(Box<Repairer>),
    /// One slice of the comparison.
    Scrubber(Box<Scrubber>),
}

impl Actor {
    /// Makes one call.
    ///
    /// # Errors
    /// If what it did breaks an invariant.
    pub fn step(&mut self, world: &mut World, memory: &mut Memory) -> Result<Step, Violation> {
        match self {
            Self::Owner(owner) => Ok(owner.step(world, memory)),
            Self::Admin(admin) => Ok(admin.step(world, memory)),
            Self::Replicator(replicator) => Ok(replicator.step(world)),
            Self::Worker(worker) => worker.step(world),
            Self::Reader(reader) => reader.step(world, memory),
            Self::Repairer(repairer) => Ok(repairer.step(world)),
            Self::Scrubber(scrubber) => Ok(scrubber.step(world)),
        }
    }

    /// Whether it has read memberships, and is about to read the rules.
    pub fn is_between_reads(&self) -> bool {
        match self {
            Self::Owner(owner) => owner.reading.is_half_done(),
            Self::Replicator(replicator) => replicator.reading.is_half_done(),
            Self::Repairer(repairer) => repairer.reading.is_half_done(),
            Self::Worker(worker) => worker.is_between_reads(),
            _ => false,
        }
    }

    /// Whether it has written some copies and not others.
    pub fn is_between_writes(&self) -> bool {
        match self {
            Self::Owner(owner) => owner.is_between_writes(),
            Self::Replicator(replicator) => replicator.is_between_writes(),
            Self::Worker(worker) => worker.is_between_writes(),
            _ => false,
        }
    }
}

/// How often a call is made again that the database had no capacity for.
const ATTEMPTS: u32 = 4;

/// The memberships of a drive, and then the rules of their groups: two reads, between which much may happen.
#[derive(Debug, Clone, Default)]
struct Outlets {
    provides: Option<Vec<(usize, ProviderMembership)>>,
}

impl Outlets {
    fn is_half_done(&self) -> bool {
        self.provides.is_some()
    }

    /// Makes one of the reads; none until both are made.
    fn step(&mut self, world: &mut World, on: usize) -> Result<Option<Vec<Outlet>>, Refused> {
        world.ask(Part::Directory)?;
        match self.provides.take() {
            None => {
                self.provides = Some(world.provides(on));
                Ok(None)
            }
            Some(provides) => Ok(Some(world.with_rules(&provides))),
        }
    }
}
