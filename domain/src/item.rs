//! One datum: of one data type, at one instant, in one drive.

use crate::id::{DriveId, ItemId, Name};
use crate::time::Timestamp;
use crate::value::Fields;

/// An item as its drive holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The drive it lives in.
    pub drive: DriveId,
    /// Its data type.
    pub data_type: Name,
    /// Its identifier; its time is part of it.
    pub id: ItemId,
    /// 1 when created, one more with every change.
    pub version: u64,
    /// What it says.
    pub fields: Fields,
    /// When this version was written.
    pub updated: Timestamp,
    /// When its retention ends, if its data type has one.
    pub expires: Option<Timestamp>,
}

impl Item {
    /// The instant the item is about.
    pub fn time(&self) -> Timestamp {
        self.id.time()
    }
}
