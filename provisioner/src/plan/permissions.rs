//! Which actions of IAM each kind needs for what is done to it. Data: a test holds it against what the kinds call.

/// When an action is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// To look; also to wait for what was begun.
    Read,
    /// To make it.
    Create,
    /// To change it.
    Update,
    /// To make or change it.
    Write,
    /// To delete it.
    Delete,
}

/// Actions of one service on one resource. In the resource stand `{partition}`, `{region}`, `{account}`, `{stack}`,
/// `{name}` (its name), `{id}` (what AWS knows it by, `*` before it is there), `{function}`, `{role}`, `{pool}` and
/// `{api}` (those that it belongs to).
pub(super) type Row = (When, &'static str, &'static [&'static str], &'static str);

const ANY: &str = "*";
const TABLE: &str = "arn:{partition}:dynamodb:{region}:{account}:table/{name}";
const DIRECTORY: &str = "arn:{partition}:dynamodb:{region}:{account}:table/{stack}-directory";
const ROLE: &str = "arn:{partition}:iam::{account}:role/{name}";
const OF_ROLE: &str = "arn:{partition}:iam::{account}:role/{role}";
const LOGS: &str = "arn:{partition}:logs:{region}:{account}:log-group:{name}";
const LOG_STREAMS: &str = "arn:{partition}:logs:{region}:{account}:log-group:{name}:*";
const ALL_LOGS: &str = "arn:{partition}:logs:{region}:{account}:log-group:*";
const QUEUE: &str = "arn:{partition}:sqs:{region}:{account}:{name}";
const JOBS: &str = "arn:{partition}:sqs:{region}:{account}:{stack}-jobs";
const FUNCTION: &str = "arn:{partition}:lambda:{region}:{account}:function:{name}";
const OF_FUNCTION: &str = "arn:{partition}:lambda:{region}:{account}:function:{function}";
const MAPPING: &str = "arn:{partition}:lambda:{region}:{account}:event-source-mapping:{id}";
const SCHEDULE: &str = "arn:{partition}:events:{region}:{account}:rule/{name}";
const POOL: &str = "arn:{partition}:cognito-idp:{region}:{account}:userpool/{pool}";
const APIS: &str = "arn:{partition}:apigateway:{region}::/apis";
const API: &str = "arn:{partition}:apigateway:{region}::/apis/{api}";
const IN_API: &str = "arn:{partition}:apigateway:{region}::/apis/{api}/*";
const API_TAGS: &str = "arn:{partition}:apigateway:{region}::/tags/*";

/// The action that lets functions have their role; with a condition of its own.
pub(super) const PASS_ROLE: &str = "PassRole";

use When::{Create, Delete, Read, Update, Write};

/// The rows of a kind.
pub(super) fn of(kind: &str) -> &'static [Row] {
    match kind {
        "table" => TABLE_ROWS,
        "role" => ROLE_ROWS,
        "log_group" => LOG_GROUP_ROWS,
        "queue" => QUEUE_ROWS,
        "function" => FUNCTION_ROWS,
        "mapping" => MAPPING_ROWS,
        "permission" => PERMISSION_ROWS,
        "schedule" => SCHEDULE_ROWS,
        "user_pool" => USER_POOL_ROWS,
        "user_pool_domain" => USER_POOL_DOMAIN_ROWS,
        "resource_server" => RESOURCE_SERVER_ROWS,
        "user_pool_client" => USER_POOL_CLIENT_ROWS,
        "sign_up_trigger" => SIGN_UP_TRIGGER_ROWS,
        "http_api" => HTTP_API_ROWS,
        "authorizer" | "integration" | "route" | "stage" => IN_API_ROWS,
        "stackdoc" => STACKDOC_ROWS,
        "group" => GROUP_ROWS,
        _ => &[],
    }
}

const TABLE_ROWS: &[Row] = &[
    (
        Read,
        "dynamodb",
        &["DescribeTable", "ListTagsOfResource", "DescribeTimeToLive", "DescribeContinuousBackups"],
        TABLE,
    ),
    (Create, "dynamodb", &["CreateTable"], TABLE),
    (Write, "dynamodb", &["UpdateTimeToLive", "UpdateContinuousBackups", "TagResource"], TABLE),
    (Update, "dynamodb", &["UpdateTable", "UntagResource"], TABLE),
    (Delete, "dynamodb", &["DeleteTable"], TABLE),
];

