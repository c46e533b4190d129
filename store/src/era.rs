//! The era: what separates the versions of before a restore from those of after it.
//!
//! A restore takes the source back in time, so versions start over below those that copies carry already, and writes
//! of after the restore would be refused as late ones. The era is the first part of a copy's order and grows with each
//! restore, so that every write of the new era is above every one of the former.
//!
//! It is one row of the directory. A function reads it, consistently, when it starts, and works on with it as long as
//! its process lives; `FREEHOLD_ERA` in its environment says the same number and is what makes Lambda start new
//! processes when it is raised. So for a moment functions of both eras run. Why that is safe:
//!
//! - What takes away must not lose against what gave. The API's function is switched first, and only when every
//!   invocation of its former processes has ended are the others switched. From then on whoever hides something
//!   synchronously has at least the era of whoever showed it.
//! - A write of the former era that arrives late, from a process that was frozen say, is below every copy of the new
//!   one and is refused. Where there is no copy yet it stands until the reconcile comes by, which is started after the
//!   last function was switched and compares every copy with its source: it accepts no copy of another era.
//! - The row grows by a conditional write, so two people who reconcile at once raise it once or twice, never back.

use domain::time::Timestamp;

use crate::Store;
use crate::attr;
use crate::document::Document;
use crate::error::{Result, StoreError, sdk};
use crate::keys::Key;

fn key() -> Key {
    Key { pk: "STACK".into(), sk: "ERA".into() }
}

impl Store {
    /// The era that counts now; 0 before the first restore.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn era(&self) -> Result<u16> {
        let Some(row) = self.directory_row(&key()).await? else { return Ok(0) };
        attr::get_number(&row, "era").map_err(|what| StoreError::corrupt("directory", what))
    }

    /// Begins the era after `before`, and says which it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody else began one meanwhile.
    pub async fn begin_era(&self, before: u16, now: Timestamp) -> Result<u16> {
        let next = before.checked_add(1).ok_or(StoreError::Conflict("there are no more eras"))?;
        let row = attr::row(&key(), [("era", attr::number(next)), ("since", attr::text(now.to_string()))]);
        let put = self.client.put_item().table_name(&self.tables.directory).set_item(Some(row));
        let put = match before {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            _ => put
                .condition_expression("era = :before")
                .expression_attribute_values(":before", attr::number(before)),
        };
        match put.send().await.map_err(sdk) {
            Ok(_) => Ok(next),
            Err(StoreError::Condition) => Err(StoreError::Conflict("another era was begun at the same time")),
            Err(error) => Err(error),
        }
    }

    /// Reads a document with the era of now.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none of that hash.
    pub async fn current_document(&self, hash: &str) -> Result<Document> {
        let (document, era) = futures::future::try_join(self.document(hash), self.era()).await?;
        Ok(Document { era, ..document })
    }
}
