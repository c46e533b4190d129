//! One walk through all routes, in the order in which people would take them; and what each refuses.

use std::collections::BTreeSet;
use std::sync::Mutex;

use domain::routes::{Match, ROUTES, find};
use freehold_client::Client;
use journeys::{Person, Raw as _, World, until};
use reqwest::Method;
use serde_json::{Value, json};

/// Notes which routes were answered well.
#[derive(Default)]
struct Walk(Mutex<BTreeSet<String>>);

impl Walk {
    async fn step(&self, who: &Client, method: &str, path: &str, body: Value, expected: u16) -> Value {
        let verb = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = who.call(verb, path, (!body.is_null()).then_some(&body)).await.unwrap();
        assert_eq!(answer.status, expected, "{method} {path}: {answer:?}");
        let Match::Route(route, _) = find(method, path.split('?').next().unwrap()) else {
            panic!("{method} {path}")
        };
        self.0.lock().unwrap().insert(format!("{} {}", route.method, route.path));
        answer.body
    }
}

#[tokio::test]
async fn every_route_does_its_work() {
    let world = World::shared("every-route").await;
    let walk = Walk::default();
    let none = || Value::Null;
    let (owner, provider, reader) =
        (world.person("owner").await, world.person("provider").await, world.person("reader").await);

    let user = walk.step(&provider, "POST", "/user", json!({}), 200).await;
    assert_eq!(user["drive"], provider.user.drive.as_str(), "the same profile again");
    assert_eq!(user["email"], provider.who());
    assert_eq!(walk.step(&provider, "GET", "/user", none(), 200).await, user);

    let description = walk.step(&owner, "GET", "/openapi.json", none(), 200).await;
    assert_eq!(description["openapi"], "3.1.0");
    let group = walk.step(&owner, "POST", "/groups", json!({"name": "walk"}), 201).await;
    let group_id = group["id"].as_str().unwrap();
    let at = |rest: &str| format!("/groups/{group_id}{rest}");
    for (who, role) in [(&provider, "provider"), (&reader, "consumer"), (&reader, "provider")] {
        let invitation = json!({"email": who.who(), "role": role});
        walk.step(&owner, "POST", &at("/invitations"), invitation, 201).await;
    }
    let listed = walk.step(&owner, "GET", &at("/invitations"), none(), 200).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    for who in [&provider, &reader] {
        let mine = walk.step(who, "GET", "/user/invitations", none(), 200).await;
        for invitation in mine["items"].as_array().unwrap() {
            let id = invitation["id"].as_str().unwrap();
            let reader_provides = who.who() == reader.who() && invitation["role"] == "provider";
            walk.step(who, "GET", &at(&format!("/invitations/{id}/preview")), none(), 200).await;
            let (what, status) = if reader_provides { ("decline", 204) } else { ("accept", 200) };
            walk.step(who, "POST", &at(&format!("/invitations/{id}/{what}")), json!({}), status).await;
        }
    }
    let members = walk.step(&reader, "GET", &at("/members"), none(), 200).await;
    assert_eq!(members["items"].as_array().unwrap().len(), 3, "{members}");
    assert_eq!(walk.step(&reader, "GET", &at(""), none(), 200).await["name"], "walk");
    let mine = walk.step(&provider, "GET", "/user/members", none(), 200).await;
    assert_eq!(mine["items"][0]["roles"], json!(["provider"]), "{mine}");

    let ask = json!({"audience": "ask"});
    walk.step(&provider, "PUT", &at("/audience"), ask, 200).await;
    let of_reader = at(&format!("/audience/{}", reader.user.id));
    let refused = walk.step(&provider, "DELETE", &of_reader, none(), 200).await;
    assert_eq!(refused["waiting"], json!([reader.user.id]));
    walk.step(&provider, "PUT", &of_reader, json!({}), 200).await;
    let audience = walk.step(&provider, "GET", &at("/audience"), none(), 200).await;
    assert_eq!(audience["agreed"], json!([reader.user.id]));

    let narrow = json!({"types": ["glucose"]});
    walk.step(&provider, "PUT", &at("/contract"), narrow.clone(), 200).await;
    assert_eq!(walk.step(&provider, "GET", &at("/contract"), none(), 200).await["contract"], narrow);
    let consent = walk.step(&provider, "GET", &at("/consent"), none(), 200).await;
    let agreed = json!({"revision": consent["currentRevision"]});
    assert_eq!(walk.step(&provider, "PUT", &at("/consent"), agreed, 200).await["pending"], false);

    items(&walk, &provider).await;
    let shared = owner.group(group_id).await.unwrap();
    reader.comes_to_see(&shared, &[210, 220]).await;
    let all = walk.step(&reader, "GET", &at("/data"), none(), 200).await;
    let of_type = walk.step(&reader, "GET", &at("/data/types/glucose"), none(), 200).await;
    assert_eq!(all["items"], of_type["items"]);
    let shown = walk.step(&provider, "GET", "/user/ledger", none(), 200).await;
    let entry = &shown["items"][0];
    assert_eq!((&entry["reader"], &entry["count"]), (&json!(reader.user.id), &json!(2)), "{shown}");
    let everything = walk.step(&provider, "GET", "/user/data/export", none(), 200).await;
    assert_eq!(everything["items"][0]["kind"], "profile");

    govern(&walk, &world, &owner, &reader, group_id).await;
    walk.step(&owner, "DELETE", &at(&format!("/members/{}", reader.user.id)), none(), 204).await;
    walk.step(&provider, "POST", &at("/leave"), json!({}), 204).await;
    let receipt = async || {
        let receipts = walk.step(&provider, "GET", "/user/receipts", none(), 200).await;
        receipts["items"].as_array().unwrap().first().cloned()
    };
    let receipt = until("there is a receipt of what was removed", receipt).await;
    assert_eq!((&receipt["group"], &receipt["remaining"]), (&group["id"], &json!(0)), "{receipt}");
    walk.step(&owner, "DELETE", &at(""), none(), 204).await;
    newcomer(&walk, &world, &owner).await;

    let walked = walk.0.into_inner().unwrap();
    let left: Vec<_> =
        ROUTES.iter().map(|r| format!("{} {}", r.method, r.path)).filter(|r| !walked.contains(r)).collect();
    assert!(left.is_empty(), "not walked: {left:?}");
}

