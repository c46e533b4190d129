//! `/user/data/batch`: many items at once, each succeeding or failing on its own.

use std::time::Duration;

use domain::id::DriveId;
use domain::item::Item;
use futures::future::join_all;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::data::BATCH;
use store::once::{self, Keyed, Stamp};
use store::{Result as StoreResult, StoreError};

use super::data::NewItem;
use super::request::BATCH_BODY;
use super::response::Response;
use super::{Answer, Call};
use crate::problem::{Mistake, Problem};

/// Items of one call at most.
pub(super) const MOST: usize = 100;
/// How often an item that the database did not take is sent again.
const ROUNDS: u32 = 4;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    items: Vec<Json>,
}

impl Call<'_> {
    pub(super) async fn create_data_batch(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let batch: Batch = self.request.json(BATCH_BODY)?;
        if batch.items.is_empty() || batch.items.len() > MOST {
            let message = format!("must have from 1 to {MOST} items, not {}", batch.items.len());
            return Err(Problem::invalid([Mistake::at("items", message)]));
        }
        let sent: Vec<Result<NewItem, Problem>> = batch
            .items
            .into_iter()
            .map(|json| {
                domain::json::read(json)
                    .map_err(|error| Problem::invalid([Mistake::at("", format!("is not an item: {error}"))]))
            })
            .collect();
        let results = match self.keyed(&caller)? {
            None => self.create_all(&caller.drive, &sent).await,
            Some(keyed) => self.create_once(&caller.drive, &sent, &keyed).await?,
        };
        Ok(Response::json(200, &json!({ "results": results })))
    }

    /// The items that were sent from this place on, as a stamp makes them.
    fn stamped(
        &self,
        drive: &DriveId,
        sent: &[Result<NewItem, Problem>],
        (stamp, from): (&Stamp, usize),
    ) -> Vec<Result<Item, Problem>> {
        let made = sent.iter().enumerate().map(|(at, sent)| match sent {
            Ok(sent) => self.new_item(drive, sent, (stamp, from + at)),
            Err(problem) => Err(problem.clone()),
        });
        made.collect()
    }

    async fn create_all(&self, drive: &DriveId, sent: &[Result<NewItem, Problem>]) -> Vec<Json> {
        let items = self.stamped(drive, sent, (&Stamp::fresh(self.now), 0));
        let valid: Vec<Item> = items.iter().filter_map(|item| item.as_ref().ok()).cloned().collect();
        let mut written = self.write_all(valid).await.into_iter();
        let results = items.into_iter().map(|item| {
            let mut written = || written.next().unwrap_or_else(not_written);
            self.result(item.and_then(|item| written().map(|()| item).map_err(Problem::from)))
        });
        results.collect()
    }

    /// Creates items under the caller's key: a stretch at a time, each in a transaction with the key's record, so that
    /// repeating the request makes what is missing and nothing twice.
    async fn create_once(
        &self,
        drive: &DriveId,
        sent: &[Result<NewItem, Problem>],
        keyed: &Keyed,
    ) -> Result<Vec<Json>, Problem> {
        let mut results = Vec::with_capacity(sent.len());
        for (part, sent) in sent.chunks(once::BATCH).enumerate() {
            let from = part * once::BATCH;
            let stamp = Stamp::fresh(self.now);
            let mut items = self.stamped(drive, sent, (&stamp, from));
            let valid: Vec<Item> = items.iter().filter_map(|item| item.as_ref().ok()).cloned().collect();
            match self.store().create_items_once(&valid, &keyed.part(part), &stamp).await {
                Ok(None) => {}
                Ok(Some(before)) => items = self.stamped(drive, sent, (&before, from)),
                Err(StoreError::KeyReused) => return Err(StoreError::KeyReused.into()),
                Err(error) => {
                    let problem = Problem::from(error);
                    items = items.into_iter().map(|item| item.and(Err(problem.clone()))).collect();
                }
            }
            results.extend(items.into_iter().map(|item| self.result(item)));
        }
        Ok(results)
    }

    fn result(&self, item: Result<Item, Problem>) -> Json {
        match item {
            Ok(item) => json!({
                "status": 201, "id": item.id.as_str(), "time": item.time().to_string(), "version": item.version,
            }),
            Err(problem) => self.failed(&problem),
        }
    }

    pub(super) fn failed(&self, problem: &Problem) -> Json {
        if let Some(cause) = &problem.cause {
            tracing::warn!(problem = problem.slug, cause, "an item of a batch was not written");
        }
        json!({ "status": problem.status, "problem": problem.to_json(&self.request.id) })
    }

    /// Writes items, sending again what was refused for a moment: under the same identifiers, so nothing is written
    /// twice. One result for each item, in their order.
    async fn write_all(&self, items: Vec<Item>) -> Vec<StoreResult<()>> {
        let mut results: Vec<StoreResult<()>> = items.iter().map(|_| not_written()).collect();
        let mut open: Vec<(usize, Item)> = items.into_iter().enumerate().collect();
        let mut pause = Duration::from_millis(40);
        for round in 1..=ROUNDS {
            let answers = join_all(open.chunks(BATCH).map(|chunk| self.write_chunk(chunk))).await;
            let mut again = Vec::new();
            for ((at, item), answer) in open.into_iter().zip(answers.into_iter().flatten()) {
                if answer.as_ref().is_err_and(StoreError::is_transient) {
                    again.push((at, item));
                }
                if let Some(result) = results.get_mut(at) {
                    *result = answer;
                }
            }
            open = again;
            if open.is_empty() || round == ROUNDS {
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        results
    }

    async fn write_chunk(&self, chunk: &[(usize, Item)]) -> Vec<StoreResult<()>> {
        let items: Vec<Item> = chunk.iter().map(|(_, item)| item.clone()).collect();
        match self.store().create_items(&items).await {
            Ok(answers) => answers.into_iter().map(settled).collect(),
            // Nothing is known of any of them.
            Err(error) => {
                let text = error.to_string();
                chunk.iter().map(|_| Err(StoreError::Unavailable(text.clone()))).collect()
            }
        }
    }
}

/// Nobody else draws the same identifier: a refused insert was made by an attempt whose answer was lost.
fn settled(answer: StoreResult<()>) -> StoreResult<()> {
    match answer {
        Err(StoreError::Condition) => Ok(()),
        other => other,
    }
}

fn not_written() -> StoreResult<()> {
    Err(StoreError::Busy("NotWritten".into()))
}
