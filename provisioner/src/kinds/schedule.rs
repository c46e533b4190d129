//! Schedules: EventBridge rules that call a function every so often.
//!
//! A rule and not a schedule of EventBridge Scheduler: those carry no tags of their own, so ours could not be told from
//! others', and each needs a role where a rule needs only a permission on the function.

use aws_sdk_eventbridge::operation::describe_rule::DescribeRuleOutput;
use aws_sdk_eventbridge::types::{RuleState, Tag, Target};
use serde::{Deserialize, Serialize};

use super::typed::{At, Found, Seen, Tags, Typed, gone, lacking, optional, outputs, surplus, tags};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry};
use crate::resource::Address;

/// The kind.
#[derive(Debug)]
pub struct Schedule;

/// A schedule; `T` is [`crate::resource::Input`] while some of it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes<T = String> {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// How often: `rate(5 minutes)`.
    pub expression: String,
    /// Whether it runs.
    pub enabled: bool,
    /// The ARN of the function that it calls.
    pub function: T,
    /// Its tags.
    pub tags: Tags,
}

/// The id of the one target of a rule of ours.
const TARGET: &str = "function";

impl Typed for Schedule {
    const NAME: &'static str = "schedule";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(name) = at.text("name") else { return Ok(Seen::Missing) };
        let events = at.ctx.clients.events();
        let rule = events.describe_rule().name(name).send().await;
        let Some(rule) = optional(rule.map_err(AwsError::from))? else { return Ok(Seen::Missing) };
        let arn = rule.arn().ok_or_else(|| lacking("the schedule's ARN"))?.to_owned();
        let listed = events.list_tags_for_resource().resource_arn(&arn).send().await?;
        let pairs = listed.tags.unwrap_or_default().into_iter();
        let tags = tags(pairs.map(|tag| (tag.key().to_owned(), tag.value().to_owned())));
        if let Some(foreign) = at.foreign::<Self>(&format!("schedule `{name}`"), &tags) {
            return Ok(Seen::Foreign(foreign));
        }
        let Some(targets) = targets(at.ctx, name).await? else { return Ok(Seen::Missing) };
        let attributes = normalise(name, &rule, &targets, tags);
        let outputs = outputs([("name", name), ("arn", &arn)]);
        Ok(Seen::Owned(Found { id: name.to_owned(), attributes, outputs }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let have = if at.is_new() { None } else { Self::find(at).await?.ours()? };
        if let Some(have) = have.as_ref().filter(|have| have.attributes == want) {
            return Ok(have.clone());
        }
        let before = have.as_ref().map(|have| &have.attributes);
        let mut arn = have.as_ref().and_then(|have| have.outputs.get("arn").cloned()).unwrap_or_default();
        if !before.is_some_and(|before| same_rule(before, &want)) {
            arn = put_rule(at.ctx, &want, have.is_none()).await?;
        }
        if before.is_none_or(|before| before.function != want.function) {
            put_target(at.ctx, &want).await?;
        }
        if let Some(have) = &have {
            sync_tags(at.ctx, have, &want).await?;
        }
        let outputs = outputs([("name", &want.name), ("arn", &arn)]);
        Ok(Found { id: want.name.clone(), attributes: want, outputs })
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let (name, events) = (&recorded.physical_id, ctx.clients.events());
        let what = format!("to delete schedule `{name}`");
        let Some(targets) = targets(ctx, name).await? else { return Ok(()) };
        let ids: Vec<String> = targets.iter().map(|target| target.id().to_owned()).collect();
        // A rule that still has a target, whoever added it, cannot be deleted.
        if !ids.is_empty() {
            let untarget = events.remove_targets().rule(name).set_ids(Some(ids));
            gone(retry(&what, Policy::default(), || async { Ok(untarget.clone().send().await?) }).await)?;
        }
        let delete = events.delete_rule().name(name);
        gone(retry(&what, Policy::default(), || async { Ok(delete.clone().send().await?) }).await)
    }

    fn effect(path: &str) -> Effect {
        if path == "name" { Effect::Replace } else { Effect::Update }
    }
    fn key(address: &Address) -> Option<String> {
        Some(address.to_string())
    }
}

/// All targets of a rule, those that others added included; none without a rule.
async fn targets(ctx: &Context, rule: &str) -> Result<Option<Vec<Target>>, AwsError> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let request = ctx.clients.events().list_targets_by_rule().rule(rule).set_next_token(next);
        let Some(page) = optional(request.send().await.map_err(AwsError::from))? else { return Ok(None) };
        found.extend(page.targets.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(Some(found));
        }
    }
}