/// What owners do to their group; it is the owner's again at the end, and the reader still reads.
async fn govern(walk: &Walk, world: &World, owner: &Person, reader: &Person, group: &str) {
    let at = |rest: &str| format!("/groups/{group}{rest}");
    let mine = walk.step(owner, "GET", "/groups", Value::Null, 200).await;
    assert_eq!(mine["items"][0]["roles"], json!(["owner"]), "{mine}");
    let renamed = walk.step(owner, "PATCH", &at(""), json!({"name": "walked"}), 200).await;
    assert_eq!(renamed["name"], "walked");
    let rules = json!({"rules": renamed["rules"]});
    assert_eq!(walk.step(owner, "PUT", &at("/rules"), rules, 200).await["revision"], 1);
    let history = walk.step(owner, "GET", &at("/rules/history"), Value::Null, 200).await;
    assert_eq!(history["items"][0]["revision"], 1, "{history}");
    let member = |person: &Person| at(&format!("/members/{}", person.user.id));
    walk.step(owner, "PATCH", &member(reader), json!({"roles": ["owner", "consumer"]}), 200).await;
    walk.step(reader, "PATCH", &member(owner), json!({"roles": ["consumer"]}), 200).await;
    walk.step(reader, "POST", &at("/transfer"), json!({"to": owner.user.id}), 204).await;
    let invitation = json!({"email": world.address("nobody"), "role": "consumer"});
    let invitation = walk.step(owner, "POST", &at("/invitations"), invitation, 201).await;
    let path = at(&format!("/invitations/{}", invitation["id"].as_str().unwrap()));
    walk.step(owner, "POST", &format!("{path}/resend"), json!({}), 200).await;
    walk.step(owner, "DELETE", &path, Value::Null, 204).await;
}