const ROLE_ROWS: &[Row] = &[
    (Read, "iam", &["GetRole", "GetRolePolicy"], ROLE),
    (Create, "iam", &["CreateRole"], ROLE),
    (Write, "iam", &["PutRolePolicy", "TagRole"], ROLE),
    (Update, "iam", &["UpdateRole", "UpdateAssumeRolePolicy", "UntagRole"], ROLE),
    (
        Delete,
        "iam",
        &[
            "ListRolePolicies",
            "DeleteRolePolicy",
            "ListAttachedRolePolicies",
            "DetachRolePolicy",
            "DeleteRole",
        ],
        ROLE,
    ),
];

const LOG_GROUP_ROWS: &[Row] = &[
    (Read, "logs", &["DescribeLogGroups"], ALL_LOGS),
    (Read, "logs", &["ListTagsForResource"], LOGS),
    (Create, "logs", &["CreateLogGroup"], LOG_STREAMS),
    (Write, "logs", &["PutRetentionPolicy"], LOG_STREAMS),
    (Write, "logs", &["TagResource"], LOGS),
    (Update, "logs", &["DeleteRetentionPolicy"], LOG_STREAMS),
    (Update, "logs", &["UntagResource"], LOGS),
    (Delete, "logs", &["DeleteLogGroup"], LOG_STREAMS),
];

const QUEUE_ROWS: &[Row] = &[
    (Read, "sqs", &["GetQueueUrl", "GetQueueAttributes", "ListQueueTags"], QUEUE),
    (Create, "sqs", &["CreateQueue"], QUEUE),
    (Write, "sqs", &["TagQueue"], QUEUE),
    (Update, "sqs", &["SetQueueAttributes", "UntagQueue"], QUEUE),
    (Delete, "sqs", &["DeleteQueue"], QUEUE),
];

const FUNCTION_ROWS: &[Row] = &[
    // Without the second, Lambda leaves the tags out of its answer, and the function looks like somebody else's.
    (Read, "lambda", &["GetFunction", "ListTags"], FUNCTION),
    (Create, "lambda", &["CreateFunction"], FUNCTION),
    (Write, "lambda", &["TagResource"], FUNCTION),
    (Write, "iam", &[PASS_ROLE], OF_ROLE),
    (Update, "lambda", &["UpdateFunctionCode", "UpdateFunctionConfiguration", "UntagResource"], FUNCTION),
    (Delete, "lambda", &["DeleteFunction"], FUNCTION),
];

const MAPPING_ROWS: &[Row] = &[
    (Read, "lambda", &["ListEventSourceMappings"], ANY),
    (Write, "lambda", &["GetEventSourceMapping"], MAPPING),
    (Create, "lambda", &["CreateEventSourceMapping"], ANY),
    (Update, "lambda", &["UpdateEventSourceMapping"], MAPPING),
    // To have the scrubber compare everything.
    (Write, "dynamodb", &["GetItem", "PutItem"], DIRECTORY),
    (Delete, "lambda", &["DeleteEventSourceMapping", "GetEventSourceMapping"], MAPPING),
];

const PERMISSION_ROWS: &[Row] = &[
    (Read, "lambda", &["GetPolicy"], OF_FUNCTION),
    (Write, "lambda", &["AddPermission", "RemovePermission"], OF_FUNCTION),
    (Delete, "lambda", &["RemovePermission"], OF_FUNCTION),
];

const SCHEDULE_ROWS: &[Row] = &[
    (Read, "events", &["DescribeRule", "ListTagsForResource", "ListTargetsByRule"], SCHEDULE),
    (Write, "events", &["PutRule", "PutTargets", "TagResource"], SCHEDULE),
    (Update, "events", &["UntagResource"], SCHEDULE),
    (Delete, "events", &["RemoveTargets", "DeleteRule"], SCHEDULE),
];

const USER_POOL_ROWS: &[Row] = &[
    (Read, "cognito-idp", &["ListUserPools"], ANY),
    (Read, "cognito-idp", &["DescribeUserPool"], POOL),
    (Create, "cognito-idp", &["CreateUserPool"], ANY),
    (Write, "cognito-idp", &["SetUserPoolMfaConfig", "TagResource"], POOL),
    // Whatever the creation did not take is sent again as a change.
    (Write, "cognito-idp", &["UpdateUserPool"], POOL),
    (Update, "cognito-idp", &["UntagResource"], POOL),
    (Delete, "cognito-idp", &["DeleteUserPool"], POOL),
];

const USER_POOL_DOMAIN_ROWS: &[Row] = &[
    (Read, "cognito-idp", &["DescribeUserPoolDomain"], ANY),
    (Write, "cognito-idp", &["CreateUserPoolDomain"], POOL),
    (Delete, "cognito-idp", &["DeleteUserPoolDomain"], POOL),
];

