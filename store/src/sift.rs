//! Looking through a group's copies one after the other, after its rules were narrowed.

use std::collections::HashMap;

use domain::datatype::DataType;
use domain::id::{DriveId, ItemId, Name};
use domain::item::Item;
use domain::replication::ReplicaRow;

use crate::Store;
use crate::attr;
use crate::data::item_from_row;
use crate::document::Document;
use crate::error::Result;
use crate::keys::{self, Key};
use crate::page::{Direction, Rest, Window};
use crate::replicas::replica_from_row;
use crate::rows::Freshness;

/// Copies of one partition, in order.
#[derive(Debug)]
pub struct Copies {
    /// The copies, tombstones included; what cannot be read is the scrubber's.
    pub rows: Vec<Result<ReplicaRow>>,
    /// Behind which sort key the next ones begin; none if there are none.
    pub next: Option<String>,
}

impl Store {
    /// Copies of one partition behind a sort key, at most so many, read consistently.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn copies(
        &self,
        partition: &str,
        data_type: &DataType,
        after: Option<String>,
        limit: usize,
    ) -> Result<Copies> {
        let query = self.client.query().table_name(&self.tables.replicas).consistent_read(true);
        let everything = Window { from: None, to: None, limit, direction: Direction::Asc, after };
        let (rows, rest) = everything.read(query, (partition, ""), 1).await?;
        let last = rows.last().and_then(|row| attr::get_text(row, keys::SK).ok()).map(str::to_owned);
        let rows = rows.iter().map(|row| replica_from_row(row, data_type)).collect();
        Ok(Copies { rows, next: last.filter(|_| rest != Rest::Nothing) })
    }

    /// The items of copies as they are now; those that are gone, or cannot be read, are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn items_of(
        &self,
        copies: &[&ReplicaRow],
        document: &Document,
    ) -> Result<HashMap<(DriveId, Name, ItemId), Item>> {
        let keys: Vec<Key> =
            copies.iter().map(|copy| keys::item(&copy.drive, &copy.data_type, &copy.id)).collect();
        let rows = self.rows_at(&self.tables.data, &keys, Freshness::Consistent).await?;
        let items = rows.values().filter_map(|row| item_from_row(row, document).ok());
        Ok(items.map(|item| ((item.drive.clone(), item.data_type.clone(), item.id.clone()), item)).collect())
    }
}