/// Somebody whose profile was there first, and who leaves for good.
async fn newcomer(walk: &Walk, world: &World, maker: &Person) {
    let made = walk.step(maker, "POST", "/profiles", json!({}), 201).await;
    let path = format!("/profiles/{}/invite", made["id"].as_str().unwrap());
    let again = walk.step(maker, "POST", &path, json!({}), 201).await;
    let newcomer = world.place.person(&world.address("newcomer")).await.unwrap();
    let former = json!({"invite": made["invite"]["token"]});
    walk.step(&newcomer, "POST", "/user/claim", former, 404).await;
    let invite = json!({"invite": again["invite"]["token"]});
    let claimed = walk.step(&newcomer, "POST", "/user/claim", invite, 200).await;
    assert_eq!(claimed["id"], made["id"]);
    // Another one is found by the address that the pool has verified, without an invite.
    let email = world.address("expected");
    let made = walk.step(maker, "POST", "/profiles", json!({"email": email}), 201).await;
    let expected = world.place.person(&email).await.unwrap();
    let user = walk.step(&expected, "POST", "/user", Value::Null, 200).await;
    assert_eq!((&user["id"], user["email"].as_str()), (&made["id"], Some(email.as_str())));
    let erasure = walk.step(&newcomer, "DELETE", "/user", Value::Null, 202).await;
    let path = format!("/erasures/{}", erasure["id"].as_str().unwrap());
    assert_eq!(walk.step(&newcomer, "GET", &path, Value::Null, 200).await["status"], "open");
}

/// The routes of one's own items. Leaves the readings 210 and 220.
async fn items(walk: &Walk, person: &Person) {
    let reading =
        |time: &str, mgdl: i64| json!({"type": "glucose", "fields": {"takenAt": time, "mgdl": mgdl}});
    let made = walk.step(person, "POST", "/user/data", reading("2024-01-01T10:00:00+02:00", 200), 201).await;
    assert_eq!(made["fields"]["takenAt"], "2024-01-01T08:00:00Z", "times are kept in UTC");
    let path = format!("/user/data/{}", made["id"].as_str().unwrap());
    assert_eq!(walk.step(person, "GET", &path, Value::Null, 200).await, made);
    let patched = walk.step(person, "PATCH", &path, json!({"fields": {"mgdl": 210}}), 200).await;
    assert_eq!((&patched["version"], &patched["fields"]["mgdl"]), (&json!(2), &json!(210)));
    let second = reading("2024-01-01T09:00:00Z", 220);
    let batch =
        json!({"items": [second, reading("2024-01-01T10:00:00Z", 5000), {"type": "pulse", "fields": {}}]});
    let make = || person.request(Method::POST, "/user/data/batch").key("walk").json(&batch).read::<Value>();
    let results = make().await.unwrap();
    let again = make().await.unwrap();
    assert_eq!(again["results"][0], results["results"][0], "made once");
    let statuses: Vec<_> =
        results["results"].as_array().unwrap().iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [201, 422, 422], "each item for itself");
    let more = json!({"items": [reading("2024-01-02T09:00:00Z", 90), reading("2024-01-02T10:00:00Z", 91)]});
    let more = walk.step(person, "POST", "/user/data/batch", more, 200).await;
    let ids: Vec<_> = more["results"].as_array().unwrap().iter().map(|made| &made["id"]).collect();
    let changes: Vec<_> = ids.iter().map(|id| json!({"id": id, "fields": {"mgdl": 92}})).collect();
    let changed = walk.step(person, "PATCH", "/user/data/batch", json!({ "items": changes }), 200).await;
    assert_eq!(
        (&changed["results"][0]["version"], &changed["results"][1]["status"]),
        (&json!(2), &json!(200))
    );
    let removals: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    let removed =
        walk.step(person, "POST", "/user/data/batch/delete", json!({ "items": removals }), 200).await;
    assert_eq!(removed["results"][1]["status"], 204, "{removed}");
    let weight = json!({"type": "weight", "fields": {"at": "2024-01-01T09:30:00Z", "kg": 70.5}});
    let weight = walk.step(person, "POST", "/user/data", weight, 201).await;
    let all = walk.step(person, "GET", "/user/data?order=asc", Value::Null, 200).await;
    let types: Vec<_> =
        all["items"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["glucose", "glucose", "weight"]);
    let of_type = walk.step(person, "GET", "/user/data/types/weight", Value::Null, 200).await;
    assert_eq!(of_type["items"], json!([weight]));
    walk.step(person, "DELETE", &format!("/user/data/{}", weight["id"].as_str().unwrap()), Value::Null, 204)
        .await;
}

