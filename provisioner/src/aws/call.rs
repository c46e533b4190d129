//! Reports every call to AWS once it ended.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use serde::Serialize;

/// One call to AWS, retries by the SDK included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallEvent {
    /// The service as the SDK names it: `DynamoDB`.
    pub service: String,
    /// The operation: `CreateTable`.
    pub operation: String,
    /// The table that it is about, for those of DynamoDB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Whether it changes anything.
    pub mutating: bool,
    /// The HTTP status of the last answer, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Who is told of calls. It is called on the task that made the call and must not block.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&CallEvent) + Send + Sync>);

impl Observer {
    /// An observer that calls `f`.
    pub fn new(f: impl Fn(&CallEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(f))
    }
}
impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Names that begin so belong to operations that only look.
const READS: &[&str] =
    &["Get", "Describe", "List", "Head", "Query", "Scan", "BatchGet", "TransactGet", "Simulate", "Filter"];

/// Whether an operation changes anything, judged by its name. In doubt it does.
pub fn is_mutating(operation: &str) -> bool {
    !READS.iter().any(|verb| operation.starts_with(verb))
}

/// The interceptor that reports calls to the observer.
#[derive(Debug, Clone)]
pub(super) struct Reporter {
    pub(super) observer: Observer,
}

#[derive(Debug)]
struct Started(Instant);
impl Storable for Started {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Reporter {
    fn name(&self) -> &'static str {
        "FreeholdCallReporter"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        cfg.interceptor_state().store_put(Started(Instant::now()));
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (service, operation) = cfg
            .load::<Metadata>()
            .map_or_else(Default::default, |m| (m.service().to_owned(), m.name().to_owned()));
        let elapsed = cfg.load::<Started>().map(|started| started.0.elapsed()).unwrap_or_default();
        let error = match context.output_or_error() {
            Some(Err(error)) => Some(reason(error)),
            Some(Ok(_)) => None,
            None => Some("cancelled".to_owned()),
        };
        let event = CallEvent {
            mutating: is_mutating(&operation),
            table: context.request().and_then(|request| table(request.body().bytes()?)),
            service,
            operation,
            status: context.response().map(|response| response.status().as_u16()),
            duration_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            error,
        };
        (self.observer.0)(&event);
        Ok(())
    }
}

/// The first table that a request names.
fn table(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, behind) = text.split_once(r#""TableName":""#)?;
    behind.split_once('"').map(|(name, _)| name.to_owned())
}

fn reason(error: &dyn fmt::Debug) -> String {
    // The erased error has no better text than its debug form; the typed one reaches the caller anyway.
    let text = format!("{error:?}");
    let mut short: String = text.chars().take(300).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::is_mutating;

    #[test]
    fn looking_is_told_from_changing_by_name() {
        for read in ["GetRole", "DescribeTable", "ListTags", "Query", "Scan", "BatchGetItem", "GetFunction"] {
            assert!(!is_mutating(read), "{read}");
        }
        for write in [
            "CreateTable",
            "TagResource",
            "PutRolePolicy",
            "DeleteQueue",
            "AddPermission",
            "SetQueueAttributes",
        ] {
            assert!(is_mutating(write), "{write}");
        }
    }
}
