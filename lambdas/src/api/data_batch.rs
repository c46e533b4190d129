//! `/user/data/batch`: many items at once, each succeeding or failing on its own.

use std::time::Duration;

use domain::item::Item;
use futures::future::join_all;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::data::BATCH;
use store::{Result as StoreResult, StoreError};

use super::data::NewItem;
use super::request::BATCH_BODY;
use super::response::Response;
use super::{Answer, Call};
use crate::problem::{Mistake, Problem};

/// Items of one call at most.
const MOST: usize = 100;
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
        let items: Vec<Result<Item, Problem>> = batch
            .items
            .into_iter()
            .map(|json| {
                let sent: NewItem = serde_json::from_value(json).map_err(|error| {
                    Problem::invalid([Mistake::at("", format!("is not an item: {error}"))])
                })?;
                self.new_item(&caller.drive, &sent)
            })
            .collect();
        let valid: Vec<Item> = items.iter().filter_map(|item| item.as_ref().ok()).cloned().collect();
        let mut written = self.write_all(valid).await.into_iter();
        let results: Vec<Json> = items
            .into_iter()
            .map(|item| {
                let item = item.and_then(|item| written.next().unwrap_or_else(not_written).map(|()| item).map_err(Problem::from));
                match item {
                    Ok(item) => json!({
                        "status": 201, "id": item.id.as_str(), "time": item.time().to_string(), "version": item.version,
                    }),
                    Err(problem) => self.failed(&problem),
                }
            })
            .collect();
        Ok(Response::json(200, &json!({ "results": results })))
    }

    fn failed(&self, problem: &Problem) -> Json {
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
