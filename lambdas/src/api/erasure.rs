//! `DELETE /user` and `GET /erasures/{erasure_id}`: leaving for good, and what is left to say of it.

use domain::id::{GroupId, JobId};
use serde_json::{Value as Json, json};
use store::directory::{Caller, MemberId};
use store::erasure::Erasure;

use super::auth::Identity;
use super::members::Going;
use super::response::Response;
use super::{Answer, Call};
use crate::problem::Problem;

fn erasure_json(erasure: &Erasure) -> Json {
    json!({
        "id": erasure.id.as_str(), "status": if erasure.finished.is_some() { "done" } else { "open" },
        "requested": erasure.requested.to_string(), "finished": erasure.finished.map(|time| time.to_string()),
        "items": erasure.items, "copies": erasure.copies, "records": erasure.records,
    })
}

impl Call<'_> {
    /// Erases the caller: their memberships, profile and identities are gone when this is answered, and so is what
    /// groups saw of theirs; a job removes the rest.
    pub(super) async fn delete_user(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let mut user = self.store().user(&caller.user).await?;
        // An address that is no longer theirs is not erased with them. One that is new to the profile is not taken either: it
        // may have another holder. Nobody has to stay because the pool does not answer.
        if let Ok(verified) = self.ask_for_address().await
            && user.email != verified
        {
            self.store().set_address(&user, None).await?;
            user.email = None;
        }
        self.must_not_own_alone(&caller).await?;
        let identity = self.identity.as_ref().ok_or_else(|| Problem::unauthorized("send an access token"))?;
        let Identity { issuer, subject, .. } = identity;
        // From here on they join nothing, so that what is left below is all there is.
        self.store().begin_erasure((*issuer, subject.as_str()), &caller.user, self.now).await?;
        if let Err(problem) = self.leave_everything(&caller).await {
            self.store().abandon_erasure(&caller.user).await?;
            return Err(problem);
        }
        let job = self.store().erase((*issuer, subject.as_str()), &caller, &user, self.now).await?;
        self.api.known.forget(subject);
        self.api.addresses.forget(identity);
        self.api.announce(&job).await;
        let body = erasure_json(&self.store().erasure(&job.id).await?);
        Ok(Response::json(202, &body).header("location", format!("/erasures/{}", job.id)))
    }

    /// A group without an owner would belong to nobody: it is handed over or deleted first.
    async fn must_not_own_alone(&self, caller: &Caller) -> Result<(), Problem> {
        let alone = self.store().owned_alone(&caller.user).await?;
        if alone.is_empty() {
            return Ok(());
        }
        let groups: Vec<Json> =
            alone.iter().map(|group| json!({ "id": group.id.as_str(), "name": group.name })).collect();
        let detail = "you are the last owner of groups, see `groups`; hand each over to another member \
                      (`POST /groups/{group_id}/transfer`) or delete it, and repeat";
        Err(Problem::conflict("last-owner", detail).with("groups", groups))
    }

    async fn leave_everything(&self, caller: &Caller) -> Result<(), Problem> {
        let mut going: Vec<(GroupId, Going)> = Vec::new();
        for member in self.store().memberships(caller).await? {
            // Entries are ordered by group: a user's two memberships of a group end together.
            if going.last().is_none_or(|(group, _)| *group != member.group) {
                let going_of = Going { who: Some(caller.user.clone()), ..Going::default() };
                going.push((member.group.clone(), going_of));
            }
            let Some((_, going)) = going.last_mut() else { continue };
            match member.id {
                MemberId::Drive(drive) => going.drive = Some(drive),
                MemberId::User(user) => going.user = Some((user, None)),
            }
        }
        for (group, going) in &going {
            let group = self.store().group(group).await?;
            // What is left of a deleted group is its own job's.
            if !group.active {
                continue;
            }
            match self.end(&group, going).await {
                Ok(_) => {}
                // Somebody was first, with this or with the group.
                Err(problem) if problem.status == 404 => {}
                Err(problem) if problem.slug == "last-owner" => {
                    self.must_not_own_alone(caller).await?;
                    return Err(problem);
                }
                Err(problem) => return Err(problem),
            }
        }
        Ok(())
    }

    /// How far an erasure is, for whoever was told its identifier.
    pub(super) async fn get_erasure(&self) -> Answer {
        self.request.parameters(&[])?;
        self.anybody().await?;
        let id = JobId::parse(self.variable("erasure_id")).map_err(|_| Problem::not_found("erasure"))?;
        Ok(Response::json(200, &erasure_json(&self.store().erasure(&id).await?)))
    }
}
