//! A group under load: people who write without pause, lists that are read without pause, and what was in them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use freehold_client::{Answer, Group};
use futures::future::join;
use journeys::{Person, until, with_query};
use serde_json::{Value, json};

/// The ways in which a group is listed, side by side: everything in large pages; and in small ones what is older than
/// what the load writes, whose many tombstones would make for as many empty pages.
const LISTS: [(&str, &[(&str, &str)]); 2] = [
    ("/data", &[("limit", "100")]),
    ("/data/types/glucose", &[("limit", "9"), ("to", "2024-02-01T00:00:00Z")]),
];
/// So many whole lists of each kind must have begun after something was taken away before a round ends.
const ENOUGH: usize = 3;

/// What is taken away in a round.
#[derive(Debug, Clone)]
pub enum Lost {
    /// Whatever a provider shares.
    Provider(String),
    /// An item.
    Item(String),
    /// What a provider shares up to a value.
    UpTo(String, i64),
    /// Everything, and the group with it.
    Group,
}

impl Lost {
    fn covers(&self, row: &Value) -> bool {
        match self {
            Self::Provider(drive) => row["provider"] == drive.as_str(),
            Self::Item(id) => row["id"] == id.as_str(),
            Self::UpTo(drive, most) => {
                row["provider"] == drive.as_str() && row["fields"]["mgdl"].as_i64().unwrap() <= *most
            }
            Self::Group => true,
        }
    }
}

/// One round: what will be taken away from which group, and what shows that the lists are able to show.
#[derive(Debug, Clone)]
pub struct Round {
    /// The group that is listed.
    pub group: Group,
    /// What is taken away.
    pub lost: Lost,
    /// Items, all of which a list must show before.
    pub before: Vec<String>,
    /// Items that every whole list must show from then on, also when the others are taken away.
    pub always: Vec<String>,
}

/// What was counted. Rows are those of lists that began afterwards, where not said otherwise.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Lists, a page being one.
    pub lists: usize,
    /// Lists that began after something was taken away.
    pub lists_after: usize,
    /// Rows that were to be taken away, in lists from before.
    pub lost_before: usize,
    /// Rows that were looked at.
    pub rows_after: usize,
    /// Rows that had been taken away.
    pub leaked: Vec<String>,
    /// What had not been taken away and was not shown.
    pub missing: Vec<String>,
}

#[derive(Default)]
struct State {
    number: usize,
    round: Option<Round>,
    acknowledged: Option<Instant>,
    taking: bool,
    /// Whole lists in this round, by their way: those that showed all of `before`, and those that began afterwards.
    shown: [usize; LISTS.len()],
    after: [usize; LISTS.len()],
    tally: Tally,
}

/// Reads lists and judges them.
pub struct Watch {
    reader: Person,
    state: Mutex<State>,
}

/// A list as far as it was read.
struct List {
    way: usize,
    number: usize,
    round: Round,
    began: Instant,
    rows: Vec<Value>,
}

impl Watch {
    /// Watches as a reader.
    pub fn new(reader: &Person) -> Self {
        Self { reader: reader.clone(), state: Mutex::default() }
    }

    /// Begins a round.
    pub fn begin(&self, round: Round) {
        let mut state = self.state.lock().unwrap();
        let (number, tally) = (state.number + 1, std::mem::take(&mut state.tally));
        *state = State { number, round: Some(round), tally, ..State::default() };
    }

    /// Waits until lists of every way have shown what will be taken away.
    pub async fn comes_to_show(&self) {
        let shown = async || self.state.lock().unwrap().shown.iter().all(|lists| *lists > 0).then_some(());
        until(&format!("the lists show {:?}", self.state.lock().unwrap().round), shown).await;
    }

    /// The request that takes away is about to be sent.
    pub fn taking(&self) {
        self.state.lock().unwrap().taking = true;
    }

    /// It has been answered.
    pub fn acknowledged(&self) {
        self.state.lock().unwrap().acknowledged = Some(Instant::now());
    }

    /// Waits until enough lists have begun since, and been read to their end.
    pub async fn looks_again(&self) {
        let enough = async || self.state.lock().unwrap().after.iter().all(|n| *n >= ENOUGH).then_some(());
        until("enough lists have begun afterwards", enough).await;
    }

    /// Ends a round: what is shared from now on is for the next one.
    pub fn end(&self) {
        let mut state = self.state.lock().unwrap();
        (state.number, state.round) = (state.number + 1, None);
    }

