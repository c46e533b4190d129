//! CloudWatch log groups.
//!
//! They are made before the function whose logs they hold: its first invocation would otherwise make one that keeps
//! logs for ever. One that came about so carries no tags and is adopted.

use aws_sdk_cloudwatchlogs::types::LogGroup as AwsLogGroup;
use serde::{Deserialize, Serialize};

use super::typed::{At, Found, Seen, Tags, Typed, gone, lacking, outputs, seen, surplus, tags};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry};

/// The kind.
#[derive(Debug)]
pub struct LogGroup;

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// Its name.
    pub name: String,
    /// How long its logs are kept; for ever if none.
    pub retention_days: Option<i32>,
    /// Its tags.
    pub tags: Tags,
}

impl Typed for LogGroup {
    const NAME: &'static str = "log_group";
    // The first invocation of a function creates its log group.
    const UNTAGGED_IS_OURS: bool = true;
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(name) = at.text("name") else { return Ok(Seen::Missing) };
        let Some(group) = get(at.ctx, name).await? else { return Ok(Seen::Missing) };
        let arn = arn(&group)?;
        let listed = at.ctx.clients.logs().list_tags_for_resource().resource_arn(&arn).send().await?;
        let tags = tags(listed.tags.unwrap_or_default());
        if let Some(foreign) = at.foreign::<Self>(&format!("log group `{name}`"), &tags) {
            return Ok(Seen::Foreign(foreign));
        }
        let attributes = Attributes { name: name.to_owned(), retention_days: group.retention_in_days, tags };
        Ok(Seen::Owned(Found {
            id: name.to_owned(),
            attributes,
            outputs: outputs([("name", name), ("arn", &arn)]),
        }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let logs = at.ctx.clients.logs();
        let what = format!("to make log group `{}`", want.name);
        let there = if at.is_new() { None } else { Self::find(at).await?.ours()? };
        let have = match there {
            Some(have) => have,
            None => {
                let request = logs.create_log_group().log_group_name(&want.name);
                let request = request.set_tags(Some(want.tags.clone().into_iter().collect()));
                match retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await {
                    // The function's first invocation was faster, or an earlier attempt of this call.
                    Err(error) if error.kind == ErrorKind::AlreadyExists => {}
                    result => {
                        result?;
                    }
                }
                seen::<Self>(at).await?
            }
        };
        if have.attributes == want {
            return Ok(have);
        }
        if have.attributes.retention_days != want.retention_days {
            match want.retention_days {
                Some(days) => {
                    let request =
                        logs.put_retention_policy().log_group_name(&want.name).retention_in_days(days);
                    retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
                }
                None => {
                    logs.delete_retention_policy().log_group_name(&want.name).send().await?;
                }
            }
        }
        if have.attributes.tags != want.tags {
            let arn = have.outputs.get("arn").ok_or_else(|| lacking("the log group's ARN"))?;
            let wanted = want.tags.clone().into_iter().collect();
            logs.tag_resource().resource_arn(arn).set_tags(Some(wanted)).send().await?;
            let surplus = surplus(&have.attributes.tags, &want.tags);
            if !surplus.is_empty() {
                logs.untag_resource().resource_arn(arn).set_tag_keys(Some(surplus)).send().await?;
            }
        }
        Ok(Found { attributes: want, ..have })
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let name = &recorded.physical_id;
        let delete =
            || async { Ok(ctx.clients.logs().delete_log_group().log_group_name(name).send().await?) };
        gone(retry(&format!("to delete log group `{name}`"), Policy::default(), delete).await)
    }

    fn effect(path: &str) -> Effect {
        if path == "name" { Effect::Replace } else { Effect::Update }
    }
}

async fn get(ctx: &Context, name: &str) -> Result<Option<AwsLogGroup>, AwsError> {
    // There is no call for one group; names that begin alike come in order, so ours is on the first page.
    let answer = ctx.clients.logs().describe_log_groups().log_group_name_prefix(name).send().await?;
    Ok(answer.log_groups.unwrap_or_default().into_iter().find(|group| group.log_group_name() == Some(name)))
}

/// The group's ARN as tagging and policies want it: without the `:*` that stands for its streams.
fn arn(group: &AwsLogGroup) -> Result<String, AwsError> {
    let arn = group.log_group_arn().or(group.arn()).ok_or_else(|| lacking("the log group's ARN"))?;
    Ok(arn.trim_end_matches(":*").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arn_names_the_group_and_not_its_streams() {
        let group = AwsLogGroup::builder().arn("arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/x:*").build();
        assert_eq!(arn(&group).unwrap(), "arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/x");
    }
}
