//! Many rows at once, and records as the stream would bring them.

use domain::id::{DriveId, GroupId, ItemId, Name};
use domain::item::Item;
use domain::replication::{Change, ProviderMembership, decide};
use domain::time::Timestamp;
use domain::value::{Fields, Value};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value as Json, json};

use crate::error::{BenchError, Result};
use crate::world::{Person, World};

/// Calls under way at once.
const AT_ONCE: usize = 4;
/// Rows put in one transaction.
const PUT_AT_ONCE: usize = 10_000;
/// Decisions carried out by one call of the store.
const CHUNK: usize = 100;

/// The time of the reading of this number: one a minute.
pub fn minute(number: usize) -> Timestamp {
    // 2014-01-01
    Timestamp::from_millis(1_388_534_400_000 + number as i64 * 60_000)
}

/// A reading; its identifier follows from its number.
///
/// # Errors
/// None but those of the names of fields.
pub fn item(drive: &DriveId, number: usize, mgdl: i64) -> Result<Item> {
    let name = |text: &str| Name::parse(text).map_err(BenchError::other);
    let (data_type, at) = (name("glucose")?, minute(number));
    let fields = Fields::from([
        (name("takenAt")?, Value::Datetime(at)),
        (name("mgdl")?, Value::Integer(mgdl)),
        (name("device")?, Value::String("meter 7".into())),
    ]);
    // Spread over the whole space, as drawn numbers are.
    let random = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let id = ItemId::new(at, &data_type, random);
    Ok(Item { drive: drive.clone(), data_type, id, version: 1, fields, updated: at, expires: None })
}

/// Readings of a drive, with values from 100 on that go round after 200.
///
/// # Errors
/// Those of [`item`].
pub fn readings(drive: &DriveId, count: usize) -> Result<Vec<Item>> {
    (0..count).map(|number| item(drive, number, 100 + (number % 200) as i64)).collect()
}

