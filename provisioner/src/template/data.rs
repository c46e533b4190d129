//! Tables and queues.

use serde_json::{Value, json};

use super::{Attributes, Fate, Typed};

pub(super) fn table(of: &Attributes<'_>) -> Option<Typed> {
    let (hash, range) = (of.get("keys/hash"), of.get("keys/range"));
    let stream = of.has("stream").then(|| json!({ "StreamViewType": of.get("stream") }));
    let ttl = of.has("ttl").then(|| json!({ "AttributeName": of.get("ttl"), "Enabled": true }));
    let own_key = of.is("encryption", "customer-managed");
    let properties = json!({
        "TableName": of.get("name"),
        "AttributeDefinitions": [
            { "AttributeName": hash, "AttributeType": "S" },
            { "AttributeName": range, "AttributeType": "S" },
        ],
        "KeySchema": [
            { "AttributeName": hash, "KeyType": "HASH" },
            { "AttributeName": range, "KeyType": "RANGE" },
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": stream,
        "TimeToLiveSpecification": ttl,
        "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": of.get("pointInTimeRecovery") },
        "DeletionProtectionEnabled": of.get("deletionProtection"),
        "SSESpecification": own_key.then(|| json!({ "SSEEnabled": true, "SSEType": "KMS" })),
        "Tags": of.tag_list(),
    });
    Typed::new("AWS::DynamoDB::Table", properties).map(|table| table.with(Fate::Stays))
}

pub(super) fn queue(of: &Attributes<'_>) -> Option<Typed> {
    let redrive = of.has("redrive").then(|| {
        json!({ "deadLetterTargetArn": of.get("redrive/queue"), "maxReceiveCount": of.get("redrive/maxReceives") })
    });
    let properties = json!({
        "QueueName": of.get("name"),
        "VisibilityTimeout": of.get("visibilityTimeout"),
        "MessageRetentionPeriod": of.get("retention"),
        "RedrivePolicy": redrive.unwrap_or(Value::Null),
        "SqsManagedSseEnabled": of.get("encrypted"),
        "Tags": of.tag_list(),
    });
    Typed::new("AWS::SQS::Queue", properties).map(|queue| queue.with(Fate::Goes))
}
