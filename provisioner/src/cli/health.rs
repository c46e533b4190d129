//! How a stack fares: its data jobs, how far the copies are behind, and what nobody could deal with.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_sdk_sqs::types::QueueAttributeName;
use domain::id::GroupId;
use domain::time::Timestamp;
use futures::future::join_all;
use serde::Serialize;
use store::Store;
use store::directory::Job;

use crate::aws::AwsError;
use crate::error::{Error, count};
use crate::render::grouped;
use crate::resource::Address;
use crate::session::{Session, data_plane, kind_of_job};
use crate::state::Snapshot;

/// How many pages of the directory are looked through for jobs: 32 MB, which is a few seconds and a few cents.
const PAGES: usize = 32;
/// How many finished jobs are told one by one.
const FINISHED: usize = 5;
/// Queues whose messages are what nobody could deal with.
const DEAD: [&str; 2] = ["jobs-dead", "replicator-failed"];

/// How a stack fares. What could not be found out is none, and `notes` says why.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jobs: Option<Jobs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replication: Option<Replication>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queues: Option<Vec<Queue>>,
    pub(super) notes: Vec<String>,
}

/// Data jobs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Jobs {
    /// Those that are waiting or under way, oldest first.
    pub(super) open: Vec<JobRow>,
    /// The last ones that ended, latest first.
    pub(super) finished: Vec<JobRow>,
    /// How many ended and are remembered.
    pub(super) finished_count: usize,
    /// Whether the directory was looked through to its end.
    pub(super) complete: bool,
}

/// One data job.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobRow {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) kind: &'static str,
    pub(super) done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u64>,
    pub(super) changed: u64,
    pub(super) created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) moved: Option<String>,
}

/// How far the copies are behind what people write.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Replication {
    /// How long the last heartbeat took to come through, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lag_ms: Option<i64>,
    /// When the last heartbeat that came through was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_beat: Option<String>,
    /// For how long nothing has come through that should have, in milliseconds.
    pub(super) gap_ms: i64,
}

/// Messages in a queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Queue {
    pub(super) address: String,
    /// About how many messages there are.
    pub(super) messages: u64,
    /// Whether they are what nobody could deal with.
    pub(super) dead: bool,
}

/// Finds out how a deployed stack fares, as far as it can be found out.
pub(super) async fn health(session: &Session, snapshot: &Snapshot, now: Timestamp) -> Health {
    let mut health = Health::default();
    let (data, queues) = futures::join!(of_data(session, now), queues(session, snapshot));
    match data {
        Ok((jobs, replication)) => {
            health.jobs = Some(jobs);
            health.replication = Some(replication);
        }
        Err(error) => health.notes.push(format!("jobs and replication cannot be looked up: {error}")),
    }
    match queues {
        Ok(queues) => health.queues = Some(queues),
        Err(error) => health.notes.push(format!("queues cannot be looked up: {error}")),
    }
    health
}

async fn of_data(session: &Session, now: Timestamp) -> Result<(Jobs, Replication), Error> {
    let (store, _) = data_plane(session).await?;
    let failed = |error: store::StoreError| Error::from(crate::kinds::stackdoc::failed(&error));
    let (jobs, replication) = futures::join!(jobs(&store), replication(&store, now));
    Ok((jobs.map_err(failed)?, replication.map_err(failed)?))
}

async fn jobs(store: &Store) -> Result<Jobs, store::StoreError> {
    let (all, complete) = store.all_jobs(PAGES).await?;
    let (mut open, mut finished): (Vec<Job>, Vec<Job>) = all.into_iter().partition(Job::is_open);
    open.sort_by_key(|job| job.created);
    finished.sort_by_key(|job| std::cmp::Reverse(job.moved.unwrap_or(job.created)));
    Ok(Jobs {
        open: open.iter().map(row).collect(),
        finished_count: finished.len(),
        finished: finished.iter().take(FINISHED).map(row).collect(),
        complete,
    })
}

