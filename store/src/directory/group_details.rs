//! A group's name and purpose.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::id::{GroupId, UserId};
use domain::purpose::Purpose;

use super::built;
use super::governing::NO_OWNER;
use super::groups::GroupRow;
use crate::Store;
use crate::attr;
use crate::error::{Result, StoreError, sdk};
use crate::keys;

/// What changes of a group; what is none stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupDetails<'a> {
    /// Its name.
    pub name: Option<&'a str>,
    /// Its purpose; `Some(None)` removes it.
    pub description: Option<Option<&'a Purpose>>,
}

impl Store {
    /// Changes the name or purpose of a group that was created through the API.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if stack.yaml declares the group, [`StoreError::Forbidden`] if `by` does not own it,
    /// [`StoreError::Missing`] if it is gone.
    pub async fn update_group(&self, group: &GroupId, details: &GroupDetails<'_>, by: &UserId) -> Result<()> {
        let mut update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(group))))
            .condition_expression("#state = :active AND attribute_not_exists(declared)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":active", attr::text("active"));
        let (mut set, mut remove) = (Vec::new(), "");
        if let Some(name) = details.name {
            set.push("#name = :name");
            update = update
                .expression_attribute_names("#name", "name")
                .expression_attribute_values(":name", attr::text(name));
        }
        match details.description {
            Some(Some(purpose)) => {
                set.push("description = :description");
                update = update.expression_attribute_values(":description", attr::text(purpose.as_str()));
            }
            Some(None) => remove = " REMOVE description",
            None => {}
        }
        let set = if set.is_empty() { String::new() } else { format!("SET {}", set.join(", ")) };
        let update = update.update_expression(format!("{set}{remove}").trim()).build().map_err(built)?;
        let update = TransactWriteItem::builder().update(update).build();
        match self.transact(vec![update, self.still_owns(group, by)?]).await {
            Err(error) if error.refused_at(0) => match self.group(group).await?.declared {
                Some(_) => {
                    Err(StoreError::Conflict("the group's name and purpose are what stack.yaml declares"))
                }
                None => Err(StoreError::Missing("group")),
            },
            Err(error) if error.refused_at(1) => Err(StoreError::Forbidden(NO_OWNER)),
            other => other,
        }
    }

    /// Gives a declared group the purpose that stack.yaml declares, or none.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the group is gone.
    pub async fn describe_declared_group(&self, group: &GroupRow, purpose: Option<&Purpose>) -> Result<()> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(&group.id))))
            .condition_expression("#state = :active")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":active", attr::text("active"));
        let update = match purpose {
            Some(purpose) => update
                .update_expression("SET description = :description")
                .expression_attribute_values(":description", attr::text(purpose.as_str())),
            None => update.update_expression("REMOVE description"),
        };
        match update.send().await.map_err(sdk) {
            Ok(_) => Ok(()),
            Err(StoreError::Condition) => Err(StoreError::Missing("group")),
            Err(error) => Err(error),
        }
    }
}