fn normalise(name: &str, rule: &DescribeRuleOutput, targets: &[Target], tags: Tags) -> Attributes {
    let target = targets.iter().find(|target| target.id() == TARGET);
    Attributes {
        name: name.to_owned(),
        description: rule.description().unwrap_or_default().to_owned(),
        expression: rule.schedule_expression().unwrap_or_default().to_owned(),
        enabled: rule.state() != Some(&RuleState::Disabled),
        function: target.map(|target| target.arn().to_owned()).unwrap_or_default(),
        tags,
    }
}

fn same_rule(a: &Attributes, b: &Attributes) -> bool {
    (&a.description, &a.expression, a.enabled) == (&b.description, &b.expression, b.enabled)
}

/// Makes or changes the rule and gives its ARN. Tags are taken only when it is made.
async fn put_rule(ctx: &Context, want: &Attributes, new: bool) -> Result<String, AwsError> {
    let request = ctx
        .clients
        .events()
        .put_rule()
        .name(&want.name)
        .description(&want.description)
        .schedule_expression(&want.expression)
        .state(if want.enabled { RuleState::Enabled } else { RuleState::Disabled });
    let tags = if new { Some(sdk_tags(&want.tags)?) } else { None };
    let request = request.set_tags(tags);
    let what = format!("to make schedule `{}`", want.name);
    let answer = retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
    answer.rule_arn.ok_or_else(|| lacking("the schedule's ARN"))
}

async fn put_target(ctx: &Context, want: &Attributes) -> Result<(), AwsError> {
    let target = Target::builder().id(TARGET).arn(&want.function).build().map_err(unbuilt)?;
    let request = ctx.clients.events().put_targets().rule(&want.name).targets(target);
    let what = format!("to let schedule `{}` call its function", want.name);
    let answer = retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
    // A refused target is no error of the call.
    match answer.failed_entries().first() {
        None => Ok(()),
        Some(failed) => Err(AwsError::new(
            ErrorKind::Other,
            format!("{what}: {}", failed.error_message().unwrap_or("AWS gives no reason")),
        )),
    }
}

async fn sync_tags(ctx: &Context, have: &Found<Attributes>, want: &Attributes) -> Result<(), AwsError> {
    if have.attributes.tags == want.tags {
        return Ok(());
    }
    let events = ctx.clients.events();
    let arn = have.outputs.get("arn").ok_or_else(|| lacking("the schedule's ARN"))?;
    events.tag_resource().resource_arn(arn).set_tags(Some(sdk_tags(&want.tags)?)).send().await?;
    let surplus = surplus(&have.attributes.tags, &want.tags);
    if !surplus.is_empty() {
        events.untag_resource().resource_arn(arn).set_tag_keys(Some(surplus)).send().await?;
    }
    Ok(())
}

fn sdk_tags(tags: &Tags) -> Result<Vec<Tag>, AwsError> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(unbuilt)).collect()
}

/// A request that the SDK would not build: a mistake of ours.
fn unbuilt(error: aws_sdk_eventbridge::error::BuildError) -> AwsError {
    AwsError::new(ErrorKind::Invalid, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_eventbridge_leaves_out_reads_as_its_default() {
        let rule = DescribeRuleOutput::builder().schedule_expression("rate(5 minutes)").build();
        let found = normalise("s", &rule, &[], Tags::new());
        assert!(found.enabled);
        assert_eq!((found.expression.as_str(), found.function.as_str()), ("rate(5 minutes)", ""));
    }

    #[test]
    fn targets_that_somebody_added_are_not_ours_to_compare() {
        let target = |id: &str, arn: &str| Target::builder().id(id).arn(arn).build().unwrap();
        let targets = [target("by-hand", "arn:other"), target(TARGET, "arn:ours")];
        let found = normalise("s", &DescribeRuleOutput::builder().build(), &targets, Tags::new());
        assert_eq!(found.function, "arn:ours");
    }

    #[test]
    fn a_schedule_keeps_its_name_or_is_made_anew() {
        assert_eq!(
            (Schedule::effect("name"), Schedule::effect("expression")),
            (Effect::Replace, Effect::Update)
        );
    }
}
