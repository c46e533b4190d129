//! Following data jobs until they are finished: after an apply that changes what groups share, and for whoever wants to
//! watch from anywhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::id::{GroupId, Name};
use domain::time::Timestamp;
use store::directory::{Checkpoint, Job, JobKind};
use store::{Store, StoreError};

use super::Session;
use super::reconcile::store_of;
use crate::engine::{Interrupt, Urgency};
use crate::error::Error;
use crate::event::{Event, JobState};
use crate::kinds::stackdoc::{failed, no_table};
use crate::plan::{Action, Plan};

/// How often jobs are asked for.
const POLL: Duration = Duration::from_millis(500);
/// How long jobs may not move before they are no longer waited for. A message that failed is hidden for some minutes.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// At least every so often there is a word for those who see no live progress.
const WORD: Duration = Duration::from_secs(30);

/// How following ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// Every job is finished.
    Finished,
    /// Jobs of these groups are left to run: somebody asked to stop, or nothing has moved for long.
    Left(Vec<String>),
}

/// Jobs of one group, taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tally {
    kind: &'static str,
    done: u64,
    of: Option<u64>,
    changed: u64,
    open: bool,
}

/// What a job does, in a word.
pub fn kind(job: &Job) -> &'static str {
    match job.kind {
        JobKind::Backfill { .. } => "backfill",
        JobKind::Purge(_) => "purge",
        JobKind::Revise { .. } => "revise",
        JobKind::Spread { .. } => "spread",
        JobKind::Sift { .. } => "sift",
        JobKind::Dissolve => "dissolve",
        JobKind::Erase { .. } => "erase",
    }
}

/// Takes the jobs together that are open, or were made since. None if there are none.
fn tally(jobs: &[Job], since: Timestamp) -> Option<Tally> {
    let relevant: Vec<&Job> = jobs.iter().filter(|job| job.is_open() || job.created >= since).collect();
    let first = relevant.first()?;
    // A spread works through members; the jobs that it makes work through items.
    let (spreads, working): (Vec<&Job>, Vec<&Job>) =
        relevant.iter().partition(|job| matches!(job.kind, JobKind::Spread { .. }));
    let handing_out =
        |job: &&&Job| job.is_open() && matches!(job.checkpoint, None | Some(Checkpoint::Members { .. }));
    let known = !spreads.iter().any(|job| handing_out(&job));
    let of: Option<u64> = working.iter().map(|job| job.total).sum();
    let kinds: Vec<&'static str> = working.iter().map(|job| kind(job)).collect();
    let same = kinds.first().filter(|first| kinds.iter().all(|kind| kind == *first));
    Some(Tally {
        kind: same.copied().unwrap_or(if kinds.is_empty() { kind(first) } else { "jobs" }),
        done: working.iter().map(|job| job.done).sum(),
        of: of.filter(|_| known),
        changed: relevant.iter().map(|job| job.changed).sum(),
        open: relevant.iter().any(|job| job.is_open()),
    })
}

/// The declared groups whose copies an applied plan has set in motion.
pub(super) fn moved(plan: &Plan) -> Vec<Name> {
    let groups = plan.nodes.iter().filter(|node| node.address.kind == "group");
    let changed = groups.filter(|node| {
        let path = |path: &str| path.starts_with("rules") || path.starts_with("shards");
        node.action == Action::Update && node.changes.iter().any(|change| path(&change.path))
    });
    changed.filter_map(|node| Name::parse(&node.address.name).ok()).collect()
}

/// Follows the jobs of declared groups, those that were made since a moment or are open.
///
/// # Errors
/// Those of the database.
pub(super) async fn follow_declared(
    session: &Session,
    names: &[Name],
    since: Timestamp,
) -> Result<Followed, Error> {
    let store = store_of(session);
    let mut groups = BTreeMap::new();
    for name in names {
        match store.declared_group(name).await {
            Ok(Some(group)) => drop(groups.insert(group.id, name.to_string())),
            Ok(None) => {}
            Err(error) if no_table(&error) => {}
            Err(error) => return Err(failed(&error).into()),
        }
    }
    follow(session, &store, groups, since).await
}

