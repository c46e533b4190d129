//! DynamoDB's control plane; items are handed to the embedded database.

use std::time::Duration;

use serde_json::{Value, json};

use crate::reply::{Answer, Refusal, refuse};
use crate::state::{Ctx, Tags, object, tag_list, tags, text, untag};
use crate::{ACCOUNT, REGION};

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its keys as they were given.
    pub keys: Value,
    /// A table that is made again under its name has the same ARN and another id.
    pub id: String,
    /// What it is busy with, and until when.
    pub busy: Option<(&'static str, Duration)>,
    /// How it is paid for.
    pub billing: String,
    /// The view and the label of its stream.
    pub stream: Option<(String, String)>,
    /// Whether it refuses to be deleted.
    pub protected: bool,
    /// Whether it has a key of the customer's.
    pub encrypted: bool,
    /// The attribute that says when items expire.
    pub ttl: Option<String>,
    /// When that was last changed.
    pub ttl_changed: Option<Duration>,
    /// Whether it can be restored.
    pub recovery: bool,
    /// Its tags.
    pub tags: Tags,
    /// When they were written, and what was there before.
    pub tagged: (Duration, Tags),
    /// When it was made.
    pub made: Duration,
}

/// The concerns of which `UpdateTable` takes one.
const CONCERNS: [&str; 5] = [
    "BillingMode",
    "StreamSpecification",
    "SSESpecification",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexUpdates",
];

fn arn(name: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}")
}

fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

pub(crate) fn answer(ctx: &mut Ctx<'_>, operation: &str, input: &Value) -> Answer {
    let now = ctx.now;
    let over = |table: &Table| table.busy.is_some_and(|(what, until)| what == "DELETING" && until <= now);
    ctx.state.tables.retain(|_, table| !over(table));
    ctx.state.tables.values_mut().for_each(|table| table.busy = table.busy.filter(|(_, until)| *until > now));
    let name = match operation {
        "TagResource" | "UntagResource" | "ListTagsOfResource" => name_of(text(input, "ResourceArn")),
        _ => text(input, "TableName"),
    };
    match operation {
        "CreateTable" => create(ctx, name, input),
        "DescribeTable" => Ok(json!({ "Table": described(name, table(ctx, name)?) })),
        "UpdateTable" => update(ctx, name, input),
        "DeleteTable" => delete(ctx, name),
        "UpdateTimeToLive" => set_ttl(ctx, name, &input["TimeToLiveSpecification"]),
        "DescribeTimeToLive" => {
            let ttl = &table(ctx, name)?.ttl;
            let status = if ttl.is_some() { "ENABLED" } else { "DISABLED" };
            let ttl = object([("TimeToLiveStatus", status.into()), ("AttributeName", json!(ttl))]);
            Ok(json!({ "TimeToLiveDescription": ttl }))
        }
        "UpdateContinuousBackups" => set_recovery(ctx, name, input),
        "DescribeContinuousBackups" => {
            let status = if table(ctx, name)?.recovery { "ENABLED" } else { "DISABLED" };
            Ok(recovery(status))
        }
        "TagResource" | "UntagResource" => {
            let table = ctx.state.tables.get_mut(name).ok_or_else(missing)?;
            table.tagged = (now, table.tags.clone());
            table.tags.extend(tags(input.get("Tags")));
            untag(&mut table.tags, input.get("TagKeys"));
            Ok(json!({}))
        }
        "ListTagsOfResource" => {
            let lag = ctx.switches.tags_lag;
            let table = table(ctx, name)?;
            let seen = if now < table.tagged.0 + lag { &table.tagged.1 } else { &table.tags };
            let list = tag_list(seen).as_array().cloned().unwrap_or_default();
            let (page, next) = ctx.page(list, input.get("NextToken").and_then(Value::as_str));
            Ok(object([("Tags", page.into()), ("NextToken", json!(next))]))
        }
        _ => items(ctx, operation, input),
    }
}

fn missing() -> Refusal {
    Refusal::new("ResourceNotFoundException", "Requested resource not found")
}

