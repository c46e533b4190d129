//! What is logged, and what never is.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::sync::Once;

use lambdas::metrics::Source;
use lambdas::telemetry;
use serde_json::{Value as Json, json};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::world::World;

thread_local! {
    /// What the test on this thread logged, and up to which level it wants that.
    static LINES: RefCell<Option<(LevelFilter, Vec<u8>)>> = const { RefCell::new(None) };
}

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.as_mut().map(|(_, lines)| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Installs one subscriber for the whole process, before anything is logged. One per test would not do: whichever
/// thread comes to a log line first decides for all of them whether anybody wants it, and other tests want none.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let wanted = dynamic_filter_fn(|metadata, _| {
            LINES.with_borrow(|lines| lines.as_ref().is_some_and(|(level, _)| metadata.level() <= level))
        });
        let source = Source { stack: "tested".into(), function: "api" };
        let all = telemetry::subscriber(LevelFilter::TRACE, source, || Lines).with(wanted);
        tracing::subscriber::set_global_default(all).unwrap();
    });
}

/// Collects what this thread logs from now on, up to a level.
pub fn begin(level: LevelFilter) {
    LINES.set(Some((level, Vec::new())));
}

/// What was collected, without times.
pub fn taken() -> String {
    let (_, lines) = LINES.take().unwrap();
    String::from_utf8(lines).unwrap().lines().map(|line| timeless(line) + "\n").collect()
}

/// What is logged at `level` while people use the API, and the ids of everything they made.
async fn log_of_a_tour(level: LevelFilter) -> (String, Vec<String>) {
    let world = World::new().await;
    LINES.set(Some((level, Vec::new())));
    let ids = tour(&world).await;
    let (_, lines) = LINES.take().unwrap();
    let lines = String::from_utf8(lines).unwrap();
    (lines.lines().map(|line| timeless(line) + "\n").collect(), ids)
}

/// A line without when it was and how long it took: digits that could be anything.
fn timeless(line: &str) -> String {
    let mut line: Json = serde_json::from_str(line).unwrap();
    line.as_object_mut()
        .unwrap()
        .retain(|name, _| !["timestamp", "millis", "RequestTime"].contains(&name.as_str()));
    if let Some(embedded) = line.get_mut("_aws") {
        assert!(embedded["Timestamp"].take().is_i64(), "a time in milliseconds");
    }
    line.to_string()
}

async fn tour(world: &World) -> Vec<String> {
    let (ann, bob) = (world.person("secretann").await, world.person("secretbob").await);
    let group = ann.group("Secret Society").await;
    ann.admit(&group, "provider", &bob).await;
    ann.admit(&group, "consumer", &ann).await;
    let fields = json!({"takenAt": "2014-01-01T00:00:00Z", "mgdl": 777, "note": "secretnote"});
    let made = bob.post("/user/data", json!({"type": "glucose", "fields": fields})).await.expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    world.replicate(&bob, &id).await;
    ann.get(&format!("/groups/{group}/data")).await.expect(200);
    bob.patch(&format!("/user/data/{id}"), json!({"fields": {"mgdl": 1}})).await.expect(200);
    bob.post("/user/data", json!({"type": "secrettype", "fields": {}})).await.expect(422);
    bob.get("/secretpath?secret=1").await.expect(404);
    world.queue.lock().unwrap().broken = true;
    bob.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
    let mut ids = vec![id, group];
    for person in [&ann, &bob] {
        ids.extend([person.id().await, person.drive().await]);
    }
    ids
}

fn tells_nothing(log: &str) {
    for forbidden in ["secret", "Secret", "example.org", "eyJ", "Bearer"] {
        assert!(!log.contains(forbidden), "`{forbidden}` is in the log:\n{log}");
    }
    // As a word: these digits may well be in the middle of a job's id.
    assert!(
        log.split(|c: char| !c.is_alphanumeric()).all(|word| word != "777"),
        "a reading is in the log:\n{log}"
    );
}

