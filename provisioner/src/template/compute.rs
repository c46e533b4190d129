//! Functions, what they may do, and what calls them.

use serde_json::{Value, json};

use super::{Attributes, BUCKET, Fate, Typed};

pub(super) fn log_group(of: &Attributes<'_>) -> Option<Typed> {
    let properties = json!({
        "LogGroupName": of.get("name"),
        "RetentionInDays": of.get("retentionDays"),
        "Tags": of.tag_list(),
    });
    Typed::new("AWS::Logs::LogGroup", properties).map(|group| group.with(Fate::Goes))
}

pub(super) fn role(of: &Attributes<'_>) -> Option<Typed> {
    let properties = json!({
        "RoleName": of.get("name"),
        "Description": of.get("description"),
        "AssumeRolePolicyDocument": of.get("trust"),
        "Policies": [{ "PolicyName": "freehold", "PolicyDocument": of.get("policy") }],
        "Tags": of.tag_list(),
    });
    Typed::new("AWS::IAM::Role", properties)
}

pub(super) fn function(of: &Attributes<'_>, name: &str) -> Option<Typed> {
    let properties = json!({
        "FunctionName": of.get("name"),
        "Role": of.get("role"),
        "Runtime": of.get("runtime"),
        "Handler": "bootstrap",
        "Architectures": [of.get("architecture")],
        "MemorySize": of.get("memory"),
        "Timeout": of.get("timeout"),
        "Code": { "S3Bucket": { "Ref": BUCKET }, "S3Key": format!("{name}.zip") },
        "Environment": { "Variables": of.get("environment") },
        "LoggingConfig": { "LogGroup": of.get("logGroup") },
        "Tags": of.tag_list(),
    });
    Typed::new("AWS::Lambda::Function", properties)
}

pub(super) fn mapping(of: &Attributes<'_>) -> Option<Typed> {
    let streams = of.has("stream");
    let of_stream = |path: &str| if streams { of.get(path) } else { Value::Null };
    let properties = json!({
        "FunctionName": of.get("function"),
        "EventSourceArn": of.get("source"),
        "Enabled": of.get("enabled"),
        "BatchSize": of.get("batchSize"),
        "MaximumBatchingWindowInSeconds": of.get("batchWindow"),
        "FunctionResponseTypes": of.truth("reportsFailures").then(|| json!(["ReportBatchItemFailures"])),
        // Creation takes minutes, and LATEST would skip what is written meanwhile.
        "StartingPosition": streams.then_some("TRIM_HORIZON"),
        "BisectBatchOnFunctionError": of_stream("stream/bisect"),
        "MaximumRetryAttempts": of_stream("stream/retries"),
        "MaximumRecordAgeInSeconds": of_stream("stream/recordAge"),
        "DestinationConfig":
            streams.then(|| json!({ "OnFailure": { "Destination": of.get("stream/onFailure") } })),
    });
    Typed::new("AWS::Lambda::EventSourceMapping", properties)
}

pub(super) fn permission(of: &Attributes<'_>) -> Option<Typed> {
    let properties = json!({
        "FunctionName": of.get("function"),
        "Principal": of.get("principal"),
        "Action": of.get("action"),
        "SourceArn": of.get("source"),
    });
    Typed::new("AWS::Lambda::Permission", properties)
}

pub(super) fn schedule(of: &Attributes<'_>) -> Option<Typed> {
    let properties = json!({
        "Name": of.get("name"),
        "Description": of.get("description"),
        "ScheduleExpression": of.get("expression"),
        "State": if of.truth("enabled") { "ENABLED" } else { "DISABLED" },
        "Targets": [{ "Id": "function", "Arn": of.get("function") }],
        "Tags": of.tag_list(),
    });
    Typed::new("AWS::Events::Rule", properties)
}
