//! Items in their drives.

use std::collections::{BTreeSet, HashSet};

use aws_sdk_dynamodb::types::{BatchStatementRequest, ReturnValue};
use domain::datatype::DataType;
use domain::id::{DriveId, ItemId, Name};
use domain::item::Item;
use domain::time::Timestamp;

use crate::attr::{self, Row};
use crate::document::Document;
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, EXPIRES, SK};
use crate::page::{Page, Window, merge};
use crate::{Store, batches, error};

/// Items that one call creates at once: as many as DynamoDB takes.
pub const BATCH: usize = 25;

/// Answers of up to 1 MB that are counted; beyond that it would cost more than it tells.
const COUNTED: usize = 64;

/// What became of a statement of a batch.
pub(crate) enum Executed {
    /// It took effect; with the row that it returns, if it says so.
    Done(Option<Row>),
    /// Its condition was refused; with the row that refused it, if there is one and it was asked for.
    Refused(Option<Row>),
}

const BODY: &str = "body";
const VERSION: &str = "ver";
const UPDATED: &str = "upd";

pub(crate) fn item_row(item: &Item) -> Row {
    let mut row = attr::row(
        &keys::item(&item.drive, &item.data_type, &item.id),
        [
            (VERSION, attr::number(item.version)),
            (UPDATED, attr::text(item.updated.to_string())),
            (BODY, attr::from_fields(&item.fields)),
        ],
    );
    if let Some(end) = item.expires {
        row.insert(EXPIRES.into(), attr::number(end.seconds()));
    }
    row
}

/// Reads a row of *data*, or a stream image of one.
///
/// # Errors
/// If it is no item of a type that the document knows.
pub fn item_from_row(row: &Row, document: &Document) -> Result<Item> {
    let (drive, data_type, id) = item_key(row)?;
    let data_type = document
        .data_types
        .get(&data_type)
        .ok_or_else(|| StoreError::corrupt("data", format!("data type `{data_type}` is not declared")))?;
    let read = || -> std::result::Result<Item, String> {
        Ok(Item {
            drive,
            data_type: data_type.name.clone(),
            id,
            version: attr::get_number(row, VERSION)?,
            fields: attr::to_fields(row.get(BODY).ok_or("`body` is missing")?, data_type)?,
            updated: attr::get_time(row, UPDATED)?,
            expires: attr::get_number_opt::<i64>(row, EXPIRES)?
                .map(|s| Timestamp::from_millis(s.saturating_mul(1000))),
        })
    };
    read().map_err(|what| StoreError::corrupt("data", what))
}

/// What a row's key says: drive, data type, item.
///
/// # Errors
/// If it is no item's key.
pub fn item_key(row: &Row) -> Result<(DriveId, Name, ItemId)> {
    let read = || -> std::result::Result<_, String> {
        let drive = DriveId::parse(attr::get_text(row, keys::PK)?).map_err(|e| e.to_string())?;
        let (name, id) = attr::get_text(row, SK)?.split_once('#').ok_or("the sort key is not an item's")?;
        let name = Name::parse(name).map_err(|e| e.to_string())?;
        Ok((drive, name, ItemId::parse(id).map_err(|e| e.to_string())?))
    };
    read().map_err(|what| StoreError::corrupt("data", what))
}

/// The version of an item, from its row alone.
///
/// # Errors
/// If it has none.
pub fn version_from_row(row: &Row) -> Result<u64> {
    attr::get_number(row, VERSION).map_err(|what| StoreError::corrupt("data", what))
}

/// The items of rows. One that cannot be read must not hide all the others from their owner.
fn readable<'r>(rows: &'r [Row], document: &'r Document) -> impl Iterator<Item = Item> + 'r {
    rows.iter().filter_map(|row| {
        item_from_row(row, document)
            .inspect_err(|error| tracing::error!(%error, "an item is left out of a list"))
            .ok()
    })
}

/// TTL removes rows up to days late; what has expired is gone for everybody.
fn is_there(item: &Item, now: Timestamp) -> bool {
    item.expires.is_none_or(|end| end > now)
}

