//! `/user/data`: the caller's own items, one at a time.

use domain::datatype::DataType;
use domain::id::{DriveId, ItemId, Name};
use domain::item::Item;
use domain::time::Timestamp;
use domain::value::fields_to_json;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use store::StoreError;
use store::once::Stamp;

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
    pub(super) fn new_item(
        &self,
        drive: &DriveId,
        sent: &NewItem,
        (stamp, n): (&Stamp, usize),
    ) -> Result<Item, Problem> {
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
        if expires.is_some_and(|end| end <= stamp.at) {
            let days = data_type.retention_days.unwrap_or_default();
            return Err(wrong_time(&format!(
                "is past: items of this type are kept for {days} days after their time"
            )));
        }
        Ok(Item {
            drive: drive.clone(),
            data_type: data_type.name.clone(),
            id: stamp.item(n, time, &data_type.name),
            version: 1,
            fields,
            updated: stamp.at,
            expires,
        })
    }

    pub(super) async fn create_data(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let sent: NewItem = self.request.json(SINGLE_BODY)?;
        let stamp = Stamp::fresh(self.now);
        let mut item = self.new_item(&caller.drive, &sent, (&stamp, 0))?;
        match self.keyed(&caller)? {
            Some(keyed) => {
                let written = std::slice::from_ref(&item);
                if let Some(before) = self.store().create_items_once(written, &keyed, &stamp).await? {
                    item = self.new_item(&caller.drive, &sent, (&before, 0))?;
                }
            }
            None => match self.store().create_item(&item).await {
                // Nobody else draws the same identifier: an attempt of this very call wrote it, and its answer was lost.
                Ok(()) | Err(StoreError::Condition) => {}
                Err(error) => return Err(error.into()),
            },
        }
        let location = format!("/user/data/{}", item.id);
        Ok(Response::json(201, &item_json(&item)).header("location", location).version(item.version))
    }

    pub(super) async fn get_data(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let item = self.own_item(&caller.drive, &self.item_id()?).await?;
        if self.request.has_version(item.version) {
            return Ok(Response::not_modified(item.version));
        }
        Ok(Response::json(200, &item_json(&item)).version(item.version))
    }

    /// An item of the caller; what has expired is gone, even while its row is still there.
    pub(super) async fn own_item(&self, drive: &DriveId, id: &ItemId) -> Result<Item, Problem> {
        let item = self.store().item(drive, id, self.document()).await?;
        if is_over(&item, self.now) { Err(Problem::not_found("item")) } else { Ok(item) }
    }

    pub(super) async fn list_data(&self) -> Answer {
        let (types, about) = self.chosen_types()?;
        self.list_own(&types, &about, true).await
    }

    pub(super) async fn list_data_of_type(&self) -> Answer {
        let data_type = self.data_type()?;
        self.list_own(&[data_type], data_type.name.as_str(), false).await
    }

    async fn list_own(&self, types: &[&DataType], about: &str, choosable: bool) -> Answer {
        let caller = self.caller().await?;
        let paging = Paging::of_items(self, &[caller.user.as_str(), about], choosable)?;
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
        let expected = self.expected_version(&caller.drive, &id).await?;
        self.delete_own(&caller.drive, &id, expected).await?;
        Ok(Response::empty())
    }

    /// The version that an item of the caller must have for this request, by `If-Match`; none if any will do.
    pub(super) async fn expected_version(
        &self,
        drive: &DriveId,
        id: &ItemId,
    ) -> Result<Option<u64>, Problem> {
        match self.request.if_match()?.as_deref() {
            None => Ok(None),
            Some([version]) => Ok(Some(*version)),
            // Of several, or of none that an item can have, only the item knows.
            Some(versions) => {
                let current = self.own_item(drive, id).await?.version;
                versions
                    .contains(&current)
                    .then_some(Some(current))
                    .ok_or_else(|| Problem::precondition(current))
            }
        }
    }

    /// Deletes an item and its copies, if it has the version that is expected.
    pub(super) async fn delete_own(
        &self,
        drive: &DriveId,
        id: &ItemId,
        expected: Option<u64>,
    ) -> Result<(), Problem> {
        for data_type in self.document().types_of(id) {
            match self.store().delete_item(drive, &data_type.name, id, expected).await {
                Ok(version) => {
                    return Ok(effects::deleted(self, drive, &data_type.name, id, Some(version)).await?);
                }
                // Another version, or none.
                Err(StoreError::Condition) => match self.store().item(drive, id, self.document()).await {
                    Ok(item) => return Err(Problem::precondition(item.version)),
                    Err(StoreError::Missing(_)) => {}
                    Err(error) => return Err(error.into()),
                },
                Err(StoreError::Missing(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // An earlier call may have deleted the item and been cut off before its copies; whoever repeats it, finishes it.
        for data_type in self.document().types_of(id) {
            effects::deleted(self, drive, &data_type.name, id, None).await?;
        }
        Err(Problem::not_found("item"))
    }
}

fn is_over(item: &Item, now: Timestamp) -> bool {
    item.expires.is_some_and(|end| end <= now)
}
