//! Items.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Problem};

/// The fields of an item, by name.
pub type Fields = Map<String, Value>;

/// An item as its owner sees it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Item {
    /// Its identifier.
    pub id: String,
    /// Its data type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Its time.
    pub time: String,
    /// How often it was written.
    pub version: u64,
    /// When it was written last.
    pub updated: String,
    /// What it says.
    pub fields: Fields,
}

impl Item {
    /// What it says, as a type of the caller's own.
    ///
    /// # Errors
    /// If it says something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(Value::Object(self.fields.clone()))
    }
}

/// An item as a group's consumers see it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct SharedItem {
    /// Its identifier.
    pub id: String,
    /// Its data type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Its time.
    pub time: String,
    /// How often it was written.
    pub version: u64,
    /// The drive that provides it.
    pub provider: String,
    /// What the group's rules and its provider show of it.
    pub fields: Fields,
}

impl SharedItem {
    /// What it says, as a type of the caller's own.
    ///
    /// # Errors
    /// If it says something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(Value::Object(self.fields.clone()))
    }
}

/// An item to create.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct NewItem {
    /// Its data type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// What it says.
    pub fields: Fields,
}

impl NewItem {
    /// Of a type, with what it says.
    ///
    /// # Errors
    /// If that is not a JSON object.
    pub fn new<F: Serialize + ?Sized>(data_type: &str, fields: &F) -> Result<Self, Error> {
        Ok(Self { data_type: data_type.to_owned(), fields: object(fields)? })
    }
}

/// What shall change of an item.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct ItemChange {
    /// Which.
    pub id: String,
    /// Fields to set; null takes one away.
    pub fields: Fields,
    /// The version that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl ItemChange {
    /// Of an item, whatever its version.
    ///
    /// # Errors
    /// If the changes are not a JSON object.
    pub fn new<F: Serialize + ?Sized>(id: &str, changes: &F) -> Result<Self, Error> {
        Ok(Self { id: id.to_owned(), fields: object(changes)?, version: None })
    }
}

/// An item to delete.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct ItemRemoval {
    /// Which.
    pub id: String,
    /// The version that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl ItemRemoval {
    /// Of an item, whatever its version.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), version: None }
    }
}

/// What became of one item of a batch, as if it had been alone.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct BatchResult {
    /// 201, 200 or 204, or why not.
    pub status: u16,
    /// The item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

impl BatchResult {
    /// Whether it was done.
    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        self.status == 429 || self.status >= 500
    }
}

fn object<F: Serialize + ?Sized>(fields: &F) -> Result<Fields, Error> {
    match serde_json::to_value(fields) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::Unsendable { why: "fields must be a JSON object".to_owned() }),
        Err(error) => Err(Error::Unsendable { why: error.to_string() }),
    }
}