const RESOURCE_SERVER_ROWS: &[Row] = &[
    (Read, "cognito-idp", &["DescribeResourceServer"], POOL),
    (Create, "cognito-idp", &["CreateResourceServer"], POOL),
    (Update, "cognito-idp", &["UpdateResourceServer"], POOL),
    (Delete, "cognito-idp", &["DeleteResourceServer"], POOL),
];

const USER_POOL_CLIENT_ROWS: &[Row] = &[
    (Read, "cognito-idp", &["ListUserPoolClients", "DescribeUserPoolClient"], POOL),
    (Create, "cognito-idp", &["CreateUserPoolClient"], POOL),
    (Update, "cognito-idp", &["UpdateUserPoolClient"], POOL),
    (Delete, "cognito-idp", &["DeleteUserPoolClient"], POOL),
];

const SIGN_UP_TRIGGER_ROWS: &[Row] = &[
    (Read, "cognito-idp", &["DescribeUserPool"], POOL),
    (Write, "cognito-idp", &["UpdateUserPool", "SetUserPoolMfaConfig"], POOL),
    (Delete, "cognito-idp", &["UpdateUserPool", "SetUserPoolMfaConfig"], POOL),
];

// IAM knows the HTTP methods of API Gateway's own API, not its operations.
const HTTP_API_ROWS: &[Row] = &[
    (Read, "apigateway", &["GET"], APIS),
    (Read, "apigateway", &["GET"], API),
    (Read, "apigateway", &["GET"], API_TAGS),
    (Create, "apigateway", &["POST"], APIS),
    (Write, "apigateway", &["POST"], API_TAGS),
    (Update, "apigateway", &["PATCH"], API),
    (Update, "apigateway", &["DELETE"], IN_API),
    (Update, "apigateway", &["DELETE"], API_TAGS),
    (Delete, "apigateway", &["DELETE"], API),
];

const IN_API_ROWS: &[Row] = &[
    (Read, "apigateway", &["GET"], IN_API),
    (Create, "apigateway", &["POST"], IN_API),
    (Update, "apigateway", &["PATCH"], IN_API),
    (Delete, "apigateway", &["DELETE"], IN_API),
];

const STACKDOC_ROWS: &[Row] = &[
    (Read, "dynamodb", &["GetItem"], DIRECTORY),
    (Write, "dynamodb", &["PutItem"], DIRECTORY),
    (Delete, "dynamodb", &["DeleteItem"], DIRECTORY),
];

const GROUP_ROWS: &[Row] = &[
    (Read, "dynamodb", &["GetItem"], DIRECTORY),
    (Write, "dynamodb", &["PutItem", "UpdateItem", "DeleteItem", "Query"], DIRECTORY),
    (Write, "sqs", &["GetQueueUrl", "SendMessage"], JOBS),
    (Delete, "dynamodb", &["PutItem", "UpdateItem", "DeleteItem"], DIRECTORY),
    (Delete, "sqs", &["GetQueueUrl", "SendMessage"], JOBS),
];

/// What every plan needs, whatever is in it: to read the state.
pub(super) const TO_PLAN: &[Row] = &[
    (
        Read,
        "dynamodb",
        &["GetItem", "Query"],
        "arn:{partition}:dynamodb:{region}:{account}:table/{stack}-control",
    ),
    (Read, "dynamodb", &["GetItem"], DIRECTORY),
];

/// What every plan needs that has something to do: to lock and to write the state.
pub(super) const TO_APPLY: &[Row] = &[(
    Write,
    "dynamodb",
    &["PutItem", "DeleteItem"],
    "arn:{partition}:dynamodb:{region}:{account}:table/{stack}-control",
)];

/// What counting needs that a plan does before it takes data away.
pub(super) const TO_COUNT: &[Row] = &[
    (Read, "dynamodb", &["Scan"], "arn:{partition}:dynamodb:{region}:{account}:table/{stack}-data"),
    (Read, "dynamodb", &["Query"], "arn:{partition}:dynamodb:{region}:{account}:table/{stack}-replicas"),
    (Read, "dynamodb", &["Query"], DIRECTORY),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_global_exactly_if_the_arns_that_it_is_created_under_name_no_region() {
        for kind in crate::kinds::all() {
            let created = of(kind.name()).iter().filter(|(when, _, _, arn)| *when == Create && *arn != ANY);
            let arns: Vec<&str> = created.map(|(.., arn)| *arn).collect();
            let global = arns.iter().any(|arn| !arn.contains("{region}"));
            assert_eq!(kind.is_global(), global, "{}: {arns:?}", kind.name());
        }
    }
}
