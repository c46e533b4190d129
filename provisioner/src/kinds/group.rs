//! Groups that stack.yaml declares: the group, its rules, and the invitation of its first owner.

use domain::address::Address as Email;
use domain::id::{GroupId, Name};
use domain::purpose::Purpose;
use domain::rules::compare::{Judged, Known, Verdict};
use domain::stack::{DeclaredGroup, RuleSet};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::clock::now;
use store::directory::{
    GroupRow, Invitation, InvitationStatus, Invitee, Job, JobKind, NewGroup, Role, Writer,
};
use store::{Store, StoreError, ids};

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
    pub owner: Option<Email>,
    /// Its purpose. Null rather than absent, so that one which was removed elsewhere is drift.
    #[serde(default)]
    pub description: Option<Purpose>,
    /// What it receives.
    pub rules: RuleSet,
    /// Over how many partitions its copies are spread.
    #[serde(default = "one")]
    pub shards: u16,
    /// What it was called before. It cannot be read back, and once it was applied it says nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<Name>,
    /// What the plan found out about the change of its rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<JudgedChange>,
    /// What must be there first: rules may name data types that functions of before do not know yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

/// A change of a group's rules that a plan has judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedChange {
    /// The rules that were in force. If others are by now, nothing is known of the change.
    pub from: RuleSet,
    /// The verdict.
    #[serde(flatten)]
    pub judged: Judged,
    /// Whether copies have to be brought after the change. If not, the rules were only put in other words.
    pub moves: bool,
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
            "description": group.description,
            "rules": group.rules,
            "shards": group.shards,
            "renamed_from": group.renamed_from,
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
        // As the file says now: what it said once is no reason to take another group for this one.
        let before = at.desired.get("renamed_from").and_then(|name| name.as_str());
        let before = before.and_then(|name| Name::parse(name).ok());
        match under(&store, name, before).await {
            Ok(Some((name, group))) => {
                let rules =
                    store.rule_set(&group.id, group.rule_revision).await.map_err(|error| failed(&error))?;
                let shards = group.layout.current().shards;
                Ok(Seen::Owned(of(table, name, &group.id, (group.description, rules, shards))))
            }
            Ok(None) => Ok(Seen::Missing),
            Err(error) if no_table(&error) => Ok(Seen::Missing),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let store = store_of(at.ctx, &want.table);
        if at.is_new() && want.renamed_from.is_none() {
            match create(&store, &want).await {
                // A deleted group left its name behind, or one came meanwhile.
                Err(StoreError::Conflict(_)) => {}
                made => return made.map_err(|error| failed(&error)),
            }
        }
        let found = under(&store, want.name.clone(), want.renamed_from.clone()).await;
        let group = match found.map_err(|error| failed(&error))? {
            Some((name, group)) => {
                if name != want.name {
                    // A deleted group of the new name left its name behind.
                    store.forget_declared_group(&want.name).await.map_err(|error| failed(&error))?;
                    let renamed = store.rename_declared_group(&group, &name, &want.name).await;
                    renamed.map_err(|error| failed(&error))?;
                }
                group
            }
            None => {
                if store.declared_group(&want.name).await.map_err(|error| failed(&error))?.is_some() {
                    store.forget_declared_group(&want.name).await.map_err(|error| failed(&error))?;
                }
                return create(&store, &want).await.map_err(|error| failed(&error));
            }
        };
        if group.description != want.description {
            let described = store.describe_declared_group(&group, want.description.as_ref()).await;
            described.map_err(|error| failed(&error))?;
        }
        let rules = store.rule_set(&group.id, group.rule_revision).await.map_err(|error| failed(&error))?;
        let spread_alike = group.layout.current().shards == want.shards;
        let change = want.change.filter(|change| change.from == rules);
        if rules != want.rules && spread_alike && change.as_ref().is_some_and(|change| !change.moves) {
            let reworded = store.reword_rules(&group, &want.rules, now()).await;
            reworded.map_err(|error| failed(&error))?;
        } else if rules != want.rules || !spread_alike {
            let judged = match change {
                Some(change) => change.judged,
                None if rules == want.rules => {
                    Judged { verdict: Verdict::Unchanged, known: Known::Enumerated }
                }
                None => Judged::UNDECIDED,
            };
            let changed = store.change_rules(&group, (&want.rules, judged), want.shards, now()).await;
            hand_over(at.ctx, &changed.map_err(|error| failed(&error))?).await?;
        }
        let before = at.recorded.and_then(|r| r.attributes.get("owner")?.as_str());
        let before = before.and_then(|before| Email::parse(before).ok());
        if let Some(owner) =
            want.owner.as_ref().filter(|owner| before.is_some_and(|before| before != **owner))
        {
            // The group then names this invitation, so that the previous one no longer counts.
            let invitation = invitation(&group.id, group.roster_rev, owner, now());
            store.offer(&invitation, None).await.map_err(|error| failed(&error))?;
        }
        Ok(of(&want.table, want.name, &group.id, (want.description, want.rules, want.shards)))
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
        // Its name can only differ if it is renamed: it is found by its name, or by the one that it had.
        if path == "table" { Effect::Replace } else { Effect::Update }
    }
    fn write_only() -> &'static [&'static str] {
        &["renamed_from", "change"]
    }
}

