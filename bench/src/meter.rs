//! What calls to the database cost: counted at the client, so that the store's own code runs as it is.
//!
//! An interceptor asks the database to report the capacity of every call and adds it up. What the report leaves out is
//! added by DynamoDB's rules: a refused conditional write is billed like a write of at least 1 KB, and is reported
//! nowhere when nothing of its call took effect.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use serde::Serialize;
use serde_json::Value as Json;

/// What calls of one kind have cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Calls sent, repetitions included.
    pub requests: u64,
    /// Read units.
    pub reads: f64,
    /// Write units, those of refused writes included.
    pub writes: f64,
    /// Writes that were refused by their condition.
    pub refused: u64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.reads += other.reads;
        self.writes += other.writes;
        self.refused += other.refused;
    }
}

/// What some calls have cost, by operation and table. Requests that touch several tables count for the first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally(BTreeMap<(String, String), Cost>);

impl Tally {
    /// The sum of the calls that are meant, by operation and table.
    pub fn only(&self, meant: impl Fn(&str, &str) -> bool) -> Cost {
        let mut sum = Cost::default();
        for (_, cost) in self.0.iter().filter(|((operation, table), _)| meant(operation, table)) {
            sum += *cost;
        }
        sum
    }

    /// The sum of all calls.
    pub fn all(&self) -> Cost {
        self.only(|_, _| true)
    }

    /// The sum of the calls to tables whose name ends so.
    pub fn of(&self, table: &str) -> Cost {
        self.only(|_, name| name.ends_with(table))
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        for (key, cost) in &other.0 {
            *self.0.entry(key.clone()).or_default() += *cost;
        }
    }

    /// Each kind of call with its cost.
    pub fn each(&self) -> impl Iterator<Item = (&str, &str, Cost)> {
        self.0.iter().map(|((operation, table), cost)| (operation.as_str(), table.as_str(), *cost))
    }
}

/// Counts the calls of the clients it is given to.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Tally>>);

impl Meter {
    /// What was counted since this was last asked.
    pub fn take(&self) -> Tally {
        self.0.lock().map(|mut tally| std::mem::take(&mut *tally)).unwrap_or_default()
    }

    fn add(&self, operation: &str, table: &str, cost: Cost) {
        if let Ok(mut tally) = self.0.lock() {
            *tally.0.entry((operation.to_owned(), table.to_owned())).or_default() += cost;
        }
    }
}

/// The table that the request under way is about.
#[derive(Debug)]
struct About(String);

impl Storable for About {
    type Storer = StoreReplace<Self>;
}

fn operation(bag: &ConfigBag) -> String {
    bag.load::<Metadata>().map(|metadata| metadata.name().to_owned()).unwrap_or_default()
}

fn reads(operation: &str) -> bool {
    matches!(operation, "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems")
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let Some(body) = request.body().bytes() else { return Ok(()) };
        let mut body: Json = serde_json::from_slice(body)?;
        if let Some(fields) = body.as_object_mut() {
            fields.insert("ReturnConsumedCapacity".into(), "TOTAL".into());
        }
        let text = serde_json::to_vec(&body)?;
        request.headers_mut().insert("content-length", text.len().to_string());
        *request.body_mut() = SdkBody::from(text);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body: Json =
            context.request().body().bytes().map(serde_json::from_slice).transpose()?.unwrap_or_default();
        let cost = Cost { requests: 1, ..Cost::default() };
        let table = table_of(&body).unwrap_or_default();
        self.add(&operation(bag), &table, cost);
        bag.interceptor_state().store_put(About(table));
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = operation(bag);
        let answer = context.response().body().bytes().unwrap_or_default();
        let answer: Json = serde_json::from_slice(answer).unwrap_or_default();
        for (table, units) in consumed(&answer) {
            let cost = match reads(&operation) {
                true => Cost { reads: units, ..Cost::default() },
                false => Cost { writes: units, ..Cost::default() },
            };
            self.add(&operation, &table, cost);
        }
        let refused = refused(&answer);
        if refused > 0 {
            // Where anything took effect the report has what was refused too. The rows of the benchmark that writes are
            // refused over are below 1 KB.
            let writes = if consumed(&answer).is_empty() { refused as f64 } else { 0.0 };
            let table = bag.load::<About>().map(|about| about.0.clone()).unwrap_or_default();
            self.add(&operation, &table, Cost { refused, writes, ..Cost::default() });
        }
        Ok(())
    }
}

/// The table that a request is about; the first one if there are several.
fn table_of(body: &Json) -> Option<String> {
    let direct = body.get("TableName").and_then(Json::as_str).map(str::to_owned);
    let keyed = || body.get("RequestItems")?.as_object()?.keys().next().cloned();
    let stated = || {
        let text = body.get("Statements")?.get(0)?.get("Statement")?.as_str()?;
        text.split('"').nth(1).map(str::to_owned)
    };
    let transacted = || {
        let (_, action) = body.get("TransactItems")?.get(0)?.as_object()?.iter().next()?;
        action.get("TableName")?.as_str().map(str::to_owned)
    };
    direct.or_else(keyed).or_else(stated).or_else(transacted)
}

/// The units that an answer reports, by table.
fn consumed(answer: &Json) -> Vec<(String, f64)> {
    let reports = match answer.get("ConsumedCapacity") {
        Some(Json::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let read = |report: &Json| {
        let table = report.get("TableName")?.as_str()?.to_owned();
        Some((table, report.get("CapacityUnits")?.as_f64()?))
    };
    reports.into_iter().filter_map(read).collect()
}

/// How many writes were refused by their conditions.
fn refused(answer: &Json) -> u64 {
    let kind = answer.get("__type").and_then(Json::as_str).unwrap_or_default();
    if kind.ends_with("ConditionalCheckFailedException") {
        return 1;
    }
    let refused = |response: &&Json| {
        let code = response.get("Error").and_then(|error| error.get("Code")).and_then(Json::as_str);
        matches!(code, Some("ConditionalCheckFailed" | "DuplicateItem"))
    };
    let responses = answer.get("Responses").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    responses.iter().filter(refused).count() as u64
}