/// The groups that have open jobs, by the names that people know them by.
pub(super) async fn open_groups(store: &Store) -> Result<BTreeMap<GroupId, String>, Error> {
    let failed = |error: store::StoreError| Error::from(crate::kinds::stackdoc::failed(&error));
    let (all, _) = store.all_jobs(PAGES).await.map_err(failed)?;
    let mut groups = BTreeMap::new();
    for job in all.iter().filter(|job| job.is_open()) {
        if !groups.contains_key(&job.group) {
            let group = store.group(&job.group).await.map_err(failed)?;
            groups.insert(group.id, group.declared.map_or(group.name, |name| name.to_string()));
        }
    }
    Ok(groups)
}

fn row(job: &Job) -> JobRow {
    JobRow {
        id: job.id.to_string(),
        group: job.group.to_string(),
        kind: kind_of_job(job),
        done: job.done,
        total: job.total,
        changed: job.changed,
        created: job.created.to_string(),
        moved: job.moved.map(|moved| moved.to_string()),
    }
}

async fn replication(store: &Store, now: Timestamp) -> Result<Replication, store::StoreError> {
    let (state, beat) = futures::join!(store.scrub_state(), store.last_beat());
    let ((state, _), beat) = (state?, beat?);
    let mut pulse = state.pulse;
    let health = pulse.check(beat, now);
    Ok(Replication {
        lag_ms: health.lag,
        last_beat: beat.map(|beat| beat.sent.to_string()),
        gap_ms: health.gap,
    })
}

async fn queues(session: &Session, snapshot: &Snapshot) -> Result<Vec<Queue>, Error> {
    let of_state = snapshot.entries.iter().filter(|(address, _)| address.kind == "queue");
    let asked = of_state.filter_map(|(address, entry)| {
        let url = entry.recorded.outputs.get("url")?.clone();
        Some(messages(session, address, url))
    });
    join_all(asked).await.into_iter().collect()
}

async fn messages(session: &Session, address: &Address, url: String) -> Result<Queue, Error> {
    let name = QueueAttributeName::ApproximateNumberOfMessages;
    let request = session.clients.sqs().get_queue_attributes().queue_url(url).attribute_names(name.clone());
    let answer = request.send().await.map_err(|error| Error::at(address, AwsError::from(error)))?;
    let messages = answer.attributes().and_then(|all| all.get(&name)).and_then(|n| n.parse().ok());
    Ok(Queue {
        address: address.to_string(),
        messages: messages.unwrap_or(0),
        dead: DEAD.contains(&address.name.as_str()),
    })
}

impl Health {
    /// As text; each line ends with a line feed.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if let Some(jobs) = &self.jobs {
            jobs.text(&mut text);
        }
        if let Some(replication) = &self.replication {
            let _ = writeln!(text, "replication: {}", replication.text());
        }
        if let Some(queues) = &self.queues {
            of_queues(&mut text, queues);
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }
}

impl Jobs {
    fn text(&self, text: &mut String) {
        let more = if self.complete {
            ""
        } else {
            ", and perhaps more: the directory was not looked through to its end"
        };
        let _ = writeln!(text, "data jobs: {} open, {} finished{more}", self.open.len(), self.finished_count);
        for job in &self.open {
            let _ = writeln!(text, "  {} {}  {}  group {}", job.kind, job.id, job.progress(), job.group);
        }
        for job in &self.finished {
            let ended = job.moved.as_deref().unwrap_or(&job.created);
            let _ = writeln!(
                text,
                "  {} {}  finished {ended}: {} looked at, {} changed",
                job.kind,
                job.id,
                grouped(job.done),
                grouped(job.changed)
            );
        }
    }
}

impl JobRow {
    fn progress(&self) -> String {
        match self.total {
            Some(total) if total > 0 => {
                // The total is an estimate; what is done may exceed it.
                let share = (u128::from(self.done) * 100 / u128::from(total)).min(99);
                format!("{} of about {} ({share}%)", grouped(self.done), grouped(total))
            }
            _ if self.moved.is_none() => "waiting".to_owned(),
            _ => format!("{} so far", grouped(self.done)),
        }
    }
}