fn in_use(why: &str, name: &str) -> Refusal {
    let message = format!("Attempt to change a resource which is still in use: Table is being {why}: {name}");
    Refusal::new("ResourceInUseException", message)
}

fn table<'a>(ctx: &'a Ctx<'_>, name: &str) -> Result<&'a Table, Refusal> {
    ctx.state.tables.get(name).ok_or_else(missing)
}

/// A table that nothing is going on with.
fn idle<'a>(ctx: &'a mut Ctx<'_>, name: &str) -> Result<&'a mut Table, Refusal> {
    let table = ctx.state.tables.get_mut(name).ok_or_else(missing)?;
    match table.busy {
        Some((what, _)) => Err(in_use(&format!("{}ed", what.to_lowercase().trim_end_matches("ing")), name)),
        None => Ok(table),
    }
}

fn create(ctx: &mut Ctx<'_>, name: &str, input: &Value) -> Answer {
    match ctx.state.tables.get(name) {
        Some(table) if table.busy.is_some_and(|(what, _)| what == "DELETING") => {
            return Err(in_use("deleted", name));
        }
        Some(_) => return refuse("ResourceInUseException", format!("Table already exists: {name}")),
        None => {}
    }
    let busy = ctx.state.tables.values().filter(|table| table.busy.is_some()).count();
    if ctx.switches.tables_at_once.is_some_and(|most| busy >= most) {
        let message =
            "Subscriber limit exceeded: Only 500 tables can be created, updated, or deleted simultaneously";
        return refuse("LimitExceededException", message);
    }
    let keys = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST", "KeySchema": input["KeySchema"],
        "AttributeDefinitions": input["AttributeDefinitions"],
    });
    ctx.data.call("CreateTable", &keys)?;
    let given = tags(input.get("Tags"));
    let stream = &input["StreamSpecification"];
    let label = ctx.state.id("stream-");
    let table = Table {
        keys: input["KeySchema"].clone(),
        id: ctx.state.id("table-"),
        busy: Some(("CREATING", ctx.now + ctx.switches.table_settles)),
        billing: input.get("BillingMode").and_then(Value::as_str).unwrap_or("PROVISIONED").to_owned(),
        stream: (stream["StreamEnabled"] == true).then(|| (text(stream, "StreamViewType").to_owned(), label)),
        protected: input["DeletionProtectionEnabled"] == true,
        encrypted: input["SSESpecification"]["Enabled"] == true,
        ttl: None,
        ttl_changed: None,
        recovery: false,
        tags: given,
        tagged: (ctx.now, Tags::new()),
        made: ctx.now,
    };
    let answer = json!({ "TableDescription": described(name, &table) });
    ctx.state.tables.insert(name.to_owned(), table);
    Ok(answer)
}

fn described(name: &str, table: &Table) -> Value {
    let stream = table.stream.as_ref();
    let arn = arn(name);
    object([
        ("TableName", name.into()),
        ("TableArn", arn.clone().into()),
        ("TableId", table.id.clone().into()),
        ("TableStatus", table.busy.map_or("ACTIVE", |(what, _)| what).into()),
        ("KeySchema", table.keys.clone()),
        ("BillingModeSummary", json!({ "BillingMode": table.billing })),
        ("DeletionProtectionEnabled", table.protected.into()),
        ("SSEDescription", if table.encrypted { json!({"Status": "ENABLED"}) } else { Value::Null }),
        (
            "StreamSpecification",
            json!(stream.map(|(view, _)| json!({"StreamEnabled": true, "StreamViewType": view}))),
        ),
        ("LatestStreamLabel", json!(stream.map(|(_, label)| label))),
        ("LatestStreamArn", json!(stream.map(|(_, label)| format!("{arn}/stream/{label}")))),
    ])
}

