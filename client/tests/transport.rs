//! What is sent, how often, and what is made of the answers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code, which stops where something is wrong"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use freehold_client::{Client, Error, Fixed, Invitee, Kept, Patience, Role, Token};
use reqwest::Method;
use serde_json::{Value, json};
use support::{Api, Reply};

fn client(api: &Api) -> Client {
    let mut patience = Patience::default().attempts(4).timeout(Duration::from_secs(10));
    patience.first_wait = Duration::from_millis(2);
    Client::new(&api.base, Fixed::new("good")).unwrap().patience(patience)
}

fn item() -> Value {
    json!({"id": "1", "type": "glucose", "time": "t", "version": 3, "updated": "t", "fields": {"mgdl": 93}})
}

fn problem(kind: &str, status: u16, more: &Value) -> Reply {
    let mut body = json!({
        "type": format!("urn:freehold:problem:{kind}"), "title": kind, "status": status,
        "detail": "what to do", "instance": "urn:freehold:request:abc=",
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let headers =
        vec![("content-type", "application/problem+json".to_owned()), ("x-request-id", "abc=".to_owned())];
    Reply::Full(status, headers, body.to_string())
}

/// Busy, then lost, then the last word.
fn at_last(last: fn() -> Reply) -> impl Fn(usize, &support::Seen) -> Reply {
    move |number, _| match number {
        0 => problem("unavailable", 503, &json!({})),
        1 => Reply::Nothing,
        _ => last(),
    }
}

#[tokio::test]
async fn what_makes_something_is_repeated_under_one_key_and_another_call_has_another() {
    let api = Api::new(at_last(|| Reply::json(201, &item()))).await;
    let client = client(&api);
    let made = client.create_item("glucose", &json!({"mgdl": 93})).await.unwrap();
    assert_eq!((made.id.as_str(), made.version), ("1", 3));
    client.create_item("glucose", &json!({"mgdl": 93})).await.unwrap();
    client.under_key("import-17").create_item("glucose", &json!({"mgdl": 93})).await.unwrap();
    let seen = api.seen();
    let keys: Vec<&str> = seen.iter().map(|request| request.header("idempotency-key").unwrap()).collect();
    assert_eq!(keys.len(), 5);
    assert!(keys[0] == keys[1] && keys[1] == keys[2], "{keys:?}");
    assert_eq!(BTreeSet::from_iter(&keys).len(), 3, "{keys:?}");
    assert_eq!(keys[4], "import-17");
    for request in &seen {
        assert_eq!(request.json(), json!({"type": "glucose", "fields": {"mgdl": 93}}));
        assert_eq!(request.header("authorization"), Some("Bearer good"));
    }
}

#[tokio::test]
async fn numbers_of_an_item_keep_their_digits() {
    let raw = r#"{"z":12345678901234567890123,"a":[31.245270191439438,9007199254740991.0,1e+400,0.10]}"#;
    let answer = item().to_string().replace("93", &format!("9007199254740993,\"raw\":{raw}"));
    let api = Api::new(move |_, _| {
        Reply::Full(200, vec![("content-type", "application/json".to_owned())], answer.clone())
    });
    let client = client(&api.await);
    let item = client.item("1").await.unwrap();
    assert_eq!(item.fields["mgdl"], 9_007_199_254_740_993_u64);
    assert_eq!(item.fields["raw"].to_string(), raw);
}

#[tokio::test]
async fn what_could_be_done_twice_is_sent_once() {
    let api = Api::new(|_, _| problem("unavailable", 503, &json!({}))).await;
    let client = client(&api);
    let body = json!({});
    let errors = [
        client.leave_group("g", None).await.unwrap_err(),
        client.transfer_group("g", "u").await.unwrap_err(),
        client.create_profile(None).await.unwrap_err(),
        client.update_item("1", &body, Some(1)).await.unwrap_err(),
        client.request(Method::POST, "/user/data").json(&body).read::<Value>().await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.is_passing() && error.status() == Some(503)), "{errors:?}");
    assert_eq!(api.seen().len(), errors.len());
    let lost = Api::new(|_, _| Reply::Nothing).await;
    let error = self::client(&lost).leave_group("g", Some(Role::Consumer)).await.unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    assert_eq!(lost.seen().len(), 1);
    assert_eq!(lost.seen()[0].parameter("role"), Some("consumer"));
}

#[tokio::test]
async fn patience_ends_and_the_last_answer_is_told() {
    let api = Api::new(|_, _| problem("unavailable", 503, &json!({}))).await;
    let error = client(&api).item("1").await.unwrap_err();
    assert_eq!((error.status(), api.seen().len()), (Some(503), 4));
    assert!(error.is("unavailable"), "{error:?}");
}

#[tokio::test]
async fn nobody_comes_back_before_they_are_asked_to() {
    let asked = |seconds: &str| {
        let headers =
            vec![("retry-after", seconds.to_owned()), ("content-type", "application/json".to_owned())];
        Reply::Full(429, headers, json!({"message": "Too Many Requests"}).to_string())
    };
    let api =
        Api::new(move |number, _| if number == 0 { asked("1") } else { Reply::json(200, &item()) }).await;
    let begun = Instant::now();
    client(&api).item("1").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    let api = Api::new(move |_, _| asked("3600")).await;
    let error = client(&api).item("1").await.unwrap_err();
    assert_eq!(api.seen().len(), 1, "nobody waits for an hour");
    let problem = error.problem().unwrap();
    assert_eq!(problem.retry_after, Some(Duration::from_secs(3600)));
    assert_eq!((problem.kind.as_str(), problem.detail.as_str()), ("about:blank", "Too Many Requests"));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let counting = || {
        let count = Arc::new(AtomicUsize::new(0));
        Kept::new(move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            async move { Ok(Token { access: format!("t{number}"), lasts: Duration::from_secs(3600) }) }
        })
    };
    let api = Api::new(|_, request| match request.header("authorization") {
        Some("Bearer t1") => Reply::empty(204),
        _ => problem("unauthorized", 401, &json!({})),
    })
    .await;
    let client = Client::new(&api.base, counting()).unwrap();
    // Not even this one was carried out, so it can be sent again.
    client.leave_group("g", None).await.unwrap();
    client.leave_group("g", None).await.unwrap();
    let tokens: Vec<_> = api.seen().iter().map(|seen| seen.headers["authorization"].clone()).collect();
    assert_eq!(tokens, ["Bearer t0", "Bearer t1", "Bearer t1"]);

    let api = Api::new(|_, _| problem("unauthorized", 401, &json!({}))).await;
    let error = Client::new(&api.base, counting()).unwrap().profile().await.unwrap_err();
    assert_eq!((error.status(), api.seen().len()), (Some(401), 2), "{error}");
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let api = Api::new(|_, _| Reply::empty(204)).await;
    let tokens = Kept::new(|| async { Err("the password is wrong".into()) });
    let error = Client::new(&api.base, tokens).unwrap().profile().await.unwrap_err();
    assert!(matches!(error, Error::NoToken(_)) && error.to_string().contains("password"), "{error}");
    assert_eq!(api.seen().len(), 0);
}

