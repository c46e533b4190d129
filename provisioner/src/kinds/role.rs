//! IAM roles that functions run as, each with one inline policy.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use aws_sdk_iam::types::{Role as IamRole, Tag};

use super::typed::{
    At, Found, REGION_TAG, Seen, Tags, Typed, gone, lacking, optional, outputs, seen, surplus, tags,
};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry};
use crate::resource::Outputs;

/// The kind.
#[derive(Debug)]
pub struct Role;

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who may assume it: a policy document.
    pub trust: Value,
    /// What it may do: a policy document.
    pub policy: Value,
    /// Its tags.
    pub tags: Tags,
}

/// The name of the inline policy.
const POLICY: &str = "freehold";

impl Typed for Role {
    const NAME: &'static str = "role";
    const GLOBAL: bool = true;
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(name) = at.text("name") else { return Ok(Seen::Missing) };
        let Some(role) = get(at.ctx, name).await? else { return Ok(Seen::Missing) };
        let tags = tags(role.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())));
        let what = format!("role `{name}`");
        if let Some(foreign) = at.foreign::<Self>(&what, &tags) {
            return Ok(Seen::Foreign(foreign));
        }
        let request = at.ctx.clients.iam().get_role_policy().role_name(name).policy_name(POLICY);
        let policy = optional(request.send().await.map_err(AwsError::from))?;
        let policy = policy.map(|policy| document(policy.policy_document())).unwrap_or_default();
        // Before names contained the region, stacks of one name in two regions took over each other's roles, and both
        // recorded them. Such a role serves the region that its policy names.
        if !tags.contains_key(REGION_TAG)
            && let Some(other) = other_region(&policy, at.ctx.clients.region())
        {
            return Ok(Seen::Foreign(format!("{what} serves region `{other}`, which its policy names")));
        }
        let attributes = Attributes {
            name: name.to_owned(),
            description: role.description().unwrap_or_default().to_owned(),
            trust: role.assume_role_policy_document().map(document).unwrap_or_default(),
            policy,
            tags,
        };
        Ok(Seen::Owned(Found { id: name.to_owned(), attributes, outputs: outputs_of(&role) }))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let there = if at.is_new() { None } else { Self::find(at).await?.ours()? };
        let have = match there {
            Some(have) => have,
            None => match create(at.ctx, &want).await? {
                Some(made) => {
                    sync(at.ctx, &made.attributes, &want).await?;
                    return Ok(Found { attributes: want, ..made });
                }
                None => seen::<Self>(at).await?,
            },
        };
        if have.attributes == want {
            return Ok(have);
        }
        sync(at.ctx, &have.attributes, &want).await?;
        seen::<Self>(at).await
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let name = &recorded.physical_id;
        let iam = ctx.clients.iam();
        let Some(inline) = inline_policies(ctx, name).await? else { return Ok(()) };
        for policy in inline {
            let delete = iam.delete_role_policy().role_name(name).policy_name(policy);
            gone(delete.send().await.map_err(AwsError::from))?;
        }
        // Somebody may have attached more by hand; a role with policies cannot be deleted.
        for arn in attached_policies(ctx, name).await? {
            let detach = iam.detach_role_policy().role_name(name).policy_arn(arn);
            gone(detach.send().await.map_err(AwsError::from))?;
        }
        let what = format!("to delete role `{name}`");
        gone(
            retry(&what, Policy::default(), || async { Ok(iam.delete_role().role_name(name).send().await?) })
                .await,
        )
    }

    fn effect(path: &str) -> Effect {
        if path == "name" { Effect::Replace } else { Effect::Update }
    }
}

async fn get(ctx: &Context, name: &str) -> Result<Option<IamRole>, AwsError> {
    let answer = ctx.clients.iam().get_role().role_name(name).send().await;
    Ok(optional(answer.map_err(AwsError::from))?.and_then(|answer| answer.role))
}

/// A role that is made again under its name is another role; only the id tells.
fn outputs_of(role: &IamRole) -> Outputs {
    outputs([("name", role.role_name()), ("arn", role.arn()), ("roleId", role.role_id())])
}

/// The names of a role's own policies; none without a role.
async fn inline_policies(ctx: &Context, name: &str) -> Result<Option<Vec<String>>, AwsError> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let request = ctx.clients.iam().list_role_policies().role_name(name).set_marker(next);
        let Some(page) = optional(request.send().await.map_err(AwsError::from))? else { return Ok(None) };
        next = page.marker.filter(|_| page.is_truncated);
        found.extend(page.policy_names);
        if next.is_none() {
            return Ok(Some(found));
        }
    }
}

