//! A stack on an embedded DynamoDB: the real API, stream function and job function over the real store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient, SharedInterceptor};
use domain::address::Address;
use domain::id::{DriveId, GroupId};
use domain::time::Timestamp;
use futures::future::BoxFuture;
use lambdas::api::keys::KeyRing;
use lambdas::api::userinfo::{UserInfo, UserInfoError};
use lambdas::api::{Api, Request};
use lambdas::queue::{Jobs, NotSent};
use lambdas::replicator::{Outcome, Replicator};
use lambdas::settings::ApiSettings;
use lambdas::worker::{Pace, Worker};
use serde_json::{Value as Json, json};
use store::cursor::CursorKey;
use store::directory::Job;
use store::document::Document;
use store::{Store, Tables};

use crate::error::{BenchError, Result};
use crate::meter::{Meter, Tally};
use crate::tokens::{CLIENT, ISSUER, Signer};

/// What nothing may slow down.
const UNPACED: u32 = 1_000_000;

#[derive(Clone, Default)]
struct Queue(Arc<Mutex<Vec<Job>>>);

impl Jobs for Queue {
    fn send_after<'a>(
        &'a self,
        job: &'a Job,
        _: Duration,
    ) -> BoxFuture<'a, std::result::Result<(), NotSent>> {
        let sent = self.0.lock().map(|mut queue| queue.push(job.clone())).map_err(|_| NotSent);
        Box::pin(std::future::ready(sent))
    }
}

/// A user pool at no distance.
struct Pool;

impl UserInfo for Pool {
    fn verified_email<'a>(
        &'a self,
        _: &'a str,
        subject: &'a str,
    ) -> BoxFuture<'a, std::result::Result<Option<String>, UserInfoError>> {
        Box::pin(std::future::ready(Ok(Some(address_of(subject)))))
    }
}

fn address_of(subject: &str) -> String {
    format!("{subject}@example.org")
}

/// A stack, and a meter on its database.
pub struct World {
    /// The API.
    pub api: Api,
    /// The data plane.
    pub store: Store,
    /// What the stack is.
    pub document: Arc<Document>,
    /// What the calls of all of them cost.
    pub meter: Meter,
    /// The database itself, past every meter.
    pub database: dynoxide::Database,
    /// The client that the store has.
    pub client: Client,
    /// Where the database is reached; empty if it has no address.
    pub endpoint: String,
    /// The time of all requests.
    pub now: Timestamp,
    queue: Queue,
    signer: Signer,
}

/// Somebody who calls.
#[derive(Debug, Clone)]
pub struct Person {
    /// The name that they are known by at the user pool.
    pub subject: String,
    /// Their drive.
    pub drive: DriveId,
    /// The token that they call with.
    pub token: String,
}

/// What the stack's groups receive by default: every reading.
pub fn document() -> Result<Document> {
    let types = json!([{"name": "glucose", "time": "takenAt", "fields": {
        "takenAt": {"type": "datetime", "required": true},
        "mgdl": {"type": "integer", "required": true, "min": 0, "max": 1000000},
        "device": {"type": "string", "maxLength": 64},
        "note": {"type": "string", "maxLength": 100000},
    }}]);
    let types: Vec<domain::datatype::DataType> = serde_json::from_value(types)?;
    let rules = json!([{"types": ["glucose"], "when": "resource.mgdl > 10", "history": "all"}]);
    Ok(Document {
        data_types: types.into_iter().map(|one| (one.name.clone(), one)).collect(),
        group_defaults: serde_json::from_value(rules)?,
        era: 0,
    })
}

/// The fields of a reading.
pub fn reading(at: Timestamp, mgdl: i64, note: Option<&str>) -> Json {
    let mut fields = json!({"takenAt": at.to_string(), "mgdl": mgdl, "device": "meter 7"});
    if let (Some(note), Some(fields)) = (note, fields.as_object_mut()) {
        fields.insert("note".into(), note.into());
    }
    fields
}

/// A client of a database at an address, with a meter on it or not.
pub fn client(endpoint: &str, meter: Option<Meter>, http: Option<SharedHttpClient>) -> Client {
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        // As functions have it: bounds on waiting cost a little of each call.
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .timeout_config(store::timeouts())
        .endpoint_url(endpoint);
    if let Some(meter) = meter {
        config.push_interceptor(SharedInterceptor::new(meter));
    }
    config.set_http_client(http);
    Client::from_conf(config.build())
}

