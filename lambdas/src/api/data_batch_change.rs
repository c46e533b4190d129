//! `PATCH /user/data/batch` and `POST /user/data/batch/delete`: many items changed or deleted at once, each succeeding
//! or failing on its own.

use std::collections::BTreeSet;

use domain::id::ItemId;
use futures::stream::{self, StreamExt as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

use super::data_batch::MOST;
use super::data_update::Patch;
use super::request::{BATCH_BODY, given};
use super::response::Response;
use super::{Answer, Call};
use crate::problem::{Mistake, Problem};

/// Items that are worked on at the same time.
const AT_ONCE: usize = 8;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    items: Vec<Json>,
}

/// One entry of a batch that names an item.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    id: String,
    #[serde(default, deserialize_with = "given")]
    version: Option<u64>,
    fields: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    id: String,
    #[serde(default, deserialize_with = "given")]
    version: Option<u64>,
}

/// What names an item.
trait Named {
    fn id(&self) -> &str;
}

impl Named for Change {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Named for Removal {
    fn id(&self) -> &str {
        &self.id
    }
}

fn item_id(text: &str) -> Result<ItemId, Problem> {
    ItemId::parse(text).map_err(|_| Problem::not_found("item"))
}

/// The entries of a batch, each read or refused on its own. An item named twice has no one right outcome.
fn entries<T: Named + DeserializeOwned>(batch: Batch) -> Result<Vec<Result<T, Problem>>, Problem> {
    if batch.items.is_empty() || batch.items.len() > MOST {
        let message = format!("must have from 1 to {MOST} entries, not {}", batch.items.len());
        return Err(Problem::invalid([Mistake::at("items", message)]));
    }
    let mut named = BTreeSet::new();
    let mut read = |json: Json| {
        let entry: T = domain::json::read(json).map_err(|error| {
            Problem::invalid([Mistake::at("", format!("is not an entry of this batch: {error}"))])
        })?;
        match named.insert(entry.id().to_owned()) {
            true => Ok(entry),
            false => Err(Problem::invalid([Mistake::at("id", "is named twice in this batch")])),
        }
    };
    Ok(batch.items.into_iter().map(&mut read).collect())
}

impl Call<'_> {
    pub(super) async fn update_data_batch(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let changes = entries::<Change>(self.request.patch(BATCH_BODY)?)?;
        let change = |change: Result<Change, Problem>| async {
            let Change { id, version, fields } = change?;
            let item = self.patch_item(&caller.drive, &item_id(&id)?, &Patch { fields }, version).await?;
            Ok(json!({ "status": 200, "id": item.id.as_str(), "version": item.version }))
        };
        self.each(changes, change).await
    }

    pub(super) async fn delete_data_batch(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let removals = entries::<Removal>(self.request.json(BATCH_BODY)?)?;
        let remove = |removal: Result<Removal, Problem>| async {
            let Removal { id, version } = removal?;
            self.delete_own(&caller.drive, &item_id(&id)?, version).await?;
            Ok(json!({ "status": 204, "id": id }))
        };
        self.each(removals, remove).await
    }

    /// Works on the entries a few at a time; the results come in their order.
    async fn each<T, F>(
        &self,
        entries: Vec<Result<T, Problem>>,
        work: impl Fn(Result<T, Problem>) -> F,
    ) -> Answer
    where
        F: Future<Output = Result<Json, Problem>>,
    {
        let results: Vec<Json> = stream::iter(entries.into_iter().map(work))
            .buffered(AT_ONCE)
            .map(|result| result.unwrap_or_else(|problem| self.failed(&problem)))
            .collect()
            .await;
        Ok(Response::json(200, &json!({ "results": results })))
    }
}
