//! Log groups.

use serde_json::{Value, json};

use crate::reply::{Answer, Refusal, refuse};
use crate::state::{Ctx, Tags, object, tags, text, untag};
use crate::{ACCOUNT, REGION};

/// A log group.
#[derive(Debug, Clone, Default)]
pub struct LogGroup {
    /// How many days logs are kept; for ever if none.
    pub retention: Option<i64>,
    /// Its tags.
    pub tags: Tags,
}

fn arn(name: &str) -> String {
    format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}")
}

pub(crate) fn answer(ctx: &mut Ctx<'_>, operation: &str, input: &Value) -> Answer {
    let name = match text(input, "resourceArn") {
        "" => text(input, "logGroupName").to_owned(),
        arn => arn.rsplit(':').next().unwrap_or_default().to_owned(),
    };
    let changes = matches!(
        operation,
        "CreateLogGroup" | "DeleteLogGroup" | "PutRetentionPolicy" | "DeleteRetentionPolicy"
    );
    if changes && ctx.switches.log_conflicts > 0 {
        ctx.switches.log_conflicts -= 1;
        let message =
            "A conflicting operation is currently in progress against this resource. Please try again.";
        return refuse("OperationAbortedException", message);
    }
    match operation {
        "CreateLogGroup" if ctx.state.log_groups.contains_key(&name) => {
            return refuse("ResourceAlreadyExistsException", "The specified log group already exists");
        }
        "CreateLogGroup" => {
            let group = LogGroup { retention: None, tags: tags(input.get("tags")) };
            ctx.state.log_groups.insert(name, group);
            return Ok(json!({}));
        }
        "DescribeLogGroups" => {
            let prefix = text(input, "logGroupNamePrefix");
            let found = ctx.state.log_groups.iter().filter(|(name, _)| name.starts_with(prefix));
            let all = found.map(|(name, group)| described(name, group)).collect();
            let (page, next) = ctx.page(all, input.get("nextToken").and_then(Value::as_str));
            return Ok(object([("logGroups", page.into()), ("nextToken", json!(next))]));
        }
        _ => {}
    }
    let missing = || Refusal::new("ResourceNotFoundException", "The specified log group does not exist.");
    let group = ctx.state.log_groups.get_mut(&name).ok_or_else(missing)?;
    match operation {
        "PutRetentionPolicy" => group.retention = input["retentionInDays"].as_i64(),
        "DeleteRetentionPolicy" => group.retention = None,
        "ListTagsForResource" => return Ok(json!({ "tags": group.tags })),
        "TagResource" => group.tags.extend(tags(input.get("tags"))),
        "UntagResource" => untag(&mut group.tags, input.get("tagKeys")),
        "DeleteLogGroup" => drop(ctx.state.log_groups.remove(&name)),
        other => panic!("the hostile AWS has no {other}"),
    }
    Ok(json!({}))
}

fn described(name: &str, group: &LogGroup) -> Value {
    object([
        ("logGroupName", name.into()),
        ("arn", format!("{}:*", arn(name)).into()),
        ("logGroupArn", arn(name).into()),
        ("retentionInDays", json!(group.retention)),
    ])
}