/// Makes a table; `indexes` are pairs of an index's name and the attribute that it is sorted by.
///
/// # Errors
/// If the database refuses.
pub fn create_table(database: &dynoxide::Database, name: &str, indexes: &[(&str, &str)]) -> Result<()> {
    let keys = |sort: &str| json!([{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]);
    let sorts = ["pk", "sk"].into_iter().chain(indexes.iter().map(|(_, sort)| *sort));
    let attributes: Vec<Json> =
        sorts.map(|name| json!({"AttributeName": name, "AttributeType": "S"})).collect();
    let mut request = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys("sk"), "AttributeDefinitions": attributes,
    });
    if !indexes.is_empty() {
        let all: Vec<Json> = indexes
            .iter()
            .map(|(index, sort)| {
                json!({"IndexName": index, "KeySchema": keys(sort), "Projection": {"ProjectionType": "ALL"}})
            })
            .collect();
        request["GlobalSecondaryIndexes"] = all.into();
    }
    database.create_table(serde_json::from_value(request)?).map_err(BenchError::other)?;
    Ok(())
}

impl World {
    /// An empty stack.
    ///
    /// # Errors
    /// If the database cannot be started, or the key for tokens not be made.
    pub async fn new() -> Result<Self> {
        let database = dynoxide::Database::memory().map_err(BenchError::other)?;
        for table in ["t-data", "t-replicas", "t-directory"] {
            create_table(&database, table, &[])?;
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(BenchError::other)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(BenchError::other)?);
        tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let meter = Meter::default();
        let client = client(&endpoint, Some(meter.clone()), None);
        let store = Store::new(client.clone(), Tables::of_stack("t"));
        let (document, queue, signer) = (Arc::new(document()?), Queue::default(), Signer::new()?);
        let settings = ApiSettings {
            issuer: ISSUER.into(),
            client_id: CLIENT.into(),
            userinfo_url: "http://unused".into(),
            keys_url: "http://unused".into(),
            calls_per_second: UNPACED,
        };
        let api = Api::new(
            // A function of its own: it remembers nothing that the others have read.
            Store::new(client.clone(), Tables::of_stack("t")),
            document.clone(),
            CursorKey::new(vec![7; 32]),
            settings,
            Box::new(queue.clone()),
            Box::new(Pool),
            KeyRing::new(Box::new(signer.listed()?)),
        );
        let now = Timestamp::parse("2026-01-01T00:00:00Z").map_err(BenchError::other)?;
        Ok(Self { api, store, document, meter, database, client, endpoint, now, queue, signer })
    }

    /// The keys that tokens are signed with, as the user pool lists them.
    ///
    /// # Errors
    /// Those of the key's encoding.
    pub fn keys(&self) -> Result<Json> {
        Ok(self.signer.listed()?.0)
    }

