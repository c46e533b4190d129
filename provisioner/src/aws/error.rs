//! A failed call, and what its failure means for what comes next.

use std::any::{Any, type_name};
use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde::{Deserialize, Serialize};

use super::classes;

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorKind {
    /// It is not there.
    NotFound,
    /// It is there already.
    AlreadyExists,
    /// Something else is changing it: wait and try again.
    Conflict,
    /// Too many calls: wait and try again.
    Throttled,
    /// What it refers to was made, but this part of AWS does not see it yet: wait and try again.
    NotYetVisible,
    /// It was changed a short while ago and cannot be changed again for longer than a command should wait.
    CoolingDown,
    /// The caller may not do this.
    Denied,
    /// There are no credentials, or they are refused.
    Credentials,
    /// No answer in time. The call may have had its effect.
    Timeout,
    /// AWS itself broke down over it. The call may have had its effect.
    Broken,
    /// What was begun is not done after all the time that a command waits.
    Slow,
    /// Nobody answers.
    Connect,
    /// AWS does not accept what was asked.
    Invalid,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// Whether trying again after a while can help.
    pub fn passes(self) -> bool {
        matches!(self, Self::Conflict | Self::Throttled | Self::NotYetVisible)
    }

    /// Whether the call may have had its effect all the same.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Timeout | Self::Connect | Self::Broken)
    }
}

/// A call to AWS that failed, or an answer that cannot be worked with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", self.prefix())]
pub struct AwsError {
    /// The service: `lambda`. Empty if the failure belongs to no call.
    pub service: &'static str,
    /// The operation: `CreateFunction`. Empty if the failure belongs to no call.
    pub operation: &'static str,
    /// AWS's own code: `ResourceConflictException`.
    pub code: Option<String>,
    /// What AWS said.
    pub message: String,
    /// What it means.
    pub kind: ErrorKind,
}

impl AwsError {
    /// A failure that belongs to no single call.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { service: "", operation: "", code: None, message: message.into(), kind }
    }

    /// Whether it says that the thing is not there.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    fn prefix(&self) -> String {
        match (&self.code, self.operation.is_empty()) {
            (Some(code), false) => format!("{} {}: {code}: ", self.service, self.operation),
            (None, false) => format!("{} {}: ", self.service, self.operation),
            (Some(code), true) => format!("{code}: "),
            (None, true) => String::new(),
        }
    }
}

impl<E, R> From<SdkError<E, R>> for AwsError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    fn from(error: SdkError<E, R>) -> Self {
        let (service, operation) = origin::<E>();
        let (code, message, kind) = match &error {
            SdkError::ServiceError(refused) => {
                let broken = is_broken(refused.raw());
                let refused = refused.err();
                let code = refused.code().map(str::to_owned);
                let message = refused.message().map_or_else(|| chain(refused), str::to_owned);
                let kind =
                    classes::classify(service, operation, code.as_deref().unwrap_or_default(), &message);
                // What stands before a service and breaks down knows nothing of its codes.
                let kind = if broken && kind == ErrorKind::Other { ErrorKind::Broken } else { kind };
                (code, message, kind)
            }
            SdkError::TimeoutError(_) => (None, "no answer in time".to_owned(), ErrorKind::Timeout),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                (None, "no answer in time".to_owned(), ErrorKind::Timeout)
            }
            SdkError::DispatchFailure(_) if comes_from::<CredentialsError>(&error) => {
                (None, chain(&error), ErrorKind::Credentials)
            }
            SdkError::DispatchFailure(_) => (None, chain(&error), ErrorKind::Connect),
            SdkError::ConstructionFailure(_) => (None, chain(&error), ErrorKind::Invalid),
            SdkError::ResponseError(answer) if is_broken(answer.raw()) => {
                (None, chain(&error), ErrorKind::Broken)
            }
            _ => (None, chain(&error), ErrorKind::Other),
        };
        Self { service, operation, code, message, kind }
    }
}

impl From<aws_smithy_types::error::operation::BuildError> for AwsError {
    fn from(error: aws_smithy_types::error::operation::BuildError) -> Self {
        Self::new(ErrorKind::Invalid, chain(&error))
    }
}

/// The service and operation that an SDK error type belongs to, from its path
/// `aws_sdk_lambda::operation::create_function::CreateFunctionError`: the one place where the SDK keeps them together
/// with the type. Only messages and the table of classes rely on it.
fn origin<E>() -> (&'static str, &'static str) {
    let path = type_name::<E>();
    let service = path.split("::").next().and_then(|name| name.strip_prefix("aws_sdk_")).unwrap_or_default();
    let operation = path.rsplit("::").next().and_then(|name| name.strip_suffix("Error")).unwrap_or_default();
    (service, operation)
}

/// Whether an answer's status says that the fault is AWS's.
fn is_broken<R: 'static>(answer: &R) -> bool {
    let answer = (answer as &dyn Any).downcast_ref::<HttpResponse>();
    answer.is_some_and(|answer| answer.status().is_server_error())
}

fn comes_from<T: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<T>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// An error's text with those of its causes.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_lambda::operation::create_function::CreateFunctionError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    #[test]
    fn a_refusal_keeps_service_operation_code_and_message() {
        let meta = ErrorMetadata::builder()
            .code("InvalidParameterValueException")
            .message("The role defined for the function cannot be assumed by Lambda.")
            .build();
        let error: AwsError = SdkError::<_, ()>::service_error(CreateFunctionError::generic(meta), ()).into();
        assert_eq!(
            (error.service, error.operation, error.kind),
            ("lambda", "CreateFunction", ErrorKind::NotYetVisible)
        );
        assert!(
            error.to_string().starts_with("lambda CreateFunction: InvalidParameterValueException: The role")
        );
    }

    #[test]
    fn no_answer_is_a_timeout() {
        let error: AwsError = SdkError::<CreateFunctionError, ()>::timeout_error("late").into();
        assert_eq!(error.kind, ErrorKind::Timeout);
    }

    #[test]
    fn a_fault_of_awss_own_is_told_from_a_missing_answer_with_and_without_a_code() {
        let kind = |status: u16, code: &str| {
            let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
            let refused = CreateFunctionError::generic(ErrorMetadata::builder().code(code).build());
            AwsError::from(SdkError::service_error(refused, answer)).kind
        };
        assert_eq!(kind(500, "ServiceException"), ErrorKind::Broken);
        assert_eq!(kind(503, ""), ErrorKind::Broken);
        assert_eq!(kind(503, "ThrottlingException"), ErrorKind::Throttled, "what AWS says counts for more");
        assert_eq!(kind(400, "Strange"), ErrorKind::Other);
    }

    #[test]
    fn missing_credentials_are_recognised_through_the_chain() {
        use aws_smithy_runtime_api::client::result::ConnectorError;
        let cause = CredentialsError::not_loaded("nothing");
        let error: AwsError =
            SdkError::<CreateFunctionError, ()>::dispatch_failure(ConnectorError::other(cause.into(), None))
                .into();
        assert_eq!(error.kind, ErrorKind::Credentials);
    }
}
