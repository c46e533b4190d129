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

/// A call that DynamoDB refuses and the database in memory does not.
#[derive(Debug)]
struct Invalid;

impl Storable for Invalid {
    type Storer = StoreReplace<Self>;
}

/// What DynamoDB answers to a key that is an empty string.
const EMPTY_KEY: &str = r#"{"__type": "com.amazon.coral.validate#ValidationException", "message":
    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value."}"#;

/// Whether a call has an empty string where a key is: in a row or a key that it names, or in what a query compares keys
/// with. DynamoDB refuses such a call; the database in memory takes it.
fn has_empty_key(call: &Json) -> bool {
    let is_empty = |value: &Json| value["S"] == "";
    let condition = call["KeyConditionExpression"].as_str().unwrap_or_default();
    let compared = condition
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .any(|word| word.starts_with(':') && is_empty(&call["ExpressionAttributeValues"][word]));
    compared || names_empty_key(call)
}

fn names_empty_key(part: &Json) -> bool {
    match part {
        Json::Object(members) => {
            let of_row = ["pk", "sk"].iter().any(|name| members.get(*name).is_some_and(|key| key["S"] == ""));
            // What is inside an item is no key, whatever it is called.
            of_row || members.iter().any(|(name, part)| name != "M" && names_empty_key(part))
        }
        Json::Array(parts) => parts.iter().any(names_empty_key),
        _ => false,
    }
}

impl Calls {
    /// How the call is refused, if it is.
    fn refusal(&self, bag: &ConfigBag) -> Option<&'static str> {
        if bag.load::<Invalid>().is_some() {
            return Some(EMPTY_KEY);
        }
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
        let body = context.request().body().bytes().unwrap_or_default();
        if serde_json::from_slice(body).is_ok_and(|call| has_empty_key(&call)) {
            bag.interceptor_state().store_put(Invalid);
        }
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

/// The code of the error that a call ends with.
fn refused_as<T, E: aws_sdk_dynamodb::error::ProvideErrorMetadata>(call: Result<T, E>) -> String {
    call.err().and_then(|error| error.code().map(str::to_owned)).unwrap_or_default()
}

#[tokio::test]
async fn an_empty_key_is_refused_as_by_dynamodb() {
    let client = database(Calls::default()).await;
    let values = |sort: &str| {
        [(":pk".to_owned(), store::attr::text("a")), (":sk".to_owned(), store::attr::text(sort))]
    };
    let query = |sort: &str| {
        client
            .query()
            .table_name("t-directory")
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .set_expression_attribute_values(Some(values(sort).into()))
            .send()
    };
    assert_eq!(refused_as(query("").await), "ValidationException");
    assert!(query("x").await.is_ok());
    let put = |sort: &str| {
        let key = store::keys::Key { pk: "a".into(), sk: sort.into() };
        let row = store::attr::row(&key, [("text", store::attr::text(""))]);
        client.put_item().table_name("t-directory").set_item(Some(row)).send()
    };
    assert_eq!(refused_as(put("").await), "ValidationException");
    assert!(put("x").await.is_ok(), "an attribute that is no key may be empty");
}
