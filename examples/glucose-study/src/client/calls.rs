//! The calls of the API that the study needs, and what they answer.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, ClientError};

/// The longest page that the API gives.
pub const PAGE: usize = 500;
/// The items that one call creates at most.
pub const BATCH: usize = 100;

/// A user.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// Who.
    pub id: String,
    /// Where their items live.
    pub drive: String,
}

/// An item of one's own drive, or a copy in a group.
#[derive(Debug, Clone, Deserialize)]
pub struct Item {
    /// Its identifier.
    pub id: String,
    /// The drive that provides it; in groups.
    #[serde(default)]
    pub provider: Option<String>,
    /// What it says.
    pub fields: serde_json::Map<String, Value>,
}

/// One answer of a batch.
#[derive(Debug, Clone, Deserialize)]
pub struct Created {
    /// As if it had been created alone: 201, or why not.
    pub status: u16,
}

/// A membership of the caller, or of their drive.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The group.
    pub group: String,
    /// The group's name.
    pub group_name: String,
    /// The caller's roles in it.
    pub roles: Vec<String>,
}

/// A group.
#[derive(Debug, Clone, Deserialize)]
pub struct Group {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// An invitation that can be accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// Its identifier.
    pub id: String,
    /// The group.
    pub group: String,
    /// The group's name; where the invitee asks.
    #[serde(default)]
    pub group_name: Option<String>,
    /// The role that is offered.
    pub role: String,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The cursor of the next one.
    #[serde(default)]
    pub next: Option<String>,
}

impl Client {
    /// Makes the person's profile, or finds it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ensure_profile(&self) -> Result<User, ClientError> {
        self.insist(Method::POST, "/user", Some(&json!({}))).await
    }

    /// Creates items, each for itself. Whether it was carried out is not known after an error.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_batch(&self, items: &[Value]) -> Result<Vec<Created>, ClientError> {
        #[derive(Deserialize)]
        struct Results {
            results: Vec<Created>,
        }
        let Results { results } =
            self.send(Method::POST, "/user/data/batch", Some(&json!({ "items": items }))).await?;
        if results.len() != items.len() {
            let why = format!("{} results for {} items", results.len(), items.len());
            return Err(ClientError::Unknown { what: "POST /user/data/batch".into(), why });
        }
        Ok(results)
    }

    /// The person's own items of a type, between two times (the second not included).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn items(
        &self,
        data_type: &str,
        between: Option<(&str, &str)>,
    ) -> Result<Vec<Item>, ClientError> {
        let query: Vec<(&str, &str)> =
            between.map(|(from, to)| [("from", from), ("to", to)]).into_iter().flatten().collect();
        self.read_all(&format!("/user/data/types/{data_type}"), &query, PAGE).await
    }

    /// What a group shares of a type.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn shared(&self, group: &str, data_type: &str, limit: usize) -> Result<Vec<Item>, ClientError> {
        self.read_all(&format!("/groups/{group}/data/types/{data_type}"), &[], limit).await
    }

    /// The person's memberships.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn memberships(&self) -> Result<Vec<Membership>, ClientError> {
        self.read_all("/user/members", &[], 100).await
    }

    /// The invitations addressed to the person that they can accept.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn invitations(&self) -> Result<Vec<Invitation>, ClientError> {
        self.read_all("/user/invitations", &[], 100).await
    }

    /// A group.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn group(&self, group: &str) -> Result<Group, ClientError> {
        self.read(&format!("/groups/{group}")).await
    }

    /// Invites an address into a group.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn invite(&self, group: &str, email: &str, role: &str) -> Result<Invitation, ClientError> {
        let body = json!({ "email": email, "role": role });
        self.send(Method::POST, &format!("/groups/{group}/invitations"), Some(&body)).await
    }

    /// Accepts an invitation. Accepting it again is no mistake.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn accept(&self, invitation: &Invitation) -> Result<Value, ClientError> {
        let path = format!("/groups/{}/invitations/{}/accept", invitation.group, invitation.id);
        self.insist(Method::POST, &path, None).await
    }
}
