//! Whether the caller may: asked of the policies (`domain::authorize`), with the facts that handlers gather.
//!
//! A handler begins with one of these. [`Call::anybody`] and [`Call::caller`] are all that routes need that are about
//! the API itself or about the caller's own things; routes about a group go on with `Call::standing`, those about an
//! invitation with `Call::my_invitation`. Whichever asks the policies about what the route is about, as their schema
//! says, notes that it did. A handler that gives a good answer without having asked is a mistake, and its answer is
//! thrown away.

use std::sync::atomic::Ordering;

use domain::authorize::{self, About, Actor, Subject, Verdict};
use store::directory::Caller;

use super::{Answer, Call};
use crate::problem::Problem;

/// A caller by their profile; the address matters only for invitations, which look it up.
pub(super) fn actor(caller: &Caller) -> Actor<'_> {
    Actor::User { id: &caller.user, drive: &caller.drive, address: None }
}

impl Call<'_> {
    /// The answer, if the policies were asked for it.
    pub(super) async fn asked_answer(&self) -> Answer {
        let response = self.answer().await?;
        if self.asked.load(Ordering::Relaxed) {
            return Ok(response);
        }
        Err(Problem::internal("a handler answered without asking the policies".to_owned()))
    }

    /// What the route is about.
    pub(super) fn about(&self) -> Option<About> {
        authorize::about(self.route.operation)
    }

    /// Asks the policies about the route's operation.
    pub(super) fn ask(&self, actor: &Actor<'_>, subject: &Subject<'_>) -> Result<(), Problem> {
        match authorize::decide(actor, self.route.operation, subject) {
            Verdict::Allowed => {
                self.asked.store(true, Ordering::Relaxed);
                Ok(())
            }
            Verdict::SignIn => Err(Problem::unauthorized("send an access token")),
            Verdict::NoProfile => Err(Problem::no_profile(403)),
            Verdict::Hidden(what) => Err(Problem::not_found(what)),
            Verdict::Forbidden(why) => Err(Problem::forbidden(why)),
        }
    }

    /// Who calls, if they have a profile, for a route that does not need one.
    pub(super) async fn anybody(&self) -> Result<Option<Caller>, Problem> {
        let caller = self.known_caller().await?;
        let visitor = if self.identity.is_some() { Actor::Visitor } else { Actor::Nobody };
        self.ask(&caller.as_ref().map_or(visitor, actor), &Subject::Api)?;
        Ok(caller)
    }

    /// Who calls; a problem if they have no profile yet. For routes about the caller's own things and about nobody's
    /// this is the whole question; those about a group or an invitation have to ask about that too.
    pub(super) async fn caller(&self) -> Result<Caller, Problem> {
        let caller = self.known_caller().await?.ok_or_else(|| Problem::no_profile(403))?;
        match self.about() {
            Some(About::Drive) => self.ask(&actor(&caller), &Subject::Drive(&caller.drive))?,
            Some(About::Api) => self.ask(&actor(&caller), &Subject::Api)?,
            Some(About::Group | About::Member | About::Invitation) | None => {}
        }
        Ok(caller)
    }
}
