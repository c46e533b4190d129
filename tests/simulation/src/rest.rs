//! How a history comes to rest: everybody finishes, the stream is read to its end, jobs are done, repairs are made.

use crate::actors::{Actor, Reader, Repairer, Replicator, Scrubber, Worker};
use crate::check::{orphans, settled};
use crate::history::History;
use crate::variant::{Variant, Violation};
use crate::world::{GROUPS, Part};

/// Rounds after which something stands in the way.
const ROUNDS: usize = 200;

impl History {
    /// Comes to rest, checks that everything is as it should be, and tells how many copies were left for the scrubber.
    pub(crate) fn rest(&mut self) -> Result<u64, Violation> {
        let frozen = std::mem::take(&mut self.frozen);
        self.actors.extend(frozen.into_iter().map(|(_, actor)| actor));
        // A group that is hot delays nobody else.
        let hot = if self.world.rng.u8(..) < 64 { Some(self.world.rng.usize(..GROUPS)) } else { None };
        self.world.throttled = hot.map(|at| (Part::Copies(at), i64::MAX));
        let exhausted = self.world.source.exhausted;
        if let Some(hot) = hot {
            self.drain(Some(hot))?;
            if self.world.source.lost == 0 {
                for at in (0..GROUPS).filter(|at| *at != hot) {
                    settled(&self.world, at).map_err(|v| Violation::new("I5", v.what))?;
                }
            }
            self.world.throttled = None;
        }
        self.drain(None)?;
        if self.world.source.lost == 0 || self.world.variant == Variant::NoScrubber {
            self.check()?;
        }
        if self.world.source.exhausted > exhausted {
            return Err(Violation::new("I5", "records were given up while a group was hot"));
        }
        let left = orphans(&self.world);
        for _ in 0..2 {
            let scrubber = Scrubber::new(&mut self.world, true);
            self.actors.push(Actor::Scrubber(Box::new(scrubber)));
            self.finish()?;
        }
        self.check()?;
        match orphans(&self.world) {
            0 => Ok(left as u64),
            many => Err(Violation::new(
                "I2",
                format!("{many} copies that nobody sees are left after a comparison"),
            )),
        }
    }

    fn check(&self) -> Result<(), Violation> {
        (0..GROUPS).try_for_each(|at| settled(&self.world, at))
    }

    /// Everybody who acts finishes.
    fn finish(&mut self) -> Result<(), Violation> {
        while !self.actors.is_empty() {
            self.world.now += self.world.rng.i64(1..400);
            let chosen = self.world.rng.usize(..self.actors.len());
            self.step(chosen)?;
        }
        Ok(())
    }

    /// Lets everything be done that can be done while a group is hot, or none is.
    fn drain(&mut self, hot: Option<usize>) -> Result<(), Violation> {
        for _ in 0..ROUNDS {
            self.finish()?;
            self.world.now += 1_000;
            let world = &mut self.world;
            while let Some(place) = world.source.ready(world.now, &mut world.faults).first().copied() {
                let Some(batch) = world.source.take(place, world.now, &mut world.faults) else { continue };
                self.actors.push(Actor::Replicator(Box::new(Replicator::new(world, batch))));
            }
            let jobs = world.jobs.iter().enumerate();
            let open = jobs.filter(|(_, job)| job.open && Some(job.group) != hot).map(|(at, _)| at);
            let workers: Vec<Actor> = open.map(|job| Actor::Worker(Box::new(Worker::new(job)))).collect();
            let idle = self.actors.is_empty() && workers.is_empty() && world.source.is_drained();
            self.actors.extend(workers);
            if idle {
                return self.repair(hot);
            }
        }
        Err(Violation::new("I5", "something is never finished"))
    }

    /// Repairs everything that waits for it, and reads every group once.
    fn repair(&mut self, hot: Option<usize>) -> Result<(), Violation> {
        let parked: Vec<_> = self.world.repairs.keys().cloned().collect();
        for (on, id) in parked {
            let repairer = Repairer::new(&self.world, on, id);
            self.actors.extend(repairer.map(|repairer| Actor::Repairer(Box::new(repairer))));
        }
        self.finish()?;
        for at in (0..GROUPS).filter(|at| Some(*at) != hot) {
            self.actors.push(Actor::Reader(Box::new(Reader::new(&self.world, &self.memory, 0, at, false))));
            self.finish()?;
        }
        Ok(())
    }
}
