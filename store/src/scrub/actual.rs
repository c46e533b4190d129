//! A row of *replicas* as it is, readable or not.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::datatype::DataType;
use domain::id::{DriveId, GroupId, ItemId, Name};
use domain::replication::Order;
use domain::rules::Carried;

use crate::attr::{self, Row};
use crate::keys::{self, EXPIRES, Key};
use crate::replicas::ORDER;

pub(super) const BODY: &str = "body";

/// Where a row lies, and what its key says it is a copy of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub key: Key,
    pub group: GroupId,
    pub data_type: Name,
    pub id: ItemId,
    pub drive: DriveId,
}

impl Place {
    /// Reads a row's key; none if it is no copy's.
    pub(super) fn of(row: &Row) -> Option<Self> {
        let (pk, sk) = super::position_of(row)?;
        let key = Key { pk, sk };
        let mut partition = key.pk.splitn(3, '#');
        let (group, data_type) = (partition.next()?, partition.next()?);
        partition.next()?;
        let (id, drive) = key.sk.split_once('#')?;
        Some(Self {
            group: GroupId::parse(group).ok()?,
            data_type: Name::parse(data_type).ok()?,
            id: ItemId::parse(id).ok()?,
            drive: DriveId::parse(drive).ok()?,
            key,
        })
    }
}

/// What a row says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Actual {
    /// Its order as it is stored: what a conditional write is made against.
    pub stored: Option<AttributeValue>,
    /// What can be read of it; none if it is no copy that a reader could show.
    pub read: Option<Copy>,
    /// When it may be removed, in seconds.
    pub expires: Option<i64>,
}

/// A copy that can be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Copy {
    pub order: Order,
    pub carried: Carried,
    /// Whether it has values that the data type of today does not know.
    pub surplus: bool,
}

impl Actual {
    pub(super) fn of(row: &Row, data_type: &DataType) -> Self {
        let expires = attr::get_number_opt::<i64>(row, EXPIRES);
        let read = || -> Result<Copy, String> {
            let order: Order = attr::get_text(row, ORDER)?.parse().map_err(|_| "no order")?;
            expires.as_ref().map_err(Clone::clone)?;
            let carried = row.get(BODY).map(|body| attr::to_carried(body, data_type)).transpose()?;
            let carried = carried.unwrap_or_default();
            let stored = row.get(BODY).and_then(|body| body.as_m().ok()).map_or(0, HashMap::len);
            let surplus = stored > carried.fields.len() + carried.absent.len();
            Ok(Copy { order, carried, surplus })
        };
        Self { stored: row.get(ORDER).cloned(), read: read().ok(), expires: expires.ok().flatten() }
    }

    /// Whether it shows nothing to anybody.
    pub(super) fn is_dead(&self) -> bool {
        self.read.as_ref().is_some_and(|copy| copy.order.dead)
    }
}

/// Whether a copy should lie there.
pub(super) fn lies_at(key: &Key, replica: &domain::replication::ReplicaKey) -> bool {
    keys::replica(replica) == *key
}
