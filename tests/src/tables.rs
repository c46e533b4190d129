//! What the tables hold, asked of them directly and not through the API.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use freehold_client::Group;

use crate::World;

/// A row of a table.
pub type Row = HashMap<String, AttributeValue>;

impl World {
    /// All rows of one of the stack's tables, by its short name: `replicas`. Read consistently, page by page.
    pub async fn rows(&self, table: &str) -> Vec<Row> {
        let scan = self.clients.dynamodb().scan().table_name(format!("{}-{table}", self.name));
        let pages = scan.consistent_read(true).into_paginator().items().send();
        pages.collect::<Result<_, _>>().await.unwrap()
    }

    /// The copies that a group has, tombstones left out: what each holds, by its place in the table.
    pub async fn copies(&self, group: &Group) -> BTreeMap<(String, String), Row> {
        let ours = format!("{}#", group.id);
        let rows = self.rows("replicas").await.into_iter().filter_map(|mut row| {
            let (pk, sk) = (text(&row, "pk"), text(&row, "sk"));
            let body = row.remove("body").filter(|_| pk.starts_with(&ours))?;
            Some(((pk, sk), body.as_m().unwrap().clone()))
        });
        rows.collect()
    }
}

/// The text that a row has under a name.
pub fn text(row: &Row, name: &str) -> String {
    row[name].as_s().unwrap().clone()
}
