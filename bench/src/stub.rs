//! A database that answers from memory: what was read once is answered again, and every write succeeds. It takes the
//! database's own time out of a measurement, or puts a known time in its place.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::Value as Json;

use crate::error::{BenchError, Result};

/// The connection of a client to such a database.
#[derive(Clone)]
pub struct Stub {
    database: dynoxide::Database,
    known: Arc<Mutex<HashMap<u64, String>>>,
    delay: Duration,
}

impl std::fmt::Debug for Stub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Stub")
    }
}

impl Stub {
    /// One that reads this database once, and takes so long for each call.
    pub fn new(database: dynoxide::Database, delay: Duration) -> Self {
        Self { database, known: Arc::default(), delay }
    }

    /// What an SDK's client sends its requests through to reach it.
    pub fn network(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    fn answer(&self, operation: &str, body: &str) -> Result<String> {
        match operation {
            "BatchExecuteStatement" => {
                let statements = body.matches("\"Statement\":").count();
                return Ok(format!("{{\"Responses\":[{}]}}", vec!["{}"; statements].join(",")));
            }
            "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems" => {
                return Ok("{}".into());
            }
            _ => {}
        }
        let key = key(operation, body);
        if let Some(answer) = self.known.lock().ok().and_then(|known| known.get(&key).cloned()) {
            return Ok(answer);
        }
        let request: Json = serde_json::from_str(body)?;
        let answer = match operation {
            "GetItem" => serde_json::to_string(
                &self.database.get_item(serde_json::from_value(request)?).map_err(BenchError::other)?,
            ),
            "Query" => serde_json::to_string(
                &self.database.query(serde_json::from_value(request)?).map_err(BenchError::other)?,
            ),
            "BatchGetItem" => serde_json::to_string(
                &self.database.batch_get_item(serde_json::from_value(request)?).map_err(BenchError::other)?,
            ),
            "TransactGetItems" => serde_json::to_string(
                &self
                    .database
                    .transact_get_items(serde_json::from_value(request)?)
                    .map_err(BenchError::other)?,
            ),
            other => return Err(BenchError::other(format!("the stub does not know {other}"))),
        }?;
        if let Ok(mut known) = self.known.lock() {
            known.insert(key, answer.clone());
        }
        Ok(answer)
    }
}

/// The same for the same request, in whatever order the SDK writes the fields of its maps.
fn key(operation: &str, body: &str) -> u64 {
    let hash = |part: &str| {
        let mut hasher = DefaultHasher::new();
        part.hash(&mut hasher);
        hasher.finish()
    };
    let parts = body.split([',', '{', '}', '[', ']']);
    parts.map(hash).fold(hash(operation), u64::wrapping_add)
}

impl HttpConnector for Stub {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let stub = self.clone();
        HttpConnectorFuture::new(async move {
            if !stub.delay.is_zero() {
                tokio::time::sleep(stub.delay).await;
            }
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let operation = target.rsplit('.').next().unwrap_or_default();
            let body = std::str::from_utf8(request.body().bytes().unwrap_or_default()).unwrap_or_default();
            let answer =
                stub.answer(operation, body).map_err(|error| ConnectorError::other(error.into(), None))?;
            let status =
                StatusCode::try_from(200).map_err(|error| ConnectorError::other(error.into(), None))?;
            Ok(HttpResponse::new(status, SdkBody::from(answer)))
        })
    }
}
