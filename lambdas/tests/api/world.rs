//! A stack in memory, and people who call its API.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::datatype::DataType;
use domain::id::{DriveId, GroupId, ItemId, Name};
use domain::replication::{Change, Order, ReplicaRow, decide};
use domain::routes::Scope;
use domain::rules::compare::Judged;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use lambdas::api::keys::KeyRing;
use lambdas::api::userinfo::{UserInfo, UserInfoError};
use lambdas::api::{Api, Request, Response};
use lambdas::queue::{Jobs, NotSent};
use lambdas::settings::ApiSettings;
use lambdas::worker::{Pace, Worker};
use serde_json::{Value as Json, json};
use store::cursor::CursorKey;
use store::directory::Job;
use store::document::Document;
use store::layout::Layout;
use store::{Store, Tables};

use crate::database::{Calls, Meanwhile, Refused, database};
use crate::tokens::{self, FakeKeys};

pub const ISSUER: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool";
pub const CLIENT: &str = "client";

/// What the queue was given, and whether it takes anything.
#[derive(Default)]
pub struct Queue {
    pub sent: Vec<Job>,
    pub broken: bool,
}

#[derive(Clone, Default)]
pub struct FakeJobs(Arc<Mutex<Queue>>);

impl Jobs for FakeJobs {
    fn send_after<'a>(&'a self, job: &'a Job, _: Duration) -> BoxFuture<'a, Result<(), NotSent>> {
        let mut queue = self.0.lock().unwrap();
        if queue.broken {
            return Box::pin(std::future::ready(Err(NotSent)));
        }
        queue.sent.push(job.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

type Known = Arc<Mutex<HashMap<String, Result<Option<String>, UserInfoError>>>>;

/// The accounts of the pool, and how often it was asked about one.
#[derive(Clone, Default)]
struct FakeUserInfo(Known, Arc<AtomicUsize>);

impl UserInfo for FakeUserInfo {
    fn verified_email<'a>(
        &'a self,
        token: &'a str,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, UserInfoError>> {
        assert_eq!(crate::tokens::subject(token), subject, "the caller's own token is passed on");
        self.1.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(self.0.lock().unwrap().get(subject).cloned().unwrap_or(Ok(None))))
    }
}

fn api(
    store: &Store,
    document: &Arc<Document>,
    (jobs, userinfo, keys): (FakeJobs, FakeUserInfo, FakeKeys),
    calls_per_second: u32,
) -> Api {
    let settings = ApiSettings {
        issuer: ISSUER.into(),
        client_id: CLIENT.into(),
        userinfo_url: "http://unused".into(),
        keys_url: "http://unused".into(),
        calls_per_second,
    };
    Api::new(
        store.clone(),
        document.clone(),
        CursorKey::new(vec![7; 32]),
        settings,
        Box::new(jobs),
        Box::new(userinfo),
        KeyRing::new(Box::new(keys)),
    )
}

/// A stack in memory.
pub struct World {
    pub api: Api,
    pub store: Store,
    pub document: Arc<Document>,
    /// The description of its API.
    description: Arc<Json>,
    pub queue: Arc<Mutex<Queue>>,
    pub pool: Known,
    /// How often the pool was asked.
    pub pool_asked: Arc<AtomicUsize>,
    /// The keys that the pool lists.
    pub keys: FakeKeys,
    pub now: Mutex<Timestamp>,
    /// The operations that the database was asked for.
    pub calls: Arc<Mutex<Vec<String>>>,
    /// What shall happen just before a call.
    pub meanwhile: Arc<Mutex<Option<Meanwhile>>>,
    /// What the call said before which that happens.
    pub said: Arc<Mutex<Json>>,
    /// The operation that the database refuses, and how it does.
    pub refused: Arc<Mutex<Option<Refused>>>,
}

pub fn document() -> Document {
    let types = json!([
        {"name": "glucose", "time": "takenAt", "fields": {
            "takenAt": {"type": "datetime", "required": true},
            "mgdl": {"type": "integer", "required": true, "min": 0, "max": 1000},
            "device": {"type": "string", "maxLength": 20},
            "note": {"type": "string"},
            "raw": {"type": "object"},
        }},
        {"name": "memo", "time": "at", "retentionDays": 30, "fields": {
            "at": {"type": "datetime", "required": true},
            "text": {"type": "string", "maxLength": 400000},
        }},
    ]);
    let types: Vec<DataType> = serde_json::from_value(types).unwrap();
    let rules = json!([
        {"types": ["glucose"], "when": "resource.mgdl > 180", "fields": ["takenAt", "mgdl"]},
        {"types": ["glucose"], "when": "resource has note && resource.note == \"share\"", "fields": ["note"]},
        {"types": ["memo"]},
    ]);
    Document {
        data_types: types.into_iter().map(|t| (t.name.clone(), t)).collect(),
        group_defaults: serde_json::from_value(rules).unwrap(),
        era: 0,
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with_pace(1_000_000).await
    }

    /// One whose people may call so often a second.
    pub async fn with_pace(calls_per_second: u32) -> Self {
        crate::logs::install();
        let calls = Calls::default();
        let store = Store::new(database(calls.clone()).await, Tables::of_stack("t"));
        let document = Arc::new(document());
        let (jobs, userinfo, keys) = (FakeJobs::default(), FakeUserInfo::default(), FakeKeys::of_pool());
        let outside = (jobs.clone(), userinfo.clone(), keys.clone());
        let api = api(&store, &document, outside, calls_per_second);
        let now = Mutex::new(Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
        Self {
            api,
            store,
            document,
            description: crate::described::DESCRIPTION.clone(),
            queue: jobs.0,
            pool: userinfo.0,
            pool_asked: userinfo.1,
            keys,
            calls: calls.made,
            meanwhile: calls.meanwhile,
            said: calls.said,
            refused: calls.refused,
            now,
        }
    }

    /// Deploys the stack again, with another document.
    pub fn deploy(&mut self, change: impl FnOnce(&mut Document)) {
        let mut document = Document::clone(&self.document);
        change(&mut document);
        self.description = crate::described::description(&document);
        self.document = Arc::new(document);
        let userinfo = FakeUserInfo(self.pool.clone(), self.pool_asked.clone());
        let outside = (FakeJobs(self.queue.clone()), userinfo, self.keys.clone());
        self.api = api(&self.store, &self.document, outside, 1_000_000);
    }

    pub fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    pub fn pass_days(&self, days: i64) {
        self.pass_millis(days * 86_400_000);
    }

    pub fn pass_millis(&self, millis: i64) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus_millis(millis);
    }

    /// What the pool has verified as somebody's address from now on.
    pub fn verify(&self, subject: &str, email: Option<&str>) {
        self.pool.lock().unwrap().insert(subject.to_owned(), Ok(email.map(str::to_owned)));
    }

    /// Questions that the pool was asked since this was last called.
    pub fn questions(&self) -> usize {
        self.pool_asked.swap(0, Ordering::Relaxed)
    }

    /// Somebody who has signed in but has no profile.
    pub fn visitor(&self, subject: &str) -> Person<'_> {
        Person { world: self, subject: subject.to_owned() }
    }