impl Store {
    /// Writes a new item.
    ///
    /// # Errors
    /// [`StoreError::Condition`] if its identifier is taken; else those of the database.
    pub async fn create_item(&self, item: &Item) -> Result<()> {
        self.client
            .put_item()
            .table_name(&self.tables.data)
            .set_item(Some(item_row(item)))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await
            .map_err(sdk)?;
        Ok(())
    }

    /// Writes up to [`BATCH`] new items; each succeeds or fails on its own.
    ///
    /// Unconditional: identifiers are new by their 64 random bits, and a conditional batch would have to be written in
    /// PartiQL, whose writes not every emulator passes on to the stream.
    ///
    /// # Errors
    /// Those of the call as a whole; then nothing is known of any item.
    pub async fn create_items(&self, items: &[Item]) -> Result<Vec<Result<()>>> {
        let puts = items.iter().map(|item| batches::put(item_row(item))).collect::<Result<_>>()?;
        let left = self.write_batch(&self.tables.data, puts).await?;
        let unwritten: HashSet<&str> = left
            .iter()
            .filter_map(|request| request.put_request()?.item().get(SK)?.as_s().ok())
            .map(String::as_str)
            .collect();
        Ok(items
            .iter()
            .map(|item| {
                match unwritten.contains(keys::item(&item.drive, &item.data_type, &item.id).sk.as_str()) {
                    true => Err(StoreError::Busy("unprocessed".into())),
                    false => Ok(()),
                }
            })
            .collect())
    }

    /// Executes statements; what became of each, or its error.
    pub(crate) async fn batch_statements(
        &self,
        statements: Vec<BatchStatementRequest>,
    ) -> Result<Vec<Result<Executed>>> {
        let expected = statements.len();
        let answer = self
            .client
            .batch_execute_statement()
            .set_statements(Some(statements))
            .send()
            .await
            .map_err(sdk)?;
        let responses = answer.responses.unwrap_or_default();
        if responses.len() != expected {
            return Err(StoreError::Unavailable(format!(
                "{} answers to {expected} statements",
                responses.len()
            )));
        }
        Ok(responses
            .into_iter()
            .map(|response| {
                let Some(error) = response.error else { return Ok(Executed::Done(response.item)) };
                let code = error.code.as_ref().map(|code| code.as_str().to_owned()).unwrap_or_default();
                Err(match code.as_str() {
                    "ConditionalCheckFailed" | "DuplicateItem" => return Ok(Executed::Refused(error.item)),
                    "ThrottlingError"
                    | "ProvisionedThroughputExceeded"
                    | "RequestLimitExceeded"
                    | "TransactionConflict" => StoreError::Busy(code),
                    "AccessDenied" => StoreError::Denied(error.message.unwrap_or_default()),
                    _ => error::from_code(Some(&code), error.message.unwrap_or_default()),
                })
            })
            .collect())
    }

    /// Reads an item, consistently.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it is not there; else those of the database.
    pub async fn item(&self, drive: &DriveId, id: &ItemId, document: &Document) -> Result<Item> {
        // The identifier tells the type, but for the rare two types that share a tag: then both are tried.
        for data_type in document.types_of(id) {
            let key = keys::item(drive, &data_type.name, id);
            let answer = self
                .client
                .get_item()
                .table_name(&self.tables.data)
                .set_key(Some(attr::key_row(&key)))
                .consistent_read(true)
                .send()
                .await
                .map_err(sdk)?;
            if let Some(row) = answer.item {
                return item_from_row(&row, document);
            }
        }
        Err(StoreError::Missing("item"))
    }

