//! Who is who: users, groups, memberships, invitations, jobs.
//!
//! A join or a leave is one transaction that bumps the group's `roster_rev`; the membership's epoch is that value.
//! So whoever has read the group's row knows whether what they remember of its roster still holds.

mod addresses;
mod audience;
mod changing;
mod contracts;
mod governing;
mod group_details;
mod groups;
mod invitations;
mod jobs;
mod leaving;
mod members;
mod offers;
mod profiles;
mod progress;
mod renaming;
mod rosters;
mod rules_history;
mod shares;
mod standing;
mod users;
mod waiting;

use std::collections::HashMap;
use std::sync::Mutex;

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use domain::id::GroupId;

pub(crate) use addresses::{EMAIL, HOLDER};
pub(crate) use audience::AUDIENCE;
pub use contracts::{Consent, JoiningTerms};
pub use group_details::GroupDetails;
pub(crate) use groups::MARK;
pub use groups::{GroupRow, NewGroup};
pub(crate) use invitations::OFFERED;
pub use invitations::{Invitation, InvitationStatus, Invitee, Role, Writer};
pub use jobs::{Checkpoint, Departure, ErasurePlace, Job, JobKind, JobStatus};
pub use members::{Acceptance, Leaving, Member, MemberId, UserMembership};
pub(crate) use offers::{ERASED_AT, LOST_BY};
pub use offers::{MOST_OPEN, TOO_MANY_OPEN};
pub use profiles::InviteToken;
pub(crate) use profiles::{MADE_BY, WAITS};
pub(crate) use rosters::RosterCache;
pub use rules_history::RulesRevision;
pub(crate) use rules_history::SPREAD;
pub(crate) use shares::Shares;
pub use users::{Caller, User};

use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError, sdk};
use crate::keys::Key;
use crate::layout::Layout;

/// Layouts by group, as they were last seen.
#[derive(Debug, Default)]
pub(crate) struct LayoutCache(Mutex<HashMap<GroupId, Layout>>);

/// Layouts remembered at most.
const LAYOUTS: usize = 1024;

impl LayoutCache {
    fn get(&self, group: &GroupId) -> Layout {
        self.0.lock().ok().and_then(|map| map.get(group).cloned()).unwrap_or_default()
    }
    fn put(&self, group: &GroupRow) {
        if let Ok(mut map) = self.0.lock() {
            // What is not remembered is taken to be one shard, which is nearly always right.
            if group.layout == Layout::default() || map.len() >= LAYOUTS {
                map.remove(&group.id);
            } else {
                map.insert(group.id.clone(), group.layout.clone());
            }
        }
    }
}

