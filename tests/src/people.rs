//! People who are signed in.

use std::ops::Deref;

use freehold_client::{Acceptance, Answer, Client, Error, Group, Invitation, Invitee, Role, User};
use glucose_study::people::Person as Account;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::until;

/// Somebody with an account, a profile and a drive.
#[derive(Clone)]
pub struct Person {
    /// Their profile.
    pub user: User,
    account: Account,
}

impl Deref for Person {
    type Target = Account;
    fn deref(&self) -> &Account {
        &self.account
    }
}

/// Calls that are about HTTP itself: each is sent once, and answered whatever the status.
pub trait Raw {
    /// With the caller's own token.
    fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> impl Future<Output = Result<Answer, Error>> + Send;

    /// With any token, or with none.
    fn call_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> impl Future<Output = Result<Answer, Error>> + Send;
}

impl Raw for Client {
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let request = self.request(method, path);
        match body {
            Some(body) => request.json(body).once().await,
            None => request.once().await,
        }
    }

    async fn call_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Result<Answer, Error> {
        let request = self.request(method, path).bearer(token);
        match body {
            Some(body) => request.json(body).once().await,
            None => request.once().await,
        }
    }
}

/// A path with its query.
pub fn with_query(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://api/").unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    format!("{path}?{}", url.query().unwrap_or_default())
}

/// A role by its name.
fn role(name: &str) -> Role {
    serde_json::from_value(name.into()).unwrap()
}

impl Person {
    pub(crate) async fn new(account: Account) -> Self {
        Self { user: account.ensure_profile().await.unwrap(), account }
    }

    /// Sends a request once.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.call(method, path, body.as_ref()).await.unwrap()
    }
    /// `GET`, once.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }
    /// `POST`, once.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, Some(body)).await
    }
    /// `PATCH`, once.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask("PATCH", path, Some(body)).await
    }
    /// `DELETE`, once.
    pub async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, None).await
    }

    /// Makes a group, with the stack's defaults as its rules, and owns it.
    pub async fn make_group(&self, name: &str) -> Group {
        self.create_group(name).await.unwrap()
    }

    /// Writes a reading and gives its identifier.
    pub async fn read_glucose(&self, taken_at: &str, mgdl: i64) -> String {
        let fields = json!({ "takenAt": taken_at, "mgdl": mgdl, "device": "sensor" });
        self.create_item("glucose", &fields).await.unwrap().id
    }

    /// Invites an address into a group.
    pub async fn invites(&self, group: &Group, address: &str, as_what: &str) -> Invitation {
        self.invite(&group.id, &Invitee::email(address), role(as_what)).await.unwrap()
    }

    /// Has them join a group in a role; a provider follows the rules.
    pub async fn join(&self, owner: &Self, group: &Group, role: &str) {
        let plain = Acceptance::plain();
        self.join_with(owner, group, role, if role == "provider" { plain.following() } else { plain }).await;
    }

    /// Has them join a group in a role, on their own terms.
    pub async fn join_with(&self, owner: &Self, group: &Group, role: &str, terms: Acceptance) {
        let invitation = owner.invites(group, self.who(), role).await;
        self.accept_invitation(&group.id, &invitation.id, &terms).await.unwrap();
    }

    /// What a group shows them of readings: the values, in the order of time.
    pub async fn sees(&self, group: &Group) -> Vec<i64> {
        let mut items = self.group_items_of(&group.id, "glucose").limit(100).all().await.unwrap();
        items.sort_by(|a, b| a.id.cmp(&b.id));
        items.iter().map(|item| item.fields["mgdl"].as_i64().unwrap()).collect()
    }

    /// Waits until a group shows them exactly these readings.
    pub async fn comes_to_see(&self, group: &Group, values: &[i64]) {
        let mut last = Vec::new();
        let look = async || {
            last = self.sees(group).await;
            (last == values).then_some(())
        };
        let what = format!("`{}` shows {values:?}", group.name);
        until(&what, look).await;
    }

    /// Their own readings: the values, in the order of time.
    pub async fn sees_own(&self) -> Vec<i64> {
        let items = self.items_of("glucose").oldest_first().limit(500).all().await.unwrap();
        items.iter().map(|item| item.fields["mgdl"].as_i64().unwrap()).collect()
    }
}