impl Replication {
    fn text(&self) -> String {
        let lag = match (self.lag_ms, &self.last_beat) {
            (Some(lag), Some(sent)) => format!("{} behind at {sent}", duration(lag)),
            _ => "no heartbeat has come through yet".to_owned(),
        };
        match self.gap_ms {
            gap if gap > 0 => format!("{lag}; nothing has come through for {}", duration(gap)),
            _ => lag,
        }
    }
}

fn of_queues(text: &mut String, queues: &[Queue]) {
    let dead: Vec<&Queue> = queues.iter().filter(|queue| queue.dead && queue.messages > 0).collect();
    if dead.is_empty() {
        let _ = writeln!(text, "dead letters: none");
    } else {
        let _ = writeln!(text, "dead letters:");
    }
    for queue in dead {
        let n = usize::try_from(queue.messages).unwrap_or(usize::MAX);
        let _ = writeln!(text, "  {}: {}", queue.address, count(n, "message"));
    }
}

/// `85 ms`, `4.2 s`, `3 min`, `2 h`.
fn duration(ms: i64) -> String {
    match ms.max(0) {
        ms @ 0..1_000 => format!("{ms} ms"),
        ms @ 1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        ms @ 60_000..7_200_000 => format!("{} min", ms / 60_000),
        ms => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(kind: &'static str, done: u64, total: Option<u64>, moved: Option<&str>) -> JobRow {
        JobRow {
            id: "01JOB".into(),
            group: "01GROUP".into(),
            kind,
            done,
            total,
            changed: done / 2,
            created: "2026-01-01T00:00:00Z".into(),
            moved: moved.map(str::to_owned),
        }
    }

    fn queue(address: &str, messages: u64, dead: bool) -> Queue {
        Queue { address: address.into(), messages, dead }
    }

    #[test]
    fn a_stack_that_fares_badly_says_where() {
        let later = Some("2026-01-01T00:10:00Z");
        let health = Health {
            jobs: Some(Jobs {
                open: vec![
                    job("backfill", 1_200, Some(5_000), later),
                    job("purge", 0, None, None),
                    job("revise", 70, None, later),
                ],
                finished: vec![job("spread", 12, Some(12), later)],
                finished_count: 7,
                complete: false,
            }),
            replication: Some(Replication {
                lag_ms: Some(85),
                last_beat: Some("2026-01-01T00:00:00Z".into()),
                gap_ms: 7_300_000,
            }),
            queues: Some(vec![
                queue("queue.jobs", 4, false),
                queue("queue.jobs-dead", 2, true),
                queue("queue.replicator-failed", 0, true),
            ]),
            notes: vec!["something cannot be looked up".into()],
        };
        insta::assert_snapshot!(health.text(), @r"
        data jobs: 3 open, 7 finished, and perhaps more: the directory was not looked through to its end
          backfill 01JOB  1,200 of about 5,000 (24%)  group 01GROUP
          purge 01JOB  waiting  group 01GROUP
          revise 01JOB  70 so far  group 01GROUP
          spread 01JOB  finished 2026-01-01T00:10:00Z: 12 looked at, 6 changed
        replication: 85 ms behind at 2026-01-01T00:00:00Z; nothing has come through for 2 h
        dead letters:
          queue.jobs-dead: 2 messages
        note: something cannot be looked up
        ");
    }

    #[test]
    fn a_stack_that_fares_well_is_brief() {
        let health = Health {
            jobs: Some(Jobs { open: vec![], finished: vec![], finished_count: 0, complete: true }),
            replication: Some(Replication { lag_ms: None, last_beat: None, gap_ms: 0 }),
            queues: Some(vec![queue("queue.jobs", 0, false)]),
            notes: vec![],
        };
        insta::assert_snapshot!(health.text(), @r"
        data jobs: 0 open, 0 finished
        replication: no heartbeat has come through yet
        dead letters: none
        ");
    }

    #[test]
    fn durations_are_told_in_the_unit_that_fits() {
        let told: Vec<String> = [0, 85, 4_250, 180_000, 7_200_000].map(duration).into();
        assert_eq!(told, ["0 ms", "85 ms", "4.2 s", "3 min", "2 h"]);
    }
}