impl Store {
    /// One row of the directory, read consistently.
    pub(crate) async fn directory_row(&self, key: &Key) -> Result<Option<Row>> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(sdk)?;
        Ok(answer.item)
    }

    /// All rows of a partition below a prefix, read consistently.
    pub(crate) async fn directory_rows(&self, pk: &str, prefix: &str) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = self.directory_page(pk, prefix, after, None).await?;
            rows.extend(page);
            match next {
                Some(next) => after = Some(next),
                None => return Ok(rows),
            }
        }
    }

    /// A page of a partition's rows below a prefix, or of all its rows if the prefix is empty, behind a sort key; and
    /// behind which sort key the next one begins.
    pub(crate) async fn directory_page(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<String>,
        limit: Option<usize>,
    ) -> Result<(Vec<Row>, Option<String>)> {
        let start = after.map(|sk| attr::key_row(&Key { pk: pk.to_owned(), sk }));
        let query = self.client.query().table_name(&self.tables.directory);
        // DynamoDB refuses to compare a key with an empty string.
        let query = match prefix.is_empty() {
            true => query.key_condition_expression("pk = :pk"),
            false => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", attr::text(prefix)),
        };
        let answer = query
            .expression_attribute_values(":pk", attr::text(pk))
            .consistent_read(true)
            .set_limit(limit.and_then(|limit| i32::try_from(limit).ok()))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(sdk)?;
        let next =
            answer.last_evaluated_key.as_ref().and_then(|key| attr::get_text(key, crate::keys::SK).ok());
        Ok((answer.items.clone().unwrap_or_default(), next.map(str::to_owned)))
    }

    /// Commits a transaction. Meeting another one is tried again a few times, with jitter.
    pub(crate) async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<()> {
        let mut attempt: u32 = 0;
        loop {
            let error = match self.transact_once(actions.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            attempt += 1;
            if !error.is_contention() {
                return Err(error);
            }
            if attempt >= 6 {
                return Err(StoreError::Busy("transactions keep meeting".into()));
            }
            let most = 20u64 << attempt;
            tokio::time::sleep(std::time::Duration::from_millis(most / 2 + fastrand::u64(..most))).await;
        }
    }

    async fn transact_once(&self, actions: Vec<TransactWriteItem>) -> Result<()> {
        let sent = self.client.transact_write_items().set_transact_items(Some(actions)).send().await;
        let Err(error) = sent else { return Ok(()) };
        let reasons = error.as_service_error().and_then(|service| match service {
            aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
                cancelled,
            ) => Some(cancelled.cancellation_reasons().iter().map(|r| r.code().unwrap_or("None").to_owned()).collect()),
            _ => None,
        });
        Err(reasons.map_or_else(|| sdk(error), StoreError::Refused))
    }

    pub(crate) fn put_new(&self, row: Row) -> Result<TransactWriteItem> {
        self.put_action(row, Some("attribute_not_exists(pk)"))
    }

    pub(crate) fn put(&self, row: Row) -> Result<TransactWriteItem> {
        self.put_action(row, None)
    }

    fn put_action(&self, row: Row, condition: Option<&str>) -> Result<TransactWriteItem> {
        let put = Put::builder().table_name(&self.tables.directory).set_item(Some(row));
        let put = put.set_condition_expression(condition.map(str::to_owned));
        Ok(TransactWriteItem::builder().put(put.build().map_err(built)?).build())
    }

    pub(crate) fn delete_action(&self, key: &Key, condition: Option<&str>) -> Result<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(key)))
            .set_condition_expression(condition.map(str::to_owned));
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(built)?).build())
    }
}

/// A request that the SDK would not build: a mistake of ours.
fn built(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// A row of the directory that cannot be read.
fn unreadable(what: impl Into<String>) -> StoreError {
    StoreError::corrupt("directory", what)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;

    use super::*;
    use crate::Tables;

    /// A database that cancels so many transactions for this reason, and commits those after them.
    #[derive(Debug, Clone)]
    struct Cancels {
        times: usize,
        reason: &'static str,
        asked: Arc<AtomicUsize>,
    }

    impl HttpConnector for Cancels {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let cancelled = self.asked.fetch_add(1, Ordering::Relaxed) < self.times;
            let body = format!(
                "{{\"__type\":\"com.amazonaws.dynamodb.v20120810#TransactionCanceledException\",\
                 \"CancellationReasons\":[{{\"Code\":\"None\"}},{{\"Code\":\"{}\"}}]}}",
                self.reason
            );
            let (status, body) = if cancelled { (400, body) } else { (200, "{}".into()) };
            let status: u16 = status;
            let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
            HttpConnectorFuture::ready(Ok(answer))
        }
    }

    /// What became of a transaction, and how often it was sent.
    async fn transacted(times: usize, reason: &'static str) -> (Result<()>, usize) {
        let database = Cancels { times, reason, asked: Arc::default() };
        let connector = SharedHttpConnector::new(database.clone());
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        let store = Store::new(aws_sdk_dynamodb::Client::from_conf(config), Tables::of_stack("t"));
        let row = attr::key_row(&crate::keys::secrets());
        let done = store.transact(vec![store.put(row).unwrap()]).await;
        (done, database.asked.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_transaction_that_meets_another_one_is_tried_again_and_at_last_says_so() {
        assert!(matches!(transacted(3, "TransactionConflict").await, (Ok(()), 4)));
        assert!(matches!(transacted(9, "TransactionConflict").await, (Err(StoreError::Busy(_)), 6)));
    }

    #[tokio::test]
    async fn a_transaction_whose_condition_does_not_hold_is_not_tried_again() {
        assert!(matches!(transacted(1, "ConditionalCheckFailed").await, (Err(StoreError::Refused(_)), 1)));
    }
}