#[tokio::test]
async fn what_cannot_be_accepted_is_refused_with_the_reason_and_changes_nothing() {
    let world = World::shared("refusals").await;
    let person = world.person("somebody").await;
    let group = person.make_group("mine").await;
    let at = |rest: &str| format!("/groups/{}{rest}", group.id);
    let item = |fields: Value| json!({"type": "glucose", "fields": fields});
    let good = json!({"takenAt": "2024-01-01T08:00:00Z", "mgdl": 200});
    let id = person.read_glucose("2024-01-01T08:00:00Z", 200).await;
    let own = format!("/user/data/{id}");
    let refusals = [
        ("POST", "/user/data".to_owned(), item(json!({"takenAt": "2024-01-01T08:00:00Z"})), 422, "mgdl"),
        (
            "POST",
            "/user/data".into(),
            item(json!({"takenAt": "2024-01-01T08:00:00", "mgdl": 1})),
            422,
            "takenAt",
        ),
        (
            "POST",
            "/user/data".into(),
            item(json!({"takenAt": "2024-01-01T08:00:00Z", "mgdl": 1001})),
            422,
            "mgdl",
        ),
        (
            "POST",
            "/user/data".into(),
            item(json!({"takenAt": "2024-01-01T08:00:00Z", "mgdl": 1, "x": 1})),
            422,
            "x",
        ),
        ("POST", "/user/data".into(), json!({"type": "pulse", "fields": good}), 422, "type"),
        ("POST", "/user/data".into(), json!([1]), 400, ""),
        ("POST", "/user/data/batch".into(), json!({"items": []}), 422, "items"),
        ("POST", "/user/data/batch".into(), json!({"items": vec![1; 101]}), 422, "items"),
        ("PATCH", own.clone(), json!({"fields": {"mgdl": "high"}}), 422, "mgdl"),
        ("PATCH", own.clone(), json!({"fields": {"takenAt": "2024-01-02T08:00:00Z"}}), 422, "takenAt"),
        ("GET", "/user/data/nonsense".into(), Value::Null, 404, ""),
        ("GET", "/user/data/types/pulse".into(), Value::Null, 404, ""),
        ("GET", "/user/data?limit=0".into(), Value::Null, 400, "limit"),
        ("GET", "/user/data?limit=501".into(), Value::Null, 400, "limit"),
        ("GET", "/user/data?from=yesterday".into(), Value::Null, 400, "from"),
        ("GET", "/user/data?colour=red".into(), Value::Null, 400, "colour"),
        ("GET", "/user/data?cursor=AAAA".into(), Value::Null, 400, "cursor"),
        ("POST", "/groups".into(), json!({"name": " "}), 422, "name"),
        ("POST", at("/invitations"), json!({"email": "nobody", "role": "king"}), 422, "role"),
        ("POST", at("/leave?role=king"), json!({}), 400, "role"),
        ("DELETE", at("/members/nonsense"), Value::Null, 404, ""),
    ];
    for (method, path, body, status, names) in refusals {
        let answer = person.ask(method, &path, (!body.is_null()).then_some(body)).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert!(answer.content_type.starts_with("application/problem+json"), "{method} {path}: {answer:?}");
        assert_eq!(answer.body["status"], status, "{answer:?}");
        assert!(answer.body.to_string().contains(names), "{method} {path}: {answer:?}");
    }
    assert_eq!(person.sees_own().await, [200]);
}