#[tokio::test]
async fn a_problem_says_what_it_is_and_whom_to_ask_about_which_request() {
    let mistakes = json!({"errors": [{"field": "fields.mgdl", "message": "must be at most 1000"}], "new": 1});
    let api = Api::new(move |_, _| problem("invalid", 422, &mistakes)).await;
    let error = client(&api).create_item("glucose", &json!({"mgdl": 5000})).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "POST /user/data was refused with 422 Unprocessable Entity: invalid: what to do; `fields.mgdl`: must be at most 1000"
    );
    let problem = error.problem().unwrap();
    assert_eq!((problem.kind.as_str(), problem.request_id.as_deref()), ("invalid", Some("abc=")));
    assert_eq!((problem.mistakes[0].field.as_str(), &problem.more["new"]), ("fields.mgdl", &json!(1)));
}

#[tokio::test]
async fn an_item_that_somebody_else_changed_is_an_error_of_its_own() {
    let api = Api::new(|_, _| problem("version-mismatch", 412, &json!({"version": 4}))).await;
    let client = client(&api);
    let error = client.update_item("1", &json!({"mgdl": 95, "note": null}), Some(3)).await.unwrap_err();
    assert!(matches!(error, Error::OtherVersion { version: 4, .. }), "{error:?}");
    assert!(client.delete_item("1", Some(3)).await.unwrap_err().is("version-mismatch"));
    let seen = api.seen();
    assert_eq!(seen[0].json(), json!({"fields": {"mgdl": 95, "note": null}}));
    assert!(seen.iter().all(|request| request.header("if-match") == Some("\"3\"")), "{seen:?}");
}

#[tokio::test]
async fn what_is_no_problem_document_is_told_all_the_same() {
    let page = "<html>".repeat(100);
    let api = Api::new(move |_, _| Reply::Full(403, Vec::new(), page.clone())).await;
    let error = client(&api).profile().await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!(
        (problem.kind.as_str(), problem.title.as_str(), problem.status),
        ("about:blank", "forbidden", 403)
    );
    assert!(problem.detail.starts_with("<html>") && problem.detail.len() < 200, "{problem:?}");
    for body in ["<html>", "", "[1]", "{\"id\": 7}"] {
        let api = Api::new(move |_, _| Reply::Full(200, Vec::new(), body.to_owned())).await;
        let error = client(&api).profile().await.unwrap_err();
        assert!(matches!(error, Error::Strange { .. }), "`{body}`: {error}");
    }
}

