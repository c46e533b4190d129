//! `/groups`: making, showing, deleting.

use std::sync::Arc;

use domain::authorize::{About, GroupFacts, Roles, Subject};
use domain::id::GroupId;
use domain::replication::Roster;
use serde::Deserialize;
use serde_json::json;
use store::directory::{Caller, GroupRow, Job, JobKind, NewGroup, Role};
use store::ids;

use super::asking::actor;
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
        let name = sent.name.trim();
        let length = name.chars().count();
        if length == 0 || length > LONGEST_NAME || name.chars().any(char::is_control) {
            let message =
                format!("must have from 1 to {LONGEST_NAME} characters, and none that cannot be seen");
            return Err(Problem::invalid([Mistake::at("name", message)]));
        }
        let id = ids::group();
        let rules = &self.document().group_defaults;
        let group = NewGroup { id: id.clone(), name, rules, shards: 1, owner: Some(&caller.user) };
        self.store().create_group(&group, self.now).await?;
        let body = json!({
            "id": id.as_str(), "name": name, "created": self.now.to_string(), "roles": [Role::Owner.as_str()],
            "rules": rules, "members": { "owners": 1, "providers": 0, "consumers": 0 },
        });
        Ok(Response::json(201, &body).header("location", format!("/groups/{id}")))
    }

    pub(super) async fn get_group(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let Standing { group, roster, roles } = self.standing(&caller).await?;
        let rules = self.store().rule_set(&group.id, group.rule_revision).await?;
        let body = json!({
            "id": group.id.as_str(), "name": group.name, "created": group.created.to_string(), "roles": names(&roles),
            "rules": rules,
            "members": {
                "owners": roster.owners.len(), "providers": roster.providers.len(), "consumers": roster.consumers.len(),
            },
        });
        Ok(Response::json(200, &body))
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
