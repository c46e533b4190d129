//! `PATCH /user/data/{data_id}`: a merge patch (RFC 7396) over an item's fields.

use domain::id::{DriveId, ItemId};
use domain::item::Item;
use domain::value::fields_to_json;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use store::StoreError;

use super::data::{check_size, item_json};
use super::request::SINGLE_BODY;
use super::response::Response;
use super::{Answer, Call, effects};
use crate::problem::{Mistake, Problem};

/// How often somebody else may be first.
const ATTEMPTS: u32 = 6;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Patch {
    pub(super) fields: Map<String, Json>,
}

impl Call<'_> {
    pub(super) async fn update_data(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let patch: Patch = self.request.patch(SINGLE_BODY)?;
        let id = self.item_id()?;
        let expected = self.expected_version(&caller.drive, &id).await?;
        let item = self.patch_item(&caller.drive, &id, &patch, expected).await?;
        Ok(Response::json(200, &item_json(&item)).version(item.version))
    }

    /// Merges a patch into an item, if it has the version that is expected; whoever else changes it at the same time.
    pub(super) async fn patch_item(
        &self,
        drive: &DriveId,
        id: &ItemId,
        patch: &Patch,
        expected: Option<u64>,
    ) -> Result<Item, Problem> {
        let mut before = self.own_item(drive, id).await?;
        for _ in 0..ATTEMPTS {
            if expected.is_some_and(|version| version != before.version) {
                return Err(Problem::precondition(before.version));
            }
            let next = self.patched(&before, patch)?;
            if next.fields == before.fields {
                // Nothing to write. But an earlier call may have written just this and been cut off before the copies.
                effects::repeated(self, &before).await?;
                return Ok(before);
            }
            match self.store().update_item(&before, &next).await {
                Ok(()) => {
                    effects::updated(self, &before, &next).await?;
                    return Ok(next);
                }
                Err(StoreError::Condition) => {}
                Err(error) => return Err(error.into()),
            }
            let current = self.own_item(drive, id).await?;
            if is_same_write(&current, &next) {
                // Our own, by an attempt whose answer was lost.
                effects::updated(self, &before, &next).await?;
                return Ok(next);
            }
            before = current;
        }
        Err(Problem::unavailable("the item keeps changing; repeat in a moment"))
    }

    fn patched(&self, before: &Item, patch: &Patch) -> Result<Item, Problem> {
        let data_type = self.document().data_types.get(&before.data_type);
        let data_type = data_type.ok_or_else(|| Problem::not_found("item"))?;
        let fields = data_type.patched(&before.fields, &patch.fields);
        let fields = fields.map_err(|errors| Problem::invalid(errors.into_iter().map(Mistake::from)))?;
        if patch.fields.contains_key(data_type.time.as_str())
            && data_type.time_of(&fields) != Some(before.time())
        {
            let detail =
                format!("`{}` cannot change; delete the item and create another one", data_type.time);
            return Err(Problem::new(422, "time-immutable", "an item's time cannot change", detail));
        }
        check_size(&fields_to_json(&fields))?;
        Ok(Item { version: before.version + 1, fields, updated: self.now, ..before.clone() })
    }
}

fn is_same_write(current: &Item, next: &Item) -> bool {
    current.version == next.version && current.updated == next.updated && current.fields == next.fields
}
