//! Text that is made to end or to occupy a function: it is refused, and refusing it takes next to no time.

use std::time::Duration;

use lambdas::api::Request;
use serde_json::{Value as Json, json};

use crate::world::{Person, World, text};

/// What a refusal may take of the processor.
const MOST: Duration = Duration::from_millis(100);

/// The processor's time that this thread has used.
fn used() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

/// Texts that are nested so deep, as conditions.
fn nested(levels: usize) -> [(&'static str, String); 7] {
    let around = |open: &str, inner: &str, close: &str| open.repeat(levels) + inner + &close.repeat(levels);
    [
        ("parentheses", around("(", "resource.mgdl > 1", ")")),
        ("brackets", around("[", "1", "]") + " == [1]"),
        ("braces", around("{a:", "1", "}") + " == {a: 1}"),
        ("negations", around("!", "(resource.mgdl > 1)", "")),
        ("choices", around("if resource.mgdl > 1 then true else ", "true", "")),
        ("alternatives", around("true||", "true", "")),
        ("unclosed parentheses", "(".repeat(levels)),
    ]
}

/// The text within a query.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Lists within lists, as a body: `serde_json` could not write it without recursion.
fn deep_json(before: &str, levels: usize, after: &str) -> Vec<u8> {
    format!("{before}{}{}{after}", "[".repeat(levels), "]".repeat(levels)).into_bytes()
}

struct Entries<'w> {
    ann: Person<'w>,
    bob: Person<'w>,
    group: String,
    invitation: String,
    item: String,
}

impl Entries<'_> {
    /// The requests that carry a text to something that reads it, by who sends them.
    fn of(&self, text: &str) -> Vec<(&Person<'_>, Request)> {
        let Self { ann, bob, group, invitation, item } = self;
        let rule = json!({"types": ["glucose"], "when": text, "fields": ["takenAt", "mgdl"]});
        let contract = json!({"types": ["glucose"], "when": text});
        let query = encoded(text);
        let cases: Vec<(&Person<'_>, &str, String, Json)> = vec![
            (ann, "PUT", format!("/groups/{group}/rules"), json!({"rules": [rule]})),
            (ann, "PUT", format!("/groups/{group}/contract"), contract.clone()),
            (bob, "POST", format!("{invitation}/accept"), json!({ "contract": contract })),
            (bob, "GET", format!("{invitation}/preview?types=glucose&when={query}"), Json::Null),
            (ann, "POST", "/groups".to_owned(), json!({ "name": text, "rules": [rule] })),
            (
                ann,
                "PATCH",
                format!("/groups/{group}"),
                json!({ "name": format!("{text}{}", "n".repeat(101)) }),
            ),
            (ann, "GET", format!("/user/data?cursor={query}"), Json::Null),
            (ann, "GET", format!("/groups/{group}/data?cursor={query}"), Json::Null),
            (ann, "GET", format!("/user/data/types/{query}"), Json::Null),
            (ann, "POST", "/user/data".to_owned(), json!({"type": text, "fields": {}})),
            (ann, "PATCH", format!("/user/data/{item}"), json!({"fields": {text: 1}})),
        ];
        cases
            .into_iter()
            .map(|(who, method, target, body)| (who, who.request(method, &target, body)))
            .collect()
    }

    /// The requests that take a body, with lists within lists in it.
    fn of_depth(&self, levels: usize) -> Vec<(&Person<'_>, Request)> {
        let Self { ann, bob, group, invitation, item } = self;
        let targets = [
            (ann, "PUT", format!("/groups/{group}/rules"), "{\"rules\":"),
            (ann, "PUT", format!("/groups/{group}/contract"), "{\"types\":"),
            (bob, "POST", format!("{invitation}/accept"), "{\"contract\":"),
            (ann, "POST", "/groups".to_owned(), "{\"name\":"),
            (ann, "POST", "/user/data".to_owned(), "{\"type\":\"glucose\",\"fields\":{\"raw\":"),
            (
                ann,
                "POST",
                "/user/data/batch".to_owned(),
                "{\"items\":[{\"type\":\"glucose\",\"fields\":{\"raw\":",
            ),
            (ann, "PATCH", format!("/user/data/{item}"), "{\"fields\":{\"raw\":"),
        ];
        let request = |(who, method, target, before): (_, _, String, &str)| {
            let who: &Person<'_> = who;
            let closing: String = before
                .chars()
                .rev()
                .filter_map(|c| match c {
                    '{' => Some('}'),
                    '[' => Some(']'),
                    _ => None,
                })
                .collect();
            let body = deep_json(before, levels, &closing);
            (who, Request { body, ..who.request(method, &target, json!({})) })
        };
        targets.into_iter().map(request).collect()
    }
}

async fn entries(world: &World) -> Entries<'_> {
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "provider", &ann).await;
    let invitation = ann.invite(&group, "provider", "bob").await;
    let item = ann.reading("2014-01-01T00:00:00Z", 100).await;
    Entries { ann, bob, group, invitation, item }
}

/// Sends it, and gives the status and the least that answering took of the processor.
async fn refused(who: &Person<'_>, request: &Request) -> (u16, Duration) {
    let (mut status, mut least) = (0, Duration::MAX);
    for _ in 0..3 {
        let before = used();
        let response = who.world.api.handle(request.clone(), who.world.now()).await;
        least = least.min(used() - before);
        status = response.status;
        if least < MOST {
            break;
        }
    }
    (status, least)
}

