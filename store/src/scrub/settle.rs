//! The second look at one copy, and what is done about it.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::replication::{Change, Decision, decide};
use domain::time::Timestamp;

use super::actual::{Actual, BODY, Place, lies_at};
use super::compare::finding;
use super::{Finding, Scrub};
use crate::attr::{self, Row};
use crate::error::{Result, StoreError, sdk};
use crate::keys::EXPIRES;
use crate::replicas::{ORDER, TOMBSTONE_DAYS};
use crate::sharing::Outlet;

impl Scrub {
    /// Looks at one copy again, consistently, and repairs it if it is still not as it should be.
    ///
    /// The copy is read before its source. So whatever has changed the source since the copy was written is seen, and
    /// whoever changes it now writes another copy, upon which ours is refused: it is conditional on the copy that was
    /// read.
    pub(super) async fn settle(&self, place: &Place, now: Timestamp) -> Result<Option<Finding>> {
        let Some(data_type) = self.document.data_types.get(&place.data_type) else { return Ok(None) };
        let answer = self
            .store
            .client
            .get_item()
            .table_name(&self.store.tables.replicas)
            .set_key(Some(attr::key_row(&place.key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(sdk)?;
        let actual = answer.item.as_ref().map(|row| Actual::of(row, data_type));
        match self.outlet(place).await? {
            Some(outlet) => {
                let decision = self.decision(place, &outlet).await?;
                self.bring(place, decision, actual, now).await
            }
            None => match actual.filter(|actual| !actual.is_dead()) {
                Some(actual) => self.remove(place, &actual).await,
                None => Ok(None),
            },
        }
    }

    /// The provider's membership with the rules of now; none if it has none. Rules that cannot be used are an error
    /// here: nothing is removed because a rule does not compile.
    async fn outlet(&self, place: &Place) -> Result<Option<Outlet>> {
        let group = match self.store.group(&place.group).await {
            Ok(group) if group.active => group,
            Ok(_) | Err(StoreError::Missing(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        // After the group: a leave in between is seen, and a join in between has a greater epoch than any copy read.
        let membership = self.store.provider(&place.group, &place.drive, &self.document).await?;
        let Some(membership) = membership else { return Ok(None) };
        let book = self.store.rulebook(&group, &self.document).await?;
        Ok(Some(Outlet { membership, book }))
    }

    /// What the copy should be, by the source of now.
    async fn decision(&self, place: &Place, outlet: &Outlet) -> Result<Decision> {
        let item = match self.store.item(&place.drive, &place.id, &self.document).await {
            Ok(item) if item.data_type == place.data_type => Some(item),
            Ok(_) | Err(StoreError::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        let change = match &item {
            Some(item) => Change::Present(item),
            None => Change::Deleted { id: &place.id, data_type: &place.data_type, version: u64::MAX },
        };
        Ok(decide(&change, &outlet.membership, &outlet.book))
    }

    async fn bring(
        &self,
        place: &Place,
        decision: Decision,
        actual: Option<Actual>,
        now: Timestamp,
    ) -> Result<Option<Finding>> {
        let order = match &decision {
            Decision::Nothing => None,
            Decision::Write { key, order, .. } | Decision::Bury { key, order } => {
                if !lies_at(&place.key, key) {
                    return self.misplaced(place, &decision, actual, now).await;
                }
                Some(*order)
            }
        };
        let Some(found) = finding(&decision, actual.as_ref(), now) else { return Ok(None) };
        let Some(actual) = actual else { return self.apply_one(found, decision, now).await };
        let greater = order.zip(actual.read.as_ref()).is_some_and(|(order, copy)| copy.order < order);
        match (greater, order) {
            // The ordinary write takes effect.
            (true, _) => self.apply_one(found, decision, now).await,
            (false, Some(_)) => self.replace(place, &decision, &actual, now, found).await,
            // Nothing selects it and nothing of it can come back: readers ask the rules too.
            (false, None) => self.remove(place, &actual).await,
        }
    }

    async fn apply_one(&self, found: Finding, decision: Decision, now: Timestamp) -> Result<Option<Finding>> {
        let applied = self.store.apply(&[decision], now).await?;
        Ok((applied.written > 0).then_some(found))
    }

    /// A copy in a partition where its group no longer keeps it. Where it belongs comes first, so that no reader misses
    /// it in between.
    async fn misplaced(
        &self,
        place: &Place,
        decision: &Decision,
        actual: Option<Actual>,
        now: Timestamp,
    ) -> Result<Option<Finding>> {
        let Some(actual) = actual.filter(|actual| !actual.is_dead()) else { return Ok(None) };
        self.store.apply(std::slice::from_ref(decision), now).await?;
        self.remove(place, &actual).await
    }

    /// Writes a copy or a tombstone over the very copy that was read.
    async fn replace(
        &self,
        place: &Place,
        decision: &Decision,
        actual: &Actual,
        now: Timestamp,
        found: Finding,
    ) -> Result<Option<Finding>> {
        let mut row = attr::key_row(&place.key);
        match decision {
            Decision::Nothing => return Ok(None),
            Decision::Write { order, carried, expires, .. } => {
                row.insert(ORDER.into(), attr::text(order.to_string()));
                row.insert(BODY.into(), attr::from_carried(carried));
                if let Some(end) = expires {
                    row.insert(EXPIRES.into(), attr::number(end.seconds()));
                }
            }
            Decision::Bury { order, .. } => {
                row.insert(ORDER.into(), attr::text(order.to_string()));
                row.insert(EXPIRES.into(), attr::number(now.seconds() + TOMBSTONE_DAYS * 86_400));
            }
        }
        let (condition, names, values) = unchanged(actual);
        let put = self
            .store
            .client
            .put_item()
            .table_name(&self.store.tables.replicas)
            .set_item(Some(row))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(values);
        done(put.send().await.map_err(sdk), found)
    }

    /// Deletes the very copy that was read.
    async fn remove(&self, place: &Place, actual: &Actual) -> Result<Option<Finding>> {
        let (condition, names, values) = unchanged(actual);
        let delete = self
            .store
            .client
            .delete_item()
            .table_name(&self.store.tables.replicas)
            .set_key(Some(attr::key_row(&place.key)))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(values);
        done(delete.send().await.map_err(sdk), Finding::Orphan)
    }
}

type Names = std::collections::HashMap<String, String>;

/// The condition that the copy is still the one that was read. Its order is enough: every writer changes it.
fn unchanged(actual: &Actual) -> (&'static str, Names, Option<Row>) {
    let names = Names::from([("#ord".to_owned(), ORDER.to_owned())]);
    match &actual.stored {
        Some(stored) => {
            ("#ord = :read", names, Some(Row::from([(":read".to_owned(), AttributeValue::clone(stored))])))
        }
        None => ("attribute_exists(pk) AND attribute_not_exists(#ord)", names, None),
    }
}

/// Somebody else was faster: then it is theirs.
fn done<T>(result: Result<T>, found: Finding) -> Result<Option<Finding>> {
    match result {
        Ok(_) => Ok(Some(found)),
        Err(StoreError::Condition) => Ok(None),
        Err(error) => Err(error),
    }
}
