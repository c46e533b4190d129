//! `/groups/{group_id}/audience`: providers who want to be asked before somebody new reads what they share.
//!
//! Whoever asks for it agrees with those who read already; each of them is named in the answer, and can be refused. A
//! consumer who leaves and comes back is a new one.

use std::collections::BTreeMap;

use domain::id::UserId;
use domain::replication::{Audience, Roster};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::StoreError;
use store::directory::Caller;

use super::groups::Standing;
use super::request::SINGLE_BODY;
use super::response::Response;
use super::{Answer, Call};
use crate::problem::Problem;

/// How often the roster may change meanwhile.
const ATTEMPTS: u32 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Open,
    Ask,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AudienceToHave {
    audience: Wanted,
}

fn audience_json(roster: &Roster, audience: Option<&Audience>) -> Json {
    let Some(audience) = audience else { return json!({ "audience": "open" }) };
    let named = |agreed: bool| -> Vec<&str> {
        let these = roster.consumers.iter().filter(|user| audience.includes(roster, user) == agreed);
        these.map(UserId::as_str).collect()
    };
    json!({ "audience": "ask", "agreed": named(true), "waiting": named(false) })
}

/// An audience of all who read now.
fn readers(roster: &Roster) -> Audience {
    Audience { agreed: roster.reading_since.clone() }
}

impl Call<'_> {
    pub(super) async fn get_audience(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let (standing, _) = self.providing(&caller).await?;
        let audience = standing.roster.audiences.get(&caller.drive);
        Ok(Response::json(200, &audience_json(&standing.roster, audience)))
    }

    /// Whether the caller is asked about new consumers from now on.
    pub(super) async fn set_audience(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        self.providing(&caller).await?;
        let AudienceToHave { audience } = self.request.json(SINGLE_BODY)?;
        let change = |roster: &Roster, before: Option<&Audience>| match (audience, before) {
            (Wanted::Open, _) => Ok(None),
            // Asking again takes nothing back and agrees with nobody.
            (Wanted::Ask, Some(before)) => Ok(Some(before.clone())),
            (Wanted::Ask, None) => Ok(Some(readers(roster))),
        };
        self.change_audience(&caller, change).await
    }

    /// Lets a consumer read what the caller shares.
    pub(super) async fn agree_to_consumer(&self) -> Answer {
        self.with_consumer(true).await
    }

    /// Lets a consumer read no longer what the caller shares.
    pub(super) async fn refuse_consumer(&self) -> Answer {
        self.with_consumer(false).await
    }

    async fn with_consumer(&self, agrees: bool) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        self.providing(&caller).await?;
        let gone = || Problem::not_found("membership");
        let user = UserId::parse(self.variable("member_id")).map_err(|_| gone())?;
        let change = |roster: &Roster, before: Option<&Audience>| {
            let since = roster.reading_since.get(&user).ok_or_else(gone)?;
            let mut audience = match (before, agrees) {
                (Some(before), _) => before.clone(),
                (None, true) => return Ok(None),
                // Refusing one is wanting to be asked.
                (None, false) => readers(roster),
            };
            if agrees {
                audience.agreed.insert(user.clone(), *since);
            } else {
                audience.agreed.remove(&user);
            }
            Ok(Some(audience))
        };
        self.change_audience(&caller, change).await
    }

    async fn change_audience(
        &self,
        caller: &Caller,
        change: impl Fn(&Roster, Option<&Audience>) -> Result<Option<Audience>, Problem>,
    ) -> Answer {
        for _ in 0..ATTEMPTS {
            let (Standing { group, roster, .. }, epoch) = self.providing(caller).await?;
            let before = roster.audiences.get(&caller.drive);
            let after = change(&roster, before)?.map(|audience| current(audience, &roster));
            if before != after.as_ref() {
                let member = (&caller.drive, epoch);
                match self.store().set_audience(&group.id, member, before, after.as_ref()).await {
                    Ok(()) => {}
                    Err(StoreError::Conflict(_)) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            return Ok(Response::json(200, &audience_json(&roster, after.as_ref())));
        }
        Err(Problem::unavailable("the group keeps changing; repeat in a moment"))
    }

    /// Where the caller stands in a group that they share into, and their membership's epoch.
    async fn providing(&self, caller: &Caller) -> Result<(Standing, u64), Problem> {
        let standing = self.standing(caller).await?;
        let provider = standing.roster.providers.get(&caller.drive);
        let epoch =
            provider.ok_or_else(|| Problem::forbidden("only providers of the group have an audience"))?;
        let epoch = epoch.epoch;
        Ok((standing, epoch))
    }
}

/// Without those who read no more, so that it does not grow for ever.
fn current(audience: Audience, roster: &Roster) -> Audience {
    let reads = |user: &UserId, since: &Timestamp| roster.reading_since.get(user) == Some(since);
    let agreed: BTreeMap<_, _> =
        audience.agreed.into_iter().filter(|(user, since)| reads(user, since)).collect();
    Audience { agreed }
}
