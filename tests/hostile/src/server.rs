//! Delays, faults, the record of calls, snapshots.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use http_body_util::BodyExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::data::{Data, Written};
use crate::reply::{self, Answer, Refusal};
use crate::request::{self, Call, Service};
use crate::services;
use crate::state::{Ctx, State};
use crate::switches::{Fault, Switches, What};

/// An account in a region of AWS. Cheap to clone; clones are the same account.
#[derive(Clone)]
pub struct Aws(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    data: Data,
    switches: Mutex<Switches>,
    faults: Mutex<Vec<Fault>>,
    log: Mutex<Vec<Record>>,
    flying: Mutex<BTreeMap<String, usize>>,
    snapshots: Mutex<Option<Vec<Snapshot>>>,
    death: Mutex<Option<(usize, When)>>,
    dead: watch::Sender<bool>,
    watcher: Mutex<Option<Watcher>>,
    opened: Instant,
    /// How old the account was when this began.
    age: Duration,
}

/// How many calls that change something are still to come, and what is done when the last of them comes.
type Watcher = (usize, Box<dyn FnOnce() + Send>);

/// A call that was answered.
#[derive(Debug, Clone)]
pub struct Record {
    /// The call.
    pub call: Call,
    /// When it came, since the account was opened.
    pub begun: Duration,
    /// When it was answered.
    pub ended: Duration,
    /// Why it was refused.
    pub refused: Option<String>,
}

/// The account as it was at some time.
#[derive(Clone)]
pub struct Snapshot {
    state: State,
    journal: Vec<Written>,
    at: Duration,
    /// The call after which it was taken.
    pub after: String,
}

/// When the caller of a call dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before it reaches AWS.
    Before,
    /// After it took effect and before its answer.
    After,
}

impl fmt::Debug for Aws {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Aws")
    }
}

impl Aws {
    /// An empty account.
    pub fn new(switches: Switches) -> Self {
        Self::of(State::default(), Data::new(), switches, Duration::ZERO)
    }

    /// The account of a snapshot, where everything is there at once.
    pub fn restored(snapshot: &Snapshot) -> Self {
        let data = Data::replayed(snapshot.journal.clone());
        Self::of(snapshot.state.clone(), data, Switches::default(), snapshot.at)
    }

