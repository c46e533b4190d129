//! The calls that make a table and change it, aspect by aspect.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification,
    ScalarAttributeType, SseSpecification, SseType, StreamSpecification, StreamViewType, Tag,
    TimeToLiveSpecification,
};

use super::super::Context;
use super::super::typed::{Tags, surplus};
use super::{ACTIVE, Attributes, Encryption, is_recoverable, read_recovery, read_tags, wait_active};
use crate::aws::{AwsError, ErrorKind, Policy, retry, wait_until};

/// How long a table's tags may take until they are listed.
const TAGGED: Duration = Duration::from_secs(60);

/// Makes the table, once one of that name that is being deleted is gone. Says if it did: not if there is one.
pub(super) async fn create(ctx: &Context, want: &Attributes) -> Result<bool, AwsError> {
    let mut request = ctx
        .clients
        .dynamodb()
        .create_table()
        .table_name(&want.name)
        .billing_mode(BillingMode::PayPerRequest)
        .deletion_protection_enabled(want.deletion_protection)
        .set_sse_specification((want.encryption == Encryption::CustomerManaged).then(|| encryption(want)))
        .set_stream_specification(want.stream.as_deref().map(stream_specification).transpose()?);
    for (name, kind) in [(&want.keys.hash, KeyType::Hash), (&want.keys.range, KeyType::Range)] {
        let attribute =
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        request = request
            .attribute_definitions(attribute.build()?)
            .key_schema(KeySchemaElement::builder().attribute_name(name).key_type(kind).build()?);
    }
    request = request.set_tags(Some(aws_tags(&want.tags)?));
    let what = format!("to make table `{}`", want.name);
    match retry(&what, Policy::lasting(ACTIVE), || async { Ok(request.clone().send().await?) }).await {
        // An earlier attempt of this very call got through.
        Err(error) if error.kind == ErrorKind::AlreadyExists => Ok(false),
        result => result.map(|_| true),
    }
}

fn stream_specification(view: &str) -> Result<StreamSpecification, AwsError> {
    Ok(StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::from(view))
        .build()?)
}

fn encryption(want: &Attributes) -> SseSpecification {
    let own_key = want.encryption == Encryption::CustomerManaged;
    SseSpecification::builder().enabled(own_key).set_sse_type(own_key.then_some(SseType::Kms)).build()
}

fn aws_tags(tags: &Tags) -> Result<Vec<Tag>, AwsError> {
    tags.iter().map(|(key, value)| Ok(Tag::builder().key(key).value(value).build()?)).collect()
}

/// The aspects that `UpdateTable` changes, one call each. A stream's view cannot be changed in place and the same
/// specification must not be sent again, so a stream is switched off and on, and gets a new ARN.
pub(super) async fn sync_table(ctx: &Context, have: &Attributes, want: &Attributes) -> Result<(), AwsError> {
    let update = || ctx.clients.dynamodb().update_table().table_name(&want.name);
    let mut steps = Vec::new();
    if have.deletion_protection != want.deletion_protection {
        steps.push(update().deletion_protection_enabled(want.deletion_protection));
    }
    if have.billing != want.billing {
        steps.push(update().billing_mode(BillingMode::PayPerRequest));
    }
    if have.encryption != want.encryption {
        steps.push(update().sse_specification(encryption(want)));
    }
    if have.stream != want.stream {
        if have.stream.is_some() {
            let off = StreamSpecification::builder().stream_enabled(false).build()?;
            steps.push(update().stream_specification(off));
        }
        if let Some(view) = &want.stream {
            steps.push(update().stream_specification(stream_specification(view)?));
        }
    }
    for step in steps {
        let what = format!("to change table `{}`", want.name);
        match retry(&what, Policy::lasting(ACTIVE), || async { Ok(step.clone().send().await?) }).await {
            // An earlier attempt of this very call got through.
            Err(error) if error.kind == ErrorKind::AlreadyExists => {}
            result => {
                result?;
            }
        }
        wait_active(ctx, &want.name).await?;
    }
    if have.billing == want.billing { Ok(()) } else { insist_on_billing(ctx, want).await }
}

