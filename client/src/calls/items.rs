//! The caller's own items.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Client;
use crate::error::Error;
use crate::list::List;
use crate::request::Request;
use crate::types::{BatchResult, Item, ItemChange, ItemRemoval};

impl Client {
    /// The caller's items.
    pub fn items(&self) -> List<Item> {
        self.list(&["user", "data"])
    }

    /// The caller's items of one data type.
    pub fn items_of(&self, data_type: &str) -> List<Item> {
        self.list(&["user", "data", "types", data_type])
    }

    /// Creates an item. `fields` is anything that becomes a JSON object.
    ///
    /// # Errors
    /// `invalid` if the fields are not those of the type; see [`Error`].
    pub async fn create_item<F: Serialize + ?Sized>(
        &self,
        data_type: &str,
        fields: &F,
    ) -> Result<Item, Error> {
        let body = NewItemOf { data_type, fields };
        self.making(&["user", "data"]).json(&body).read().await
    }

    /// An item.
    ///
    /// # Errors
    /// `not-found`; see [`Error`].
    pub async fn item(&self, id: &str) -> Result<Item, Error> {
        self.get(&["user", "data", id]).read().await
    }

    /// An item, or none if it still has the version that the caller knows.
    ///
    /// # Errors
    /// `not-found`; see [`Error`].
    pub async fn item_unless(&self, id: &str, known_version: u64) -> Result<Option<Item>, Error> {
        self.get(&["user", "data", id]).unless_version(known_version).read_unless_known().await
    }

    /// Changes fields of an item: null takes one away, and those that are not named stay. With an expected version only
    /// if it still has it. Not repeated by itself.
    ///
    /// # Errors
    /// [`Error::OtherVersion`]; see [`Error`].
    pub async fn update_item<F: Serialize + ?Sized>(
        &self,
        id: &str,
        changes: &F,
        expected_version: Option<u64>,
    ) -> Result<Item, Error> {
        let request = if_version(self.patch(&["user", "data", id]), expected_version);
        request.merge_patch(&Changes { fields: changes }).read().await
    }

    /// Deletes an item; with an expected version only if it still has it.
    ///
    /// # Errors
    /// [`Error::OtherVersion`], `not-found`; see [`Error`].
    pub async fn delete_item(&self, id: &str, expected_version: Option<u64>) -> Result<(), Error> {
        if_version(self.delete(&["user", "data", id]), expected_version).done().await
    }

    /// Creates up to [`crate::MOST_OF_A_BATCH`] items, each for itself: the results are in their order. Each is a
    /// [`crate::NewItem`] or something that becomes the same JSON.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_items<I: Serialize>(&self, items: &[I]) -> Result<Vec<BatchResult>, Error> {
        let request = self.making(&["user", "data", "batch"]).json(&json!({ "items": items }));
        results(items.len(), request).await
    }

    /// Changes up to [`crate::MOST_OF_A_BATCH`] items, each for itself. Not repeated by itself.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn update_items(&self, changes: &[ItemChange]) -> Result<Vec<BatchResult>, Error> {
        let request = self.patch(&["user", "data", "batch"]).merge_patch(&json!({ "items": changes }));
        results(changes.len(), request).await
    }

    /// Deletes up to [`crate::MOST_OF_A_BATCH`] items, each for itself. Not repeated by itself.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_items(&self, removals: &[ItemRemoval]) -> Result<Vec<BatchResult>, Error> {
        let request = self.post(&["user", "data", "batch", "delete"]).json(&json!({ "items": removals }));
        results(removals.len(), request).await
    }
}

/// Without a copy of the fields.
#[derive(Serialize)]
struct NewItemOf<'f, F: ?Sized> {
    #[serde(rename = "type")]
    data_type: &'f str,
    fields: &'f F,
}

#[derive(Serialize)]
struct Changes<'f, F: ?Sized> {
    fields: &'f F,
}

fn if_version(request: Request<'_>, expected: Option<u64>) -> Request<'_> {
    match expected {
        Some(version) => request.if_version(version),
        None => request,
    }
}

async fn results(sent: usize, request: Request<'_>) -> Result<Vec<BatchResult>, Error> {
    #[derive(Deserialize)]
    struct Results {
        results: Vec<BatchResult>,
    }
    let name = request.name();
    let Results { results } = request.read().await?;
    if results.len() != sent {
        let why = format!("{} results for {sent} items", results.len());
        return Err(Error::Strange { request: name, why });
    }
    Ok(results)
}