#[tokio::test]
async fn what_is_gone_after_a_lost_answer_is_deleted_and_what_never_was_is_not_found() {
    let api = Api::new(at_last(|| problem("not-found", 404, &json!({})))).await;
    client(&api).delete_item("1", None).await.unwrap();
    assert_eq!(api.seen().len(), 3);
    let api = Api::new(|_, _| problem("not-found", 404, &json!({}))).await;
    assert!(client(&api).delete_item("1", None).await.unwrap_err().is("not-found"));
    // Nobody had begun with it who was told to come later.
    let api = Api::new(|number, _| match number {
        0 => problem("too-many-requests", 429, &json!({})),
        _ => problem("not-found", 404, &json!({})),
    })
    .await;
    assert!(client(&api).delete_item("1", None).await.unwrap_err().is("not-found"));
}

#[tokio::test]
async fn an_item_that_is_known_is_not_sent_again() {
    let api = Api::new(|_, request| match request.header("if-none-match") {
        Some("\"3\"") => Reply::empty(304),
        _ => Reply::json(200, &item()),
    })
    .await;
    let client = client(&api);
    assert_eq!(client.item_unless("1", 3).await.unwrap(), None);
    assert_eq!(client.item_unless("1", 2).await.unwrap().unwrap().version, 3);
}

#[tokio::test]
async fn pages_lead_to_the_end_over_empty_ones_and_go_on_after_an_error() {
    let api = Api::new(|number, request| {
        let page = |items: Vec<Value>, next: Value| Reply::json(200, &json!({"items": items, "next": next}));
        match (number, request.parameter("cursor")) {
            (_, None) => page(vec![item(), item()], json!("a+b/c=")),
            (1, Some("a+b/c=")) => problem("internal", 400, &json!({})),
            (_, Some("a+b/c=")) => page(vec![], json!("c")),
            (_, Some("c")) => page(vec![item()], Value::Null),
            _ => problem("invalid-parameter", 400, &json!({"parameter": "cursor"})),
        }
    })
    .await;
    let client = client(&api);
    let mut list = client.items().from("2026-01-01T00:00:00Z").oldest_first().types(&["a", "b"]).limit(2);
    assert!(list.next().await.unwrap().is_some() && list.next().await.unwrap().is_some());
    let error = list.next().await.unwrap_err();
    assert_eq!(error.status(), Some(400), "{error}");
    assert_eq!(list.cursor(), Some("a+b/c="));
    assert!(list.next().await.unwrap().is_some());
    assert!(list.next().await.unwrap().is_none() && list.next().await.unwrap().is_none());
    let seen = api.seen();
    assert_eq!(seen.len(), 4);
    for request in &seen {
        let parameters = ["from", "order", "types", "limit"].map(|name| request.parameter(name).unwrap());
        assert_eq!(parameters, ["2026-01-01T00:00:00Z", "asc", "a,b", "2"]);
    }
    let mut pages = client.items().after("a+b/c=");
    let mut sizes = Vec::new();
    while let Some(page) = pages.page().await.unwrap() {
        sizes.push(page.len());
    }
    assert_eq!(sizes, [0, 1]);
}

#[tokio::test]
async fn a_batch_that_is_answered_in_part_is_not_taken_for_a_whole_one() {
    let api = Api::new(|_, _| Reply::json(200, &json!({"results": [{"status": 201}]}))).await;
    let error = client(&api).create_items(&[json!({}), json!({})]).await.unwrap_err();
    assert!(matches!(error, Error::Strange { .. }), "{error}");
}

#[tokio::test]
async fn an_identifier_never_leads_to_another_path() {
    let api = Api::new(|_, _| Reply::empty(204)).await;
    let client = client(&api);
    for odd in ["", ".", ".."] {
        let error = client.delete_item(odd, None).await.unwrap_err();
        assert!(matches!(error, Error::Unsendable { .. }), "`{odd}`: {error}");
    }
    client.delete_item("../batch?x=1", None).await.unwrap();
    client.invite("a/b", &Invitee::user("u"), Role::Owner).await.unwrap_err();
    let paths: Vec<_> = api.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/user/data/..%2Fbatch%3Fx=1", "/groups/a%2Fb/invitations"]);
}
