//! Values come back as they were sent, or are refused.

use std::time::{Duration, Instant};

use domain::datatype::{Field, FieldType};
use domain::id::Name;
use fastrand::Rng;
use lambdas::replicator::Replicator;
use serde_json::{Value as Json, json};

use crate::requests::image;
use crate::world::{Person, Reply, World, text};

const TIME: &str = "2014-02-03T03:42:12Z";

/// Sends a body as it is.
async fn sent(person: &Person<'_>, method: &str, target: &str, body: &str) -> Reply {
    let mut request = person.request(method, target, json!({}));
    request.body = body.as_bytes().to_vec();
    person.send(request).await
}

/// A reading with these further members, as text.
fn reading(members: &str) -> String {
    format!(r#"{{"type":"glucose","fields":{{"takenAt":"{TIME}",{members}}}}}"#)
}

fn field(kind: FieldType) -> Field {
    serde_json::from_value(json!({ "type": kind })).unwrap()
}

/// A stack whose readings have one more field.
async fn with_field(field_name: &str, kind: FieldType) -> World {
    let mut world = World::new().await;
    world.deploy(|document| {
        let glucose = document.data_types.get_mut("glucose").unwrap();
        glucose.fields.insert(name(field_name), field(kind));
    });
    world
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[tokio::test]
async fn a_whole_number_is_kept_to_the_digit_or_refused() {
    let world = with_field("count", FieldType::Integer).await;
    let ann = world.person("ann").await;
    for (number, kept) in [
        ("9007199254740991.0", Some("9007199254740991")),
        ("9007199254740993", Some("9007199254740993")),
        ("-9223372036854775808", Some("-9223372036854775808")),
        ("1e3", Some("1000")),
        ("-0.0", Some("0")),
        ("4503599627370497.4", None),
        ("99.99999999999999999", None),
        ("1e-400", None),
        ("9223372036854775808", None),
        ("1e400", None),
    ] {
        let reply =
            sent(&ann, "POST", "/user/data", &reading(&format!(r#""mgdl":1,"count":{number}"#))).await;
        match kept {
            Some(kept) => {
                let item = reply.expect(201);
                assert_eq!(item["fields"]["count"].to_string(), kept, "{number}");
                let path = format!("/user/data/{}", text(&item["id"]));
                assert_eq!(ann.get(&path).await.expect(200)["fields"]["count"].to_string(), kept, "{number}");
            }
            None => {
                let problem = reply.problem(422, "invalid");
                assert_eq!(
                    problem["errors"][0]["message"], "must be a whole number of at most 64 bits",
                    "{number}"
                );
            }
        }
    }
    // A fraction is judged before the limit, and before it could be rounded away.
    let reply = sent(&ann, "POST", "/user/data", &reading(r#""mgdl":1000.00000000000001"#)).await;
    assert_eq!(reply.problem(422, "invalid")["errors"][0]["field"], "mgdl");
}

#[tokio::test]
async fn a_decimal_of_four_places_is_kept_to_the_digit_or_refused() {
    let world = with_field("dose", FieldType::Decimal).await;
    let ann = world.person("ann").await;
    for (number, kept) in [
        ("92233720368547.5807", Some(r#""92233720368547.5807""#)),
        ("99999999999999.9999", Some(r#""99999999999999.9999""#)),
        ("10000000000000.1234", Some(r#""10000000000000.1234""#)),
        (r#""10000000000000.1234""#, Some(r#""10000000000000.1234""#)),
        ("99999999999.1234", Some("99999999999.1234")),
        ("0.30000", Some("0.3")),
        ("25e-4", Some("0.0025")),
        ("0.12345", None),
        ("0.3000000000000000000001", None),
        ("922337203685477.5808", None),
    ] {
        let reply = sent(&ann, "POST", "/user/data", &reading(&format!(r#""mgdl":1,"dose":{number}"#))).await;
        match kept {
            Some(kept) => assert_eq!(reply.expect(201)["fields"]["dose"].to_string(), kept, "{number}"),
            None => drop(reply.problem(422, "invalid")),
        }
    }
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_sent_on_every_path() {
    let world = World::new().await;
    let (ann, bob, cy) = (world.person("ann").await, world.person("bob").await, world.person("cy").await);
    let group = ann.group("everything").await;
    ann.admit(&group, "provider", &bob).await;
    ann.admit(&group, "consumer", &cy).await;
    world.rules(&group, json!([{"types": ["glucose"]}]), 1).await;
    world.work().await;
    let raw = concat!(
        r#"{"z":12345678901234567890123,"a":[31.245270191439438,9007199254740991.0,-8.990567403888024e-203],"#,
        r#""-0":-0,"1e+400":1e+400,"b":{"y":0.1000,"x":[null,true,"\u0000é𝄞"]}}"#
    );
    let item =
        sent(&bob, "POST", "/user/data", &reading(&format!(r#""mgdl":1,"raw":{raw}"#))).await.expect(201);
    let id = text(&item["id"]);
    world.replicate(&bob, &id).await;
    let expected = serde_json::from_str::<Json>(raw).unwrap().to_string();
    let batch = format!(r#"{{"items":[{}]}}"#, reading(&format!(r#""mgdl":1,"raw":{raw}"#)));
    let created = sent(&bob, "POST", "/user/data/batch", &batch).await.expect(200);
    let second = text(&created["results"][0]["id"]);
    let path = |id: &str| format!("/user/data/{id}");
    sent(&bob, "PATCH", &path(&second), r#"{"fields":{"raw":{"c":1.00}}}"#).await.expect(200);
    sent(&bob, "PATCH", &path(&second), r#"{"fields":{"raw":{"c":null},"mgdl":2}}"#).await.expect(200);
    let shown = [
        item["fields"].clone(),
        bob.get(&path(&id)).await.expect(200)["fields"].clone(),
        bob.get(&path(&second)).await.expect(200)["fields"].clone(),
        bob.all("/user/data").await[0]["fields"].clone(),
        bob.all("/user/data/export").await.last().unwrap()["item"]["fields"].clone(),
        cy.all(&format!("/groups/{group}/data")).await[0]["fields"].clone(),
    ];
    for fields in shown {
        assert_eq!(fields["raw"].to_string(), expected);
    }
}

/// A JSON document as the API writes it, of at most so many levels.
fn document(random: &mut Rng, levels: usize) -> String {
    match random.u8(0..if levels == 0 { 8 } else { 12 }) {
        0 => ["null", "true", "false"][random.usize(0..3)].into(),
        1 => random.i64(..).to_string(),
        2 => Some(f64::from_bits(random.u64(..))).filter(|f| f.is_finite()).unwrap_or(-0.0).to_string(),
        3..=5 => {
            let digits = |random: &mut Rng, most: usize| {
                (0..random.usize(1..=most)).map(|_| random.digit(10)).collect::<String>()
            };
            let mut number = if random.bool() { "-".to_owned() } else { String::new() };
            number += match digits(random, 25).trim_start_matches('0') {
                "" => "0",
                whole => whole,
            };
            if random.bool() {
                number += &format!(".{}", digits(random, 25));
            }
            if random.u8(0..4) == 0 {
                number += &format!("e{}{}", if random.bool() { '+' } else { '-' }, digits(random, 3));
            }
            number
        }
        6 | 7 => text_of(random),
        8 | 9 => {
            let elements: Vec<_> = (0..random.usize(0..4)).map(|_| document(random, levels - 1)).collect();
            format!("[{}]", elements.join(","))
        }
        _ => {
            let names: std::collections::BTreeSet<_> =
                (0..random.usize(0..4)).map(|_| text_of(random)).collect();
            let member = |name: String| format!("{name}:{}", document(random, levels - 1));
            format!("{{{}}}", names.into_iter().map(member).collect::<Vec<_>>().join(","))
        }
    }
}

fn text_of(random: &mut Rng) -> String {
    let length = random.usize(0..6);
    Json::from((0..length).map(|_| random.char(..)).collect::<String>()).to_string()
}

/// Sends 100,000 documents, 50 in each item, and reads them wherever items are shown.
#[tokio::test]
async fn a_hundred_thousand_documents_come_back_as_they_were_sent() {
    const ITEMS: usize = 2_000;
    const EACH: usize = 50;
    let world = World::new().await;
    let (ann, bob, cy) = (world.person("ann").await, world.person("bob").await, world.person("cy").await);
    let group = ann.group("everything").await;
    ann.admit(&group, "provider", &bob).await;
    ann.admit(&group, "consumer", &cy).await;
    world.rules(&group, json!([{"types": ["glucose"]}]), 1).await;
    world.work().await;
    let seed = 20_261_129;
    let mut random = Rng::with_seed(seed);
    let documents = |random: &mut Rng| {
        let documents: Vec<_> = (0..EACH).map(|_| document(random, 4)).collect();
        format!("[{}]", documents.join(","))
    };
    let sent: Vec<String> = (0..ITEMS).map(|_| documents(&mut random)).collect();
    for (part, documents) in sent.chunks(100).enumerate() {
        let item =
            |(at, raw): (usize, &String)| reading(&format!(r#""mgdl":{part},"note":"{at}","raw":{raw}"#));
        let items: Vec<_> = documents.iter().enumerate().map(item).collect();
        let results = sent_batch(&bob, &items).await;
        assert!(results.iter().all(|result| result["status"] == 201), "seed {seed}: {results:?}");
    }
    let replicator = Replicator::new(world.store.clone(), world.document.clone());
    let mut from = None;
    loop {
        let scan = world.store.client().scan().table_name("t-data").limit(200).set_exclusive_start_key(from);
        let page = scan.send().await.unwrap();
        let records = page.items().iter().map(|row| {
            let keys = json!({ "pk": image(row)["pk"], "sk": image(row)["sk"] });
            json!({ "eventName": "INSERT", "dynamodb": { "Keys": keys, "NewImage": image(row) } })
        });
        // As text, as the function gets it.
        let event = json!({ "Records": records.collect::<Vec<_>>() }).to_string();
        let deadline = Instant::now() + Duration::from_secs(600);
        replicator.handle(&serde_json::from_str(&event).unwrap(), deadline).await.unwrap();
        from = page.last_evaluated_key;
        if from.is_none() {
            break;
        }
    }
    let own = bob.all("/user/data?limit=500").await;
    let shared = cy.all(&format!("/groups/{group}/data?limit=500")).await;
    let exported = bob.all("/user/data/export").await;
    let exported: Vec<_> = exported.into_iter().filter_map(|entry| entry.get("item").cloned()).collect();
    for (what, items) in [("own", own), ("shared", shared), ("exported", exported)] {
        assert_eq!(items.len(), ITEMS, "{what}");
        for item in items {
            let fields = &item["fields"];
            let part = usize::try_from(fields["mgdl"].as_u64().unwrap()).unwrap();
            let at: usize = text(&fields["note"]).parse().unwrap();
            assert_eq!(fields["raw"].to_string(), sent[part * 100 + at], "{what}, seed {seed}");
        }
    }
}

async fn sent_batch(person: &Person<'_>, items: &[String]) -> Vec<Json> {
    let body = format!(r#"{{"items":[{}]}}"#, items.join(","));
    let results = sent(person, "POST", "/user/data/batch", &body).await.expect(200);
    results["results"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_member_that_is_named_twice_is_refused_everywhere() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let path = format!("/user/data/{}", ann.reading(TIME, 93).await);
    let group = ann.group("g").await;
    for (method, target, body) in [
        ("POST", "/user/data".to_owned(), reading(r#""mgdl":1,"mgdl":2"#)),
        ("POST", "/user/data".to_owned(), reading(r#""mgdl":1,"raw":{"a":[{"b":1,"b":1}]}"#)),
        ("POST", "/user/data".to_owned(), format!(r#"{{"type":"memo",{}"#, &reading(r#""mgdl":1"#)[1..])),
        (
            "POST",
            "/user/data/batch".to_owned(),
            format!(r#"{{"items":[{}]}}"#, reading(r#""mgdl":1,"mgdl":1"#)),
        ),
        ("PATCH", path, r#"{"fields":{"mgdl":1,"mgdl":2}}"#.to_owned()),
        ("POST", "/groups".to_owned(), r#"{"name":"a","name":"b"}"#.to_owned()),
        ("PUT", format!("/groups/{group}/rules"), r#"{"rules":[{"types":["memo"],"types":[]}]}"#.to_owned()),
    ] {
        let problem = sent(&ann, method, &target, &body).await.problem(400, "bad-request");
        assert!(text(&problem["detail"]).contains("twice"), "{method} {target} {body}: {problem:#}");
    }
    assert_eq!(ann.all("/user/data").await.len(), 1);
}

#[tokio::test]
async fn an_array_is_refused_where_an_object_belongs() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let item = ann.reading(TIME, 93).await;
    let group = ann.group("g").await;
    ann.admit(&group, "provider", &bob).await;
    for (person, method, target, body) in [
        (&ann, "POST", "/groups".to_owned(), json!(["x"])),
        (&ann, "POST", "/user/data".into(), json!(["glucose", {"takenAt": TIME, "mgdl": 1}])),
        (&ann, "POST", "/user/data".into(), json!({"type": "glucose", "fields": [TIME, 1]})),
        (&ann, "PATCH", format!("/user/data/{item}"), json!([{"mgdl": 1}])),
        (&ann, "POST", format!("/groups/{group}/invitations"), json!(["provider", "x@example.org"])),
        (&ann, "PATCH", format!("/groups/{group}"), json!(["renamed"])),
        (&ann, "PUT", format!("/groups/{group}/rules"), json!([[{"types": ["memo"]}]])),
        (&bob, "PUT", format!("/groups/{group}/contract"), json!([])),
        (&bob, "PUT", format!("/groups/{group}/consent"), json!(["follow"])),
        (&ann, "POST", "/user/data/batch".into(), json!([[{"type": "memo", "fields": {}}]])),
        (&ann, "POST", "/user/data/batch/delete".into(), json!([[{"id": item}]])),
    ] {
        let problem = person.call(method, &target, body.clone()).await.problem(400, "bad-request");
        let detail = text(&problem["detail"]);
        let is_clear =
            detail.contains("must be an object, not an array") || detail.contains("expected a map");
        assert!(is_clear && !detail.contains("struct"), "{method} {target} {body}: {detail}");
    }
    let rules = ann.put(&format!("/groups/{group}/rules"), json!({"rules": [[["memo"]]]})).await;
    let problem = rules.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["message"], "is no rule: must be an object, not an array");
    let batch = json!({"items": [["glucose", {"takenAt": TIME, "mgdl": 1}]]});
    let results = ann.post("/user/data/batch", batch).await.expect(200);
    assert_eq!(results["results"][0]["status"], 422);
    assert_eq!(ann.all("/user/data").await.len(), 1);
}

#[tokio::test]
async fn a_plus_in_a_query_is_a_space() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("g").await;
    let path = ann.invite(&group, "provider", "bob").await;
    bob.reading(TIME, 101).await;
    for when in ["resource.mgdl+>+100", "resource.mgdl%20%3E%20100", "resource.mgdl+%2B+1+>+100"] {
        bob.get(&format!("{path}/preview?types=glucose&when={when}")).await.expect(200);
    }
    bob.get("/user/data?types=glucose,+memo").await.expect(200);
    let items = bob.get("/user/data?from=2014-02-03T05:42:12+02:00").await.expect(200);
    assert_eq!(items["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bound_that_is_finer_than_a_millisecond_is_rounded_up() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    ann.reading("2014-02-03T03:42:12.000Z", 1).await;
    for (query, found) in [
        ("to=2014-02-03T03:42:12.0009Z", 1),
        ("to=2014-02-03T03:42:12Z", 0),
        ("from=2014-02-03T03:42:12.0005Z", 0),
        ("from=2014-02-03T03:42:12.0000Z", 1),
        ("from=2014-02-03T03:42:11.9999999999999Z&to=2014-02-03T03:42:12.0000000000001Z", 1),
    ] {
        assert_eq!(ann.all(&format!("/user/data?{query}")).await.len(), found, "{query}");
    }
    let group = ann.group("g").await;
    ann.admit(&group, "provider", &ann).await;
    let contract = json!({"from": "2014-02-03T03:42:12.0005Z", "to": "2014-02-03T03:42:13.0001Z"});
    let kept = ann.put(&format!("/groups/{group}/contract"), contract).await.expect(200)["contract"].clone();
    assert_eq!(kept, json!({"from": "2014-02-03T03:42:12.001Z", "to": "2014-02-03T03:42:13.001Z"}));
}

#[tokio::test]
async fn a_condition_on_the_version_follows_the_standard() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let path = format!("/user/data/{}", ann.reading(TIME, 93).await);
    let mut mgdl = 93;
    for (tags, status) in [
        ("\"9\", \"1\"", 200),
        ("W/\"2\"", 412),
        ("\"02\"", 412),
        ("\"+2\"", 412),
        ("\"1\", W/\"2\"", 412),
        ("2", 400),
        ("\"1\",\"2\"", 200),
        ("*", 200),
    ] {
        mgdl += 1;
        let mut request = ann.request("PATCH", &path, json!({"fields": {"mgdl": mgdl}}));
        request.headers.insert("if-match".into(), tags.into());
        assert_eq!(ann.send(request).await.status, status, "{tags}");
    }
    for (tags, status) in
        [("W/\"4\"", 412), ("\"1\", \"3\"", 412), ("\"1\", \"4\"", 204), ("\"1\", \"4\"", 404)]
    {
        let mut request = ann.request("DELETE", &path, Json::Null);
        request.headers.insert("if-match".into(), tags.into());
        assert_eq!(ann.send(request).await.status, status, "{tags}");
    }
}

#[tokio::test]
async fn a_time_that_is_refused_is_refused_for_its_own_reason() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for (time, reason) in [
        ("9999-12-31T23:59:59Z", "between the years 0000 and 7999"),
        ("2026-02-29T08:00:00Z", "no such day"),
        ("2026-01-01T25:00:00Z", "no such time of day"),
        ("2026-01-01T08:00:60Z", "no such time of day"),
        ("2026-01-01T08:00:00+25:59", "no such time of day"),
        ("2026-01-01T08:00:00", "lacks its offset"),
        ("2026-01-01T08Z", "such as 2014-02-03T03:42:12Z"),
        ("20260101T080000Z", "such as 2014-02-03T03:42:12Z"),
        ("2026-01-01T08:00:00+05:00[Europe/Berlin]", "such as 2014-02-03T03:42:12Z"),
    ] {
        let fields = json!({"takenAt": time, "mgdl": 1});
        let problem = ann.post("/user/data", json!({"type": "glucose", "fields": fields})).await;
        let problem = problem.problem(422, "invalid");
        let message = text(&problem["errors"][0]["message"]);
        assert!(message.contains(reason), "{time}: {message}");
    }
    let fields = json!({"takenAt": "2026-01-01T08:00:00.1234567891Z", "mgdl": 1});
    let item = ann.post("/user/data", json!({"type": "glucose", "fields": fields})).await.expect(201);
    assert_eq!(item["time"], "2026-01-01T08:00:00.123Z");
}

#[tokio::test]
async fn a_compressed_body_is_refused_by_its_encoding() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let mut request = ann.request("POST", "/groups", json!({"name": "g"}));
    request.headers.insert("content-encoding".into(), "gzip".into());
    let reply = ann.send(request.clone()).await;
    assert_eq!(reply.headers["accept-encoding"], "identity");
    reply.problem(415, "unsupported-media-type");
    request.headers.insert("content-encoding".into(), "identity".into());
    ann.send(request).await.expect(201);
}

#[tokio::test]
async fn an_item_that_its_type_would_refuse_today_can_be_changed_elsewhere() {
    let mut world = World::new().await;
    let id = {
        let ann = world.person("ann").await;
        let sent = json!({"takenAt": TIME, "mgdl": 900, "device": "a long name", "note": "x"});
        text(&ann.post("/user/data", json!({"type": "glucose", "fields": sent})).await.expect(201)["id"])
    };
    world.deploy(|document| {
        let fields = &mut document.data_types.get_mut("glucose").unwrap().fields;
        fields.get_mut("mgdl").unwrap().max = Some(500);
        fields.get_mut("device").unwrap().max_length = Some(3);
        fields.insert(name("kind"), Field { required: true, ..field(FieldType::String) });
    });
    let ann = world.visitor("ann");
    let path = format!("/user/data/{id}");
    assert_eq!(ann.all("/user/data").await.len(), 1);
    let changed = ann.patch(&path, json!({"fields": {"note": "y"}})).await.expect(200);
    assert_eq!(
        changed["fields"],
        json!({"device": "a long name", "mgdl": 900, "note": "y", "takenAt": TIME})
    );
    let wrong = json!({"fields": {"note": "z", "mgdl": 501, "kind": null}});
    let problem = ann.patch(&path, wrong).await.problem(422, "invalid");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem:#}");
    let batch = json!({"items": [{"id": id, "fields": {"mgdl": 500}}]});
    assert_eq!(ann.patch("/user/data/batch", batch).await.expect(200)["results"][0]["status"], 200);
    ann.delete(&path).await.expect(204);
}

#[tokio::test]
async fn a_change_keeps_the_fields_that_the_type_does_not_have_today() {
    let mut world = World::new().await;
    let id = {
        let ann = world.person("ann").await;
        let sent = json!({"takenAt": TIME, "mgdl": 3, "note": "kept", "device": "d"});
        text(&ann.post("/user/data", json!({"type": "glucose", "fields": sent})).await.expect(201)["id"])
    };
    let (note, path) = (name("note"), format!("/user/data/{id}"));
    let field = world.document.data_types["glucose"].fields[&note].clone();
    world.deploy(|document| drop(document.data_types.get_mut("glucose").unwrap().fields.remove(&note)));
    let ann = world.visitor("ann");
    let changed = ann.patch(&path, json!({"fields": {"mgdl": 33, "device": null}})).await.expect(200);
    assert_eq!(changed["fields"], json!({"mgdl": 33, "takenAt": TIME}));
    ann.patch(&path, json!({"fields": {"note": "n"}})).await.problem(422, "invalid");
    assert_eq!(ann.all("/user/data/export").await.last().unwrap()["item"]["fields"], changed["fields"]);
    world.deploy(|document| {
        drop(document.data_types.get_mut("glucose").unwrap().fields.insert(note.clone(), field));
    });
    let restored = world.visitor("ann").get(&path).await.expect(200);
    assert_eq!(restored["fields"], json!({"mgdl": 33, "note": "kept", "takenAt": TIME}));
}
