//! *Naive copying*: one table for everything, an index by time and an index by type, and a stream handler that looks
//! the memberships of each record up and writes the copies in unconditional batches. No versions, no epochs, no
//! tombstones: a late record brings back what was deleted. That is what it is cheaper by.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use futures::future::try_join_all;
use serde_json::Value as Json;

use crate::error::{BenchError, Result};
use crate::world::{World, create_table};

type Row = HashMap<String, AttributeValue>;

/// The table.
pub const TABLE: &str = "n-everything";

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// The naive system over a client.
#[derive(Debug, Clone)]
pub struct Naive(pub Client);

/// A reading's row: of its owner, or of a group.
fn row(partition: String, id: &str, at: &str, mgdl: i64) -> Row {
    let body = Row::from([
        ("takenAt".to_owned(), text(at)),
        ("mgdl".to_owned(), AttributeValue::N(mgdl.to_string())),
        ("device".to_owned(), text("meter 7")),
    ]);
    Row::from([
        ("pk".to_owned(), text(partition)),
        ("sk".to_owned(), text(format!("ITEM#{id}"))),
        ("at".to_owned(), text(at)),
        ("kind".to_owned(), text(format!("glucose#{at}"))),
        ("body".to_owned(), AttributeValue::M(body)),
    ])
}

impl Naive {
    /// The system in a world of its own table.
    ///
    /// # Errors
    /// If the table cannot be made.
    pub fn new(world: &World) -> Result<Self> {
        create_table(&world.database, TABLE, &[("by-time", "at"), ("by-type", "kind")])?;
        Ok(Self(world.client.clone()))
    }

    /// Lets a user share into a group what lies above a bound.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn join(&self, user: &str, group: &str) -> Result<()> {
        let put = self.0.put_item().table_name(TABLE);
        put.item("pk", text(format!("USER#{user}")))
            .item("sk", text(format!("MEMBER#{group}")))
            .item("above", AttributeValue::N("10".into()))
            .send()
            .await
            .map_err(BenchError::other)?;
        Ok(())
    }

    /// Writes a reading, new or not.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put(&self, user: &str, id: &str, at: &str, mgdl: i64) -> Result<()> {
        let put = self.0.put_item().table_name(TABLE);
        let put = put.set_item(Some(row(format!("USER#{user}"), id, at, mgdl)));
        put.send().await.map_err(BenchError::other)?;
        Ok(())
    }

    /// Deletes a reading.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete(&self, user: &str, id: &str) -> Result<()> {
        let delete = self.0.delete_item().table_name(TABLE);
        let delete = delete.key("pk", text(format!("USER#{user}"))).key("sk", text(format!("ITEM#{id}")));
        delete.send().await.map_err(BenchError::other)?;
        Ok(())
    }

    /// The stream handler as one writes it first: record by record.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn handle(&self, records: &[Json]) -> Result<usize> {
        let mut written = 0;
        for record in records {
            let Some(user) = user(record) else { continue };
            let writes = writes(record, &self.memberships(user).await?)?;
            written += writes.len();
            for chunk in writes.chunks(25) {
                self.send(chunk).await?;
            }
        }
        Ok(written)
    }

    /// The stream handler of somebody who has measured that: memberships are asked once for each user of a delivery, users
    /// side by side, and copies are sent 25 at a time, all at once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn handle_at_once(&self, records: &[Json]) -> Result<usize> {
        let mut users: BTreeMap<&str, Vec<&Json>> = BTreeMap::new();
        for record in records {
            users.entry(user(record).unwrap_or_default()).or_default().push(record);
        }
        let each = users.iter().map(|(user, records)| async move {
            let memberships = self.memberships(user).await?;
            let mut all = Vec::new();
            for record in records {
                all.extend(writes(record, &memberships)?);
            }
            Ok::<_, BenchError>(all)
        });
        let all = try_join_all(each).await?.concat();
        try_join_all(all.chunks(25).map(|chunk| self.send(chunk))).await?;
        Ok(all.len())
    }

    async fn send(&self, writes: &[WriteRequest]) -> Result<()> {
        let batch = self.0.batch_write_item().request_items(TABLE, writes.to_vec());
        batch.send().await.map_err(BenchError::other)?;
        Ok(())
    }

    async fn memberships(&self, user: &str) -> Result<Vec<(String, i64)>> {
        let query = self.0.query().table_name(TABLE);
        let answer = query
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", text(format!("USER#{user}")))
            .expression_attribute_values(":sk", text("MEMBER#"))
            .send()
            .await
            .map_err(BenchError::other)?;
        let read = |row: &Row| {
            let group = row.get("sk")?.as_s().ok()?.strip_prefix("MEMBER#")?.to_owned();
            Some((group, row.get("above")?.as_n().ok()?.parse().ok()?))
        };
        Ok(answer.items().iter().filter_map(read).collect())
    }
}

/// Whose item a record is about.
fn user(record: &Json) -> Option<&str> {
    record["dynamodb"]["Keys"]["pk"]["S"].as_str()?.strip_prefix("USER#")
}

/// What a record means for the groups of its user.
fn writes(record: &Json, memberships: &[(String, i64)]) -> Result<Vec<WriteRequest>> {
    let Some(sk) = record["dynamodb"]["Keys"]["sk"]["S"].as_str() else { return Ok(Vec::new()) };
    let image = &record["dynamodb"]["NewImage"];
    let mut writes = Vec::new();
    for (group, above) in memberships {
        let partition = format!("GROUP#{group}");
        if image.is_null() {
            let key = Row::from([("pk".to_owned(), text(partition)), ("sk".to_owned(), text(sk))]);
            let delete = DeleteRequest::builder().set_key(Some(key)).build().map_err(BenchError::other)?;
            writes.push(WriteRequest::builder().delete_request(delete).build());
            continue;
        }
        let (at, mgdl) = (image["at"]["S"].as_str().unwrap_or_default(), number(image));
        if mgdl > *above {
            let id = sk.trim_start_matches("ITEM#");
            let put = PutRequest::builder().set_item(Some(row(partition, id, at, mgdl)));
            let put = put.build().map_err(BenchError::other)?;
            writes.push(WriteRequest::builder().put_request(put).build());
        }
    }
    Ok(writes)
}

fn number(image: &Json) -> i64 {
    image["body"]["M"]["mgdl"]["N"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}
