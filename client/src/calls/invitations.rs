//! Inviting, accepting, declining.

use serde::Serialize;

use crate::Client;
use crate::error::Error;
use crate::list::List;
use crate::types::{Acceptance, Invitation, InvitationToMe, Invitee, Joined, Past, Preview, Role};

impl Client {
    /// Invites somebody into a group. The answer does not tell whether the address or the user is anybody's.
    ///
    /// # Errors
    /// `invalid`; see [`Error`].
    pub async fn invite(&self, group: &str, invitee: &Invitee, role: Role) -> Result<Invitation, Error> {
        #[derive(Serialize)]
        struct NewInvitation<'i> {
            role: Role,
            #[serde(flatten)]
            invitee: &'i Invitee,
        }
        self.making(&["groups", group, "invitations"]).json(&NewInvitation { role, invitee }).read().await
    }

    /// A group's invitations, for its owners.
    pub fn group_invitations(&self, group: &str) -> List<Invitation> {
        self.list(&["groups", group, "invitations"])
    }

    /// Takes an open invitation back.
    ///
    /// # Errors
    /// `not-open`; see [`Error`].
    pub async fn revoke_invitation(&self, group: &str, invitation: &str) -> Result<(), Error> {
        self.delete(&["groups", group, "invitations", invitation]).done().await
    }

    /// Offers an open invitation for the full time again, also one whose time is over.
    ///
    /// # Errors
    /// `not-open`; see [`Error`].
    pub async fn resend_invitation(&self, group: &str, invitation: &str) -> Result<Invitation, Error> {
        self.post(&["groups", group, "invitations", invitation, "resend"]).read().await
    }

    /// The invitations to the caller that they can accept.
    pub fn invitations(&self) -> List<InvitationToMe> {
        self.list(&["user", "invitations"])
    }

    /// What accepting an invitation like this would share, and with whom.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn preview_invitation(
        &self,
        group: &str,
        invitation: &str,
        acceptance: &Acceptance,
    ) -> Result<Preview, Error> {
        let Acceptance { past, contract, .. } = acceptance;
        let contract = contract.clone().unwrap_or_default();
        let past = past.as_ref().map(|past| match past {
            Past::All => "all",
            Past::None => "none",
            Past::Since(time) => time,
        });
        let types = contract.types.as_ref().map(|types| types.join(","));
        let mut request = self.get(&["groups", group, "invitations", invitation, "preview"]);
        let parameters = [
            ("past", past),
            ("types", types.as_deref()),
            ("from", contract.from.as_deref()),
            ("to", contract.to.as_deref()),
            ("when", contract.when.as_deref()),
        ];
        for (name, value) in parameters {
            if let Some(value) = value {
                request = request.query(name, value);
            }
        }
        request.read().await
    }

    /// Accepts an invitation. Only who becomes a provider says more than yes.
    ///
    /// # Errors
    /// `not-acceptable`; see [`Error`].
    pub async fn accept_invitation(
        &self,
        group: &str,
        invitation: &str,
        acceptance: &Acceptance,
    ) -> Result<Joined, Error> {
        // The API's description says that repeating it changes nothing.
        let request = self.post(&["groups", group, "invitations", invitation, "accept"]).repeatable();
        if *acceptance == Acceptance::default() {
            return request.read().await;
        }
        request.json(acceptance).read().await
    }

    /// Declines an invitation.
    ///
    /// # Errors
    /// `not-declinable`; see [`Error`].
    pub async fn decline_invitation(&self, group: &str, invitation: &str) -> Result<(), Error> {
        self.post(&["groups", group, "invitations", invitation, "decline"]).done().await
    }
}