fn update(ctx: &mut Ctx<'_>, name: &str, input: &Value) -> Answer {
    let (until, label) = (ctx.now + ctx.switches.table_settles, ctx.state.id("stream-"));
    let asked: Vec<&str> = CONCERNS.into_iter().filter(|concern| input.get(*concern).is_some()).collect();
    if asked.len() != 1 {
        return refuse(
            "ValidationException",
            format!("One or more parameter values were invalid: one concern at a time, not {asked:?}"),
        );
    }
    let dropped = &mut ctx.switches.billing_dropped;
    let drops = asked == ["BillingMode"] && *dropped > 0;
    *dropped -= usize::from(drops);
    let table = idle(ctx, name)?;
    let stream = &input["StreamSpecification"];
    match asked[0] {
        "BillingMode" if drops => {}
        "BillingMode" => table.billing = text(input, "BillingMode").to_owned(),
        "DeletionProtectionEnabled" => table.protected = input["DeletionProtectionEnabled"] == true,
        "SSESpecification" => table.encrypted = input["SSESpecification"]["Enabled"] == true,
        "StreamSpecification" => match (stream["StreamEnabled"] == true, &table.stream) {
            (true, Some(_)) => {
                let message = format!("Table already has an enabled stream: TableName: {name}");
                return refuse("ValidationException", message);
            }
            (false, None) => return refuse("ValidationException", "Table stream is already disabled"),
            (true, None) => table.stream = Some((text(stream, "StreamViewType").to_owned(), label)),
            (false, Some(_)) => table.stream = None,
        },
        other => panic!("the hostile AWS does not do {other}"),
    }
    table.busy = Some(("UPDATING", until));
    Ok(json!({ "TableDescription": described(name, table) }))
}

fn delete(ctx: &mut Ctx<'_>, name: &str) -> Answer {
    let until = ctx.now + ctx.switches.table_deletes;
    let table = idle(ctx, name)?;
    if table.protected {
        let message = "Resource cannot be deleted as it is currently protected against deletion. Disable deletion \
                       protection first.";
        return refuse("ValidationException", message);
    }
    table.busy = Some(("DELETING", until));
    let answer = json!({ "TableDescription": described(name, table) });
    ctx.data.call("DeleteTable", &json!({ "TableName": name }))?;
    Ok(answer)
}

fn set_ttl(ctx: &mut Ctx<'_>, name: &str, wanted: &Value) -> Answer {
    let (now, cools) = (ctx.now, ctx.switches.ttl_cools);
    let table = idle(ctx, name)?;
    let on = wanted["Enabled"] == true;
    if on == table.ttl.is_some() {
        let message = format!("TimeToLive is already {}", if on { "enabled" } else { "disabled" });
        return refuse("ValidationException", message);
    }
    if table.ttl_changed.is_some_and(|changed| now < changed + cools) {
        let message = "Time to live has been modified multiple times within a fixed interval";
        return refuse("ValidationException", message);
    }
    table.ttl = on.then(|| text(wanted, "AttributeName").to_owned());
    table.ttl_changed = Some(now);
    Ok(json!({ "TimeToLiveSpecification": wanted }))
}

fn recovery(status: &str) -> Value {
    json!({ "ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": { "PointInTimeRecoveryStatus": status },
    }})
}

fn set_recovery(ctx: &mut Ctx<'_>, name: &str, input: &Value) -> Answer {
    let (now, lags) = (ctx.now, ctx.switches.recovery_lags);
    let table = idle(ctx, name)?;
    if now < table.made + lags {
        let message = "Backups are being enabled for the table. Please retry later";
        return refuse("ContinuousBackupsUnavailableException", message);
    }
    table.recovery = input["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == true;
    Ok(recovery(if table.recovery { "ENABLED" } else { "DISABLED" }))
}

/// Tables that a call on items names.
fn named(input: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = input.get("TableName").and_then(Value::as_str).into_iter().collect();
    names.extend(input["RequestItems"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()));
    for action in input["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object) {
        names.extend(action.values().map(|inside| text(inside, "TableName")));
    }
    names
}

fn items(ctx: &mut Ctx<'_>, operation: &str, input: &Value) -> Answer {
    for name in named(input) {
        if table(ctx, name)?.busy.is_some_and(|(what, _)| what != "UPDATING") {
            return Err(missing());
        }
    }
    let mut input = input.clone();
    if ctx.switches.pages_of_one && operation == "Query" {
        input["Limit"] = 1.into();
    }
    ctx.data.call(operation, &input)
}
