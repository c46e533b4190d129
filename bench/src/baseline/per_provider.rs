//! *N+1*: no copies. A page asks every provider of the group: may the group read (one consistent read), and what are the
//! latest items (one query). All providers are asked at once; the answers are merged and cut.
//!
//! It reads Freehold's own tables, so that rows and consistency are the same.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::GroupId;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::error::{BenchError, Result};
use crate::world::World;

/// Providers asked at once.
const AT_ONCE: usize = 64;

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// The latest items of all providers of a group.
///
/// # Errors
/// Those of the database.
pub async fn page(world: &World, group: &GroupId, limit: usize) -> Result<Vec<String>> {
    let drives = providers(world, group).await?;
    let pages: Vec<Vec<String>> = stream::iter(&drives)
        .map(|drive| latest(world, group, drive, limit))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut all = pages.concat();
    all.sort_unstable_by(|one, other| other.cmp(one));
    all.truncate(limit);
    Ok(all)
}

async fn providers(world: &World, group: &GroupId) -> Result<Vec<String>> {
    let (mut drives, mut start) = (Vec::new(), None);
    loop {
        let query = world.client.query().table_name("t-directory").consistent_read(true);
        let answer = query
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", text(format!("GROUP#{group}")))
            .expression_attribute_values(":sk", text("ROSTER#DRIVE#"))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(BenchError::other)?;
        let drive = |row: &std::collections::HashMap<_, AttributeValue>| {
            row.get("drive").and_then(|value| value.as_s().ok()).cloned()
        };
        drives.extend(answer.items().iter().filter_map(drive));
        start = answer.last_evaluated_key;
        if start.is_none() {
            return Ok(drives);
        }
    }
}

async fn latest(world: &World, group: &GroupId, drive: &str, limit: usize) -> Result<Vec<String>> {
    let permission = world.client.get_item().table_name("t-directory").consistent_read(true);
    let permission = permission
        .key("pk", text(format!("DRIVE#{drive}")))
        .key("sk", text(format!("PROVIDES#{group}")))
        .send();
    let items = world.client.query().table_name("t-data").consistent_read(true);
    let items = items
        .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
        .expression_attribute_values(":pk", text(drive))
        .expression_attribute_values(":sk", text("glucose#"))
        .scan_index_forward(false)
        .limit(i32::try_from(limit).unwrap_or(i32::MAX))
        .send();
    let (permission, items) = futures::join!(permission, items);
    if permission.map_err(BenchError::other)?.item.is_none() {
        return Ok(Vec::new());
    }
    let items = items.map_err(BenchError::other)?;
    let sort = |row: &std::collections::HashMap<_, AttributeValue>| {
        row.get("sk").and_then(|value| value.as_s().ok()).cloned()
    };
    Ok(items.items().iter().filter_map(sort).collect())
}