/// AWS may accept a change of the billing mode and not make it: then it is asked again.
async fn insist_on_billing(ctx: &Context, want: &Attributes) -> Result<(), AwsError> {
    let what = format!("to change how table `{}` is paid for", want.name);
    let update = ctx.clients.dynamodb().update_table().table_name(&want.name);
    let update = update.billing_mode(BillingMode::PayPerRequest);
    retry(&what, Policy::default(), || async {
        let table = wait_active(ctx, &want.name).await?;
        let mode = table.billing_mode_summary().and_then(|billing| billing.billing_mode());
        if mode == Some(&BillingMode::PayPerRequest) {
            return Ok(());
        }
        update.clone().send().await?;
        Err(AwsError::new(ErrorKind::Conflict, "AWS accepted the change and did not make it"))
    })
    .await
}

/// A change right after another is refused for about half an hour: the error's kind is then `CoolingDown`.
pub(super) async fn sync_ttl(ctx: &Context, have: &Attributes, want: &Attributes) -> Result<(), AwsError> {
    if have.ttl == want.ttl {
        return Ok(());
    }
    let steps = [(have.ttl.as_deref(), false), (want.ttl.as_deref(), true)];
    for (attribute, enabled) in steps.into_iter().filter_map(|(attribute, on)| Some((attribute?, on))) {
        let ttl = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(enabled).build()?;
        let request = ctx
            .clients
            .dynamodb()
            .update_time_to_live()
            .table_name(&want.name)
            .time_to_live_specification(ttl);
        let what = format!("to change how items of table `{}` expire", want.name);
        match retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await {
            Err(error) if error.kind == ErrorKind::AlreadyExists => {}
            result => {
                result?;
            }
        }
    }
    Ok(())
}

pub(super) async fn set_recovery(ctx: &Context, want: &Attributes) -> Result<(), AwsError> {
    let wanted = PointInTimeRecoverySpecification::builder()
        .point_in_time_recovery_enabled(want.point_in_time_recovery);
    let request = ctx
        .clients
        .dynamodb()
        .update_continuous_backups()
        .table_name(&want.name)
        .point_in_time_recovery_specification(wanted.build()?);
    let what = format!("to set recovery of table `{}`", want.name);
    let answer = retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
    if is_recoverable(answer.continuous_backups_description) == want.point_in_time_recovery {
        return Ok(());
    }
    wait_until("a table's recovery to show", Duration::from_secs(30), || async {
        Ok((read_recovery(ctx, &want.name).await? == want.point_in_time_recovery).then_some(()))
    })
    .await
}

pub(super) async fn sync_tags(ctx: &Context, arn: &str, have: &Tags, want: &Tags) -> Result<(), AwsError> {
    if have == want {
        return Ok(());
    }
    let client = ctx.clients.dynamodb();
    let set = client.tag_resource().resource_arn(arn).set_tags(Some(aws_tags(want)?));
    retry("to tag a table", Policy::default(), || async { Ok(set.clone().send().await?) }).await?;
    let surplus = surplus(have, want);
    if !surplus.is_empty() {
        client.untag_resource().resource_arn(arn).set_tag_keys(Some(surplus)).send().await?;
    }
    wait_tagged(ctx, arn, |have| have == want).await
}

pub(super) fn contains(have: &Tags, want: &Tags) -> bool {
    want.iter().all(|(key, value)| have.get(key) == Some(value))
}

/// Tags are listed only a moment after they were written; what is read next must not look like drift.
pub(super) async fn wait_tagged(
    ctx: &Context,
    arn: &str,
    as_wanted: impl Fn(&Tags) -> bool,
) -> Result<(), AwsError> {
    wait_until("a table's tags to show", TAGGED, || async {
        Ok(as_wanted(&read_tags(ctx, arn).await?).then_some(()))
    })
    .await
}
