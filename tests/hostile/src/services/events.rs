//! EventBridge rules.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::reply::{Answer, Refusal, refuse};
use crate::state::{Ctx, Tags, object, only, overlay, tag_list, tags, text, untag};
use crate::{ACCOUNT, REGION};

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its settings.
    pub doc: Value,
    /// Its targets by their ids.
    pub targets: BTreeMap<String, Value>,
    /// Its tags.
    pub tags: Tags,
}

fn arn(name: &str) -> String {
    format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{name}")
}

pub(crate) fn answer(ctx: &mut Ctx<'_>, operation: &str, input: &Value) -> Answer {
    let name = match (text(input, "ResourceARN"), text(input, "Name")) {
        ("", "") => text(input, "Rule").to_owned(),
        ("", name) => name.to_owned(),
        (arn, _) => arn.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    if operation == "PutRule" {
        let settings = only(input, &["Description", "ScheduleExpression", "State"]);
        let new = Rule { doc: json!({}), targets: BTreeMap::new(), tags: tags(input.get("Tags")) };
        // Tags count only when the rule is made.
        let rule = ctx.state.rules.entry(name.clone()).or_insert(new);
        rule.doc = settings;
        return Ok(json!({ "RuleArn": arn(&name) }));
    }
    if operation == "ListTargetsByRule" {
        let rule = ctx.state.rules.get(&name).ok_or_else(missing)?;
        let all = rule.targets.values().cloned().collect();
        let (page, next) = ctx.page(all, input.get("NextToken").and_then(Value::as_str));
        return Ok(object([("Targets", page.into()), ("NextToken", json!(next))]));
    }
    let rule = match ctx.state.rules.get_mut(&name) {
        Some(rule) => rule,
        None if operation == "DeleteRule" => return Ok(json!({})),
        None => return Err(missing()),
    };
    match operation {
        "DescribeRule" => {
            let mut doc = rule.doc.clone();
            overlay(&mut doc, &json!({"Name": name, "Arn": arn(&name)}), &[]);
            Ok(doc)
        }
        "ListTagsForResource" => Ok(json!({ "Tags": tag_list(&rule.tags) })),
        "TagResource" => {
            rule.tags.extend(tags(input.get("Tags")));
            Ok(json!({}))
        }
        "UntagResource" => {
            untag(&mut rule.tags, input.get("TagKeys"));
            Ok(json!({}))
        }
        "PutTargets" => {
            for target in input["Targets"].as_array().into_iter().flatten() {
                rule.targets.insert(text(target, "Id").to_owned(), target.clone());
            }
            Ok(json!({"FailedEntryCount": 0, "FailedEntries": []}))
        }
        "RemoveTargets" => {
            for id in input["Ids"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                rule.targets.remove(id);
            }
            Ok(json!({"FailedEntryCount": 0, "FailedEntries": []}))
        }
        "DeleteRule" if !rule.targets.is_empty() => {
            refuse("ValidationException", "Rule can't be deleted since it has targets.")
        }
        "DeleteRule" => {
            ctx.state.rules.remove(&name);
            Ok(json!({}))
        }
        other => panic!("the hostile AWS has no {other}"),
    }
}

fn missing() -> Refusal {
    Refusal::new("ResourceNotFoundException", "Rule does not exist on EventBus default.")
}