/// Follows all open jobs of these groups until they are finished, somebody asks to stop, or nothing moves any more.
///
/// # Errors
/// Those of the database.
pub async fn follow(
    session: &Session,
    store: &Store,
    mut groups: BTreeMap<GroupId, String>,
    since: Timestamp,
) -> Result<Followed, Error> {
    let mut told: BTreeMap<GroupId, Told> = BTreeMap::new();
    let mut moved = Instant::now();
    let mut failures = 0;
    while !groups.is_empty() {
        for (group, name) in groups.clone() {
            let jobs = match store.jobs(&group).await {
                Ok(jobs) => jobs,
                // Whoever only watches gives up last.
                Err(StoreError::Busy(_)) if failures < 20 => {
                    failures += 1;
                    continue;
                }
                Err(error) => return Err(failed(&error).into()),
            };
            let Some(tally) = tally(&jobs, since) else {
                groups.remove(&group);
                continue;
            };
            let before = told.entry(group.clone()).or_default();
            if before.tally.as_ref() != Some(&tally) {
                moved = Instant::now();
            }
            if let Some(event) = before.next(&name, &tally) {
                session.options.events.event(event);
            }
            if !tally.open {
                groups.remove(&group);
            }
        }
        if groups.is_empty() {
            break;
        }
        if moved.elapsed() > PATIENCE || stopped(&session.options.interrupt).await {
            return Ok(Followed::Left(groups.into_values().collect()));
        }
    }
    Ok(Followed::Finished)
}

/// Waits for the next look; whether somebody asked to stop instead.
async fn stopped(interrupt: &Interrupt) -> bool {
    tokio::select! {
        () = interrupt.changed_from(Urgency::Calm) => true,
        () = tokio::time::sleep(POLL) => false,
    }
}

/// What was told of a group's jobs.
#[derive(Debug, Default)]
struct Told {
    tally: Option<Tally>,
    /// The last tenth that there was a word about, and when.
    word: Option<(u64, Instant)>,
}

impl Told {
    /// What there is to tell; nothing if nothing has changed.
    fn next(&mut self, group: &str, tally: &Tally) -> Option<Event> {
        let new = self.tally.replace(tally.clone()).as_ref() != Some(tally);
        let tenth = tally.of.filter(|of| *of > 0).map_or(0, |of| tally.done.saturating_mul(10) / of);
        let word = self.word.is_none_or(|(said, at)| tenth > said || at.elapsed() > WORD) || !tally.open;
        if word {
            self.word = Some((tenth, Instant::now()));
        }
        (new || word).then(|| {
            let Tally { kind, done, of, changed, open } = tally.clone();
            let state = JobState { done, of, changed, finished: !open, word };
            Event::Job { group: group.to_owned(), kind: kind.to_owned(), state }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::{DriveId, JobId};
    use store::directory::JobStatus;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn job(kind: JobKind, created: i64, (done, total): (u64, Option<u64>)) -> Job {
        let job = Job::new(JobId::from_bits(1), GroupId::from_bits(2), kind, at(created));
        Job { done, total, changed: done / 2, ..job }
    }

    fn revise() -> JobKind {
        JobKind::Revise { drive: DriveId::from_bits(3), epoch: 1, rules_from: 1, consents: vec![] }
    }

    fn spread() -> JobKind {
        JobKind::Spread { rules_from: 1, revision: 2 }
    }

    #[test]
    fn jobs_of_a_group_are_one_piece_of_work() {
        let mut spread = job(spread(), 5, (1, None));
        let jobs = |spread: &Job| {
            vec![
                spread.clone(),
                job(revise(), 5, (40, Some(100))),
                job(revise(), 5, (10, Some(50))),
                Job { status: JobStatus::Done, ..job(revise(), 1, (7, Some(7))) },
            ]
        };
        let begun = tally(&jobs(&spread), at(5)).unwrap();
        assert_eq!((begun.kind, begun.done, begun.of, begun.open), ("revise", 50, None, true));
        spread.checkpoint = Some(Checkpoint::Waiting);
        assert_eq!(tally(&jobs(&spread), at(5)).unwrap().of, Some(150), "every provider has its job");
    }

    #[test]
    fn what_was_finished_before_is_not_followed() {
        let old = Job { status: JobStatus::Done, ..job(revise(), 1, (7, Some(7))) };
        assert_eq!(tally(std::slice::from_ref(&old), at(5)), None);
        let sift = JobKind::Sift { rules_from: 1, revision: 2 };
        let ended = Job { status: JobStatus::Done, ..job(sift, 6, (9, Some(9))) };
        let found = tally(&[old, ended], at(5)).unwrap();
        assert_eq!((found.kind, found.done, found.open), ("sift", 9, false));
    }

    #[test]
    fn there_is_a_word_at_the_beginning_for_every_tenth_and_at_the_end() {
        let mut told = Told::default();
        let mut words = Vec::new();
        for done in [0, 3, 9, 10, 11, 35, 36, 100] {
            let tally = Tally { kind: "sift", done, of: Some(100), changed: 0, open: done < 100 };
            match told.next("g", &tally) {
                Some(Event::Job { state, .. }) if state.word => words.push(done),
                Some(_) => {}
                None => panic!("{done} is news"),
            }
            assert!(told.next("g", &tally).is_none() || done == 100, "and no news the second time");
        }
        assert_eq!(words, [0, 10, 35, 100]);
    }
}