/// The active group of a name, or of the name that it had before.
async fn under(
    store: &Store,
    name: Name,
    before: Option<Name>,
) -> Result<Option<(Name, GroupRow)>, store::StoreError> {
    if let Some(group) = store.declared_group(&name).await?.filter(|group| group.active) {
        return Ok(Some((name, group)));
    }
    let Some(before) = before else { return Ok(None) };
    let group = store.declared_group(&before).await?.filter(|group| group.active);
    Ok(group.map(|group| (before, group)))
}

async fn create(store: &Store, want: &Attributes) -> Result<Found<Attributes>, StoreError> {
    let id = ids::group();
    let time = now();
    let owner = want.owner.as_ref().ok_or(StoreError::Missing("the group's owner"))?;
    let group = NewGroup {
        id: id.clone(),
        name: want.name.as_str(),
        description: want.description.as_ref(),
        rules: &want.rules,
        shards: want.shards,
        owner: None,
    };
    let invitation = invitation(&id, 1, owner, time);
    store.create_declared_group(&group, &want.name, &invitation, time).await?;
    let settings = (want.description.clone(), want.rules.clone(), want.shards);
    Ok(of(&want.table, want.name.clone(), &id, settings))
}

/// The invitation of a group's first owner, offered at this revision of its roster.
fn invitation(group: &GroupId, revision: u64, owner: &Email, time: Timestamp) -> Invitation {
    Invitation {
        id: ids::invitation(),
        group: group.clone(),
        role: Role::Owner,
        invitee: Invitee::Email(owner.clone()),
        writer: Writer::Stack,
        created: time,
        offered: time,
        revision,
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

fn of(
    table: &str,
    name: Name,
    id: &GroupId,
    (description, rules, shards): (Option<Purpose>, RuleSet, u16),
) -> Found<Attributes> {
    let attributes = Attributes {
        table: table.to_owned(),
        name,
        owner: None,
        description,
        rules,
        shards,
        renamed_from: None,
        change: None,
        after: Vec::new(),
    };
    Found { id: id.to_string(), attributes, outputs: outputs([("id", id.as_str())]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_was_written_down_can_be_removed_by_what_was_written() {
        let declared = DeclaredGroup {
            name: Name::parse("endocrinology").unwrap(),
            description: Some(Purpose::parse("For the clinic").unwrap()),
            owner: Email::parse("lead@example.org").unwrap(),
            rules: RuleSet::default(),
            shards: 4,
            renamed_from: None,
            approved: None,
            examples: Default::default(),
        };
        let wanted = resource(&declared, "t".into(), &["f".into()]);
        let read: Attributes = serde_json::from_value(wanted.attributes).unwrap();
        assert_eq!(read.description, declared.description);
        let owner = read.owner.as_ref().map(Email::as_str);
        assert_eq!((read.name.as_str(), owner), ("endocrinology", Some("lead@example.org")));
        assert!(serde_json::from_value::<Attributes>(json!({"table": null})).is_err());
    }
}