async fn attached_policies(ctx: &Context, name: &str) -> Result<Vec<String>, AwsError> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let request = ctx.clients.iam().list_attached_role_policies().role_name(name).set_marker(next);
        let page = request.send().await?;
        next = page.marker.filter(|_| page.is_truncated);
        let attached = page.attached_policies.unwrap_or_default().into_iter();
        found.extend(attached.filter_map(|policy| policy.policy_arn));
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// Makes the role, still without its policy; nothing is returned if it was there already.
async fn create(ctx: &Context, want: &Attributes) -> Result<Option<Found<Attributes>>, AwsError> {
    let request = ctx
        .clients
        .iam()
        .create_role()
        .role_name(&want.name)
        .description(&want.description)
        .assume_role_policy_document(want.trust.to_string())
        .set_tags(Some(aws_tags(&want.tags)?));
    let what = format!("to make role `{}`", want.name);
    let answer = match retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await {
        Err(error) if error.kind == ErrorKind::AlreadyExists => return Ok(None),
        result => result?,
    };
    let role = answer.role.ok_or_else(|| lacking("the role"))?;
    let attributes = Attributes { policy: Value::Null, ..want.clone() };
    Ok(Some(Found { id: want.name.clone(), attributes, outputs: outputs_of(&role) }))
}

async fn sync(ctx: &Context, have: &Attributes, want: &Attributes) -> Result<(), AwsError> {
    let iam = ctx.clients.iam();
    let what = format!("to change role `{}`", want.name);
    if have.description != want.description {
        iam.update_role().role_name(&want.name).description(&want.description).send().await?;
    }
    if have.trust != want.trust {
        let request =
            iam.update_assume_role_policy().role_name(&want.name).policy_document(want.trust.to_string());
        retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
    }
    if have.policy != want.policy {
        let request = iam
            .put_role_policy()
            .role_name(&want.name)
            .policy_name(POLICY)
            .policy_document(want.policy.to_string());
        retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await?;
    }
    if have.tags != want.tags {
        iam.tag_role().role_name(&want.name).set_tags(Some(aws_tags(&want.tags)?)).send().await?;
        let surplus = surplus(&have.tags, &want.tags);
        if !surplus.is_empty() {
            iam.untag_role().role_name(&want.name).set_tag_keys(Some(surplus)).send().await?;
        }
    }
    Ok(())
}

fn aws_tags(tags: &Tags) -> Result<Vec<Tag>, AwsError> {
    tags.iter().map(|(key, value)| Ok(Tag::builder().key(key).value(value).build()?)).collect()
}

/// A region other than this one that the ARNs in a policy name.
fn other_region<'a>(policy: &'a Value, region: &str) -> Option<&'a str> {
    match policy {
        Value::String(arn) => {
            let named = arn.strip_prefix("arn:")?.split(':').nth(2)?;
            Some(named).filter(|named| !named.is_empty() && *named != region)
        }
        Value::Array(items) => items.iter().find_map(|item| other_region(item, region)),
        Value::Object(fields) => fields.values().find_map(|field| other_region(field, region)),
        _ => None,
    }
}

/// A policy document as IAM gives it: percent-encoded JSON.
fn document(encoded: &str) -> Value {
    serde_json::from_str(&percent_decode(encoded)).unwrap_or_else(|_| Value::String(encoded.to_owned()))
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| tail.get(..2)).flatten();
        let decoded = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match decoded {
            Some(decoded) => {
                bytes.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The trust policy that lets a service of AWS assume the role.
pub fn trust(service: &str) -> Value {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn policies_compare_as_documents_whatever_their_encoding_and_order() {
        let encoded = "%7B%22Statement%22%3A%5B%5D%2C%22Version%22%3A%222012-10-17%22%7D";
        assert_eq!(document(encoded), json!({"Version": "2012-10-17", "Statement": []}));
        assert_eq!(document(r#"{"Statement":[],"Version":"2012-10-17"}"#), document(encoded));
    }

    #[test]
    fn a_policy_names_the_region_that_its_role_serves() {
        let policy = json!({"Statement": [{"Action": ["x:y"], "Resource": ["arn:aws:iam::1:role/r", "*"]}, {
            "Action": ["dynamodb:GetItem"], "Resource": "arn:aws:dynamodb:us-east-1:1:table/acme-data",
        }]});
        assert_eq!(other_region(&policy, "eu-west-1"), Some("us-east-1"));
        assert_eq!(other_region(&policy, "us-east-1"), None);
        assert_eq!(other_region(&Value::Null, "us-east-1"), None);
    }

    #[test]
    fn what_is_no_document_is_kept_as_it_is() {
        assert_eq!(document("100%"), json!("100%"));
        assert_eq!(percent_decode("%zz%4"), "%zz%4");
    }
}
