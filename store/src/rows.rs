//! Rows by their keys, many at once.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{Get, KeysAndAttributes, TransactGetItem};

use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, Key};

/// How fresh what is read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// As it was a moment ago, at half the cost.
    Eventual,
    /// With all that was acknowledged before the call.
    Consistent,
}

/// Keys in one request.
pub(crate) const KEYS: usize = 100;

impl Store {
    /// The rows at these keys; those that are not there are left out.
    pub(crate) async fn rows_at(
        &self,
        table: &str,
        keys: &[Key],
        freshness: Freshness,
    ) -> Result<HashMap<Key, Row>> {
        let mut found = HashMap::new();
        // The same key twice in one call is refused.
        let keys: BTreeSet<&Key> = keys.iter().collect();
        let keys: Vec<&Key> = keys.into_iter().collect();
        for chunk in keys.chunks(KEYS) {
            let mut wanted: Vec<Row> = chunk.iter().map(|key| attr::key_row(key)).collect();
            while !wanted.is_empty() {
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(std::mem::take(&mut wanted)))
                    .consistent_read(freshness == Freshness::Consistent)
                    .build()
                    .map_err(|error| StoreError::Unavailable(error.to_string()))?;
                let answer =
                    self.client.batch_get_item().request_items(table, request).send().await.map_err(sdk)?;
                for row in answer.responses.unwrap_or_default().into_values().flatten() {
                    found.extend(key_of(&row).map(|key| (key, row)));
                }
                let left = answer.unprocessed_keys.unwrap_or_default().remove(table);
                wanted = left.map(|left| left.keys).unwrap_or_default();
                if !wanted.is_empty() {
                    tokio::time::sleep(Duration::from_millis(20 + fastrand::u64(..60))).await;
                }
            }
        }
        Ok(found)
    }

    /// The rows at these keys, [`KEYS`] at most, as they were at one moment; none if a transaction was under way on one of
    /// them. What costs twice as much as reading them one by one is that no transaction is seen in part.
    pub(crate) async fn rows_at_once(&self, table: &str, keys: &[Key]) -> Result<Option<HashMap<Key, Row>>> {
        let get = |key: &Key| {
            let get = Get::builder().table_name(table).set_key(Some(attr::key_row(key))).build();
            let get = get.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            Ok(TransactGetItem::builder().get(get).build())
        };
        let gets = keys.iter().map(get).collect::<Result<Vec<_>>>()?;
        let answer = match self.client.transact_get_items().set_transact_items(Some(gets)).send().await {
            Err(error) if error.code() == Some("TransactionCanceledException") => return Ok(None),
            answer => answer.map_err(sdk)?,
        };
        let rows = answer.responses.unwrap_or_default().into_iter().filter_map(|response| response.item);
        Ok(Some(rows.filter_map(|row| key_of(&row).map(|key| (key, row))).collect()))
    }
}

fn key_of(row: &Row) -> Option<Key> {
    let text = |name| attr::get_text(row, name).ok().map(str::to_owned);
    Some(Key { pk: text(keys::PK)?, sk: text(keys::SK)? })
}
