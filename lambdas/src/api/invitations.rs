//! `/groups/{group_id}/invitations`: inviting, accepting, declining.

use domain::authorize::{Actor, GroupFacts, Roles, Subject};
use domain::id::{GroupId, InvitationId, UserId};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use store::StoreError;
use store::directory::{
    Acceptance, Caller, GroupRow, Invitation, InvitationStatus, Invitee, JobStatus, Role, TOO_MANY_OPEN, Writer,
};
use store::once::Stamp;

use super::addresses;
use super::groups::{Standing, described};
use super::paging::Paging;
use super::request::{SINGLE_BODY, given};
use super::response::Response;
use super::{Answer, Call};
use crate::problem::{Mistake, Problem};

/// How long an invitation can be accepted, in days.
const OPEN_DAYS: i64 = 14;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct InvitationToMake {
    role: String,
    #[serde(default, deserialize_with = "given")]
    email: Option<String>,
    #[serde(default, deserialize_with = "given")]
    user_id: Option<String>,
}

impl InvitationToMake {
    fn check(&self) -> Result<(Role, Invitee), Problem> {
        let mut mistakes = Vec::new();
        let role = Role::parse(&self.role);
        if role.is_none() {
            mistakes.push(Mistake::at("role", "must be owner, provider or consumer"));
        }
        let invitee = match (&self.email, &self.user_id) {
            (Some(email), None) => addresses::read(email)
                .map(Invitee::Email)
                .map_err(|mistake| {
                    mistakes.push(mistake);
                })
                .ok(),
            (None, Some(user)) => UserId::parse(user)
                .map(Invitee::User)
                .map_err(|error| {
                    mistakes.push(Mistake::at("userId", error.to_string()));
                })
                .ok(),
            _ => {
                mistakes.push(Mistake::at("email", "give either `email` or `userId`, and not both"));
                None
            }
        };
        match (role, invitee) {
            (Some(role), Some(invitee)) => Ok((role, invitee)),
            _ => Err(Problem::invalid(mistakes)),
        }
    }
}

/// An invitation as its group's owners see it.
fn for_owners(invitation: &Invitation, now: Timestamp) -> Json {
    let mut json = common(invitation);
    match &invitation.invitee {
        Invitee::Email(address) => json.insert("email".into(), address.as_str().into()),
        Invitee::User(user) => json.insert("userId".into(), user.as_str().into()),
    };
    let over = invitation.status == InvitationStatus::Pending && invitation.expires <= now;
    json.insert("status".into(), if over { "expired" } else { invitation.status.as_str() }.into());
    json.into()
}

/// An invitation as whom it is for sees it.
pub(super) fn for_invitee(invitation: &Invitation, group: &GroupRow) -> Json {
    let mut json = common(invitation);
    json.insert("groupName".into(), group.name.as_str().into());
    described(json.into(), "groupDescription", group.description.as_ref())
}

fn common(invitation: &Invitation) -> Map<String, Json> {
    let json = json!({
        "id": invitation.id.as_str(), "group": invitation.group.as_str(), "role": invitation.role.as_str(),
        "created": invitation.created.to_string(), "expires": invitation.expires.to_string(),
    });
    let mut json = json.as_object().cloned().unwrap_or_default();
    if let Writer::User(by) = &invitation.writer {
        json.insert("invitedBy".into(), by.as_str().into());
    }
    json
}

fn role_held() -> Problem {
    Problem::conflict("role-held", "they hold this role in the group already; nothing was sent")
}

fn not_offered(error: StoreError) -> Problem {
    match error {
        StoreError::Conflict(detail) if detail == TOO_MANY_OPEN => {
            Problem::conflict("too-many-invitations", detail)
        }
        StoreError::Conflict(detail) => Problem::conflict("not-open", detail),
        error => error.into(),
    }
}

