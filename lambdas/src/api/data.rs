//! `/user/data`: the caller's own items, one at a time.

use domain::datatype::DataType;
use domain::id::{DriveId, ItemId, Name};
use domain::item::Item;
use domain::time::Timestamp;
use domain::value::fields_to_json;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use store::{StoreError, ids};

use super::paging::Paging;
use super::request::SINGLE_BODY;
use super::response::Response;
use super::{Answer, Call, effects};
use crate::problem::{Mistake, Problem};

/// The most bytes of an item's fields as JSON: DynamoDB takes 400 KB for a row with everything in it.
const MOST_BYTES: usize = 300 * 1024;

/// An item as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewItem {
    #[serde(rename = "type")]
    data_type: String,
    fields: Map<String, Json>,
}

/// An item as its owner sees it.
pub(super) fn item_json(item: &Item) -> Json {
    json!({
        "id": item.id.as_str(),
        "type": item.data_type.as_str(),
        "time": item.time().to_string(),
        "version": item.version,
        "updated": item.updated.to_string(),
        "fields": fields_to_json(&item.fields),
    })
}

/// Refuses what would not fit.
pub(super) fn check_size(fields: &Map<String, Json>) -> Result<(), Problem> {
    let mut count = Counter(0);
    match serde_json::to_writer(&mut count, fields) {
        Ok(()) if count.0 <= MOST_BYTES => Ok(()),
        _ => Err(Problem::too_large(format!(
            "the fields of an item may have at most {MOST_BYTES} bytes as JSON"
        ))),
    }
}

/// Counts what is written, and keeps none of it.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> Call<'a> {
    /// Checks an item that was sent and gives it its identifier.
    pub(super) fn new_item(&self, drive: &DriveId, sent: &NewItem) -> Result<Item, Problem> {
        check_size(&sent.fields)?;
        let types = &self.document().data_types;
        let data_type = types.get(sent.data_type.as_str()).ok_or_else(|| {
            let known = types.keys().map(Name::as_str).collect::<Vec<_>>().join(", ");
            Problem::invalid([Mistake::at("type", format!("there is no such data type; there are {known}"))])
        })?;
        let fields = data_type.validate(&sent.fields);
        let fields = fields.map_err(|errors| Problem::invalid(errors.into_iter().map(Mistake::from)))?;
        let wrong_time = |why: &str| Problem::invalid([Mistake::at(data_type.time.as_str(), why)]);
        // A type whose time field is optional has no order for an item without it.
        let time = data_type.time_of(&fields).ok_or_else(|| wrong_time("is required"))?;
        let expires = data_type.expiry(time);
        if expires.is_some_and(|end| end <= self.now) {
            let days = data_type.retention_days.unwrap_or_default();
            return Err(wrong_time(&format!(
                "is past: items of this type are kept for {days} days after their time"
            )));
        }
        Ok(Item {
            drive: drive.clone(),
            data_type: data_type.name.clone(),
            id: ids::item(time, &data_type.name),
            version: 1,
            fields,
            updated: self.now,
            expires,
        })
    }

    pub(super) async fn create_data(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let sent: NewItem = self.request.json(SINGLE_BODY)?;
        let item = self.new_item(&caller.drive, &sent)?;
        match self.store().create_item(&item).await {
            // Nobody else draws the same identifier: an attempt of this very call wrote it, and its answer was lost.
            Ok(()) | Err(StoreError::Condition) => {}
            Err(error) => return Err(error.into()),
        }
        let location = format!("/user/data/{}", item.id);
        Ok(Response::json(201, &item_json(&item)).header("location", location).version(item.version))
    }

    pub(super) async fn get_data(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let item = self.own_item(&caller.drive, &self.item_id()?).await?;
        Ok(Response::json(200, &item_json(&item)).version(item.version))
    }

    /// An item of the caller; what has expired is gone, even while its row is still there.
    pub(super) async fn own_item(&self, drive: &DriveId, id: &ItemId) -> Result<Item, Problem> {
        let item = self.store().item(drive, id, self.document()).await?;
        if is_over(&item, self.now) { Err(Problem::not_found("item")) } else { Ok(item) }
    }

    pub(super) async fn list_data(&self) -> Answer {
        self.list_own(&self.document().data_types.values().collect::<Vec<_>>(), "").await
    }

    pub(super) async fn list_data_of_type(&self) -> Answer {
        let data_type = self.data_type()?;
        self.list_own(&[data_type], data_type.name.as_str()).await
    }

    async fn list_own(&self, types: &[&DataType], about: &str) -> Answer {
        let caller = self.caller().await?;
        let paging = Paging::of_items(self, &[caller.user.as_str(), about])?;
        let page =
            self.store().items(&caller.drive, types, &paging.window, self.document(), self.now).await?;
        let items = page.items.iter().map(|item| (item.id.to_string(), item_json(item)));
        Ok(paging.answer_sized(self, items.collect(), page.next))
    }

    /// The data type that the path names.
    pub(super) fn data_type(&self) -> Result<&'a DataType, Problem> {
        let types = &self.document().data_types;
        types.get(self.variable("type")).ok_or_else(|| Problem::not_found("data type"))
    }

    /// Deletes an item, and its copies in every group before answering.
    pub(super) async fn delete_data(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let id = self.item_id()?;
        if let Some(version) = self.request.if_match()? {
            let item = self.own_item(&caller.drive, &id).await?;
            if item.version != version {
                return Err(Problem::precondition(item.version));
            }
        }
        for data_type in self.document().types_of(&id) {
            match self.store().delete_item(&caller.drive, &data_type.name, &id).await {
                Ok(version) => {
                    effects::deleted(self, &caller.drive, &data_type.name, &id, Some(version)).await?;
                    return Ok(Response::empty());
                }
                Err(StoreError::Missing(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // An earlier call may have deleted the item and been cut off before its copies; whoever repeats it, finishes it.
        for data_type in self.document().types_of(&id) {
            effects::deleted(self, &caller.drive, &data_type.name, &id, None).await?;
        }
        Err(Problem::not_found("item"))
    }
}

fn is_over(item: &Item, now: Timestamp) -> bool {
    item.expires.is_some_and(|end| end <= now)
}