    /// Somebody with a profile and a verified address.
    pub async fn person(&self, subject: &str) -> Person<'_> {
        let email = format!("{subject}@example.org");
        self.pool.lock().unwrap().insert(subject.to_owned(), Ok(Some(email)));
        let person = self.visitor(subject);
        person.post("/user", Json::Null).await.expect(201);
        person
    }

    /// What the stream function does for one item.
    pub async fn replicate(&self, owner: &Person<'_>, id: &str) {
        let drive = DriveId::parse(&owner.drive().await).unwrap();
        let item = self.store.item(&drive, &ItemId::parse(id).unwrap(), &self.document).await.unwrap();
        let outlets = self.store.outlets(&drive, &self.document).await.unwrap();
        let change = Change::Present(&item);
        let decisions: Vec<_> = outlets.iter().map(|o| decide(&change, &o.membership, &o.book)).collect();
        self.store.apply(&decisions, self.now()).await.unwrap();
    }

    /// Lets a group share these: everything of every reading, say.
    pub async fn rules(&self, group: &str, rules: Json, shards: u16) -> Job {
        let row = self.store.group(&GroupId::parse(group).unwrap()).await.unwrap();
        let rules = serde_json::from_value(rules).unwrap();
        self.store.change_rules(&row, (&rules, Judged::UNDECIDED), shards, self.now()).await.unwrap()
    }

    /// Works off the queue of jobs until it is empty, and tells how many copies that changed.
    pub async fn work(&self) -> u64 {
        let mut changed = 0;
        loop {
            let next = {
                let mut queue = self.queue.lock().unwrap();
                if queue.sent.is_empty() { None } else { Some(queue.sent.remove(0)) }
            };
            let Some(job) = next else { return changed };
            changed += self.work_on(&job).await;
        }
    }

    /// The queue as a function sees it.
    pub fn jobs(&self) -> FakeJobs {
        FakeJobs(self.queue.clone())
    }

    /// What the job function does when a job is delivered.
    pub async fn work_on(&self, job: &Job) -> u64 {
        self.work_with(self.store.clone(), job).await
    }

    /// What a job function does that knows what this store remembers.
    pub async fn work_with(&self, store: Store, job: &Job) -> u64 {
        let queue = Arc::new(FakeJobs(self.queue.clone()));
        let worker = Worker::new(store, self.document.clone(), queue, Pace::new(1_000_000));
        let event = json!({"Records": [{"body": lambdas::queue::message(job)}]});
        worker.handle(&event, Instant::now() + Duration::from_secs(900)).await.unwrap();
        let after = self.store.job(&job.group, &job.id).await.unwrap();
        if after.is_open() { 0 } else { after.changed }
    }

    /// Removes an item's row behind everybody's back.
    pub async fn lose_item(&self, owner: &Person<'_>, id: &str) {
        let drive = DriveId::parse(&owner.drive().await).unwrap();
        let item = self.store.item(&drive, &ItemId::parse(id).unwrap(), &self.document).await.unwrap();
        let key = store::keys::item(&drive, &item.data_type, &item.id);
        let delete = self.store.client().delete_item().table_name("t-data");
        delete.set_key(Some(store::attr::key_row(&key))).send().await.unwrap();
    }

    /// How many copies of a group are alive.
    pub async fn live_replicas(&self, group: &str, data_type: &str) -> usize {
        self.replicas(group, data_type).await.iter().filter(|row| !row.order.dead).count()
    }

    /// How many rows the replicas of a group have, dead or alive.
    pub async fn replica_rows(&self, group: &str, data_type: &str) -> usize {
        self.replicas(group, data_type).await.len()
    }

    /// How many copies are alive in all partitions, those that nobody reads included.
    pub async fn all_live_replicas(&self) -> usize {
        let rows = self.store.client().scan().table_name("t-replicas").send().await.unwrap();
        let order = |row: &HashMap<_, AttributeValue>| row["ord"].as_s().unwrap().parse::<Order>().unwrap();
        rows.items().iter().filter(|row| !order(row).dead).count()
    }

    async fn replicas(&self, group: &str, data_type: &str) -> Vec<ReplicaRow> {
        let types = [&self.document.data_types[&Name::parse(data_type).unwrap()]];
        let window = store::page::Window {
            from: None,
            to: None,
            limit: 1000,
            direction: store::page::Direction::Asc,
            after: None,
        };
        let group = GroupId::parse(group).unwrap();
        let page = self.store.replicas(&group, &Layout::default(), &types, &window).await.unwrap();
        page.items.into_iter().map(Result::unwrap).collect()
    }
}