/// Writes items into their drives.
///
/// # Errors
/// Those of the store.
pub async fn items(world: &World, items: &[Item]) -> Result<()> {
    stream::iter(items.chunks(store::data::BATCH).map(<[Item]>::to_vec))
        .map(|chunk| async move {
            for written in world.store.create_items(&chunk).await? {
                written?;
            }
            Ok::<_, BenchError>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Copies items into a group, each as one of the membership's that belongs to its drive.
///
/// # Errors
/// Those of the store.
pub async fn copies(
    world: &World,
    group: &GroupId,
    template: &ProviderMembership,
    items: &[Item],
) -> Result<()> {
    let row = world.store.group(group).await?;
    let book = world.store.rulebook(&row, &world.document).await?;
    stream::iter(items.chunks(CHUNK).map(<[Item]>::to_vec))
        .map(|chunk| {
            let book = &book;
            async move {
                let decisions: Vec<_> = chunk
                    .iter()
                    .map(|item| {
                        let membership = ProviderMembership { drive: item.drive.clone(), ..template.clone() };
                        decide(&Change::Present(item), &membership, book)
                    })
                    .collect();
                world.store.apply(&decisions, world.now).await?;
                Ok::<_, BenchError>(())
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// A row that the store has written, for others like it: they are put into the database past its front door, since
/// writing them through it takes longer than what is measured.
#[derive(Debug)]
pub struct Like<'i> {
    table: &'static str,
    row: String,
    item: &'i Item,
}

impl<'i> Like<'i> {
    /// Writes an item, for more items like it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn item(world: &World, item: &'i Item) -> Result<Self> {
        items(world, std::slice::from_ref(item)).await?;
        Self::found(world, "t-data", item)
    }

    /// Writes an item's copy in a group, for more copies there.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn copy(
        world: &World,
        group: &GroupId,
        membership: &ProviderMembership,
        item: &'i Item,
    ) -> Result<Self> {
        copies(world, group, membership, std::slice::from_ref(item)).await?;
        Self::found(world, "t-replicas", item)
    }

    fn found(world: &World, table: &'static str, item: &'i Item) -> Result<Self> {
        let partition = (table == "t-data").then(|| item.drive.as_str());
        let rows = world.rows(table, partition)?;
        let mut theirs = rows.iter().map(Json::to_string).filter(|row| row.contains(item.id.as_str()));
        let row = theirs.find(|row| row.contains(item.drive.as_str()));
        Ok(Self { table, row: row.ok_or_else(|| BenchError::other("a row is not there"))?, item })
    }

    /// Puts the rows of these, which may differ from the first in drive, identifier and time.
    ///
    /// # Errors
    /// If the database fails.
    pub fn put(&self, world: &World, items: &[Item]) -> Result<()> {
        let replaced = |item: &Item| {
            let row = self.row.replace(self.item.drive.as_str(), item.drive.as_str());
            let row = row.replace(self.item.id.as_str(), item.id.as_str());
            row.replace(&self.item.time().to_string(), &item.time().to_string())
        };
        for part in items.chunks(PUT_AT_ONCE) {
            let rows = part.iter().map(|item| Ok(serde_json::from_str(&replaced(item))?));
            world.put_rows(self.table, rows.collect::<Result<_>>()?)?;
        }
        Ok(())
    }
}

/// The membership of a provider.
///
/// # Errors
/// If there is none.
pub async fn membership(world: &World, group: &GroupId, drive: &DriveId) -> Result<ProviderMembership> {
    let found = world.store.provider(group, drive, &world.document).await?;
    found.ok_or_else(|| BenchError::other("the provider has not joined"))
}

/// Gives a group more providers, by copying the rows of one who joined through the API: joining each of a thousand would
/// take longer than all that is measured. Gives their drives.
///
/// # Errors
/// If the database fails.
pub fn more_providers(
    world: &World,
    group: &GroupId,
    like: &Person,
    count: usize,
    seed: u128,
) -> Result<Vec<DriveId>> {
    let pattern = like.drive.as_str();
    let own = world.rows("t-directory", Some(&format!("DRIVE#{pattern}")))?;
    let roster = world.rows("t-directory", Some(&format!("GROUP#{group}")))?;
    let is_theirs = |row: &&Json| {
        let text = row.to_string();
        text.contains(group.as_str()) && text.contains(pattern) && row.get("epoch").is_some()
    };
    let theirs: Vec<String> = own.iter().chain(&roster).filter(is_theirs).map(Json::to_string).collect();
    let (mut drives, mut rows) = (Vec::with_capacity(count), Vec::new());
    for number in 0..count {
        let bits = (seed + number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let drive = DriveId::from_bits(bits);
        for row in &theirs {
            rows.push(serde_json::from_str(&row.replace(pattern, drive.as_str()))?);
        }
        drives.push(drive);
    }
    world.put_rows("t-directory", rows)?;
    Ok(drives)
}

/// The record of the stream that says that this row was written, or removed.
pub fn record(event: &str, row: &Json) -> Json {
    let image = if event == "REMOVE" { "OldImage" } else { "NewImage" };
    json!({
        "eventName": event,
        "dynamodb": {
            "Keys": {"pk": row["pk"], "sk": row["sk"]},
            // Later than every change of terms: the record can be believed.
            "ApproximateCreationDateTime": 4_000_000_000.0_f64,
            image: row,
        },
    })
}

/// The records of the stream for all items of a drive.
///
/// # Errors
/// If the database fails.
pub fn records(world: &World, drive: &DriveId) -> Result<Vec<Json>> {
    Ok(world.rows("t-data", Some(drive.as_str()))?.iter().map(|row| record("INSERT", row)).collect())
}

/// The size of a row as DynamoDB counts it, in bytes, to within a byte for each number.
pub fn size(row: &Json) -> usize {
    fn value(json: &Json) -> usize {
        let Some((kind, held)) = json.as_object().and_then(|one| one.iter().next()) else { return 0 };
        match (kind.as_str(), held) {
            ("S", Json::String(text)) => text.len(),
            ("N", Json::String(digits)) => digits.len().div_ceil(2) + 1,
            ("M", Json::Object(map)) => 3 + map.len() + fields(map),
            ("L", Json::Array(list)) => 3 + list.iter().map(|one| 1 + value(one)).sum::<usize>(),
            ("SS", Json::Array(list)) => list.iter().filter_map(Json::as_str).map(str::len).sum(),
            _ => 1,
        }
    }
    fn fields(map: &serde_json::Map<String, Json>) -> usize {
        map.iter().map(|(name, held)| name.len() + value(held)).sum()
    }
    row.as_object().map(fields).unwrap_or_default()
}

/// Write units of a row of this size.
pub fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(1024).max(1) as f64
}
