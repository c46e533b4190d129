//! Unconditional writes, many in a request.

use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteRequest, PutRequest, WriteRequest};

use crate::Store;
use crate::attr::Row;
use crate::error::{Result, StoreError, sdk};

/// How often what the database had no capacity for is offered again.
const AGAIN: u32 = 5;

/// A row to be put.
pub(crate) fn put(row: Row) -> Result<WriteRequest> {
    let put = PutRequest::builder().set_item(Some(row)).build().map_err(built)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

/// A row to be deleted, by its key.
pub(crate) fn delete(key: Row) -> Result<WriteRequest> {
    let delete = DeleteRequest::builder().set_key(Some(key)).build().map_err(built)?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

fn built(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl Store {
    /// Sends up to [`crate::data::BATCH`] writes, and again what is not taken, with growing and jittered waits of a second
    /// altogether. Gives what was not taken in the end.
    pub(crate) async fn write_batch(
        &self,
        table: &str,
        mut left: Vec<WriteRequest>,
    ) -> Result<Vec<WriteRequest>> {
        for attempt in 0..=AGAIN {
            let write = self.client.batch_write_item().request_items(table, left);
            let answer = write.send().await.map_err(sdk)?;
            left = answer.unprocessed_items.unwrap_or_default().remove(table).unwrap_or_default();
            if left.is_empty() || attempt == AGAIN {
                break;
            }
            let most = 25u64 << attempt;
            tokio::time::sleep(Duration::from_millis(most / 2 + fastrand::u64(..most))).await;
        }
        Ok(left)
    }

    /// [`Store::write_batch`], of which all must be taken.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if some was not; the rest is written then.
    pub(crate) async fn write_whole_batch(&self, table: &str, requests: Vec<WriteRequest>) -> Result<()> {
        match self.write_batch(table, requests).await?.is_empty() {
            true => Ok(()),
            false => Err(StoreError::Busy("unprocessed".into())),
        }
    }
}
