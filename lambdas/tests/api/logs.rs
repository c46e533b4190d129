//! What is logged, and what never is.

use std::io;
use std::sync::{Arc, Mutex};

use lambdas::telemetry;
use serde_json::{Value as Json, json};
use tracing::level_filters::LevelFilter;

use crate::world::World;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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

#[tokio::test]
async fn logs_say_what_happened_and_nothing_about_people() {
    let lines = Lines::default();
    let writer = lines.clone();
    let guard =
        tracing::subscriber::set_default(telemetry::subscriber(LevelFilter::INFO, move || writer.clone()));
    let ids = tour(&World::new().await).await;
    drop(guard);
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for forbidden in ["secret", "Secret", "example.org", "777", "token-of", "Bearer"] {
        assert!(!log.contains(forbidden), "`{forbidden}` is in the log:\n{log}");
    }
    for id in ids {
        assert!(!log.contains(&id), "an id is in the log:\n{log}");
    }
    let parsed: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |operation: &str| parsed.iter().find(|line| line["operation"] == operation).unwrap();
    assert_eq!(of("CreateData")["status"], 201);
    assert_eq!(of("CreateData")["span"]["id"], "r1", "every line names its request");
    assert!(parsed.iter().any(|line| line["metric"] == "jobs_not_announced" && line["level"] == "WARN"));
}

#[tokio::test]
async fn not_even_the_finest_level_shows_what_people_wrote() {
    let lines = Lines::default();
    let writer = lines.clone();
    let guard =
        tracing::subscriber::set_default(telemetry::subscriber(LevelFilter::TRACE, move || writer.clone()));
    tour(&World::new().await).await;
    drop(guard);
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for forbidden in ["secret", "Secret", "example.org", "777", "token-of", "Bearer"] {
        assert!(!log.contains(forbidden), "`{forbidden}` is in the log:\n{log}");
    }
}
