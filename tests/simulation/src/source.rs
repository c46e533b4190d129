//! What a DynamoDB stream with a Lambda mapping really does.
//!
//! Records of one drive stay in one shard and in order, until it is closed; its children are read after it. Within a
//! shard several batches are worked on at once, by the hash of the drive. A batch that fails is cut in two and tried
//! again; one record that fails is tried again until its last attempt or its greatest age, and then told to the
//! on-failure destination. An answer may name the first record that failed. Any batch may be delivered again. After a
//! day records are dropped, whoever has not read them.

use std::collections::VecDeque;

use domain::id::ItemId;
use domain::item::Item;
use domain::time::Timestamp;

use crate::faults::{Fault, Faults};

/// How long the stream keeps a record, in milliseconds.
const KEPT: i64 = 24 * 3_600_000;
/// How old a record may be that is delivered.
const MOST_AGE: i64 = 12 * 3_600_000;

/// A record of the stream.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place among all.
    pub seq: u64,
    /// Whose item it is.
    pub drive: usize,
    /// The item.
    pub id: ItemId,
    /// How it reads now; none if it was deleted.
    pub present: Option<Item>,
    /// Its version, or its last one.
    pub version: u64,
    /// When it was written, by the database's clock.
    pub written: Timestamp,
    /// Whether the function cannot read it.
    pub poison: bool,
}

/// A delivery.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Which one; none for a repeated one, whose answer nobody waits for.
    pub delivery: Option<u64>,
    /// In the order of the stream.
    pub records: Vec<Record>,
}

/// What an invocation answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Every record had its effect.
    Done,
    /// From this record on, some had not.
    From(u64),
    /// It failed, or never came.
    Failed,
}

/// How a mapping is set up.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Records of a batch at most.
    pub batch: usize,
    /// How long a batch is waited for that is not full, in milliseconds.
    pub window: i64,
    /// Batches of a shard at once.
    pub factor: usize,
    /// How often a single record is tried again.
    pub retries: u32,
    /// Whether partial answers are honoured; some emulators take them for success.
    pub partial: bool,
}

#[derive(Debug, Clone, Default)]
struct Lane {
    waiting: VecDeque<Record>,
    /// Sizes of the next batches, the next one last: what is left of one that was cut.
    pieces: Vec<usize>,
    attempts: u32,
    flight: Option<(u64, usize)>,
    before: Vec<Record>,
}

#[derive(Debug, Clone)]
struct Shard {
    parent: Option<usize>,
    drives: Vec<usize>,
    open: bool,
    lanes: Vec<Lane>,
}

/// The stream and its mapping.
#[derive(Debug, Clone)]
pub struct EventSource {
    /// How the mapping is set up.
    pub settings: Settings,
    shards: Vec<Shard>,
    written: u64,
    delivered: u64,
    /// Records that never had their effect, as far as the source knows.
    pub lost: u64,
    /// Those of them that were tried as often as they may be.
    pub exhausted: u64,
}

impl EventSource {
    /// A stream of these drives in one shard.
    pub fn new(settings: Settings, drives: usize) -> Self {
        let first = Shard::new(None, (0..drives).collect(), settings.factor);
        Self { settings, shards: vec![first], written: 0, delivered: 0, lost: 0, exhausted: 0 }
    }

    /// Takes a record in.
    pub fn put(&mut self, mut record: Record) {
        self.written += 1;
        record.seq = self.written;
        let factor = self.settings.factor;
        let shard = self.shards.iter_mut().find(|s| s.open && s.drives.contains(&record.drive));
        if let Some(lane) = shard.and_then(|shard| shard.lanes.get_mut(record.drive % factor)) {
            lane.waiting.push_back(record);
        }
    }

    /// Whether everything was read.
    pub fn is_drained(&self) -> bool {
        self.shards.iter().all(Shard::is_empty)
    }

    /// Every place that a batch may be taken from now.
    pub fn ready(&self, now: i64, faults: &mut Faults) -> Vec<(usize, usize)> {
        let mut ready = Vec::new();
        for (at, shard) in self.shards.iter().enumerate() {
            let parent = shard.parent.and_then(|parent| self.shards.get(parent));
            if parent.is_some_and(|parent| !parent.is_empty()) {
                continue;
            }
            for (number, lane) in shard.lanes.iter().enumerate().filter(|(_, lane)| lane.flight.is_none()) {
                let Some(oldest) = lane.waiting.front() else { continue };
                if lane.waiting.len() < self.settings.batch
                    && lane.pieces.is_empty()
                    && oldest.written.millis() + self.settings.window > now
                {
                    faults.note(Fault::Window);
                    continue;
                }
                ready.push((at, number));
            }
        }
        ready
    }

