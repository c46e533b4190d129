//! Items whose copies need repair: the parking place for records that cannot be replicated.

use domain::time::Timestamp;

use crate::Store;
use crate::attr;
use crate::error::{Result, sdk};
use crate::keys;

impl Store {
    /// Notes that an item needs repair. Only its key and the reason are kept, never its content.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn park(&self, drive: &str, sort: &str, reason: &str, now: Timestamp) -> Result<()> {
        let row = attr::row(
            &keys::repair(drive, sort),
            [
                ("drive", attr::text(drive)),
                ("item", attr::text(sort)),
                ("reason", attr::text(reason)),
                ("since", attr::text(now.to_string())),
            ],
        );
        self.client
            .put_item()
            .table_name(&self.tables.directory)
            .set_item(Some(row))
            .send()
            .await
            .map_err(sdk)?;
        Ok(())
    }

    /// How many items need repair.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn parked(&self) -> Result<usize> {
        Ok(self.directory_rows(keys::REPAIRS, "ITEM#").await?.len())
    }
}
