//! The people of the study: they get an account, sign in, make their profile and join the group.

use std::ops::Deref;
use std::time::Duration;

use freehold_client::{
    Acceptance, Client, Error, Group, InvitationToMe, Invitee, Kept, Membership, Patience, Role, Token,
};
use provision::token::{App, Pool, SignIn, ensure_user, sign_in};

use crate::study::StudyError;

/// The group's owner, as stack.yaml names them.
pub const LEAD: &str = "lead@example.org";
/// Who reads what the group sees.
pub const CONSUMER: &str = "consumer@study.example";

/// A subject's address.
pub fn subject_address(id: &str) -> String {
    format!("subject-{}@study.example", id.to_lowercase())
}

/// Where people get their accounts and sign in, and where the API is.
#[derive(Clone)]
pub struct Place {
    /// The API's address.
    pub api: String,
    /// The sign-in page and the app that signs in.
    pub app: App,
    /// The user pool.
    pub pool_id: String,
    /// What kind of pool it is: passwords are only set where somebody agreed to it.
    pub pool: Pool,
    /// For the pool's administration.
    pub cognito: aws_sdk_cognitoidentityprovider::Client,
    /// Connections to the API.
    pub http: reqwest::Client,
}

impl Place {
    /// Gives a person an account with a new random password, and a client that signs in with it.
    ///
    /// # Errors
    /// If the pool refuses.
    pub async fn person(&self, email: &str) -> Result<Person, StudyError> {
        let password = password()?;
        ensure_user(&self.cognito, self.pool, &self.pool_id, email, &password)
            .await
            .map_err(|source| StudyError::Account { who: email.to_owned(), source })?;
        Ok(self.signed_in(SignIn { app: self.app.clone(), username: email.to_owned(), password })?)
    }

    /// Whoever signs in like this, with the first call.
    ///
    /// # Errors
    /// If the API's address is none.
    pub fn signed_in(&self, as_whom: SignIn) -> Result<Person, Error> {
        let signing_in = as_whom.clone();
        let tokens = Kept::new(move || {
            let signing_in = signing_in.clone();
            async move {
                let tokens = sign_in(&signing_in).await?;
                Ok(Token { access: tokens.access_token, lasts: Duration::from_secs(tokens.expires_in) })
            }
        });
        Ok(Person {
            client: Client::with_connections(self.http.clone(), &self.api, tokens)?,
            sign_in: as_whom,
        })
    }
}

/// Somebody with an account: the API, as them.
#[derive(Clone)]
pub struct Person {
    client: Client,
    sign_in: SignIn,
}

impl Deref for Person {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Person {
    /// Their address.
    pub fn who(&self) -> &str {
        &self.sign_in.username
    }

    /// How they sign in.
    pub fn sign_in(&self) -> SignIn {
        self.sign_in.clone()
    }

    /// The API, as them.
    pub fn api(&self) -> Client {
        self.client.clone()
    }
}

/// 128 random bits in a form that every password policy takes.
fn password() -> Result<String, StudyError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| StudyError::NoRandom)?;
    Ok(bytes.iter().fold("Aa1-".to_owned(), |text, byte| format!("{text}{byte:02x}")))
}

/// How long an invitation that was just written may take to be seen by whom it is for.
const VISIBLE: Duration = Duration::from_secs(10);

/// Makes a person a member, unless they are: `by` invites, they accept.
///
/// # Errors
/// Those of the API.
pub async fn join(by: &Client, person: &Person, group: &Group, role: Role) -> Result<(), StudyError> {
    let member = |m: &Membership| m.group == group.id && m.roles.contains(&role);
    if person.memberships().all().await?.iter().any(member) {
        return Ok(());
    }
    let invitation = match pending(person, &group.id, role).await? {
        Some(invitation) => invitation.id,
        // A run that was interrupted here has left an invitation, which the next one finds.
        None => by.invite(&group.id, &Invitee::email(person.who()), role).await?.id,
    };
    let terms = match role {
        // They know the protocol of the study, which says that its rules may change.
        Role::Provider => Acceptance::plain().following(),
        _ => Acceptance::plain(),
    };
    person.accept_invitation(&group.id, &invitation, &terms).await?;
    Ok(())
}

async fn pending(person: &Client, group: &str, role: Role) -> Result<Option<InvitationToMe>, Error> {
    let all = person.invitations().all().await?;
    Ok(all.into_iter().find(|i| i.group == group && i.role == role))
}

/// The declared group, of which the lead becomes the owner on the first run.
///
/// # Errors
/// If the lead neither owns it nor is invited to.
pub async fn own(lead: &Person, name: &str) -> Result<Group, StudyError> {
    let owns = |m: &&Membership| m.group_name == name && m.roles.contains(&Role::Owner);
    if let Some(membership) = lead.memberships().all().await?.iter().find(owns) {
        return Ok(lead.group(&membership.group).await?);
    }
    let begun = std::time::Instant::now();
    let mut attempt = 0;
    loop {
        let all = lead.invitations().all().await?;
        let wanted = |i: &&InvitationToMe| i.group_name == name && i.role == Role::Owner;
        if let Some(invitation) = all.iter().find(wanted) {
            lead.accept_invitation(&invitation.group, &invitation.id, &Acceptance::plain()).await?;
            return Ok(lead.group(&invitation.group).await?);
        }
        if begun.elapsed() > VISIBLE {
            return Err(StudyError::NotInvited { group: name.to_owned(), who: lead.who().to_owned() });
        }
        attempt += 1;
        tokio::time::sleep(Patience::default().pause(attempt)).await;
    }
}
