//! State in the stack's control table.

use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use futures::FutureExt;
use futures::future::{BoxFuture, try_join3};

use super::rows::{self, Row, number, text};
use super::{JournalLine, Lock, RowChange, Run, Snapshot, StateError, StateStore, Write};
use crate::aws::{AwsError, ErrorKind, Policy, retry};

/// How many of the last runs are read.
const RUNS: i32 = 10;
/// A row written under a greater token belongs to whoever took the lock over.
const NOT_OVERTAKEN: &str = "attribute_not_exists(pk) OR #token <= :token";

/// State in a DynamoDB table.
#[derive(Debug, Clone)]
pub struct DynamoState {
    client: Client,
    table: String,
}

impl DynamoState {
    /// State in that table, which need not exist yet.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    async fn entries(&self) -> Result<Vec<Row>, AwsError> {
        self.rows(rows::STATE, String::new()).await
    }

    /// All rows of a partition whose sort keys begin with that.
    async fn rows(&self, partition: &str, begin: String) -> Result<Vec<Row>, AwsError> {
        let mut found = Vec::new();
        let mut from = None;
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = match begin.is_empty() {
            true => query.key_condition_expression("pk = :pk"),
            false => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :begin)")
                .expression_attribute_values(":begin", text(begin)),
        };
        let query = query.expression_attribute_values(":pk", text(partition));
        loop {
            let query = query.clone().set_exclusive_start_key(from);
            let page = patiently(|| async { Ok(query.clone().send().await?) }).await?;
            found.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(found);
            }
        }
    }

    async fn runs(&self) -> Result<Vec<Row>, AwsError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(rows::RUN))
            .scan_index_forward(false)
            .limit(RUNS);
        let page = patiently(|| async { Ok(query.clone().send().await?) }).await?;
        Ok(page.items.unwrap_or_default())
    }

    async fn lock_row(&self) -> Result<Option<Row>, AwsError> {
        let key = rows::key(rows::LOCK, rows::LOCK);
        let get = self.client.get_item().table_name(&self.table).consistent_read(true).set_key(Some(key));
        let found = patiently(|| async { Ok(get.clone().send().await?) }).await?;
        Ok(found.item)
    }

    fn put(&self, row: Row) -> aws_sdk_dynamodb::types::builders::PutBuilder {
        Put::builder().table_name(&self.table).set_item(Some(row))
    }

    /// The part of a write that concerns the resource's row.
    fn row_item(&self, change: &RowChange, token: u64) -> Result<Option<TransactWriteItem>, StateError> {
        let item = TransactWriteItem::builder();
        let item = match change {
            RowChange::Keep => return Ok(None),
            RowChange::Put(entry) => item.put(
                self.put(rows::entry_row(entry, token)?)
                    .condition_expression(NOT_OVERTAKEN)
                    .expression_attribute_names("#token", "token")
                    .expression_attribute_values(":token", number(token))
                    .build()
                    .map_err(AwsError::from)?,
            ),
            RowChange::Remove(address) => item.delete(
                Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(rows::key(rows::STATE, address.to_string())))
                    .condition_expression(NOT_OVERTAKEN)
                    .expression_attribute_names("#token", "token")
                    .expression_attribute_values(":token", number(token))
                    .build()
                    .map_err(AwsError::from)?,
            ),
        };
        Ok(Some(item.build()))
    }

    async fn transact(&self, token: u64, write: &Write) -> Result<(), StateError> {
        let journal = self.put(rows::journal_row(&write.journal)?).build().map_err(AwsError::from)?;
        let transaction = self
            .client
            .transact_write_items()
            .set_transact_items(Some(self.row_item(&write.row, token)?.into_iter().collect()))
            .transact_items(TransactWriteItem::builder().put(journal).build());
        // Twice is as good as once: the condition is on the run, and both rows say the same again.
        let written = patiently(|| async {
            match transaction.clone().send().await {
                Ok(_) => Ok(true),
                Err(error) if was_overtaken(&error) => Ok(false),
                Err(error) => Err(AwsError::from(error)),
            }
        });
        if written.await? { Ok(()) } else { Err(StateError::Lost) }
    }

    async fn swap(&self, expected: Option<&Lock>, new: &Lock) -> Result<bool, StateError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(rows::lock_row(new)?));
        let put = match expected {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(lock) => put
                .condition_expression(
                    "#token = :token AND #beat = :beat AND #released = :released AND #owner = :owner",
                )
                .expression_attribute_names("#token", "token")
                .expression_attribute_names("#beat", "heartbeat")
                .expression_attribute_names("#released", "released")
                .expression_attribute_names("#owner", "ownerId")
                .expression_attribute_values(":token", number(lock.token))
                .expression_attribute_values(":beat", number(lock.heartbeat.millis()))
                .expression_attribute_values(
                    ":released",
                    aws_sdk_dynamodb::types::AttributeValue::Bool(lock.released),
                )
                .expression_attribute_values(":owner", text(&lock.owner.id)),
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(PutItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(AwsError::from(error).into()),
        }
    }
}

