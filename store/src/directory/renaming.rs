//! The names under which stack.yaml knows groups.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem, Update};
use domain::id::Name;

use super::groups::GroupRow;
use super::{built, unreadable};
use crate::error::{Result, StoreError};
use crate::{Store, attr, keys};

impl Store {
    /// Gives a declared group another name; its members, rules and copies stay what they are. One transaction: nobody
    /// ever finds it under both names, or under none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is a group of the new name, or none of the old.
    pub async fn rename_declared_group(&self, group: &GroupRow, from: &Name, to: &Name) -> Result<()> {
        let name_row = attr::row(&keys::declared_group(to), [("group", attr::text(group.id.as_str()))]);
        let forget = Delete::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::declared_group(from))))
            .condition_expression("#group = :group")
            .expression_attribute_names("#group", "group")
            .expression_attribute_values(":group", attr::text(group.id.as_str()));
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(&group.id))))
            .update_expression("SET #name = :to, declared = :to")
            .condition_expression("#state = :active")
            .expression_attribute_names("#name", "name")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":to", attr::text(to.as_str()))
            .expression_attribute_values(":active", attr::text("active"));
        let actions = vec![
            self.put_new(name_row)?,
            TransactWriteItem::builder().delete(forget.build().map_err(built)?).build(),
            TransactWriteItem::builder().update(update.build().map_err(built)?).build(),
        ];
        match self.transact(actions).await {
            Err(error) if error.refused_at(0) => {
                Err(StoreError::Conflict("a group of the new name exists already"))
            }
            Err(error) if error.refused_at(1) || error.refused_at(2) => {
                Err(StoreError::Conflict("the group has another name by now, or is gone"))
            }
            other => other,
        }
    }

    /// The names in stack.yaml of all groups that were ever declared and not given up since.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn declared_names(&self) -> Result<Vec<Name>> {
        const BEFORE: &str = "GROUP#";
        let rows = self.directory_rows("STACK", BEFORE).await?;
        let name = |row| {
            let sort = attr::get_text(row, keys::SK).map_err(unreadable)?;
            Name::parse(sort.strip_prefix(BEFORE).unwrap_or_default()).map_err(|e| unreadable(e.to_string()))
        };
        rows.iter().map(name).collect()
    }
}
