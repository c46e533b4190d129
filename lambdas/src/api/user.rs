//! `/user`: the caller's profile and what concerns it.

use domain::id::{GroupId, UserId};
use domain::rules::Agreement;
use domain::time::Timestamp;
use futures::future::try_join_all;
use serde_json::{Value as Json, json};
use store::StoreError;
use store::directory::{GroupRow, Member, MemberId, User};

use super::auth::Identity;
use super::groups::described;
use super::invitations::for_invitee;
use super::paging::Paging;
use super::response::Response;
use super::{Answer, Call};
use crate::problem::Problem;

/// New consumers of a group that a provider is told of by name; how many there are is told in any case.
const MOST_NAMED: usize = 20;

/// A profile as its owner sees it.
pub(super) fn profile(user: &User) -> Json {
    let mut json =
        json!({ "id": user.id.as_str(), "drive": user.drive.as_str(), "created": user.created.to_string() });
    if let (Some(object), Some(email)) = (json.as_object_mut(), &user.email) {
        object.insert("email".into(), email.as_str().into());
    }
    json
}

impl Call<'_> {
    pub(super) async fn get_user(&self) -> Answer {
        self.request.parameters(&[])?;
        let user = self.own_profile().await?.ok_or_else(|| Problem::no_profile(404))?;
        let user = self.with_verified_address(user).await?;
        Ok(Response::json(200, &profile(&user)))
    }

    /// The caller's profile, if they have one now: they may have been erased since this process last met them.
    pub(super) async fn own_profile(&self) -> Result<Option<User>, Problem> {
        let Some(caller) = self.anybody().await? else { return Ok(None) };
        match self.store().user(&caller.user).await {
            Ok(user) => Ok(Some(user)),
            Err(StoreError::Missing(_)) => {
                if let Some(identity) = &self.identity {
                    self.api.known.forget(&identity.subject);
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the profile, with the address that the user pool has verified.
    pub(super) async fn create_user(&self) -> Answer {
        self.request.parameters(&[])?;
        if let Some(user) = self.own_profile().await? {
            return Ok(Response::json(200, &profile(&self.with_verified_address(user).await?)));
        }
        let identity = self.identity.as_ref().ok_or_else(|| Problem::unauthorized("send an access token"))?;
        let email = self.ask_for_address().await?;
        let Identity { issuer, subject, .. } = identity;
        let (user, new) = self.store().create_user(issuer, subject, email.as_ref(), self.now).await?;
        let status = if new { 201 } else { 200 };
        Ok(Response::json(status, &profile(&user)).header("location", "/user"))
    }

    /// The caller's memberships, as user and through their drive.
    pub(super) async fn list_user_members(&self) -> Answer {
        let caller = self.caller().await?;
        let paging = Paging::of_entries(self, &[caller.user.as_str()])?;
        let members = self.store().memberships(&caller).await?;
        let ids: Vec<&GroupId> = members.iter().map(|member| &member.group).collect();
        let groups = self.store().groups_by_id(&ids).await?;
        // What is left of a deleted group is on its way out.
        let live = members.iter().filter_map(|member| {
            groups.get(&member.group).filter(|group| group.active).map(|group| (member, group))
        });
        let entries = try_join_all(live.map(|(member, group)| self.membership_json(member, group))).await?;
        Ok(paging.answer_slice(self, entries))
    }

    /// A membership by its position; providers are told who has come to read since they joined.
    async fn membership_json(&self, member: &Member, group: &GroupRow) -> Result<(String, Json), Problem> {
        let (kind, id) = match &member.id {
            MemberId::Drive(drive) => ("drive", drive.as_str()),
            MemberId::User(user) => ("user", user.as_str()),
        };
        let roles: Vec<&str> = member.roles.iter().map(|role| role.as_str()).collect();
        let mut entry = json!({
            "group": member.group.as_str(), "groupName": group.name, "kind": kind, "id": id, "roles": roles,
            "joined": member.joined.to_string(),
        });
        if let (MemberId::Drive(_), Some(entry)) = (&member.id, entry.as_object_mut()) {
            let consumers = self.store().consumers(&member.group).await?;
            let new = consumers.iter().filter(|(_, since)| *since > member.joined);
            let json = |(user, since): &(UserId, Timestamp)| json!({ "id": user.as_str(), "since": since.to_string() });
            let named: Vec<Json> = new.clone().take(MOST_NAMED).map(json).collect();
            let of = json!({ "count": consumers.len(), "newCount": new.count(), "new": named });
            entry.insert("consumers".into(), of);
            let agreement = member.agreement.unwrap_or(Agreement::NONE);
            entry.insert("rules".into(), agreement.mode().into());
            entry.insert("ruleRevision".into(), group.rule_revision.into());
            if let Some(revision) = agreement.revision() {
                entry.insert("agreedRevision".into(), revision.into());
            }
        }
        Ok((format!("{}#{kind}", member.group), entry))
    }

    /// The open invitations addressed to the caller.
    pub(super) async fn list_user_invitations(&self) -> Answer {
        let caller = self.caller().await?;
        let paging = Paging::of_entries(self, &[caller.user.as_str()])?;
        let user = self.with_verified_address(self.store().user(&caller.user).await?).await?;
        let window = &paging.window;
        let page = self.store().user_invitations(&user, self.now, window.after.clone(), window.limit);
        let (invitations, next) = page.await?;
        let entries = invitations.iter().map(|(invitation, group)| for_invitee(invitation, group)).collect();
        Ok(paging.answer(self, entries, next.as_deref()))
    }
}
