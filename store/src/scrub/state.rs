//! What the scrubber remembers between two runs: one row of the directory.

use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Position, Walk};
use crate::Store;
use crate::attr;
use crate::error::{Result, StoreError, sdk};
use crate::heartbeat::Beat;
use crate::keys::Key;

/// The least time between the beginnings of two walks, in milliseconds: comparing costs reads.
const REST: i64 = 3_600_000;
/// How old a heartbeat may be that has not come through, in milliseconds. The stream keeps records for 24 hours; what
/// it drops only a comparison of everything finds.
pub const LONGEST_GAP: i64 = 20 * 3_600_000;

/// What the scrubber remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct State {
    /// The walk that is under way, or the last one.
    pub walk: Option<Walk>,
    /// Behind which row of the directory jobs are looked for.
    pub jobs_after: Option<Position>,
    /// Behind which one repairs go on.
    pub repairs_after: Option<String>,
    /// The heartbeats that were sent.
    pub pulse: Pulse,
}

/// The heartbeats that were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Pulse {
    /// The first one.
    pub first: Option<Timestamp>,
    /// The last one.
    pub last: Option<Timestamp>,
    /// Whether the stream was so far behind that records may have been dropped, and still is.
    pub overdue: bool,
}

/// What the heartbeats say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// How long the last heartbeat that came through took, in milliseconds.
    pub lag: Option<i64>,
    /// For how long nothing has come through that should have, in milliseconds; 0 if everything did.
    pub gap: i64,
    /// Whether everything must be compared from the start, because records may have been dropped.
    pub start_over: bool,
}

impl Pulse {
    /// What the last heartbeat that came through says, before the next one is sent.
    pub fn check(&mut self, beat: Option<Beat>, now: Timestamp) -> Health {
        let through = beat.map(|beat| beat.sent);
        let since = through.or(self.first).unwrap_or(now);
        // The one before has had all the time between two runs.
        let waiting = self.last.is_some_and(|last| through.is_none_or(|through| through < last));
        let gap = if waiting { now.millis() - since.millis() } else { 0 };
        let overdue = gap > LONGEST_GAP;
        // Once when it is noticed; and once when the stream runs again, for what was dropped in between.
        let start_over = overdue != self.overdue;
        self.overdue = overdue;
        Health { lag: beat.map(|beat| beat.seen.millis() - beat.sent.millis()), gap, start_over }
    }

    /// Notes that a heartbeat was sent.
    pub fn sent(&mut self, now: Timestamp) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }
}

impl State {
    /// The walk to go on with; none while the last one is over and the next one not due.
    pub fn walk(&mut self, now: Timestamp) -> Option<&mut Walk> {
        let rested = |walk: &Walk| walk.began.plus_millis(REST) <= now || self.pulse.overdue;
        if self.walk.as_ref().is_none_or(|walk| walk.is_done() && rested(walk)) {
            self.walk = Some(Walk::new(now));
        }
        self.walk.as_mut().filter(|walk| !walk.is_done())
    }

    /// Begins a walk from the start, whatever is under way.
    pub fn start_over(&mut self, now: Timestamp) {
        self.walk = Some(Walk::new(now));
    }
}

fn key() -> Key {
    Key { pk: "STACK".into(), sk: "SCRUBBER".into() }
}

impl Store {
    /// What the scrubber remembers, with the number of its writing. What another version wrote and this one cannot read
    /// is forgotten: the scrubber then begins at the beginning.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn scrub_state(&self) -> Result<(State, u64)> {
        let Some(row) = self.directory_row(&key()).await? else { return Ok((State::default(), 0)) };
        let state = attr::get_text(&row, "state").ok().and_then(|text| serde_json::from_str(text).ok());
        Ok((state.unwrap_or_default(), attr::get_number(&row, "rev").unwrap_or(0)))
    }

    /// Remembers it, unless somebody else has written since; whether it was written.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put_scrub_state(&self, state: &State, read: u64) -> Result<bool> {
        let text =
            serde_json::to_string(state).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let row = attr::row(&key(), [("state", attr::text(text)), ("rev", attr::number(read + 1))]);
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.directory)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk) OR rev = :read")
            .expression_attribute_values(":read", attr::number(read));
        match put.send().await.map_err(sdk) {
            Ok(_) => Ok(true),
            Err(StoreError::Condition) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::Stage;

    const HOUR: i64 = 3_600_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * HOUR)
    }

    fn beat(sent: i64) -> Option<Beat> {
        Some(Beat { sent: at(sent), seen: at(sent).plus_millis(60) })
    }

    #[test]
    fn a_heartbeat_that_came_through_says_how_long_it_took() {
        let mut pulse = Pulse { first: Some(at(0)), last: Some(at(1)), overdue: false };
        assert_eq!(pulse.check(beat(1), at(90)), Health { lag: Some(60), gap: 0, start_over: false });
    }

    #[test]
    fn before_the_first_heartbeat_nothing_is_missing() {
        assert_eq!(Pulse::default().check(None, at(90)), Health { lag: None, gap: 0, start_over: false });
    }

    #[test]
    fn a_gap_near_a_day_starts_over_once_and_once_more_when_it_ends() {
        let mut pulse = Pulse { first: Some(at(0)), last: Some(at(19)), overdue: false };
        assert_eq!(pulse.check(None, at(20)), Health { lag: None, gap: 20 * HOUR, start_over: false });
        assert!(pulse.check(None, at(21)).start_over);
        assert!(!pulse.check(None, at(22)).start_over, "it is under way");
        let ended = pulse.check(beat(19), at(23));
        assert_eq!((ended.gap, ended.start_over), (0, true));
        assert!(!pulse.check(beat(19), at(24)).start_over);
    }

    #[test]
    fn the_next_walk_waits_for_its_time_unless_the_stream_is_behind() {
        let mut state = State::default();
        state.walk(at(0)).unwrap().stage = Stage::Done;
        assert_eq!(state.walk(at(0).plus_millis(HOUR - 1)), None);
        assert_eq!(state.walk(at(1)).map(|walk| walk.began), Some(at(1)));
        state.start_over(at(2));
        state.walk(at(2)).unwrap().stage = Stage::Done;
        state.pulse.overdue = true;
        assert!(state.walk(at(2)).is_some());
    }

    #[test]
    fn what_is_remembered_survives_being_written_down() {
        let mut state = State::default();
        for stage in [
            Stage::Members { after: Some(("a".into(), "b".into())), at: None },
            Stage::Copies { after: None },
            Stage::Done,
        ] {
            state.start_over(at(1));
            if let Some(walk) = &mut state.walk {
                walk.stage = stage;
            }
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
        }
        assert_eq!(serde_json::from_str::<State>("{}").unwrap(), State::default());
    }
}
