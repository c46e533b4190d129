//! DynamoDB tables.
//!
//! `UpdateTable` takes one concern per call and refuses the next until the table is active again; TTL, recovery and
//! tags have calls of their own. So the wanted table is reached aspect by aspect, each sent only if it differs.

mod change;

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    BillingMode, ContinuousBackupsDescription, KeyType, PointInTimeRecoveryStatus, SseStatus,
    TableDescription, TableStatus, TimeToLiveStatus,
};
use serde::{Deserialize, Serialize};

use super::typed::{At, Found, Seen, Tags, Typed, gone, lacking, optional, outputs, seen, tags};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, Policy, retry, wait_until};
use crate::resource::Outputs;
use change::{contains, create, set_recovery, sync_table, sync_tags, sync_ttl, wait_tagged};

/// The kind.
#[derive(Debug)]
pub struct Table;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// Its name.
    pub name: String,
    /// The names of its keys, which are texts.
    pub keys: Keys,
    /// How it is paid for.
    pub billing: Billing,
    /// What its stream shows of a change; no stream if none.
    pub stream: Option<String>,
    /// The attribute that says when an item expires; none do if none.
    pub ttl: Option<String>,
    /// Whether it can be restored to any second of the last 35 days.
    pub point_in_time_recovery: bool,
    /// Whether it refuses to be deleted.
    pub deletion_protection: bool,
    /// Whose key encrypts it.
    pub encryption: Encryption,
    /// Its tags.
    pub tags: Tags,
}

/// The names of a table's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The partition key.
    pub hash: String,
    /// The sort key.
    pub range: String,
}

/// How a table is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Billing {
    /// By request.
    OnDemand,
    /// By capacity; found, never wanted.
    Provisioned,
}

/// Whose key encrypts a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// A key that AWS owns.
    AwsOwned,
    /// A key in the customer's account.
    CustomerManaged,
}

/// How long a table may take to become active.
const ACTIVE: Duration = Duration::from_secs(600);

impl Typed for Table {
    const NAME: &'static str = "table";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(name) = at.text("name") else { return Ok(Seen::Missing) };
        let Some(table) = describe(at.ctx, name).await? else { return Ok(Seen::Missing) };
        if table.table_status() == Some(&TableStatus::Deleting) {
            return Ok(Seen::Missing);
        }
        let arn = table.table_arn().ok_or_else(|| lacking("the table's ARN"))?.to_owned();
        let tags = read_tags(at.ctx, &arn).await?;
        if let Some(foreign) = at.foreign::<Self>(&format!("table `{name}`"), &tags) {
            return Ok(Seen::Foreign(foreign));
        }
        let ttl = read_ttl(at.ctx, name).await?;
        let recovery = read_recovery(at.ctx, name).await?;
        let attributes = normalise(name, &table, ttl, recovery, tags);
        let outputs = outputs_of(name, &arn, &table);
        Ok(Seen::Owned(Found { id: name.to_owned(), attributes, outputs }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        if (at.is_new() || Self::find(at).await?.ours()?.is_none()) && create(at.ctx, &want).await? {
            return finish(at.ctx, want).await;
        }
        wait_active(at.ctx, &want.name).await?;
        let have = seen::<Self>(at).await?;
        if have.attributes == want {
            return Ok(have);
        }
        sync_table(at.ctx, &have.attributes, &want).await?;
        if have.attributes.point_in_time_recovery != want.point_in_time_recovery {
            set_recovery(at.ctx, &want).await?;
        }
        let arn = have.outputs.get("arn").ok_or_else(|| lacking("the table's ARN"))?;
        sync_tags(at.ctx, arn, &have.attributes.tags, &want.tags).await?;
        // Last, because it is the one thing that AWS may not take for half an hour.
        sync_ttl(at.ctx, &have.attributes, &want).await?;
        seen::<Self>(at).await
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let name = &recorded.physical_id;
        if describe(ctx, name).await?.is_some_and(|t| t.table_status() != Some(&TableStatus::Deleting)) {
            let what = format!("to delete table `{name}`");
            let delete =
                || async { Ok(ctx.clients.dynamodb().delete_table().table_name(name).send().await?) };
            gone(retry(&what, Policy::lasting(ACTIVE), delete).await)?;
        }
        wait_gone_if_deleting(ctx, name).await
    }

    fn effect(path: &str) -> Effect {
        match path.split('/').next() {
            Some("name" | "keys") => Effect::Blocked,
            _ => Effect::Update,
        }
    }
    fn holds_data() -> bool {
        true
    }
    fn moves_outputs(path: &str) -> &'static [&'static str] {
        if path == "stream" { &["streamArn"] } else { &[] }
    }
}