    /// Makes an item its next version, if it still has the version before that. Only the fields that differ are written: the
    /// row may have fields that its data type does not know at the moment.
    ///
    /// # Errors
    /// [`StoreError::Condition`] if it has another version or is gone.
    pub async fn update_item(&self, before: &Item, next: &Item) -> Result<()> {
        let key = keys::item(&next.drive, &next.data_type, &next.id);
        let mut update = self
            .client
            .update_item()
            .table_name(&self.tables.data)
            .set_key(Some(attr::key_row(&key)))
            .condition_expression("ver = :before")
            .expression_attribute_values(":before", attr::number(before.version))
            .expression_attribute_values(":version", attr::number(next.version))
            .expression_attribute_values(":updated", attr::text(next.updated.to_string()));
        let mut set = format!("SET {VERSION} = :version, {UPDATED} = :updated");
        let mut remove = String::new();
        let names: BTreeSet<&Name> = before.fields.keys().chain(next.fields.keys()).collect();
        for (at, name) in names.into_iter().enumerate() {
            let value = next.fields.get(name);
            if value == before.fields.get(name) {
                continue;
            }
            update = update.expression_attribute_names(format!("#{at}"), name.as_str());
            match value {
                Some(value) => {
                    set += &format!(", {BODY}.#{at} = :{at}");
                    update = update.expression_attribute_values(format!(":{at}"), attr::from_value(value));
                }
                None => {
                    remove += if remove.is_empty() { " REMOVE " } else { ", " };
                    remove += &format!("{BODY}.#{at}");
                }
            }
        }
        update.update_expression(set + &remove).send().await.map_err(sdk)?;
        Ok(())
    }

    /// Deletes an item, if it has this version where one is named, and returns the version it had.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it is not there; [`StoreError::Condition`] if it has another version than the one
    /// named, or is not there.
    pub async fn delete_item(
        &self,
        drive: &DriveId,
        data_type: &Name,
        id: &ItemId,
        version: Option<u64>,
    ) -> Result<u64> {
        let mut delete = self
            .client
            .delete_item()
            .table_name(&self.tables.data)
            .set_key(Some(attr::key_row(&keys::item(drive, data_type, id))))
            .return_values(ReturnValue::AllOld);
        if let Some(version) = version {
            delete = delete
                .condition_expression("ver = :version")
                .expression_attribute_values(":version", attr::number(version));
        }
        let answer = delete.send().await.map_err(sdk)?;
        let row = answer.attributes.filter(|row| !row.is_empty()).ok_or(StoreError::Missing("item"))?;
        version_from_row(&row)
    }

    /// A page of a drive's items of some types, in the order of time.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn items(
        &self,
        drive: &DriveId,
        types: &[&DataType],
        window: &Window,
        document: &Document,
        now: Timestamp,
    ) -> Result<Page<Item>> {
        let reads = types.iter().map(|data_type| async move {
            let query = self.client.query().table_name(&self.tables.data).consistent_read(true);
            let place = (drive.as_str(), &*keys::type_prefix(&data_type.name));
            let (rows, rest) = window.read(query, place, types.len()).await?;
            let items = readable(&rows, document).map(|item| (item.id.to_string(), item)).collect::<Vec<_>>();
            Ok::<_, StoreError>((items, rest))
        });
        let mut page = merge(futures::future::try_join_all(reads).await?, window);
        page.items.retain(|item| is_there(item, now));
        Ok(page)
    }

    /// A page of a drive's items of one type for those who walk through all of them: it ends with the window's limit or
    /// with one answer of the database, 1 MB.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn stretch_of_items(
        &self,
        drive: &DriveId,
        data_type: &DataType,
        window: &Window,
        document: &Document,
        now: Timestamp,
    ) -> Result<Page<Item>> {
        let query = self.client.query().table_name(&self.tables.data).consistent_read(true);
        let prefix = keys::type_prefix(&data_type.name);
        let (rows, next) = window.read_once(query, drive.as_str(), &prefix).await?;
        let items = readable(&rows, document).filter(|item| is_there(item, now)).collect();
        Ok(Page { items, next })
    }

    /// About how many items a drive has of each of these types within a window, together: what has expired counts, and
    /// what was written a moment ago may not. None if they are too many to be worth counting.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_items(&self, drive: &DriveId, windows: &[(&DataType, Window)]) -> Result<Option<u64>> {
        let counts = windows.iter().map(|(data_type, window)| async move {
            let query = self.client.query().table_name(&self.tables.data);
            window.count(query, drive.as_str(), &keys::type_prefix(&data_type.name), COUNTED).await
        });
        let counts = futures::future::try_join_all(counts).await?;
        Ok(counts.into_iter().sum())
    }
}
