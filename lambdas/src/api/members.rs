//! `/groups/{group_id}/members` and `/groups/{group_id}/leave`: who is in a group, and how they go.

use domain::id::{DriveId, UserId};
use serde_json::{Value as Json, json};
use store::directory::{
    Caller, Departure, GroupRow, Job, JobKind, Leaving, Member, MemberId, Role, UserMembership,
};
use store::{StoreError, ids};

use super::groups::names;
use super::paging::Paging;
use super::response::Response;
use super::{Answer, Call};
use crate::problem::Problem;

/// How often a membership may change while it is being ended.
const ATTEMPTS: u32 = 5;

/// Whose memberships end, and in which roles.
#[derive(Debug, Clone, Default)]
pub(super) struct Going {
    /// The drive that shares no more.
    pub drive: Option<DriveId>,
    /// The user who reads or administers no more: in this role, or in every one.
    pub user: Option<(UserId, Option<Role>)>,
    /// The user whose memberships these are; if unknown, whoever the drive belongs to.
    pub who: Option<UserId>,
    /// The owner who removes somebody else.
    pub by: Option<UserId>,
}

fn member_json(member: &Member) -> Json {
    let (kind, id) = match &member.id {
        MemberId::Drive(drive) => ("drive", drive.as_str()),
        MemberId::User(user) => ("user", user.as_str()),
    };
    json!({ "id": id, "kind": kind, "roles": names(&member.roles), "joined": member.joined.to_string() })
}

/// A member who reads or owns.
pub(super) fn user_json(member: &UserMembership) -> Json {
    json!({ "id": member.user.as_str(), "kind": "user", "roles": names(&member.roles) })
}

impl Call<'_> {
    pub(super) async fn list_group_members(&self) -> Answer {
        let caller = self.caller().await?;
        let id = self.group_id()?;
        let paging = Paging::of_entries(self, &[caller.user.as_str(), id.as_str()])?;
        let standing = self.standing(&caller).await?;
        let window = &paging.window;
        let (members, next) =
            self.store().members(&standing.group.id, window.after.clone(), window.limit).await?;
        Ok(paging.answer(self, members.iter().map(member_json).collect(), next.as_deref()))
    }

    /// Removes a member: any by an owner, oneself by anybody, as the policies say.
    pub(super) async fn remove_group_member(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let standing = self.standing(&caller).await?;
        let named = self.variable("member_id");
        let own = named == caller.user.as_str() || named == caller.drive.as_str();
        let (who, by) = if own { (Some(caller.user), None) } else { (None, Some(caller.user)) };
        let roster = &standing.roster;
        let drive = DriveId::parse(named).ok().filter(|drive| roster.providers.contains_key(drive));
        let user = UserId::parse(named).ok();
        let user = user.filter(|user| roster.consumers.contains(user) || roster.owners.contains(user));
        let who = who.or_else(|| user.clone());
        self.end(&standing.group, &Going { drive, user: user.map(|user| (user, None)), who, by }).await
    }

    /// Ends the caller's own membership, in one role or in all.
    pub(super) async fn leave_group(&self) -> Answer {
        let parameters = self.request.parameters(&["role"])?;
        let role = match parameters.get("role").map(|name| Role::parse(name)) {
            Some(None) => return Err(Problem::parameter("role", "it must be provider, consumer or owner")),
            Some(role) => role,
            None => None,
        };
        let caller = self.caller().await?;
        let standing = self.standing(&caller).await?;
        if let Some(role) = role
            && !standing.roles.contains(&role)
        {
            return Err(Problem::not_found("membership"));
        }
        let Caller { user, drive } = caller;
        let who = Some(user.clone());
        let going = match role {
            None => Going { drive: Some(drive), user: Some((user, None)), who, by: None },
            Some(Role::Provider) => Going { drive: Some(drive), user: None, who, by: None },
            Some(role) => Going { drive: None, user: Some((user, Some(role))), who, by: None },
        };
        self.end(&standing.group, &going).await
    }

    /// Ends memberships: gone for readers when this is answered; a job removes the copies behind it.
    pub(super) async fn end(&self, group: &GroupRow, going: &Going) -> Answer {
        for _ in 0..ATTEMPTS {
            let leaving = self.leaving(group, going).await?;
            if leaving.provider.is_none() && leaving.user.is_none() {
                return Err(Problem::not_found("membership"));
            }
            match self.store().leave(group, &leaving, self.now).await {
                Ok(()) => {
                    if let Some((_, job)) = &leaving.provider {
                        self.api.announce(job).await;
                    }
                    return Ok(Response::empty());
                }
                // It changed since it was read: another role was taken up, or some of it has ended.
                Err(StoreError::Missing("membership")) => {}
                Err(StoreError::Conflict(detail)) => return Err(Problem::conflict("last-owner", detail)),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::unavailable("the membership keeps changing; repeat in a moment"))
    }

    async fn leaving(&self, group: &GroupRow, going: &Going) -> Result<Leaving, Problem> {
        let mut leaving = Leaving { who: going.who.clone(), by: going.by.clone(), ..Leaving::default() };
        if let Some(drive) = &going.drive
            && let Some(membership) = self.store().provider(&group.id, drive, self.document()).await?
        {
            let kind = JobKind::Purge(Departure::of(&membership, group.rule_revision));
            if leaving.who.is_none() {
                leaving.who = self.store().user_of(drive).await?;
            }
            leaving.provider = Some((membership, Job::new(ids::job(), group.id.clone(), kind, self.now)));
        }
        if let Some((user, role)) = &going.user
            && let Some(membership) = self.store().user_membership(&group.id, user).await?
            && role.is_none_or(|role| membership.roles.contains(&role))
        {
            let kept = |held: &Role| role.is_some_and(|role| role != *held);
            leaving.keeps = membership.roles.iter().copied().filter(kept).collect();
            leaving.user = Some(membership);
        }
        Ok(leaving)
    }
}
