//! What the gateway passes on: the payload, the route, the query, the headers and the body.
#![no_main]

use domain::routes;
use fuzz::on_a_worker;
use lambdas::api::Request;
use lambdas::api::gateway::Event;
use lambdas::api::jwt::Token;
use lambdas::api::request::{BATCH_BODY, SINGLE_BODY};
use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;

/// The first lines are the path, the query and a header's value; the rest is the body.
fn parts(bytes: &[u8]) -> Request {
    let mut parts = bytes.splitn(4, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (path, query, value) = (text(), text(), text());
    let mut request = Request { path, query, ..Request::default() };
    for name in ["authorization", "if-match", "if-none-match", "idempotency-key"] {
        request.headers.insert(name.to_owned(), value.clone());
    }
    request.headers.insert("content-type".to_owned(), "application/json".to_owned());
    request.body = parts.next().unwrap_or_default().to_vec();
    request
}

fuzz_target!(|bytes: &[u8]| {
    on_a_worker(|| {
        if let Ok(event) = serde_json::from_slice::<Event>(bytes) {
            let _ = Request::from(event).json::<Json>(SINGLE_BODY);
        }
        let request = parts(bytes);
        for method in ["GET", "POST", "PATCH"] {
            let _ = routes::find(method, &request.path);
        }
        let _ = request.parameters(&["from", "to", "types", "when", "limit", "order", "cursor"]);
        let _ = (request.if_match(), request.has_version(1), request.idempotency_key());
        let _ = request.bearer().map(Token::read);
        let _ = (request.json::<Json>(BATCH_BODY), request.patch::<Json>(SINGLE_BODY));
    });
});
