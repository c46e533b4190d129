//! A database in memory whose calls are counted, and can be disturbed.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{
    BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents,
};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use futures::future::BoxFuture;
use serde_json::{Value as Json, json};

/// Something that happens just before a call, and the operation that it waits for.
pub type Meanwhile = (&'static str, BoxFuture<'static, ()>);

/// An operation that is not done, and the answer that it gets.
pub type Refused = (&'static str, &'static str);

/// What DynamoDB answers when rows cannot be read as of one moment.
pub const CANCELLED: Refused = (
    "TransactGetItems",
    r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons": [{"Code": "TransactionConflict"}]}"#,
);

/// Notes the operation of every call, lets something happen before one of them, and refuses some.
#[derive(Clone, Default)]
pub struct Calls {
    pub made: Arc<Mutex<Vec<String>>>,
    pub meanwhile: Arc<Mutex<Option<Meanwhile>>>,
    /// What the call said before which something has happened.
    pub said: Arc<Mutex<Json>>,
    pub refused: Arc<Mutex<Option<Refused>>>,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Calls")
    }
}

/// The operation of a call that is under way.
#[derive(Debug)]
struct Operation(String);

impl Storable for Operation {
    type Storer = StoreReplace<Self>;
}

impl Calls {
    /// How the call is refused, if it is.
    fn refusal(&self, bag: &ConfigBag) -> Option<&'static str> {
        let (operation, answer) = (*self.refused.lock().unwrap())?;
        bag.load::<Operation>().is_some_and(|Operation(name)| name == operation).then_some(answer)
    }
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "calls"
    }
    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Operation(operation)) = bag.load::<Operation>() else { return Ok(()) };
        self.made.lock().unwrap().push(operation.clone());
        let due = self.meanwhile.lock().unwrap().take_if(|(awaited, _)| *awaited == operation.as_str());
        if let Some((_, happening)) = due {
            let body = context.request().body().bytes().unwrap_or_default();
            *self.said.lock().unwrap() = serde_json::from_slice(body).unwrap_or_default();
            // Needs a test with threads: this one waits.
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(happening));
        }
        Ok(())
    }
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        let (_, operation) = target.split_once('.').unwrap_or_default();
        bag.interceptor_state().store_put(Operation(operation.to_owned()));
        if self.refusal(bag).is_some() {
            // Has no effect.
            context.request_mut().headers_mut().insert("x-amz-target", "DynamoDB_20120810.Nothing");
        }
        Ok(())
    }
    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(answer) = self.refusal(bag) {
            *context.response_mut().status_mut() = 400.try_into()?;
            *context.response_mut().body_mut() = answer.into();
        }
        Ok(())
    }
}

/// An empty database, and a client of it whose calls go through this.
pub async fn database(calls: Calls) -> aws_sdk_dynamodb::Client {
    let database = dynoxide::Database::memory().unwrap();
    for table in ["t-data", "t-replicas", "t-directory"] {
        let request = json!({
            "TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"},
            ],
        });
        database.create_table(serde_json::from_value(request).unwrap()).unwrap();
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .interceptor(calls)
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}
