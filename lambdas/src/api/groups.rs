//! `/groups`: making, showing, deleting.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::authorize::{About, GroupFacts, Roles, Subject};
use domain::id::GroupId;
use domain::replication::Roster;
use domain::stack::RuleSet;
use domain::text::check_visible_name;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::directory::{Caller, GroupRow, Job, JobKind, NewGroup, Role};
use store::ids;
use store::once::Stamp;

use super::asking::actor;
use super::paging::Paging;
use super::request::SINGLE_BODY;
use super::response::Response;
use super::{Answer, Call};
use crate::problem::{Mistake, Problem};

/// Characters of a group's name at most.
const LONGEST_NAME: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupToMake {
    name: String,
}

/// Where a caller stands in a group: they are a member, or there is no such value.
pub(super) struct Standing {
    /// The group's own row.
    pub group: GroupRow,
    /// Its roster.
    pub roster: Arc<Roster>,
    /// The caller's roles; never none.
    pub roles: Vec<Role>,
}

fn held(roles: Roles) -> Vec<Role> {
    let each =
        [(Role::Owner, roles.owner), (Role::Provider, roles.provider), (Role::Consumer, roles.consumer)];
    each.into_iter().filter(|(_, held)| *held).map(|(role, _)| role).collect()
}

/// A group as a member sees it.
pub(super) fn group_json(group: &GroupRow, rules: &RuleSet, roster: &Roster, roles: &[Role]) -> Json {
    json!({
        "id": group.id.as_str(), "name": group.name, "created": group.created.to_string(), "roles": names(roles),
        "rules": rules, "ruleRevision": group.rule_revision, "declared": group.declared.is_some(),
        "members": {
            "owners": roster.owners.len(), "providers": roster.providers.len(), "consumers": roster.consumers.len(),
        },
    })
}

/// A group's name as it is kept.
pub(super) fn group_name(sent: &str) -> Result<&str, Problem> {
    if sent.chars().count() > LONGEST_NAME {
        let message = format!("must have at most {LONGEST_NAME} characters");
        return Err(Problem::invalid([Mistake::at("name", message)]));
    }
    // As it was sent: trimming would remove line breaks, which are refused.
    check_visible_name(sent).map_err(|why| Problem::invalid([Mistake::at("name", why.to_string())]))?;
    Ok(sent.trim())
}

pub(super) fn names(roles: &[Role]) -> Vec<&'static str> {
    roles.iter().map(|role| role.as_str()).collect()
}

impl Call<'_> {
    /// Where the caller stands in the group that the path names, if the policies allow what they want to do there. For
    /// strangers there is no such group.
    pub(super) async fn standing(&self, caller: &Caller) -> Result<Standing, Problem> {
        let group = self.store().group(&self.group_id()?).await?;
        let roster = self.store().roster(&group, self.document()).await?;
        let roles = held(self.ask_in_group(caller, &group, &roster)?);
        Ok(Standing { group, roster, roles })
    }

    /// Asks the policies about a group, or about the member of it whom the path names.
    pub(super) fn ask_in_group(
        &self,
        caller: &Caller,
        group: &GroupRow,
        roster: &Roster,
    ) -> Result<Roles, Problem> {
        let roles = Roles::of(roster, &caller.user, &caller.drive);
        let facts = GroupFacts { id: &group.id, active: group.active, roles };
        let subject = match self.about() {
            Some(About::Member) => Subject::Member(facts, self.variable("member_id")),
            _ => Subject::Group(facts),
        };
        self.ask(&actor(caller), &subject)?;
        Ok(roles)
    }

    /// A group that was not deleted.
    pub(super) async fn live_group(&self, id: &GroupId) -> Result<GroupRow, Problem> {
        let group = self.store().group(id).await?;
        if group.active { Ok(group) } else { Err(Problem::not_found("group")) }
    }

    pub(super) async fn create_group(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let sent: GroupToMake = self.request.json(SINGLE_BODY)?;
        let name = group_name(&sent.name)?;
        let keyed = self.keyed(&caller)?;
        let mut stamp = Stamp::fresh(self.now);
        let rules = &self.document().group_defaults;
        let group = NewGroup { id: stamp.group(), name, rules, shards: 1, owner: Some(&caller.user) };
        let once = keyed.as_ref().map(|keyed| (keyed, &stamp));
        if let Some(before) = self.store().create_group(&group, once, self.now).await? {
            stamp = before;
        }
        let id = stamp.group();
        let body = json!({
            "id": id.as_str(), "name": name, "created": stamp.at.to_string(), "roles": [Role::Owner.as_str()],
            "rules": rules, "ruleRevision": 1, "declared": false, "members": { "owners": 1, "providers": 0, "consumers": 0 },
        });
        Ok(Response::json(201, &body).header("location", format!("/groups/{id}")))
    }

    pub(super) async fn get_group(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let Standing { group, roster, roles } = self.standing(&caller).await?;
        let rules = self.store().rule_set(&group.id, group.rule_revision).await?;
        Ok(Response::json(200, &group_json(&group, &rules, &roster, &roles)))
    }

    /// The groups that the caller is a member of.
    pub(super) async fn list_groups(&self) -> Answer {
        let caller = self.caller().await?;
        let paging = Paging::of_entries(self, &[caller.user.as_str()])?;
        let members = self.store().memberships(&caller).await?;
        let ids: Vec<&GroupId> = members.iter().map(|member| &member.group).collect();
        let groups = self.store().groups_by_id(&ids).await?;
        let mut entries: BTreeMap<&GroupId, (&GroupRow, Vec<Role>)> = BTreeMap::new();
        for member in &members {
            // What is left of a deleted group is on its way out.
            let Some(group) = groups.get(&member.group).filter(|group| group.active) else { continue };
            entries.entry(&group.id).or_insert_with(|| (group, Vec::new())).1.extend(&member.roles);
        }
        let entries = entries.into_iter().map(|(id, (group, held))| {
            let roles = Role::ALL.iter().map(|(_, role)| *role).filter(|role| held.contains(role));
            let entry = json!({
                "id": id.as_str(), "name": group.name, "created": group.created.to_string(),
                "roles": names(&roles.collect::<Vec<_>>()), "declared": group.declared.is_some(),
            });
            (id.to_string(), entry)
        });
        Ok(paging.answer_slice(self, entries.collect()))
    }

    /// Deletes a group: gone for everybody when this is answered; a job clears up behind it.
    pub(super) async fn delete_group(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let standing = self.standing(&caller).await?;
        let job = Job::new(ids::job(), standing.group.id.clone(), JobKind::Dissolve, self.now);
        self.store().delete_group(&standing.group.id, &job).await?;
        self.api.announce(&job).await;
        Ok(Response::empty())
    }
}
