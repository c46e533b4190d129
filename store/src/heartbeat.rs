//! A heartbeat through the stream: how far the copies are behind what people wrote.
//!
//! The scrubber writes a row into *data* that is nobody's item, the stream carries it to the replicator like any
//! other, and the replicator notes in the directory when it saw it. One row is one key and so one shard of the stream:
//! it shows a stream that is cut off or a function that cannot keep up, but not that one other shard is stuck. For
//! that there is the comparison itself.

use domain::time::Timestamp;

use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError, sdk};
use crate::keys::Key;

/// The partition of the heartbeat in *data*. No drive can be called so.
const HEARTBEAT: &str = "HEARTBEAT";
const SENT: &str = "sent";
const SEEN: &str = "seen";

/// A heartbeat that came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// When it was sent.
    pub sent: Timestamp,
    /// When the stream function saw it.
    pub seen: Timestamp,
}

fn in_data() -> Key {
    Key { pk: HEARTBEAT.into(), sk: HEARTBEAT.into() }
}

fn in_directory() -> Key {
    Key { pk: "STACK".into(), sk: HEARTBEAT.into() }
}

/// Whether these keys of a stream record are a heartbeat's.
pub fn is_heartbeat(keys: &Row) -> bool {
    attr::get_text(keys, crate::keys::PK) == Ok(HEARTBEAT)
}

/// When the heartbeat of a stream image was sent; none if it does not say.
pub fn sent(image: &Row) -> Option<Timestamp> {
    attr::get_time(image, SENT).ok()
}

impl Store {
    /// Sends a heartbeat.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn beat(&self, now: Timestamp) -> Result<()> {
        let row = attr::row(&in_data(), [(SENT, attr::text(now.to_string()))]);
        self.client.put_item().table_name(&self.tables.data).set_item(Some(row)).send().await.map_err(sdk)?;
        Ok(())
    }

    /// Notes that a heartbeat came through. One that is repeated, or late, does not undo a later one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn note_beat(&self, beat: Beat) -> Result<()> {
        let (sent, seen) = (attr::text(beat.sent.to_string()), attr::text(beat.seen.to_string()));
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.directory)
            .set_item(Some(attr::row(&in_directory(), [(SENT, sent.clone()), (SEEN, seen)])))
            .condition_expression("attribute_not_exists(pk) OR #sent < :sent")
            .expression_attribute_names("#sent", SENT)
            .expression_attribute_values(":sent", sent);
        match put.send().await.map_err(sdk) {
            Ok(_) | Err(StoreError::Condition) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The latest heartbeat that came through.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn last_beat(&self) -> Result<Option<Beat>> {
        let Some(row) = self.directory_row(&in_directory()).await? else { return Ok(None) };
        let read =
            || Ok::<_, String>(Beat { sent: attr::get_time(&row, SENT)?, seen: attr::get_time(&row, SEEN)? });
        read().map(Some).map_err(|what| StoreError::corrupt("directory", what))
    }
}