    /// What was counted.
    pub fn tally(&self) -> Tally {
        self.state.lock().unwrap().tally.clone()
    }

    /// Lists for ever, in every way at once.
    pub async fn forever(&self) {
        join(self.list_forever(0), self.list_forever(1)).await;
    }

    async fn list_forever(&self, way: usize) {
        loop {
            let round = async || {
                let state = self.state.lock().unwrap();
                state.round.clone().map(|round| (state.number, round))
            };
            let (number, round) = until("a round begins", round).await;
            let began = Instant::now();
            self.list(List { way, number, round, began, rows: Vec::new() }).await;
        }
    }

    async fn list(&self, mut list: List) {
        let (path, parameters) = LISTS[list.way];
        let path = format!("/groups/{}{path}", list.round.group.id);
        let mut cursor: Option<String> = None;
        loop {
            let mut query = parameters.to_vec();
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let began = Instant::now();
            let page = self.reader.get(&with_query(&path, &query)).await;
            if !self.judge(&list, began, cursor.is_some(), &page) {
                return;
            }
            list.rows.extend(page.body["items"].as_array().into_iter().flatten().cloned());
            match page.body["next"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return self.judge_whole(&list),
            }
        }
    }

    /// Judges one answer: a page counts by itself, since what follows a cursor must be gone as well. Says whether the
    /// list goes on.
    fn judge(&self, list: &List, began: Instant, follows: bool, page: &Answer) -> bool {
        let mut state = self.state.lock().unwrap();
        if state.number != list.number {
            return false;
        }
        let after = state.acknowledged.is_some_and(|acknowledged| began > acknowledged);
        state.tally.lists += 1;
        state.tally.lists_after += usize::from(after);
        if page.status != 200 {
            // A cursor ends with the members it was made for, and a group with all that it had.
            let ended = page.status == 400 && follows;
            let gone = page.status == 404 && matches!(list.round.lost, Lost::Group) && state.taking;
            assert!(ended || gone, "{page:?} in {:?}", list.round);
            state.after[list.way] += usize::from(after && gone);
            return false;
        }
        let rows = page.body["items"].as_array().unwrap();
        let lost = rows.iter().filter(|row| list.round.lost.covers(row));
        if after {
            let leaked: Vec<String> =
                lost.map(|row| format!("round {}: {row} in {:?}", list.number, list.round)).collect();
            state.tally.rows_after += rows.len();
            state.tally.leaked.extend(leaked);
        } else {
            state.tally.lost_before += lost.count();
        }
        true
    }

    fn judge_whole(&self, list: &List) {
        let mut state = self.state.lock().unwrap();
        if state.number != list.number {
            return;
        }
        let lacks = |id: &&String| !list.rows.iter().any(|row| row["id"] == id.as_str());
        // Lists of one way follow each other, so this one began after everything had been there.
        if state.shown[list.way] > 0 {
            let missing = list.round.always.iter().filter(lacks);
            state.tally.missing.extend(missing.map(|id| format!("round {}: {id}", list.number)));
        }
        state.shown[list.way] += usize::from(!list.round.before.iter().any(|id| lacks(&id)));
        let after = state.acknowledged.is_some_and(|acknowledged| list.began > acknowledged);
        state.after[list.way] += usize::from(after);
    }
}

/// Between two writes of one person: a stream that only falls behind would leave nothing to look at.
const PACE: Duration = Duration::from_millis(120);

/// Writes for ever: makes readings, changes them, and deletes them again, so that there are never many.
pub async fn write_forever(person: &Person, month: u8) {
    let mut ids = std::collections::VecDeque::new();
    for n in 0.. {
        let time = format!("2024-{month:02}-{:02}T{:02}:{:02}:00Z", 1 + n / 1440 % 28, n / 60 % 24, n % 60);
        ids.push_back(person.read_glucose(&time, 190 + n % 100).await);
        let (newest, oldest) = (ids.back().unwrap(), ids.front().unwrap());
        let change = match n % 3 {
            0 => Some((newest, 300)),
            1 => Some((oldest, 100)),
            _ => None,
        };
        if let Some((id, mgdl)) = change {
            let body = json!({"fields": {"mgdl": mgdl}});
            let answer = person.patch(&format!("/user/data/{id}"), body).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        if ids.len() > 8 {
            let id = ids.pop_front().unwrap();
            let answer = person.delete(&format!("/user/data/{id}")).await;
            assert_eq!(answer.status, 204, "{answer:?}");
        }
        tokio::time::sleep(PACE).await;
    }
}
