//! Counting what is there, for people who are about to delete it.
//!
//! Counting reads what it counts, so it ends after a while and then says that there is more.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::Select;
use domain::id::Name;
use domain::replication::Order;
use serde::{Deserialize, Serialize};

use crate::attr::{self, Row};
use crate::directory::GroupRow;
use crate::error::{Result, sdk};
use crate::replicas::ORDER;
use crate::{Store, heartbeat, keys};

/// How many pages of rows are read at most for one answer: a page is 1 MB.
const PAGES: usize = 40;

/// A number of things; at least that many, if counting them all would have taken too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// How many were counted.
    pub count: u64,
    /// Whether there are more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.more { write!(f, "at least {}", self.count) } else { write!(f, "{}", self.count) }
    }
}

impl Store {
    /// How many items there are of each data type. If there are more than are counted, every number is a lower bound,
    /// and the answer says so even of types that it has not met.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_all_items(&self) -> Result<(BTreeMap<Name, Tally>, bool)> {
        let mut counts: BTreeMap<Name, Tally> = BTreeMap::new();
        let mut from = None;
        for _ in 0..PAGES {
            let scan = self.client.scan().table_name(&self.tables.data).projection_expression("pk, sk");
            let page = scan.set_exclusive_start_key(from).send().await.map_err(sdk)?;
            let rows = page.items.unwrap_or_default();
            for name in rows.iter().filter(|row| !heartbeat::is_heartbeat(row)).filter_map(type_of) {
                counts.entry(name).or_default().count += 1;
            }
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok((counts, false));
            }
        }
        counts.values_mut().for_each(|tally| tally.more = true);
        Ok((counts, true))
    }

    /// How many items of a data type have a field.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_items_with(&self, data_type: &Name, field: &Name) -> Result<Tally> {
        let scan = self
            .client
            .scan()
            .table_name(&self.tables.data)
            .select(Select::Count)
            .filter_expression("begins_with(sk, :prefix) AND attribute_exists(body.#field)")
            .expression_attribute_names("#field", field.as_str())
            .expression_attribute_values(":prefix", attr::text(keys::type_prefix(data_type)));
        let mut tally = Tally { count: 0, more: true };
        let mut from = None;
        for _ in 0..PAGES {
            let page = scan.clone().set_exclusive_start_key(from).send().await.map_err(sdk)?;
            tally.count += u64::try_from(page.count).unwrap_or_default();
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(Tally { more: false, ..tally });
            }
        }
        Ok(tally)
    }

    /// How many copies of these types a group has, tombstones not counted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_copies<'a>(
        &self,
        group: &GroupRow,
        types: impl IntoIterator<Item = &'a Name>,
    ) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut pages = 0;
        for partition in group.layout.partitions(&group.id, types) {
            let mut from = None;
            loop {
                if pages == PAGES {
                    return Ok(Tally { more: true, ..tally });
                }
                pages += 1;
                let page = self
                    .client
                    .query()
                    .table_name(&self.tables.replicas)
                    .key_condition_expression("pk = :pk")
                    .expression_attribute_values(":pk", attr::text(&partition))
                    .projection_expression("#ord")
                    .expression_attribute_names("#ord", ORDER)
                    .set_exclusive_start_key(from)
                    .send()
                    .await
                    .map_err(sdk)?;
                tally.count +=
                    page.items.unwrap_or_default().iter().filter(|row| is_alive(row)).count() as u64;
                from = page.last_evaluated_key.filter(|key| !key.is_empty());
                if from.is_none() {
                    break;
                }
            }
        }
        Ok(tally)
    }

    /// The groups that there are, declared or made through the API; and whether there are more than were looked at.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn all_groups(&self) -> Result<(Vec<GroupRow>, bool)> {
        let mut groups = Vec::new();
        let mut from = None;
        for _ in 0..PAGES {
            let page = self
                .client
                .scan()
                .table_name(&self.tables.directory)
                .filter_expression("sk = :group AND #state = :active")
                .expression_attribute_names("#state", "state")
                .expression_attribute_values(":group", attr::text("GROUP"))
                .expression_attribute_values(":active", attr::text("active"))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(sdk)?;
            let rows = page.items.unwrap_or_default();
            groups.extend(rows.iter().map(GroupRow::read).collect::<Result<Vec<_>>>()?);
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok((groups, false));
            }
        }
        Ok((groups, true))
    }

    /// How many people and drives belong to a group.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_members(&self, group: &GroupRow) -> Result<u64> {
        let rows = self.directory_rows(&keys::group_partition(&group.id), "ROSTER#").await?;
        Ok(rows.len() as u64)
    }
}

/// The data type of a row of *data*.
fn type_of(row: &Row) -> Option<Name> {
    let (name, _) = attr::get_text(row, keys::SK).ok()?.split_once('#')?;
    Name::parse(name).ok()
}

/// What cannot be told counts as a copy.
fn is_alive(row: &Row) -> bool {
    let order = attr::get_text(row, ORDER).ok().and_then(|order| order.parse::<Order>().ok());
    order.is_none_or(|order| !order.dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_a_lower_bound_says_so() {
        assert_eq!(Tally { count: 3, more: false }.to_string(), "3");
        assert_eq!(Tally { count: 3, more: true }.to_string(), "at least 3");
    }

    #[test]
    fn rows_are_counted_by_their_type_and_tombstones_are_not_copies() {
        let row = |name: &str, value: &str| Row::from([(name.to_owned(), attr::text(value))]);
        assert_eq!(type_of(&row(keys::SK, "glucose#01")).unwrap().as_str(), "glucose");
        assert_eq!(type_of(&row(keys::SK, "HEARTBEAT")), None);
        let dead = Order { dead: true, ..Order::last(0, 1) };
        assert!(!is_alive(&row(ORDER, &dead.to_string())) && is_alive(&row(ORDER, "?")));
    }
}
