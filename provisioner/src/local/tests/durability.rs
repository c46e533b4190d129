//! What was acknowledged survives the emulator's death.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ScalarAttributeType,
    StreamSpecification, StreamViewType, TransactWriteItem, WriteRequest,
};
use aws_sdk_dynamodb::{Client, config::Region};

use super::*;

const TABLE: &str = "kept-data";
/// Answered calls before the kill.
const ENOUGH: usize = 150;

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "local")
}

fn tables(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version_latest()
        .endpoint_url(endpoint)
        .region(Region::new("eu-west-1"))
        .credentials_provider(credentials())
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled());
    Client::from_conf(config.build())
}

async fn create(client: &Client) {
    let key =
        |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let attribute = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        attribute.attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let stream = StreamSpecification::builder().stream_enabled(true);
    let stream = stream.stream_view_type(StreamViewType::NewAndOldImages).build().unwrap();
    let table = client.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    let table = table.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    let table = table.attribute_definitions(attribute("pk")).attribute_definitions(attribute("sk"));
    table.stream_specification(stream).send().await.unwrap();
}

/// What one writer knows: by sort key the value, or none if it was deleted.
type Known = BTreeMap<String, Option<String>>;

/// Writes in every way there is until the emulator no longer answers. A key whose last call was not answered may be
/// either way, and is left out.
async fn write(client: Client, pk: String, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) -> Known {
    let mut known = Known::new();
    for round in 0.. {
        let (sk, value) = (format!("k{}", round % 40), format!("v{round}"));
        let other = format!("{sk}-twin");
        let item = |sk: &str| {
            let pairs = [("pk", pk.as_str()), ("sk", sk), ("v", value.as_str())];
            pairs.map(|(name, value)| (name.to_owned(), text(value))).into_iter().collect()
        };
        let put = |sk: &str| {
            let put = Put::builder().table_name(TABLE).set_item(Some(item(sk))).build().unwrap();
            TransactWriteItem::builder().put(put).build()
        };
        let request = |sk: &str| {
            let put =
                aws_sdk_dynamodb::types::PutRequest::builder().set_item(Some(item(sk))).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let key = client.update_item().table_name(TABLE).key("pk", text(&pk)).key("sk", text(&sk));
        let update = key.update_expression("SET v = :v").expression_attribute_values(":v", text(&value));
        let delete = client.delete_item().table_name(TABLE).key("pk", text(&pk)).key("sk", text(&sk));
        let (done, touched, gone) = match round % 5 {
            0 => (
                client.put_item().table_name(TABLE).set_item(Some(item(&sk))).send().await.is_ok(),
                vec![sk],
                false,
            ),
            1 => (update.send().await.is_ok(), vec![sk], false),
            2 => (delete.send().await.is_ok(), vec![sk], true),
            3 => {
                let both = client.transact_write_items().transact_items(put(&sk)).transact_items(put(&other));
                (both.send().await.is_ok(), vec![sk, other], false)
            }
            _ => {
                let both = vec![request(&sk), request(&other)];
                (
                    client.batch_write_item().request_items(TABLE, both).send().await.is_ok(),
                    vec![sk, other],
                    false,
                )
            }
        };
        for sk in touched {
            if done {
                known.insert(sk, (!gone).then(|| value.clone()));
            } else {
                known.remove(&sk);
            }
        }
        count.fetch_add(usize::from(done), Ordering::Relaxed);
        if !done || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    known
}

async fn kill(running: &Running, options: &LocalOptions) {
    let pid = running.pid.to_string();
    assert!(tokio::process::Command::new("kill").args(["-KILL", &pid]).status().await.unwrap().success());
    while status(options).await != Status::Stopped {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn stored(client: &Client, pk: &str) -> BTreeMap<String, String> {
    let query = client.query().table_name(TABLE).key_condition_expression("pk = :pk");
    let found = query.expression_attribute_values(":pk", text(pk)).send().await.unwrap();
    let string = |item: &std::collections::HashMap<String, AttributeValue>, name: &str| {
        item[name].as_s().unwrap().clone()
    };
    found.items().iter().map(|item| (string(item, "sk"), string(item, "v"))).collect()
}

/// One call of the streams' API, for which there is no client here. Without IAM, a signature is not looked at.
async fn streams(endpoint: &str, action: &str, body: serde_json::Value) -> serde_json::Value {
    let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
    let request = reqwest::Client::new().post(endpoint).header("authorization", scope).body(body.to_string());
    let request = request.header("x-amz-target", format!("DynamoDBStreams_20120810.{action}"));
    let text = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The newest value of each key as the stream tells it, and the number of records.
async fn streamed(endpoint: &str, client: &Client, pk: &str) -> (BTreeMap<String, String>, usize) {
    let table = client.describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
    let arn = table.latest_stream_arn.unwrap();
    let described = streams(endpoint, "DescribeStream", serde_json::json!({ "StreamArn": arn })).await;
    let shard = described["StreamDescription"]["Shards"][0]["ShardId"].clone();
    let ask = serde_json::json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let mut iterator = streams(endpoint, "GetShardIterator", ask).await["ShardIterator"].clone();
    let (mut newest, mut count) = (BTreeMap::new(), 0);
    loop {
        let page = streams(endpoint, "GetRecords", serde_json::json!({ "ShardIterator": iterator })).await;
        let records = page["Records"].as_array().unwrap();
        for record in records.iter().map(|record| &record["dynamodb"]) {
            count += 1;
            let sk = record["Keys"]["sk"]["S"].as_str().unwrap().to_owned();
            if record["Keys"]["pk"]["S"] == pk {
                match record["NewImage"]["v"]["S"].as_str() {
                    Some(value) => newest.insert(sk, value.to_owned()),
                    None => newest.remove(&sk),
                };
            }
        }
        if records.is_empty() {
            return (newest, count);
        }
        iterator = page["NextShardIterator"].clone();
    }
}

#[tokio::test]
async fn a_kill_during_writes_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let options = LocalOptions { enforce_iam: false, ..options(dir.path()) };
    let mut running = ensure_with(&settings(), &options, &quiet).await.unwrap();
    let options = LocalOptions { port: Some(running.port), ..options };
    create(&tables(&running.endpoint)).await;
    for life in 0..3 {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let client = tables(&running.endpoint);
                tokio::spawn(write(client, format!("{life}-{writer}"), stop.clone(), count.clone()))
            })
            .collect();
        while count.load(Ordering::Relaxed) < ENOUGH {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        kill(&running, &options).await;
        stop.store(true, Ordering::Relaxed);
        running = ensure_with(&settings(), &options, &quiet).await.unwrap();
        let client = tables(&running.endpoint);
        for (writer, task) in writers.into_iter().enumerate() {
            let (pk, known) = (format!("{life}-{writer}"), task.await.unwrap());
            let found = stored(&client, &pk).await;
            for (sk, value) in &known {
                assert_eq!(found.get(sk), value.as_ref(), "life {life}, {pk} {sk}");
            }
            let (newest, records) = streamed(&running.endpoint, &client, &pk).await;
            assert_eq!(newest, found, "the stream tells what the table holds");
            assert!(records >= ENOUGH * (life + 1) / 2, "{records} records");
        }
    }
}

#[tokio::test]
async fn queues_and_tables_survive_a_kill_right_after_they_were_made() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let running = ensure_with(&settings(), &options, &quiet).await.unwrap();
    let options = LocalOptions { port: Some(running.port), ..options };
    let queues = |endpoint: &str| {
        let config = aws_sdk_sqs::Config::builder().behavior_version_latest().endpoint_url(endpoint);
        let config = config.region(Region::new("eu-west-1")).credentials_provider(credentials());
        aws_sdk_sqs::Client::from_conf(config.build())
    };
    create(&tables(&running.endpoint)).await;
    let sqs = queues(&running.endpoint);
    let url = sqs.create_queue().queue_name("kept-jobs").send().await.unwrap().queue_url.unwrap();
    let sent = sqs.send_message().queue_url(&url).message_body("{}").send().await.unwrap();
    kill(&running, &options).await;
    let running = ensure_with(&settings(), &options, &quiet).await.unwrap();
    let received = queues(&running.endpoint).receive_message().queue_url(&url).send().await.unwrap();
    assert_eq!(received.messages()[0].message_id, sent.message_id);
    let table =
        tables(&running.endpoint).describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
    assert!(table.latest_stream_arn.is_some());
    tables(&running.endpoint).delete_table().table_name(TABLE).send().await.unwrap();
    kill(&running, &options).await;
    let running = ensure_with(&settings(), &options, &quiet).await.unwrap();
    assert!(tables(&running.endpoint).list_tables().send().await.unwrap().table_names().is_empty());
}

#[tokio::test]
async fn pages_of_other_sites_may_not_call_the_emulator() {
    let dir = tempfile::tempdir().unwrap();
    let running = ensure_with(&settings(), &options(dir.path()), &quiet).await.unwrap();
    let health = format!("{}/_ministack/health", running.endpoint);
    let from = |origin: &'static str| reqwest::Client::new().get(&health).header("origin", origin).send();
    assert_eq!(from("https://evil.example").await.unwrap().status(), 403);
    assert_eq!(from("null").await.unwrap().status(), 403);
    assert_eq!(from("http://localhost:3000").await.unwrap().status(), 200);
}