fn outputs_of(name: &str, arn: &str, table: &TableDescription) -> Outputs {
    let mut outputs = outputs([("name", name), ("arn", arn)]);
    let stream = table.stream_specification().filter(|stream| stream.stream_enabled());
    if let (Some(_), Some(stream)) = (stream, table.latest_stream_arn()) {
        outputs.insert("streamArn".to_owned(), stream.to_owned());
    }
    outputs
}

/// Brings a table that was just made to what could not be said when it was made.
async fn finish(ctx: &Context, want: Attributes) -> Result<Found<Attributes>, AwsError> {
    let table = wait_active(ctx, &want.name).await?;
    let arn = table.table_arn().ok_or_else(|| lacking("the table's ARN"))?;
    let bare = Attributes { ttl: None, point_in_time_recovery: false, ..want.clone() };
    let protect = async { if want.point_in_time_recovery { set_recovery(ctx, &want).await } else { Ok(()) } };
    // Until its tags are listed it looks like somebody else's.
    futures::try_join!(
        sync_ttl(ctx, &bare, &want),
        protect,
        wait_tagged(ctx, arn, |have| contains(have, &want.tags))
    )?;
    Ok(Found { id: want.name.clone(), outputs: outputs_of(&want.name, arn, &table), attributes: want })
}

fn normalise(
    name: &str,
    table: &TableDescription,
    ttl: Option<String>,
    recovery: bool,
    tags: Tags,
) -> Attributes {
    let key = |kind: &KeyType| {
        let found = table.key_schema().iter().find(|key| key.key_type() == kind);
        found.map(|key| key.attribute_name().to_owned()).unwrap_or_default()
    };
    let on_demand =
        table.billing_mode_summary().and_then(|b| b.billing_mode()) == Some(&BillingMode::PayPerRequest);
    let stream = table.stream_specification().filter(|stream| stream.stream_enabled());
    let own_key = table.sse_description().is_some_and(|sse| {
        matches!(sse.status(), Some(SseStatus::Enabled | SseStatus::Enabling | SseStatus::Updating))
    });
    Attributes {
        name: name.to_owned(),
        keys: Keys { hash: key(&KeyType::Hash), range: key(&KeyType::Range) },
        billing: if on_demand { Billing::OnDemand } else { Billing::Provisioned },
        stream: stream.and_then(|stream| stream.stream_view_type()).map(|view| view.as_str().to_owned()),
        ttl,
        point_in_time_recovery: recovery,
        deletion_protection: table.deletion_protection_enabled().unwrap_or(false),
        encryption: if own_key { Encryption::CustomerManaged } else { Encryption::AwsOwned },
        tags,
    }
}

async fn describe(ctx: &Context, name: &str) -> Result<Option<TableDescription>, AwsError> {
    let answer = ctx.clients.dynamodb().describe_table().table_name(name).send().await;
    Ok(optional(answer.map_err(AwsError::from))?.and_then(|answer| answer.table))
}

async fn read_tags(ctx: &Context, arn: &str) -> Result<Tags, AwsError> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let page = ctx
            .clients
            .dynamodb()
            .list_tags_of_resource()
            .resource_arn(arn)
            .set_next_token(next)
            .send()
            .await?;
        found.extend(page.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)));
        next = page.next_token;
        if next.is_none() {
            return Ok(tags(found));
        }
    }
}

