//! People who are signed in.

use std::ops::Deref;

use glucose_study::client::{Answer, Client, Group, Item, User};
use reqwest::Method;
use serde_json::{Value, json};

use crate::until;

/// Somebody with an account, a profile and a drive.
#[derive(Clone)]
pub struct Person {
    /// Their profile.
    pub user: User,
    client: Client,
}

impl Deref for Person {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Person {
    pub(crate) async fn new(client: Client) -> Self {
        Self { user: client.ensure_profile().await.unwrap(), client }
    }

    /// Sends a request once.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.call(method, path, body.as_ref()).await.unwrap()
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
        self.send(Method::POST, "/groups", Some(&json!({ "name": name }))).await.unwrap()
    }

    /// Writes a reading and gives its identifier.
    pub async fn read_glucose(&self, taken_at: &str, mgdl: i64) -> String {
        let fields = json!({ "takenAt": taken_at, "mgdl": mgdl, "device": "sensor" });
        let item: Item = self
            .send(Method::POST, "/user/data", Some(&json!({ "type": "glucose", "fields": fields })))
            .await
            .unwrap();
        item.id
    }

    /// Has them join a group in a role.
    pub async fn join(&self, owner: &Self, group: &Group, role: &str) {
        let invitation = owner.invite(&group.id, self.who(), role).await.unwrap();
        self.accept(&invitation).await.unwrap();
    }

    /// What a group shows them of readings: the values, in the order of time.
    pub async fn sees(&self, group: &Group) -> Vec<i64> {
        let mut items = self.shared(&group.id, "glucose", 100).await.unwrap();
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
}

impl Person {
    /// Their own readings: the values, in the order of time.
    pub async fn sees_own(&self) -> Vec<i64> {
        let mut items = self.items("glucose", None).await.unwrap();
        items.sort_by(|a, b| a.id.cmp(&b.id));
        items.iter().map(|item| item.fields["mgdl"].as_i64().unwrap()).collect()
    }
}
