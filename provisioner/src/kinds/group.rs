//! Groups that stack.yaml declares: the group, its rules, and the invitation of its first owner.

use domain::id::{GroupId, Name};
use domain::stack::{DeclaredGroup, RuleSet};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::clock::now;
use store::directory::{GroupRow, Invitation, InvitationStatus, Invitee, Job, JobKind, NewGroup, Role};
use store::{Store, ids};

use super::stackdoc::{failed, no_table, store_of};
use super::typed::{At, Found, Seen, Typed, lacking, optional, outputs};
use super::{Context, Effect, Recorded};
use crate::aws::AwsError;
use crate::resource::{Address, Input, Resource};

/// The kind.
#[derive(Debug)]
pub struct Group;

/// How long a declared owner may take to accept. Longer than people's own invitations: nobody can renew it but an
/// apply that names another owner.
const OWNER_DAYS: i64 = 365;

/// A declared group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attributes {
    /// The directory table.
    pub table: String,
    /// Its name in the file.
    pub name: Name,
    /// The address of its first owner. Cannot be read back: by then it is a person who may have left again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it receives.
    pub rules: RuleSet,
    /// Over how many partitions its copies are spread.
    #[serde(default = "one")]
    pub shards: u16,
    /// What must be there first: rules may name data types that functions of before do not know yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

fn one() -> u16 {
    1
}

/// The group that a stack wants; `after` are outputs of the functions.
pub fn resource(group: &DeclaredGroup, directory: Input, after: &[Input]) -> Resource {
    Resource {
        address: Address::new(Group::NAME, group.name.as_str()),
        attributes: json!({
            "table": directory,
            "name": group.name,
            "owner": group.owner,
            "rules": group.rules,
            "shards": group.shards,
            "after": after,
        }),
    }
}

impl Typed for Group {
    const NAME: &'static str = "group";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let name = at.text("name").and_then(|name| Name::parse(name).ok());
        let (Some(table), Some(name)) = (at.text("table"), name) else { return Ok(Seen::Missing) };
        let store = store_of(at.ctx, table);
        match store.declared_group(&name).await {
            Ok(Some(group)) if group.active => {
                let rules =
                    store.rule_set(&group.id, group.rule_revision).await.map_err(|error| failed(&error))?;
                Ok(Seen::Owned(of(table, name, &group, (rules, group.layout.current().shards))))
            }
            Ok(_) => Ok(Seen::Missing),
            Err(error) if no_table(&error) => Ok(Seen::Missing),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let store = store_of(at.ctx, &want.table);
        let group = match store.declared_group(&want.name).await.map_err(|error| failed(&error))? {
            Some(group) if group.active => group,
            other => {
                if other.is_some() {
                    store.forget_declared_group(&want.name).await.map_err(|error| failed(&error))?;
                }
                return create(&store, want).await;
            }
        };
        let rules = store.rule_set(&group.id, group.rule_revision).await.map_err(|error| failed(&error))?;
        if rules != want.rules || group.layout.current().shards != want.shards {
            let changed = store.change_rules(&group, &want.rules, want.shards, now()).await;
            hand_over(at.ctx, &changed.map_err(|error| failed(&error))?).await?;
        }
        let before = at.recorded.and_then(|r| r.attributes.get("owner")?.as_str());
        if let Some(owner) =
            want.owner.as_deref().filter(|owner| before.is_some_and(|before| before != *owner))
        {
            let invitation = invitation(&group.id, &want.name, owner, now());
            store.create_invitation(&invitation).await.map_err(|error| failed(&error))?;
        }
        Ok(of(&want.table, want.name, &group, (want.rules, want.shards)))
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let attributes: Attributes = serde_json::from_value(recorded.attributes.clone())
            .map_err(|_| lacking("the group's attributes"))?;
        let store = store_of(ctx, &attributes.table);
        let group = match store.declared_group(&attributes.name).await {
            Ok(Some(group)) => group,
            Ok(None) => return Ok(()),
            Err(error) if no_table(&error) => return Ok(()),
            Err(error) => return Err(failed(&error)),
        };
        if group.active {
            let job = Job::new(ids::job(), group.id.clone(), JobKind::Dissolve, now());
            store.delete_group(&group.id, &job).await.map_err(|error| failed(&error))?;
            hand_over(ctx, &job).await?;
        }
        store.forget_declared_group(&attributes.name).await.map_err(|error| failed(&error))
    }

    fn effect(path: &str) -> Effect {
        if path == "table" || path == "name" { Effect::Replace } else { Effect::Update }
    }
}

async fn create(store: &Store, want: Attributes) -> Result<Found<Attributes>, AwsError> {
    let id = ids::group();
    let time = now();
    let owner = want.owner.as_deref().ok_or_else(|| lacking("the group's owner"))?;
    let group = NewGroup {
        id: id.clone(),
        name: want.name.as_str(),
        rules: &want.rules,
        shards: want.shards,
        owner: None,
    };
    let invitation = invitation(&id, &want.name, owner, time);
    store
        .create_declared_group(&group, &want.name, &invitation, time)
        .await
        .map_err(|error| failed(&error))?;
    let row = store.group(&id).await.map_err(|error| failed(&error))?;
    Ok(of(&want.table, want.name, &row, (want.rules, want.shards)))
}

fn invitation(group: &GroupId, name: &Name, owner: &str, time: Timestamp) -> Invitation {
    Invitation {
        id: ids::invitation(),
        group: group.clone(),
        group_name: name.to_string(),
        role: Role::Owner,
        invitee: Invitee::Email(owner.to_owned()),
        invited_by: None,
        created: time,
        expires: time.plus_millis(OWNER_DAYS * 86_400_000),
        status: InvitationStatus::Pending,
        answered_by: None,
    }
}

/// Tells the worker of a job. The group is gone for its readers already; this only has its remains removed.
async fn hand_over(ctx: &Context, job: &Job) -> Result<(), AwsError> {
    let name = format!("{}-jobs", ctx.stack);
    // Without a queue the whole stack is being taken down, and the tables go as well.
    let asked = ctx.clients.sqs().get_queue_url().queue_name(name).send().await;
    let Some(answer) = optional(asked.map_err(AwsError::from))? else { return Ok(()) };
    let queue = answer.queue_url.unwrap_or_default();
    let body = json!({ "job": job.id, "group": job.group }).to_string();
    ctx.clients.sqs().send_message().queue_url(queue).message_body(body).send().await?;
    Ok(())
}

fn of(table: &str, name: Name, group: &GroupRow, (rules, shards): (RuleSet, u16)) -> Found<Attributes> {
    let attributes =
        Attributes { table: table.to_owned(), name, owner: None, rules, shards, after: Vec::new() };
    Found { id: group.id.to_string(), attributes, outputs: outputs([("id", group.id.as_str())]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_was_written_down_can_be_removed_by_what_was_written() {
        let declared = DeclaredGroup {
            name: Name::parse("endocrinology").unwrap(),
            description: None,
            owner: "lead@example.org".into(),
            rules: RuleSet::default(),
            shards: 4,
        };
        let wanted = resource(&declared, "t".into(), &["f".into()]);
        let read: Attributes = serde_json::from_value(wanted.attributes).unwrap();
        assert_eq!((read.name.as_str(), read.owner.as_deref()), ("endocrinology", Some("lead@example.org")));
        assert!(serde_json::from_value::<Attributes>(json!({"table": null})).is_err());
    }
}