#[tokio::test]
async fn logs_say_what_happened_and_nothing_about_people() {
    let (log, ids) = log_of_a_tour(LevelFilter::INFO).await;
    tells_nothing(&log);
    for id in ids {
        assert!(!log.contains(&id), "an id is in the log:\n{log}");
    }
    let parsed: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |operation: &str| parsed.iter().find(|line| line["operation"] == operation).unwrap();
    assert_eq!(of("CreateData")["status"], 201);
    assert_eq!(of("CreateData")["span"]["id"], "r1", "every line names its request");
    assert_eq!(
        (of("CreateData")["Failed"].as_i64(), of("CreateData")["function"].as_str()),
        (Some(0), Some("api"))
    );
    assert!(parsed.iter().any(|line| line["metric"] == "jobs_not_announced" && line["level"] == "WARN"));
}

/// Holds every line with metrics against what CloudWatch asks of one: all that is measured is a number beside it, all
/// dimensions are texts beside it, and there is nothing that CloudWatch would not know.
#[tokio::test]
async fn metrics_are_lines_that_cloudwatch_can_read_and_name_no_one() {
    let world = World::new().await;
    begin(LevelFilter::INFO);
    let ids = tour(&world).await;
    let (_, lines) = LINES.take().unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let mut seen = BTreeSet::new();
    for line in lines.lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let Some(embedded) = line.get("_aws") else { continue };
        assert_eq!(embedded.as_object().unwrap().len(), 2);
        assert!(embedded["Timestamp"].as_i64().unwrap() > 1_600_000_000_000, "milliseconds: {line}");
        let [directive] = embedded["CloudWatchMetrics"].as_array().unwrap().as_slice() else {
            panic!("{line}")
        };
        assert_eq!(directive["Namespace"], "Freehold");
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "`{name}` of {line}");
            assert!(["Count", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()));
            seen.insert(name.to_owned());
        }
        for dimension in
            directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap())
        {
            let value =
                line[dimension.as_str().unwrap()].as_str().unwrap_or_else(|| panic!("{dimension} of {line}"));
            assert!(!ids.iter().any(|id| value.contains(id)), "an id is a dimension: {line}");
        }
    }
    for expected in ["RequestTime", "Refused", "Failed", "JobsNotAnnounced"] {
        assert!(seen.contains(expected), "`{expected}` was not measured, but {seen:?}");
    }
}

#[tokio::test]
async fn not_even_the_finest_level_shows_what_people_wrote() {
    let (log, _) = log_of_a_tour(LevelFilter::TRACE).await;
    assert!(log.contains("CreateData"), "it is this that was logged:\n{log}");
    tells_nothing(&log);
}

#[tokio::test]
async fn refusals_are_logged_by_their_type() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Secret Society").await;
    ann.admit(&group, "provider", &bob).await;
    begin(LevelFilter::INFO);
    let mut forged = bob.request("GET", "/user", Json::Null);
    forged.headers.insert("authorization".into(), "Bearer nonsense".into());
    bob.send(forged).await.problem(401, "unauthorized");
    bob.get(&format!("/groups/{group}/data")).await.problem(403, "forbidden");
    let log = taken();
    for problem in ["unauthorized", "forbidden"] {
        assert!(log.contains(&format!("\"problem\":\"{problem}\"")), "{log}");
    }
    tells_nothing(&log);
}

#[tokio::test]
async fn a_forged_token_is_logged_with_the_reason_and_nothing_of_itself() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let token = ann.request("GET", "/user", Json::Null).headers["authorization"].clone();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.AAAA");
    begin(LevelFilter::INFO);
    let mut request = ann.request("GET", "/user", Json::Null);
    request.headers.insert("authorization".into(), forged.clone());
    ann.send(request).await.problem(401, "unauthorized");
    let log = taken();
    assert!(log.contains("\"reason\":\"the token was not signed by the user pool\""), "{log}");
    for part in forged.trim_start_matches("Bearer ").split('.').chain([ann.subject.as_str()]) {
        assert!(!log.contains(&format!("\"{part}")), "{log}");
    }
}

#[tokio::test]
async fn a_request_cannot_write_lines_of_its_own() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    begin(LevelFilter::TRACE);
    let mut request = ann.request("GET", "/user/data/x\n{\"level\":\"ERROR\"}?a=\n{}", Json::Null);
    request.id = "r\n{\"forged\":true}".into();
    world.api.handle(request, world.now()).await;
    for line in taken().lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        assert!(line.get("forged").is_none() && line["level"] != "ERROR", "{line}");
    }
}