    /// Takes a batch.
    pub fn take(&mut self, (at, number): (usize, usize), now: i64, faults: &mut Faults) -> Option<Batch> {
        let most = self.settings.batch;
        let shard = self.shards.get_mut(at)?;
        let parallel = shard.lanes.iter().any(|lane| lane.flight.is_some());
        let lane = shard.lanes.get_mut(number)?;
        while lane.waiting.front().is_some_and(|record| record.written.millis() + MOST_AGE < now) {
            lane.waiting.pop_front();
            lane.pieces.clear();
            self.lost += 1;
            faults.note(Fault::GivenUp);
        }
        let size = lane.pieces.last().copied().unwrap_or(most).min(lane.waiting.len());
        if size == 0 {
            return None;
        }
        if parallel {
            faults.note(Fault::Parallel);
        }
        self.delivered += 1;
        lane.flight = Some((self.delivered, size));
        let records = lane.waiting.iter().take(size).cloned().collect();
        Some(Batch { delivery: Some(self.delivered), records })
    }

    /// Delivers the last batch of a place again.
    pub fn repeat(&self, (at, number): (usize, usize), now: i64) -> Option<Batch> {
        let before = &self.shards.get(at)?.lanes.get(number)?.before;
        let kept = before.iter().filter(|record| record.written.millis() + KEPT >= now);
        let records: Vec<Record> = kept.cloned().collect();
        (!records.is_empty()).then_some(Batch { delivery: None, records })
    }

    /// Every place there is.
    pub fn places(&self) -> Vec<(usize, usize)> {
        let each = self.shards.iter().enumerate();
        each.flat_map(|(at, shard)| (0..shard.lanes.len()).map(move |lane| (at, lane))).collect()
    }

    /// Takes an answer; one that nobody waits for any more changes nothing.
    pub fn answer(&mut self, delivery: Option<u64>, answer: Answer, faults: &mut Faults) {
        let Some(delivery) = delivery else { return };
        let settings = self.settings;
        let mut lost = 0;
        let earliest =
            self.shards.iter().flat_map(|s| &s.lanes).filter_map(|l| l.waiting.front()).map(|r| r.seq).min();
        for lane in self.shards.iter_mut().flat_map(|shard| &mut shard.lanes) {
            let Some((_, size)) = lane.flight.filter(|(flight, _)| *flight == delivery) else { continue };
            lane.flight = None;
            let had = lane.pieces.pop().is_some();
            let good = match answer {
                Answer::Done => size,
                Answer::Failed => 0,
                Answer::From(_) if !settings.partial => size,
                Answer::From(seq) => {
                    faults.note(Fault::Partial);
                    lane.waiting.iter().take(size).filter(|record| record.seq < seq).count()
                }
            };
            if good > 0 && lane.waiting.front().map(|record| record.seq) > earliest {
                faults.note(Fault::Reorder);
            }
            if good > 0 {
                lane.before = lane.waiting.drain(..good).collect();
                lane.attempts = 0;
            }
            let bad = size - good;
            if bad == 0 {
                continue;
            }
            if bad > 1 {
                faults.note(Fault::Bisect);
                lane.pieces.push(bad - bad / 2);
                lane.pieces.push(bad / 2);
                continue;
            }
            lane.attempts += 1;
            if lane.attempts > settings.retries {
                lane.waiting.pop_front();
                lane.attempts = 0;
                lost += 1;
                faults.note(Fault::GivenUp);
            } else if had {
                lane.pieces.push(1);
            }
        }
        self.lost += lost;
        self.exhausted += lost;
    }

    /// Gives up waiting for an answer: what was delivered will be delivered again.
    pub fn time_out(&mut self, delivery: Option<u64>, faults: &mut Faults) {
        self.answer(delivery, Answer::Failed, faults);
    }

    /// Drops what is older than a day.
    pub fn trim(&mut self, now: i64, faults: &mut Faults) {
        for lane in self.shards.iter_mut().flat_map(|shard| &mut shard.lanes) {
            while lane.waiting.front().is_some_and(|record| record.written.millis() + KEPT < now) {
                lane.waiting.pop_front();
                (lane.flight, lane.attempts) = (None, 0);
                lane.pieces.clear();
                self.lost += 1;
                faults.note(Fault::Trim);
            }
        }
    }

    /// Closes a shard: its drives go on in one or two others.
    pub fn split(&mut self, choice: usize, faults: &mut Faults) {
        let open: Vec<usize> =
            self.shards.iter().enumerate().filter(|(_, shard)| shard.open).map(|(at, _)| at).collect();
        let Some(at) = open.get(choice % open.len().max(1)).copied() else { return };
        let Some(shard) = self.shards.get_mut(at) else { return };
        shard.open = false;
        let (one, other) = shard.drives.split_at(shard.drives.len() / 2);
        let parts = [one.to_vec(), other.to_vec()];
        for drives in parts.into_iter().filter(|drives| !drives.is_empty()) {
            self.shards.push(Shard::new(Some(at), drives, self.settings.factor));
        }
        faults.note(Fault::Split);
    }
}

impl Shard {
    fn new(parent: Option<usize>, drives: Vec<usize>, factor: usize) -> Self {
        Self { parent, drives, open: true, lanes: vec![Lane::default(); factor] }
    }

    /// Whether there is nothing in it to read, nor in flight.
    fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.waiting.is_empty())
    }
}