/// How long the state is asked for in vain. Less than a lease holds, so that whoever cannot write knows it before another
/// takes over.
const PATIENCE: Duration = Duration::from_secs(40);

/// Asks again beyond what the SDK does by itself, since all that is under way hangs on the state.
async fn patiently<T, F>(call: impl FnMut() -> F) -> Result<T, AwsError>
where
    F: Future<Output = Result<T, AwsError>>,
{
    retry("to reach the stack's state", Policy::lasting(PATIENCE), call).await
}

fn was_overtaken<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled
            .cancellation_reasons()
            .iter()
            .any(|reason| reason.code() == Some("ConditionalCheckFailed")),
        _ => false,
    }
}

/// A table that is not there holds no state.
fn unless_missing<T>(read: Result<T, AwsError>) -> Result<Option<T>, StateError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl StateStore for DynamoState {
    fn load(&self) -> BoxFuture<'_, Result<Option<Snapshot>, StateError>> {
        async move {
            let read = try_join3(self.entries(), self.runs(), self.lock_row()).await;
            let Some((entries, runs, lock)) = unless_missing(read)? else { return Ok(None) };
            Ok(Some(Snapshot {
                entries: rows::entries(&entries)?,
                runs: runs.iter().map(rows::document).collect::<Result<_, _>>()?,
                lock: lock.as_ref().map(rows::document).transpose()?,
            }))
        }
        .boxed()
    }

    fn write<'a>(&'a self, token: u64, write: &'a Write) -> BoxFuture<'a, Result<(), StateError>> {
        self.transact(token, write).boxed()
    }

    fn run_journal(&self, token: u64) -> BoxFuture<'_, Result<Vec<JournalLine>, StateError>> {
        async move {
            let read = self.rows(rows::JOURNAL, rows::of_run(token)).await;
            let lines = unless_missing(read)?.unwrap_or_default();
            let mut lines: Vec<JournalLine> = lines.iter().map(rows::document).collect::<Result<_, _>>()?;
            lines.sort_by_key(|line| line.begun);
            Ok(lines)
        }
        .boxed()
    }

    fn end_run<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), StateError>> {
        async move {
            let row = rows::run_row(run)?;
            let put = self.client.put_item().table_name(&self.table).set_item(Some(row));
            patiently(|| async { Ok(put.clone().send().await?) }).await?;
            Ok(())
        }
        .boxed()
    }

    fn lock(&self) -> BoxFuture<'_, Result<Option<Lock>, StateError>> {
        async move {
            let row = unless_missing(self.lock_row().await)?.flatten();
            row.as_ref().map(rows::document).transpose()
        }
        .boxed()
    }

    fn swap_lock<'a>(
        &'a self,
        expected: Option<&'a Lock>,
        new: &'a Lock,
    ) -> BoxFuture<'a, Result<bool, StateError>> {
        self.swap(expected, new).boxed()
    }
}