    /// Somebody with a profile.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn person(&self, subject: &str) -> Result<Person> {
        let email = Address::parse(&address_of(subject)).map_err(BenchError::other)?;
        let (user, _) = self.store.create_user(ISSUER, subject, Some(&email), self.now).await?;
        // Long after both the time of requests and that of the functions' own programs.
        let token = self.signer.token(subject, 4_000_000_000)?;
        Ok(Person { subject: subject.into(), drive: user.drive, token })
    }

    /// Calls the API and gives what it answers.
    ///
    /// # Errors
    /// If it is no success.
    pub async fn call(&self, who: &Person, method: &str, target: &str, body: Json) -> Result<Json> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = BTreeMap::from([("authorization".to_owned(), format!("Bearer {}", who.token))]);
        let mut bytes = Vec::new();
        if !body.is_null() {
            headers.insert("content-type".into(), "application/json".into());
            bytes = body.to_string().into_bytes();
        }
        let request = Request {
            id: "bench".into(),
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers,
            body: bytes,
        };
        let response = self.api.handle(request, self.now).await;
        if response.status >= 300 {
            let call = format!("{method} {path}");
            return Err(BenchError::Answer { call, status: response.status, body: response.body });
        }
        if response.body.is_empty() { Ok(Json::Null) } else { Ok(serde_json::from_str(&response.body)?) }
    }

    /// Makes a group.
    ///
    /// # Errors
    /// If the API refuses.
    pub async fn group(&self, owner: &Person, name: &str) -> Result<GroupId> {
        let made = self.call(owner, "POST", "/groups", json!({"name": name})).await?;
        GroupId::parse(text(&made, "id")?).map_err(BenchError::other)
    }

    /// Invites somebody and lets them accept; what accepting cost.
    ///
    /// # Errors
    /// If the API refuses.
    pub async fn admit(&self, group: &GroupId, owner: &Person, role: &str, whom: &Person) -> Result<Tally> {
        self.admit_with(group, owner, (role, Json::Null), whom).await
    }

    /// The same on these terms, as the body of an acceptance says them.
    ///
    /// # Errors
    /// If the API refuses.
    pub async fn admit_with(
        &self,
        group: &GroupId,
        owner: &Person,
        (role, terms): (&str, Json),
        whom: &Person,
    ) -> Result<Tally> {
        let sent = json!({"role": role, "email": address_of(&whom.subject)});
        let made = self.call(owner, "POST", &format!("/groups/{group}/invitations"), sent).await?;
        let accept = format!("/groups/{group}/invitations/{}/accept", text(&made, "id")?);
        self.meter.take();
        self.call(whom, "POST", &accept, terms).await?;
        Ok(self.meter.take())
    }

    /// Works off the queue of jobs as the job function does; what that cost.
    ///
    /// # Errors
    /// If a job fails.
    pub async fn work(&self) -> Result<Tally> {
        self.meter.take();
        let worker = self.worker(self.store.clone());
        while let Some(job) = self.next_job() {
            let deadline = Instant::now() + Duration::from_secs(900);
            worker.handle(&announcement(&job), deadline).await.map_err(BenchError::other)?;
        }
        Ok(self.meter.take())
    }

    /// A job function over a store, which nothing slows down.
    pub fn worker(&self, store: Store) -> Worker {
        Worker::new(store, self.document.clone(), Arc::new(self.queue.clone()), Pace::new(UNPACED))
    }

    /// Takes the first job from the queue.
    pub fn next_job(&self) -> Option<Job> {
        let mut queue = self.queue.0.lock().ok()?;
        if queue.is_empty() { None } else { Some(queue.remove(0)) }
    }

    /// Announces a job.
    pub fn announce(&self, job: &Job) {
        if let Ok(mut queue) = self.queue.0.lock() {
            queue.push(job.clone());
        }
    }

    /// A stream function that has just started.
    pub fn replicator(&self) -> Replicator {
        Replicator::new(self.store.clone(), self.document.clone())
    }

    /// Delivers records to a stream function; what it did and what that cost.
    ///
    /// # Errors
    /// Those of the function.
    pub async fn deliver(&self, replicator: &Replicator, records: &[Json]) -> Result<(Outcome, Tally)> {
        self.meter.take();
        let deadline = Instant::now() + Duration::from_secs(600);
        let outcome = replicator.handle(&json!({ "Records": records }), deadline).await?;
        Ok((outcome, self.meter.take()))
    }

    /// The rows of a table, or of one partition of it, in DynamoDB's own JSON and past the meter.
    ///
    /// # Errors
    /// If the database fails.
    pub fn rows(&self, table: &str, partition: Option<&str>) -> Result<Vec<Json>> {
        let (mut rows, mut start) = (Vec::new(), Json::Null);
        loop {
            let mut request = json!({"TableName": table});
            if !start.is_null() {
                request["ExclusiveStartKey"] = start;
            }
            let answer = match partition {
                Some(partition) => {
                    request["KeyConditionExpression"] = "pk = :pk".into();
                    request["ExpressionAttributeValues"] = json!({":pk": {"S": partition}});
                    let answer = self.database.query(serde_json::from_value(request)?);
                    serde_json::to_value(answer.map_err(BenchError::other)?)?
                }
                None => {
                    let answer = self.database.scan(serde_json::from_value(request)?);
                    serde_json::to_value(answer.map_err(BenchError::other)?)?
                }
            };
            rows.extend(answer["Items"].as_array().cloned().unwrap_or_default());
            start = answer["LastEvaluatedKey"].clone();
            if start.is_null() {
                return Ok(rows);
            }
        }
    }

    /// Puts rows as they are, past the database's front door.
    ///
    /// # Errors
    /// If the database fails.
    pub fn put_rows(&self, table: &str, rows: Vec<dynoxide::Item>) -> Result<()> {
        let import = self.database.import_items(table, rows, dynoxide::ImportOptions::default());
        import.map(drop).map_err(BenchError::other)
    }

    /// A group's replicas that are alive.
    ///
    /// # Errors
    /// If the database fails.
    pub fn live(&self) -> Result<usize> {
        Ok(self.rows("t-replicas", None)?.iter().filter(|row| row.get("body").is_some()).count())
    }
}

/// The event that tells a job function of a job.
pub fn announcement(job: &Job) -> Json {
    json!({"Records": [{"body": lambdas::queue::message(job)}]})
}

/// A text of an answer.
///
/// # Errors
/// If it is not there.
pub fn text<'a>(json: &'a Json, name: &str) -> Result<&'a str> {
    json.get(name).and_then(Json::as_str).ok_or_else(|| BenchError::other(format!("no `{name}` in {json}")))
}
