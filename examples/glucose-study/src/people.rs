//! The people of the study: they get an account, sign in, make their profile and join the group.

use std::time::Duration;

use provision::token::{App, Pool, SignIn, ensure_user};

use crate::client::{Client, ClientError, Group, Invitation, Membership};
use crate::retry::pause;
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
    pub async fn person(&self, email: &str) -> Result<Client, StudyError> {
        let password = password()?;
        ensure_user(&self.cognito, self.pool, &self.pool_id, email, &password)
            .await
            .map_err(|source| ClientError::SignIn { who: email.to_owned(), source })?;
        let sign_in = SignIn { app: self.app.clone(), username: email.to_owned(), password };
        Ok(Client::new(self.http.clone(), &self.api, sign_in)?)
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
pub async fn join(by: &Client, person: &Client, group: &Group, role: &str) -> Result<(), StudyError> {
    let member = |m: &Membership| m.group == group.id && m.roles.iter().any(|r| r == role);
    if person.memberships().await?.iter().any(member) {
        return Ok(());
    }
    let invitation = match pending(person, &group.id, role).await? {
        Some(invitation) => invitation,
        // Not repeated by itself: it would be a second invitation. A run after this one finds the first.
        None => by.invite(&group.id, person.who(), role).await?,
    };
    person.accept(&invitation).await?;
    Ok(())
}

async fn pending(person: &Client, group: &str, role: &str) -> Result<Option<Invitation>, ClientError> {
    let all = person.invitations().await?;
    Ok(all.into_iter().find(|i| i.group == group && i.role == role))
}

/// The declared group, of which the lead becomes the owner on the first run.
///
/// # Errors
/// If the lead neither owns it nor is invited to.
pub async fn own(lead: &Client, name: &str) -> Result<Group, StudyError> {
    let owns = |m: &&Membership| m.group_name == name && m.roles.iter().any(|role| role == "owner");
    if let Some(membership) = lead.memberships().await?.iter().find(owns) {
        return Ok(lead.group(&membership.group).await?);
    }
    let begun = std::time::Instant::now();
    let mut attempt = 0;
    loop {
        let all = lead.invitations().await?;
        let wanted = |i: &&Invitation| i.group_name.as_deref() == Some(name) && i.role == "owner";
        if let Some(invitation) = all.iter().find(wanted) {
            lead.accept(invitation).await?;
            return Ok(lead.group(&invitation.group).await?);
        }
        if begun.elapsed() > VISIBLE {
            return Err(StudyError::NotInvited { group: name.to_owned(), who: lead.who().to_owned() });
        }
        attempt += 1;
        tokio::time::sleep(pause(attempt)).await;
    }
}
