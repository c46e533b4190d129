//! The revisions of a group's rules: one row each, which keeps its number, its time and its verdict.

use domain::id::GroupId;
use domain::replication::Spread;
use domain::rules::compare::Judged;
use domain::stack::RuleSet;
use domain::time::Timestamp;

use super::unreadable;
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, Key, SK};
use crate::layout::spread_text;

/// The attribute of a revision of the rules that says how copies were spread by it.
pub(crate) const SPREAD: &str = "spread";

/// One revision of a group's rules.
#[derive(Debug, Clone, PartialEq)]
pub struct RulesRevision {
    /// Its number; the first one is 1.
    pub revision: u32,
    /// When it began to count.
    pub since: Timestamp,
    /// When its rules were last put in other words; none if never.
    pub reworded: Option<Timestamp>,
    /// The rules.
    pub rules: RuleSet,
    /// The verdict on the change from the revision before; none for the first one.
    pub judged: Option<Judged>,
}

impl RulesRevision {
    fn read(row: &Row) -> Result<Self> {
        let read = || -> std::result::Result<Self, String> {
            let revision =
                attr::get_text(row, SK)?.strip_prefix(keys::RULES).and_then(|text| text.parse().ok());
            let judged = attr::get_text(row, "verdict").ok().map(serde_json::from_str).transpose();
            Ok(Self {
                revision: revision.ok_or("the key is that of no revision")?,
                since: attr::get_time(row, "created")?,
                reworded: attr::get_time(row, "reworded").ok(),
                rules: serde_json::from_str(attr::get_text(row, "rules")?).map_err(|e| e.to_string())?,
                judged: judged.map_err(|e| e.to_string())?,
            })
        };
        read().map_err(unreadable)
    }
}

/// The row of a new revision.
pub(super) fn rules_row(
    group: &GroupId,
    revision: u32,
    (rules, spread): (&RuleSet, Spread),
    judged: Option<Judged>,
    now: Timestamp,
) -> Result<Row> {
    let text = |value: serde_json::Result<String>| {
        value.map(attr::text).map_err(|error| StoreError::Unavailable(error.to_string()))
    };
    let mut row = attr::row(
        &keys::rules(group, revision),
        [
            ("rules", text(serde_json::to_string(rules))?),
            (SPREAD, attr::text(spread_text(spread))),
            ("created", attr::text(now.to_string())),
        ],
    );
    if let Some(judged) = judged {
        row.insert("verdict".into(), text(serde_json::to_string(&judged))?);
    }
    Ok(row)
}

impl Store {
    /// A page of the revisions of a group's rules, newest first, after a sort key; and the sort key after which the next page
    /// begins. One request.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn rules_history(
        &self,
        group: &GroupId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<RulesRevision>, Option<String>)> {
        let pk = keys::group_partition(group);
        let start = after.map(|sk| attr::key_row(&Key { pk: pk.clone(), sk }));
        let page = self
            .client
            .query()
            .table_name(&self.tables.directory)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", attr::text(&pk))
            .expression_attribute_values(":prefix", attr::text(keys::RULES))
            .scan_index_forward(false)
            .consistent_read(true)
            .set_limit(i32::try_from(limit).ok())
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(sdk)?;
        let next = page.last_evaluated_key.as_ref().and_then(|key| attr::get_text(key, SK).ok());
        let next = next.map(str::to_owned);
        Ok((page.items().iter().map(RulesRevision::read).collect::<Result<_>>()?, next))
    }
}