impl Call<'_> {
    /// Invites. The answer is the same whether or not the address or the id is anybody's.
    pub(super) async fn create_invitation(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let standing = self.standing(&caller).await?;
        let sent: InvitationToMake = self.request.json(SINGLE_BODY)?;
        let (role, invitee) = sent.check()?;
        let keyed = self.keyed(&caller)?;
        let stamp = Stamp::fresh(self.now);
        let held = self.holds_role(&standing, &caller, role, &invitee).await?;
        let mut invitation = Invitation {
            id: stamp.invitation(),
            group: standing.group.id,
            role,
            invitee,
            writer: Writer::User(caller.user),
            created: self.now,
            offered: self.now,
            revision: standing.group.roster_rev,
            expires: self.now.plus_millis(OPEN_DAYS * 86_400_000),
            status: InvitationStatus::Pending,
            answered_by: None,
        };
        let before = match (&keyed, held) {
            (None, true) => return Err(role_held()),
            // What was asked for before they held the role is answered as it was then.
            (Some(keyed), true) => Some(self.store().done_before(keyed).await?.ok_or_else(role_held)?),
            (keyed, false) => {
                let once = keyed.as_ref().map(|keyed| (keyed, &stamp));
                self.store().offer(&invitation, once).await.map_err(not_offered)?
            }
        };
        if let Some(before) = before {
            invitation.id = before.invitation();
            invitation.created = before.at;
            invitation.expires = before.at.plus_millis(OPEN_DAYS * 86_400_000);
        }
        Ok(Response::json(201, &for_owners(&invitation, self.now)))
    }

    /// Whether the invitee is known to hold the role: an owner sees that in the list of members anyway. Of another
    /// person's address or drive nothing is looked up.
    async fn holds_role(
        &self,
        standing: &Standing,
        caller: &Caller,
        role: Role,
        invitee: &Invitee,
    ) -> Result<bool, Problem> {
        let roster = &standing.roster;
        let held = |user: &UserId| match role {
            Role::Owner => roster.owners.contains(user),
            Role::Consumer => roster.consumers.contains(user),
            Role::Provider => *user == caller.user && roster.providers.contains_key(&caller.drive),
        };
        match invitee {
            Invitee::User(user) => Ok(held(user)),
            Invitee::Email(_) if !held(&caller.user) => Ok(false),
            Invitee::Email(_) => Ok(invitee.is(&self.store().user(&caller.user).await?)),
        }
    }

    pub(super) async fn list_group_invitations(&self) -> Answer {
        let caller = self.caller().await?;
        let id = self.group_id()?;
        let paging = Paging::of_entries(self, &[caller.user.as_str(), id.as_str()])?;
        let standing = self.standing(&caller).await?;
        let window = &paging.window;
        let group = &standing.group.id;
        let page = self.store().group_invitations(group, self.now, window.after.clone(), window.limit);
        let (invitations, next) = page.await?;
        let entries = invitations.iter().map(|invitation| for_owners(invitation, self.now)).collect();
        Ok(paging.answer(self, entries, next.as_deref()))
    }

    /// Revokes an open invitation.
    pub(super) async fn revoke_invitation(&self) -> Answer {
        self.request.parameters(&[])?;
        let (_, _, invitation) = self.owners_invitation().await?;
        match self.store().revoke_invitation(&invitation, self.now).await {
            Ok(()) => Ok(Response::empty()),
            Err(StoreError::Conflict(detail)) => Err(Problem::conflict("not-open", detail)),
            Err(error) => Err(error.into()),
        }
    }

    /// Offers an invitation again that was not answered, also an expired one, for the full time. It is then the
    /// caller's offer.
    pub(super) async fn resend_invitation(&self) -> Answer {
        self.request.parameters(&[])?;
        let (caller, standing, invitation) = self.owners_invitation().await?;
        if self.holds_role(&standing, &caller, invitation.role, &invitation.invitee).await? {
            return Err(role_held());
        }
        let renewed = Invitation {
            writer: Writer::User(caller.user),
            offered: self.now,
            revision: standing.group.roster_rev,
            expires: self.now.plus_millis(OPEN_DAYS * 86_400_000),
            ..invitation
        };
        self.store().offer(&renewed, None).await.map_err(not_offered)?;
        Ok(Response::json(200, &for_owners(&renewed, self.now)))
    }

    /// The invitation that the path names, for an owner of its group.
    async fn owners_invitation(&self) -> Result<(Caller, Standing, Invitation), Problem> {
        let caller = self.caller().await?;
        let standing = self.standing(&caller).await?;
        let id = InvitationId::parse(self.variable("invitation_id"));
        let id = id.map_err(|_| Problem::not_found("invitation"))?;
        let invitation = self.store().invitation(&standing.group.id, &id).await?;
        Ok((caller, standing, invitation))
    }

    pub(super) async fn accept_invitation(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let invitation = self.my_invitation(&caller).await?;
        let joining = self.joining()?;
        if invitation.role != Role::Provider && joining.says_something() {
            let why = "only providers say what they share; send no body";
            return Err(Problem::invalid([Mistake::at("contract", why)]));
        }
        let terms = self.joining_terms(joining)?;
        let acceptance = self.store().accept(&invitation, &caller, &terms, self.now).await;
        let Acceptance { job, .. } = acceptance.map_err(|error| match error {
            StoreError::Conflict(detail) => Problem::conflict("not-acceptable", detail),
            error => error.into(),
        })?;
        let member = match invitation.role {
            Role::Provider => caller.drive.as_str(),
            Role::Owner | Role::Consumer => caller.user.as_str(),
        };
        let mut body = json!({
            "group": invitation.group.as_str(), "role": invitation.role.as_str(), "memberId": member,
        });
        if let (Some(job), Some(body)) = (&job, body.as_object_mut()) {
            let open = job.status == JobStatus::Open;
            body.insert(
                "job".into(),
                json!({ "id": job.id.as_str(), "status": if open { "open" } else { "done" } }),
            );
            // The membership stands. But nobody copies the past until the job is announced, and repeating the call
            // announces it again.
            if open && self.api.jobs.send(job).await.is_err() {
                return Err(Problem::unavailable(
                    "you have joined, but copying your past is not under way; repeat this call",
                ));
            }
        }
        Ok(Response::json(200, &body))
    }

    pub(super) async fn decline_invitation(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let invitation = self.my_invitation(&caller).await?;
        match self.store().decline(&invitation, &caller, self.now).await {
            Ok(()) => Ok(Response::empty()),
            Err(StoreError::Conflict(detail)) => Err(Problem::conflict("not-declinable", detail)),
            Err(error) => Err(error.into()),
        }
    }

    /// The invitation that the path names, if it is for the caller; for anybody else it is not there.
    pub(super) async fn my_invitation(&self, caller: &Caller) -> Result<Invitation, Problem> {
        let gone = || Problem::not_found("invitation");
        let group = GroupId::parse(self.variable("group_id")).map_err(|_| gone())?;
        let id = InvitationId::parse(self.variable("invitation_id")).map_err(|_| gone())?;
        let store = self.store();
        let (invitation, user, group) =
            futures::join!(store.invitation(&group, &id), store.user(&caller.user), store.group(&group));
        let (invitation, mut user) = (invitation?, user?);
        let group = group.map_err(|error| match error {
            StoreError::Missing(_) => gone(),
            error => error.into(),
        })?;
        let (to, address) = match &invitation.invitee {
            Invitee::User(user) => (Some(user), None),
            Invitee::Email(address) => (None, Some(address)),
        };
        // Invitations to a user do not depend on the user pool.
        if address.is_some() {
            user = self.with_verified_address(user).await?;
        }
        let verified = user.email.as_ref().filter(|_| address.is_some());
        let actor = Actor::User { id: &user.id, drive: &user.drive, address: verified };
        let subject = |roles| {
            let group = GroupFacts { id: &group.id, active: group.active, roles };
            Subject::Invitation { group, user: to, address }
        };
        if self.ask(&actor, &subject(Roles::default())).is_err() {
            // Only those whom it is not for are told more or less by their roles, so nobody else waits for these.
            let roster = self.store().roster(&group, self.document()).await?;
            self.ask(&actor, &subject(Roles::of(&roster, &caller.user, &caller.drive)))?;
        }
        Ok(invitation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_of_an_invitation_is_told() {
        let check = |json: Json| serde_json::from_value::<InvitationToMake>(json).unwrap().check();
        let mistakes = |json: Json| check(json).unwrap_err().to_json("r")["errors"].as_array().unwrap().len();
        assert_eq!(mistakes(json!({"role": "king", "email": "x"})), 2);
        assert_eq!(mistakes(json!({"role": "owner"})), 1);
        assert_eq!(mistakes(json!({"role": "owner", "email": "a@example.org", "userId": "x"})), 1);
        assert_eq!(mistakes(json!({"role": "owner", "userId": "x"})), 1);
        let (_, invitee) = check(json!({"role": "owner", "email": " A@Example.org"})).unwrap();
        let Invitee::Email(address) = invitee else { panic!("{invitee:?}") };
        assert_eq!(address.as_str(), "A@Example.org");
    }
}