async fn read_ttl(ctx: &Context, name: &str) -> Result<Option<String>, AwsError> {
    let answer = ctx.clients.dynamodb().describe_time_to_live().table_name(name).send().await?;
    let ttl = answer.time_to_live_description;
    Ok(ttl
        .filter(|ttl| {
            matches!(ttl.time_to_live_status(), Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        })
        .and_then(|ttl| ttl.attribute_name))
}

async fn read_recovery(ctx: &Context, name: &str) -> Result<bool, AwsError> {
    // Backups lag a new table: what is not visible yet is off.
    let answer = ctx.clients.dynamodb().describe_continuous_backups().table_name(name).send().await;
    let answer = optional(answer.map_err(AwsError::from))?;
    Ok(is_recoverable(answer.and_then(|answer| answer.continuous_backups_description)))
}

fn is_recoverable(backups: Option<ContinuousBackupsDescription>) -> bool {
    let status = backups
        .and_then(|backups| backups.point_in_time_recovery_description)
        .and_then(|recovery| recovery.point_in_time_recovery_status);
    status == Some(PointInTimeRecoveryStatus::Enabled)
}

async fn wait_active(ctx: &Context, name: &str) -> Result<TableDescription, AwsError> {
    wait_until(&format!("table `{name}` to become active"), ACTIVE, || async {
        let table = describe(ctx, name).await?;
        Ok(table.filter(|table| table.table_status() == Some(&TableStatus::Active)))
    })
    .await
}

async fn wait_gone_if_deleting(ctx: &Context, name: &str) -> Result<(), AwsError> {
    wait_until(&format!("table `{name}` to be gone"), ACTIVE, || async {
        let status = describe(ctx, name).await?.and_then(|table| table.table_status);
        Ok((status != Some(TableStatus::Deleting)).then_some(()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::types::{
        BillingModeSummary, KeySchemaElement, SseDescription, SseType, StreamSpecification, StreamViewType,
    };

    fn description() -> aws_sdk_dynamodb::types::builders::TableDescriptionBuilder {
        let key =
            |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        TableDescription::builder().key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range))
    }

    #[test]
    fn what_aws_leaves_out_reads_as_its_default() {
        let found = normalise("t", &description().build(), None, false, Tags::new());
        assert_eq!(
            (found.billing, found.stream, found.encryption),
            (Billing::Provisioned, None, Encryption::AwsOwned)
        );
        assert_eq!((found.keys.hash.as_str(), found.keys.range.as_str()), ("pk", "sk"));
    }

    #[test]
    fn a_stream_that_is_switched_off_is_none() {
        let off =
            StreamSpecification::builder().stream_enabled(false).stream_view_type(StreamViewType::NewImage);
        let table = description().stream_specification(off.build().unwrap()).build();
        assert_eq!(normalise("t", &table, None, false, Tags::new()).stream, None);
    }

    #[test]
    fn billing_and_encryption_are_read_from_their_summaries() {
        let billing = BillingModeSummary::builder().billing_mode(BillingMode::PayPerRequest).build();
        let sse = SseDescription::builder().status(SseStatus::Enabled).sse_type(SseType::Kms).build();
        let found = normalise(
            "t",
            &description().billing_mode_summary(billing).sse_description(sse).build(),
            None,
            false,
            Tags::new(),
        );
        assert_eq!((found.billing, found.encryption), (Billing::OnDemand, Encryption::CustomerManaged));
    }

    #[test]
    fn keys_cannot_change_and_a_changed_stream_moves_its_arn() {
        assert_eq!((Table::effect("keys/hash"), Table::effect("ttl")), (Effect::Blocked, Effect::Update));
        assert_eq!(Table::moves_outputs("stream"), ["streamArn"]);
    }
}
