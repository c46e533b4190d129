//! What owners do to their groups: names and purposes, roles, handing over.

use domain::id::UserId;
use serde::Deserialize;
use store::StoreError;
use store::directory::{GroupDetails, GroupRow, Role, UserMembership};

use super::groups::{Standing, group_json, group_name, group_purpose};
use super::request::{SINGLE_BODY, given};
use super::response::Response;
use super::{Answer, Call};
use crate::problem::{Mistake, Problem};

/// How often a membership may change while its roles are being changed.
const ATTEMPTS: u32 = 5;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupPatch {
    #[serde(default, deserialize_with = "given")]
    name: Option<String>,
    /// `null` removes it.
    #[serde(default, deserialize_with = "given")]
    description: Option<Option<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RolesToHold {
    roles: Vec<String>,
}

impl RolesToHold {
    /// The roles, without repetition and in one order.
    fn check(&self) -> Result<Vec<Role>, Problem> {
        let wrong = |message: &str| Problem::invalid([Mistake::at("roles", message)]);
        let asked: Vec<Option<Role>> = self.roles.iter().map(|name| Role::parse(name)).collect();
        if asked.contains(&None) || asked.is_empty() {
            return Err(wrong("must name at least one of owner and consumer; to remove a member, delete it"));
        }
        if asked.contains(&Some(Role::Provider)) {
            return Err(wrong(
                "cannot name provider: people share only by accepting an invitation themselves",
            ));
        }
        let named = |role: &Role| asked.contains(&Some(*role));
        Ok([Role::Owner, Role::Consumer].into_iter().filter(named).collect())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    to: UserId,
}

fn refused(error: StoreError) -> Problem {
    match error {
        StoreError::Conflict(detail) => Problem::conflict("last-owner", detail),
        error => error.into(),
    }
}

impl Call<'_> {
    /// Changes the group's name or purpose.
    pub(super) async fn update_group(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let Standing { mut group, roster, roles } = self.standing(&caller).await?;
        let sent: GroupPatch = self.request.patch(SINGLE_BODY)?;
        let name = sent.name.as_deref().map(group_name).transpose()?;
        let purpose =
            sent.description.map(|purpose| purpose.as_deref().map(group_purpose).transpose()).transpose()?;
        let details = GroupDetails { name, description: purpose.as_ref().map(Option::as_ref) };
        if details != GroupDetails::default() {
            self.store().update_group(&group.id, &details, &caller.user).await.map_err(
                |error| match error {
                    StoreError::Conflict(detail) => Problem::conflict("declared-group", detail),
                    error => error.into(),
                },
            )?;
        }
        let rules = self.store().rule_set(&group.id, group.rule_revision).await?;
        if let Some(name) = name {
            name.clone_into(&mut group.name);
        }
        if let Some(purpose) = purpose {
            group.description = purpose;
        }
        Ok(Response::json(200, &group_json(&group, &rules, &roster, &roles)))
    }

    /// Gives a member other roles.
    pub(super) async fn change_member_roles(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let Standing { group, .. } = self.standing(&caller).await?;
        let gone = || Problem::not_found("membership");
        let user = UserId::parse(self.variable("member_id")).map_err(|_| gone())?;
        let sent: RolesToHold = self.request.json(SINGLE_BODY)?;
        let roles = sent.check()?;
        for _ in 0..ATTEMPTS {
            let member = self.membership(&group, &user).await?.ok_or_else(gone)?;
            if user == caller.user && !member.owns() {
                return Err(Problem::forbidden("only owners of the group may do this"));
            }
            match self.store().change_roles(&group, &member, &roles, &caller.user, self.now).await {
                Ok(()) => {
                    let member = UserMembership { roles, ..member };
                    return Ok(Response::json(200, &super::members::user_json(&member)));
                }
                Err(StoreError::Missing("membership")) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Err(Problem::unavailable("the membership keeps changing; repeat in a moment"))
    }

    /// Hands the group over to another member.
    pub(super) async fn transfer_group(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let Standing { group, .. } = self.standing(&caller).await?;
        let sent: Transfer = self.request.json(SINGLE_BODY)?;
        let wrong = |message: &str| Problem::invalid([Mistake::at("to", message)]);
        if sent.to == caller.user {
            return Err(wrong("is you; name another member"));
        }
        for _ in 0..ATTEMPTS {
            let from = self.membership(&group, &caller.user).await?.filter(UserMembership::owns);
            let from = from.ok_or_else(|| Problem::forbidden("only owners of the group may do this"))?;
            let to = self.membership(&group, &sent.to).await?;
            let to = to.ok_or_else(|| {
                wrong("is nobody who reads or owns the group; invite them as an owner, and leave then")
            })?;
            match self.store().transfer_group(&group, &from, &to, self.now).await {
                Ok(()) => return Ok(Response::empty()),
                Err(StoreError::Missing("membership")) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Err(Problem::unavailable("the memberships keep changing; repeat in a moment"))
    }

    async fn membership(&self, group: &GroupRow, user: &UserId) -> Result<Option<UserMembership>, Problem> {
        Ok(self.store().user_membership(&group.id, user).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_checked_and_put_in_order() {
        let check = |roles: &[&str]| {
            RolesToHold { roles: roles.iter().map(|role| (*role).to_owned()).collect() }.check()
        };
        assert_eq!(check(&["consumer", "owner", "consumer"]).unwrap(), [Role::Owner, Role::Consumer]);
        for wrong in [&[][..], &["king"], &["provider", "owner"]] {
            assert_eq!(check(wrong).unwrap_err().status, 422, "{wrong:?}");
        }
    }
}
