//! What AWS's refusals mean, as data: AWS says most of it in codes shared by many causes, and the rest in prose.
//!
//! The first row that fits decides, so rows that look at the message stand before those that do not.

use super::error::ErrorKind;

/// One row of the table. An empty text fits everything.
struct Class {
    service: &'static str,
    /// How the operation's name begins.
    operation: &'static str,
    code: &'static str,
    /// What the message contains.
    message: &'static str,
    kind: ErrorKind,
}

const fn class(
    service: &'static str,
    operation: &'static str,
    code: &'static str,
    message: &'static str,
    kind: ErrorKind,
) -> Class {
    Class { service, operation, code, message, kind }
}

use ErrorKind::{
    AlreadyExists, Broken, Conflict, CoolingDown, Credentials, Denied, Invalid, NotFound, NotYetVisible,
    Throttled,
};

const INVALID_PARAMETER: &str = "InvalidParameterValueException";

#[rustfmt::skip]
const CLASSES: &[Class] = &[
    // A role or policy that was just made is not visible everywhere yet.
    class("lambda", "", INVALID_PARAMETER, "cannot be assumed by Lambda", NotYetVisible),
    class("lambda", "", INVALID_PARAMETER, "add Lambda as a Trusted Entity", NotYetVisible),
    class("lambda", "", INVALID_PARAMETER, "does not have permissions to", NotYetVisible),
    class("lambda", "", INVALID_PARAMETER, "ensure the role can perform", NotYetVisible),
    class("lambda", "", INVALID_PARAMETER, "is not authorized to perform", NotYetVisible),
    class("lambda", "", INVALID_PARAMETER, "KMS key is invalid for CreateGrant", NotYetVisible),
    class("lambda", "", INVALID_PARAMETER, "Cannot access stream", NotYetVisible),
    class("lambda", "", INVALID_PARAMETER, "Unrecognized event source", NotYetVisible),
    class("iam", "", "MalformedPolicyDocument", "Invalid principal", NotYetVisible),
    class("dynamodb", "", "ContinuousBackupsUnavailableException", "", NotYetVisible),
    class("dynamodb", "UpdateContinuousBackups", "ResourceNotFoundException", "", NotYetVisible),
    class("dynamodb", "UpdateContinuousBackups", "TableNotFoundException", "", NotYetVisible),
    class("dynamodb", "TagResource", "ResourceNotFoundException", "", NotYetVisible),
    // Lambda.
    class("lambda", "", "ResourceConflictException", "already exist", AlreadyExists),
    class("lambda", "", "ResourceConflictException", "", Conflict),
    class("lambda", "", "ResourceInUseException", "", Conflict),
    class("lambda", "", "EC2ThrottledException", "", Throttled),
    class("lambda", "", INVALID_PARAMETER, "", Invalid),
    // DynamoDB.
    class("dynamodb", "", "ResourceInUseException", "already exists", AlreadyExists),
    class("dynamodb", "", "ResourceInUseException", "", Conflict),
    class("dynamodb", "", "TableAlreadyExistsException", "", AlreadyExists),
    class("dynamodb", "", "TableNotFoundException", "", NotFound),
    class("dynamodb", "", "LimitExceededException", "simultaneously", Conflict),
    class("dynamodb", "", "LimitExceededException", "concurrent", Conflict),
    class("dynamodb", "", "LimitExceededException", "can be created, updated, or deleted", Conflict),
    class("dynamodb", "", "LimitExceededException", "", Invalid),
    class("dynamodb", "UpdateTimeToLive", "ValidationException", "modified multiple times", CoolingDown),
    class("dynamodb", "UpdateTimeToLive", "ValidationException", "already enabled", AlreadyExists),
    class("dynamodb", "UpdateTimeToLive", "ValidationException", "already disabled", AlreadyExists),
    class("dynamodb", "UpdateTable", "ValidationException", "already has an enabled stream", AlreadyExists),
    class("dynamodb", "UpdateTable", "ValidationException", "stream is already disabled", AlreadyExists),
    class("dynamodb", "UpdateTable", "ValidationException", "being updated", Conflict),
    // IAM.
    class("iam", "", "NoSuchEntity", "", NotFound),
    class("iam", "", "EntityAlreadyExists", "", AlreadyExists),
    class("iam", "", "DeleteConflict", "", Conflict),
    class("iam", "", "EntityTemporarilyUnmodifiable", "", Conflict),
    class("iam", "", "ConcurrentModification", "", Conflict),
    class("iam", "", "MalformedPolicyDocument", "", Invalid),
    // SQS, whose codes come in an old and a new spelling.
    class("sqs", "", "NonExistentQueue", "", NotFound),
    class("sqs", "", "QueueDoesNotExist", "", NotFound),
    class("sqs", "", "QueueDeletedRecently", "", Conflict),
    class("sqs", "", "QueueNameExists", "", AlreadyExists),
    class("sqs", "", "QueueAlreadyExists", "", AlreadyExists),
    // Cognito.
    class("cognitoidentityprovider", "", "InvalidParameterException", "already associated", AlreadyExists),
    class("cognitoidentityprovider", "", "InvalidParameterException", "already exists", AlreadyExists),
    class("cognitoidentityprovider", "", "InvalidParameterException", "No such domain", NotFound),
    class("cognitoidentityprovider", "", "ConcurrentModificationException", "", Conflict),
    // CloudWatch Logs and API Gateway.
    class("cloudwatchlogs", "", "OperationAbortedException", "", Conflict),
    class("apigatewayv2", "", "ConflictException", "already exists", AlreadyExists),
    class("apigatewayv2", "", "ConflictException", "", Conflict),
    // EventBridge. What was just taken off a rule may be there a moment longer.
    class("eventbridge", "", "ConcurrentModificationException", "", Conflict),
    class("eventbridge", "DeleteRule", "ValidationException", "has targets", Conflict),
    // Everywhere.
    class("", "", "ResourceNotFoundException", "", NotFound),
    class("", "", "NotFoundException", "", NotFound),
    class("", "", "ResourceAlreadyExistsException", "", AlreadyExists),
    class("", "", "Throttling", "", Throttled),
    class("", "", "RequestThrottled", "", Throttled),
    class("", "", "ThrottledException", "", Throttled),
    class("", "", "TooManyRequests", "", Throttled),
    class("", "", "RequestLimitExceeded", "", Throttled),
    class("", "", "ProvisionedThroughputExceeded", "", Throttled),
    class("", "", "AccessDenied", "", Denied),
    class("", "", "UnauthorizedOperation", "", Denied),
    class("", "", "NotAuthorizedException", "", Denied),
    class("", "", "ExpiredToken", "", Credentials),
    class("", "", "UnrecognizedClient", "", Credentials),
    class("", "", "InvalidClientTokenId", "", Credentials),
    class("", "", "SignatureDoesNotMatch", "", Credentials),
    class("", "", "InvalidSignature", "", Credentials),
    class("", "", "IncompleteSignature", "", Credentials),
    class("", "", "MissingAuthenticationToken", "", Credentials),
    class("", "", "ValidationException", "", Invalid),
    class("", "", "ValidationError", "", Invalid),
    class("", "", "InvalidParameter", "", Invalid),
    class("", "", "InvalidAttribute", "", Invalid),
    class("", "", "BadRequestException", "", Invalid),
    // AWS itself broke down over the call, which may have had its effect all the same.
    class("", "", "InternalServerError", "", Broken),
    class("", "", "InternalFailure", "", Broken),
    class("", "", "InternalError", "", Broken),
    class("", "", "InternalException", "", Broken),
    class("", "", "ServiceFailure", "", Broken),
    class("", "", "ServiceUnavailable", "", Broken),
    class("lambda", "", "ServiceException", "", Broken),
];