/// Somebody who calls.
pub struct Person<'w> {
    pub world: &'w World,
    pub subject: String,
}

/// An answer, read.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<&'static str, String>,
    pub json: Json,
}

impl Reply {
    #[track_caller]
    pub fn expect(self, status: u16) -> Json {
        assert_eq!(self.status, status, "{:#}", self.json);
        self.json
    }

    /// A problem of this type.
    #[track_caller]
    pub fn problem(self, status: u16, slug: &str) -> Json {
        assert_eq!(self.status, status, "{:#}", self.json);
        assert_eq!(self.json["type"], format!("urn:freehold:problem:{slug}"), "{:#}", self.json);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.json["instance"], "urn:freehold:request:r1");
        self.json
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        let headers: BTreeMap<_, _> = response.headers.into_iter().collect();
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["x-request-id"], "r1");
        for name in ["content-security-policy", "referrer-policy", "strict-transport-security"] {
            assert!(headers.contains_key(name), "{name}");
        }
        let json =
            if response.body.is_empty() { Json::Null } else { serde_json::from_str(&response.body).unwrap() };
        Self { status: response.status, headers, json }
    }
}

impl Person<'_> {
    /// The claims of a token with every scope.
    pub fn claims(&self) -> Json {
        let scopes: Vec<String> = Scope::ALL.iter().map(|scope| scope.full()).collect();
        json!({
            "iss": ISSUER, "token_use": "access", "client_id": CLIENT, "sub": self.subject,
            "exp": self.world.now().seconds() + 60, "scope": format!("openid {}", scopes.join(" ")),
        })
    }

    pub fn request(&self, method: &str, target: &str, body: Json) -> Request {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let token = tokens::token(&self.claims());
        let mut headers = BTreeMap::from([("authorization".to_owned(), format!("Bearer {token}"))]);
        let mut bytes = Vec::new();
        if !body.is_null() {
            headers.insert("content-type".into(), "application/json".into());
            bytes = body.to_string().into_bytes();
        }
        Request {
            id: "r1".into(),
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers,
            body: bytes,
        }
    }

    pub async fn send(&self, request: Request) -> Reply {
        let response = self.world.api.handle(request.clone(), self.world.now()).await;
        crate::described::check(&self.world.description, &request, &response);
        response.into()
    }

    pub async fn call(&self, method: &str, target: &str, body: Json) -> Reply {
        self.send(self.request(method, target, body)).await
    }
    pub async fn get(&self, target: &str) -> Reply {
        self.call("GET", target, Json::Null).await
    }
    pub async fn post(&self, target: &str, body: Json) -> Reply {
        self.call("POST", target, body).await
    }
    pub async fn patch(&self, target: &str, body: Json) -> Reply {
        self.call("PATCH", target, body).await
    }
    pub async fn put(&self, target: &str, body: Json) -> Reply {
        self.call("PUT", target, body).await
    }
    pub async fn delete(&self, target: &str) -> Reply {
        self.call("DELETE", target, Json::Null).await
    }

    pub async fn id(&self) -> String {
        text(&self.get("/user").await.expect(200)["id"])
    }
    pub async fn drive(&self) -> String {
        text(&self.get("/user").await.expect(200)["drive"])
    }

    /// Writes a reading and gives its id.
    pub async fn reading(&self, time: &str, mgdl: i64) -> String {
        let fields = json!({"takenAt": time, "mgdl": mgdl});
        text(&self.post("/user/data", json!({"type": "glucose", "fields": fields})).await.expect(201)["id"])
    }

    /// Makes a group and gives its id.
    pub async fn group(&self, name: &str) -> String {
        text(&self.post("/groups", json!({"name": name})).await.expect(201)["id"])
    }

    /// Invites somebody by address and gives the path of the invitation.
    pub async fn invite(&self, group: &str, role: &str, whom: &str) -> String {
        let sent = json!({"role": role, "email": format!("{whom}@example.org")});
        let made = self.post(&format!("/groups/{group}/invitations"), sent).await.expect(201);
        format!("/groups/{group}/invitations/{}", text(&made["id"]))
    }

    /// Lets somebody join; a provider follows the rules.
    pub async fn admit(&self, group: &str, role: &str, whom: &Person<'_>) -> Json {
        let invitation = self.invite(group, role, &whom.subject).await;
        let body = if role == "provider" { json!({"rules": "follow"}) } else { Json::Null };
        whom.post(&format!("{invitation}/accept"), body).await.expect(200)
    }

    /// All entries of a list, page by page.
    pub async fn all(&self, target: &str) -> Vec<Json> {
        let separator = if target.contains('?') { '&' } else { '?' };
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let at = cursor.map(|cursor| format!("{separator}cursor={cursor}")).unwrap_or_default();
            let page = self.get(&format!("{target}{at}")).await.expect(200);
            found.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return found,
            }
        }
    }
}

pub fn text(json: &Json) -> String {
    json.as_str().unwrap().to_owned()
}

/// The numbers of readings, in their order.
pub fn numbers(items: &[Json]) -> Vec<i64> {
    items.iter().map(|item| item["fields"]["mgdl"].as_i64().unwrap()).collect()
}