    fn of(state: State, data: Data, switches: Switches, age: Duration) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            data,
            switches: Mutex::new(switches),
            faults: Mutex::default(),
            log: Mutex::default(),
            flying: Mutex::default(),
            snapshots: Mutex::default(),
            death: Mutex::default(),
            dead: watch::Sender::new(false),
            watcher: Mutex::default(),
            opened: Instant::now(),
            age,
        }))
    }

    /// What the SDK sends its requests through to reach it.
    pub fn network(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(Connector(self.clone()));
        http_client_fn(move |_, _| connector.clone())
    }

    /// How old the account is.
    pub fn now(&self) -> Duration {
        self.0.age + self.0.opened.elapsed()
    }

    /// What is in it; also to be changed by hand.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// Its switches.
    pub fn switches(&self) -> MutexGuard<'_, Switches> {
        self.0.switches.lock().unwrap()
    }

    /// Lets something happen to calls.
    pub fn inflict(&self, fault: Fault) {
        self.0.faults.lock().unwrap().push(fault);
    }

    /// Takes back all faults.
    pub fn relent(&self) {
        self.0.faults.lock().unwrap().clear();
    }

    /// The calls that were answered since they were last taken.
    pub fn take_calls(&self) -> Vec<Record> {
        std::mem::take(&mut *self.0.log.lock().unwrap())
    }

    /// The calls that were answered, as operations, those of the state's table and its lock left out.
    pub fn operations(&self) -> Vec<String> {
        let log = self.0.log.lock().unwrap();
        log.iter().filter(|record| !record.is_bookkeeping()).map(|r| r.call.operation.clone()).collect()
    }

    /// Deletes a table by hand, until then it is being deleted.
    pub fn delete_table(&self, name: &str, until: Duration) {
        self.0.data.call("DeleteTable", &serde_json::json!({ "TableName": name })).expect("it is there");
        self.state().tables.get_mut(name).expect("it is there").busy = Some(("DELETING", until));
    }

    /// Loses a table.
    pub fn lose_table(&self, name: &str) {
        self.delete_table(name, Duration::ZERO);
    }

    /// Does something to the items of tables by hand.
    pub fn items(&self, operation: &str, input: &serde_json::Value) -> Answer {
        self.0.data.call(operation, input)
    }

    /// From now on keeps the account as it is after each call that changes something.
    pub fn keep_snapshots(&self) {
        *self.0.snapshots.lock().unwrap() = Some(vec![self.snapshot("nothing")]);
    }

    /// What was kept.
    pub fn take_snapshots(&self) -> Vec<Snapshot> {
        self.0.snapshots.lock().unwrap().take().unwrap_or_default()
    }

    /// The account as it is.
    pub fn snapshot(&self, after: &str) -> Snapshot {
        let state = self.0.state.lock().unwrap().clone();
        Snapshot { state, journal: self.0.data.journal(), at: self.now(), after: after.to_owned() }
    }

    /// Lets the caller die at the so-manieth call from now that changes something.
    pub fn kill_at(&self, number: usize, when: When) -> watch::Receiver<bool> {
        *self.0.death.lock().unwrap() = Some((number, when));
        self.0.dead.subscribe()
    }

    /// Does something when the so-manieth call from now that changes something comes, and before it takes effect.
    pub fn at_change(&self, number: usize, act: impl FnOnce() + Send + 'static) {
        *self.0.watcher.lock().unwrap() = Some((number, Box::new(act)));
    }

    /// Answers a call.
    async fn answer(&self, call: Call) -> HttpResponse {
        let begun = self.now();
        let fault = self.fault(&call);
        let flight = Flight::begin(self, &call);
        let delay = self.switches().latency.of(self.0.log.lock().unwrap().len());
        sleep(delay).await;
        self.watch(&call);
        let dying = self.dying(&call);
        if dying == Some(When::Before) {
            self.die().await;
        }
        let answer = match fault {
            Some(What::Throttled) => Err(reply::throttled(call.service)),
            Some(What::Broken) => Err(reply::broken(call.service)),
            Some(What::Conflict) => Err(collision()),
            _ if flight.collides() => Err(collision()),
            _ => self.effect(&call),
        };
        drop(flight);
        self.note(&call, begun, &answer);
        if dying == Some(When::After) {
            self.die().await;
        }
        match fault {
            Some(What::LostAnswer) => std::future::pending().await,
            Some(What::BrokenAfter) => reply::encoded(&call, &Err(reply::broken(call.service))),
            _ => reply::encoded(&call, &answer),
        }
    }

    fn fault(&self, call: &Call) -> Option<What> {
        self.0.faults.lock().unwrap().iter_mut().find_map(|fault| fault.happens(call))
    }

    fn effect(&self, call: &Call) -> Answer {
        let now = self.now();
        let (mut state, mut switches) = (self.state(), self.switches());
        let mut ctx = Ctx { state: &mut state, data: &self.0.data, switches: &mut switches, now };
        services::answer(&mut ctx, call)
    }

    fn note(&self, call: &Call, begun: Duration, answer: &Answer) {
        let refused = answer.as_ref().err().map(|refused| format!("{}: {}", refused.code, refused.message));
        let kept = call.is_mutating() && refused.is_none() && self.0.snapshots.lock().unwrap().is_some();
        if kept {
            let snapshot = self.snapshot(&call.operation);
            self.0.snapshots.lock().unwrap().as_mut().unwrap().push(snapshot);
        }
        let record = Record { call: call.clone(), begun, ended: self.now(), refused };
        self.0.log.lock().unwrap().push(record);
    }

    fn watch(&self, call: &Call) {
        let mut watcher = self.0.watcher.lock().unwrap();
        if let Some((left, _)) = watcher.as_mut().filter(|_| call.is_mutating()) {
            *left = left.saturating_sub(1);
        }
        if let Some((_, act)) = watcher.take_if(|(left, _)| *left == 0) {
            act();
        }
    }

    fn dying(&self, call: &Call) -> Option<When> {
        let mut death = self.0.death.lock().unwrap();
        let (left, when) = death.as_mut().filter(|_| call.is_mutating())?;
        *left = left.checked_sub(1)?;
        (*left == 0).then_some(*when)
    }

    async fn die(&self) {
        self.0.dead.send_replace(true);
        std::future::pending::<()>().await;
    }
}

impl Record {
    /// Whether it is about the stack's own state and not about its resources.
    pub fn is_bookkeeping(&self) -> bool {
        let table = |name: &str| name.ends_with("-control");
        let items = ["GetItem", "PutItem", "Query", "TransactWriteItems"];
        self.call.service == Service::DynamoDb
            && items.contains(&self.call.operation.as_str())
            && (table(self.call.text("TableName")) || self.call.input.to_string().contains("-control\""))
    }
}

/// A change of an API that is under way.
struct Flight<'a> {
    aws: &'a Aws,
    key: Option<String>,
    alone: bool,
}

impl<'a> Flight<'a> {
    fn begin(aws: &'a Aws, call: &Call) -> Self {
        let watched = call.service == Service::ApiGateway && call.is_mutating();
        let key = (watched && aws.switches().api_conflicts).then(|| call.text("apiId").to_owned());
        let mut flying = aws.0.flying.lock().unwrap();
        let alone = key.as_ref().is_none_or(|key| flying.get(key).copied().unwrap_or(0) == 0);
        if let Some(key) = &key {
            *flying.entry(key.clone()).or_default() += 1;
        }
        Self { aws, key, alone }
    }

    fn collides(&self) -> bool {
        !self.alone
    }
}

fn collision() -> Refusal {
    let message = "Unable to complete operation due to concurrent modification. Please try again later.";
    Refusal::new("ConflictException", message).status(409)
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            *self.aws.0.flying.lock().unwrap().get_mut(key).unwrap() -= 1;
        }
    }
}

#[derive(Debug)]
struct Connector(Aws);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let aws = self.0.clone();
        HttpConnectorFuture::new(async move {
            let method = request.method().to_owned();
            let uri = request.uri().to_owned();
            let target = request.headers().get("x-amz-target").map(str::to_owned);
            let body = request.into_body().collect().await;
            let body = body.map_err(|error| ConnectorError::other(error, None))?.to_bytes();
            let call = request::read(&method, &uri, target.as_deref(), &body);
            let call =
                call.unwrap_or_else(|| panic!("the hostile AWS does not know {method} {uri} {target:?}"));
            Ok(aws.answer(call).await)
        })
    }
}