/// What a refusal means.
pub(super) fn classify(service: &str, operation: &str, code: &str, message: &str) -> ErrorKind {
    CLASSES
        .iter()
        .find(|class| {
            (class.service.is_empty() || class.service == service)
                && operation.starts_with(class.operation)
                && code.contains(class.code)
                && message.contains(class.message)
        })
        .map_or(ErrorKind::Other, |class| class.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_all(rows: &[(&str, &str, &str, &str, ErrorKind)]) {
        for (service, operation, code, message, kind) in rows {
            assert_eq!(
                classify(service, operation, code, message),
                *kind,
                "{service} {operation} {code} {message}"
            );
        }
    }

    #[test]
    fn a_role_that_lambda_cannot_see_yet_is_waited_for() {
        let stream = "Cannot access stream arn:aws:dynamodb:eu-west-1:111122223333:table/x/stream/y. Please ensure the \
                      role can perform the GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your \
                      stream in IAM.";
        let rows: Vec<_> = [
            ("CreateFunction", "The role defined for the function cannot be assumed by Lambda."),
            ("UpdateFunctionConfiguration", "The role defined for the function cannot be assumed by Lambda."),
            (
                "CreateEventSourceMapping",
                "The provided execution role does not have permissions to call ReceiveMessage on SQS",
            ),
            (
                "CreateEventSourceMapping",
                "The provided execution role does not have permissions to call SendMessage on SQS",
            ),
            ("CreateEventSourceMapping", stream),
            (
                "CreateEventSourceMapping",
                "Please add Lambda as a Trusted Entity for arn:aws:iam::111122223333:role/x",
            ),
            (
                "CreateEventSourceMapping",
                "The function execution role is not authorized to perform: sqs:GetQueueAttributes",
            ),
            ("UpdateEventSourceMapping", stream),
        ]
        .into_iter()
        .map(|(operation, message)| ("lambda", operation, INVALID_PARAMETER, message, NotYetVisible))
        .collect();
        assert_all(&rows);
    }

    #[test]
    fn what_lambda_really_refuses_is_not_waited_for() {
        assert_all(&[
            ("lambda", "CreateFunction", INVALID_PARAMETER, "Could not unzip uploaded file", Invalid),
            (
                "lambda",
                "CreateEventSourceMapping",
                INVALID_PARAMETER,
                "Queue visibility timeout: 30 seconds is less than Function timeout",
                Invalid,
            ),
        ]);
    }

    #[test]
    fn one_code_with_several_meanings_is_told_apart_by_message() {
        assert_all(&[
            (
                "lambda",
                "CreateFunction",
                "ResourceConflictException",
                "Function already exist: x",
                AlreadyExists,
            ),
            (
                "lambda",
                "UpdateFunctionCode",
                "ResourceConflictException",
                "The operation cannot be performed at this time. An update is in progress",
                Conflict,
            ),
            (
                "lambda",
                "AddPermission",
                "ResourceConflictException",
                "The statement id (x) provided already exists.",
                AlreadyExists,
            ),
            ("dynamodb", "CreateTable", "ResourceInUseException", "Table already exists: x", AlreadyExists),
            (
                "dynamodb",
                "UpdateTable",
                "ResourceInUseException",
                "Attempt to change a resource which is still in use: Table is being updated: x",
                Conflict,
            ),
            (
                "dynamodb",
                "CreateTable",
                "LimitExceededException",
                "Subscriber limit exceeded: Only 500 tables can be created, updated, or deleted simultaneously",
                Conflict,
            ),
            (
                "dynamodb",
                "CreateTable",
                "LimitExceededException",
                "Subscriber limit exceeded: There is a limit of 2500 tables per subscriber",
                Invalid,
            ),
            (
                "dynamodb",
                "UpdateTimeToLive",
                "ValidationException",
                "Time to live has been modified multiple times within a fixed interval",
                CoolingDown,
            ),
            (
                "dynamodb",
                "UpdateTimeToLive",
                "ValidationException",
                "TimeToLive is already enabled",
                AlreadyExists,
            ),
            (
                "iam",
                "UpdateAssumeRolePolicy",
                "MalformedPolicyDocument",
                "Invalid principal in policy: \"AWS\":\"x\"",
                NotYetVisible,
            ),
            ("iam", "PutRolePolicy", "MalformedPolicyDocument", "Syntax errors in policy.", Invalid),
        ]);
    }

    #[test]
    fn common_codes_have_one_meaning_everywhere() {
        assert_all(&[
            ("lambda", "GetFunction", "ResourceNotFoundException", "Function not found", NotFound),
            ("sqs", "GetQueueUrl", "AWS.SimpleQueueService.NonExistentQueue", "", NotFound),
            ("sqs", "CreateQueue", "QueueDeletedRecently", "You must wait 60 seconds", Conflict),
            ("apigatewayv2", "GetApi", "NotFoundException", "Invalid API identifier", NotFound),
            (
                "apigatewayv2",
                "CreateRoute",
                "ConflictException",
                "Unable to complete operation due to concurrent modification. Please try again later.",
                Conflict,
            ),
            ("dynamodb", "DescribeTable", "AccessDeniedException", "User is not authorized", Denied),
            ("iam", "GetRole", "AccessDenied", "User is not authorized", Denied),
            (
                "sts",
                "GetCallerIdentity",
                "ExpiredTokenException",
                "The security token is expired",
                Credentials,
            ),
            ("apigatewayv2", "CreateApi", "TooManyRequestsException", "", Throttled),
            ("iam", "CreateRole", "Throttling", "Rate exceeded", Throttled),
            ("lambda", "CreateFunction", "ServiceException", "", Broken),
            ("lambda", "CreateFunction", "RequestTooLargeException", "", ErrorKind::Other),
        ]);
    }
}