#[tokio::test]
async fn texts_and_bodies_of_any_depth_are_refused_at_once_by_every_route_that_takes_them() {
    let world = World::new().await;
    let entries = entries(&world).await;
    let (mut count, mut slowest) = (0, (Duration::ZERO, String::new()));
    for levels in [1_000, 20_000, 60_000] {
        let texts = nested(levels);
        let mut requests: Vec<(&str, &Person<'_>, Request)> = Vec::new();
        for (kind, text) in &texts {
            requests.extend(entries.of(text).into_iter().map(|(who, request)| (*kind, who, request)));
        }
        requests.extend(entries.of_depth(levels).into_iter().map(|(who, request)| ("lists", who, request)));
        for (kind, who, request) in requests {
            let what = format!("{levels} {kind} by {} {:.40}", request.method, request.path);
            let (status, took) = refused(who, &request).await;
            assert!((400..500).contains(&status), "{what}: {status}");
            assert!(took < MOST, "{what}: {took:?}");
            count += 1;
            slowest = slowest.max((took, what));
        }
    }
    eprintln!("{count} requests were refused; the slowest took {:?}: {}", slowest.0, slowest.1);
    // Nobody joined, nothing changed.
    let Entries { ann, group, item, .. } = &entries;
    assert_eq!(ann.get(&format!("/groups/{group}")).await.expect(200)["ruleRevision"], 1);
    assert_eq!(ann.get(&format!("/user/data/{item}")).await.expect(200)["fields"]["mgdl"], 100);
}

#[tokio::test]
async fn rules_and_contracts_that_take_long_to_evaluate_are_refused_with_cost_limit_and_remedy() {
    let world = World::new().await;
    let entries = entries(&world).await;
    let Entries { ann, bob, group, invitation, .. } = &entries;
    // The rules that held up everybody's replication: the data type has two texts, of which one may be long.
    let pattern = format!("resource.note like \"*{}\"", "a".repeat(1_900));
    let condition = format!("resource has note && ({pattern} || {pattern})");
    let rule =
        |condition: &str| json!({"types": ["glucose"], "when": condition, "fields": ["takenAt", "mgdl"]});
    let put = |rules: Vec<Json>| {
        let target = format!("/groups/{group}/rules");
        async move { ann.put(&target, json!({ "rules": rules })).await }
    };
    put(vec![rule(&condition); 50]).await.problem(422, "invalid");
    let problem = put(vec![rule(&condition)]).await.problem(422, "invalid");
    let message = text(&problem["errors"][0]["message"]);
    for part in ["steps", "500000", "maxLength"] {
        assert!(message.contains(part), "{message}");
    }
    put(vec![rule("true"); 51]).await.problem(422, "invalid");
    put(vec![rule(&format!("{}true", " ".repeat(4_000))); 17]).await.problem(422, "invalid");
    let allowed = "resource.mgdl > 180 && resource has note && resource.note like \"*high*\"";
    put(vec![rule(allowed); 3]).await.expect(200);

    let contract = json!({"types": ["glucose"], "when": condition});
    ann.put(&format!("/groups/{group}/contract"), contract.clone()).await.problem(422, "invalid");
    bob.post(&format!("{invitation}/accept"), json!({ "contract": contract })).await.problem(422, "invalid");
    let query = encoded(&condition);
    bob.get(&format!("{invitation}/preview?types=glucose&when={query}")).await.problem(422, "invalid");
}

#[tokio::test]
async fn rules_of_many_numbers_and_times_are_decided_before_a_request_ends() {
    let world = World::new().await;
    let Entries { ann, group, .. } = &entries(&world).await;
    let rules = |from: i64| -> Json {
        let rule = |at: i64| {
            let condition: Vec<String> = (0..10)
                .map(|n| {
                    format!(
                        "resource.mgdl == {} || resource.takenAt == datetime(\"2014-01-{:02}\")",
                        from + at * 10 + n,
                        n + 1
                    )
                })
                .collect();
            json!({"types": ["glucose"], "when": condition.join(" || "), "fields": ["takenAt", "mgdl"], "history": {"days": at + 1}})
        };
        json!({"rules": (0..40).map(rule).collect::<Vec<_>>()})
    };
    let target = format!("/groups/{group}/rules");
    for from in [0, 7] {
        let before = used();
        // Whether so many comparisons stay inside `groupDefaults` is not decided, so they are refused.
        ann.put(&target, rules(from)).await.problem(422, "invalid");
        let took = used() - before;
        eprintln!("40 rules with 20 comparisons each took {took:?}");
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
}

#[tokio::test]
async fn what_an_object_field_holds_is_never_too_deep_to_be_read_back() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let nested = |levels: usize| (1..levels).fold(json!([]), |inner, _| json!([inner]));
    let item = |levels| {
        let fields = json!({"takenAt": "2014-01-01T00:00:00Z", "mgdl": 100, "raw": nested(levels)});
        json!({"type": "glucose", "fields": fields})
    };
    ann.post("/user/data", item(100)).await.expect(201);
    let listed = ann.get("/user/data").await.expect(200);
    assert_eq!(listed["items"][0]["fields"]["raw"], nested(100));
    let problem = ann.post("/user/data", item(101)).await.problem(422, "invalid");
    assert!(text(&problem["errors"][0]["message"]).contains("100 levels"), "{problem:#}");
}
