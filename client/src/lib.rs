//! A typed client of Freehold's HTTP API, for programs that people sign in to.
//!
//! ```no_run
//! use freehold_client::{Client, Fixed, Role, Invitee};
//! use serde_json::json;
//!
//! # async fn example() -> Result<(), freehold_client::Error> {
//! let client = Client::new("https://api.example.org", Fixed::new("an access token"))?;
//! client.ensure_profile().await?;
//! let fields = json!({"takenAt": "2026-01-01T08:00:00Z", "mgdl": 192});
//! let item = client.create_item("glucose", &fields).await?;
//! client.update_item(&item.id, &json!({"mgdl": 190}), Some(item.version)).await?;
//!
//! let mut readings = client.items_of("glucose").from("2026-01-01T00:00:00Z").oldest_first();
//! while let Some(reading) = readings.next().await? {
//!     assert_eq!(reading.data_type, "glucose");
//! }
//!
//! let clinic = client.create_group("Clinic").await?;
//! client.invite(&clinic.id, &Invitee::email("doctor@example.org"), Role::Consumer).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Who is signed in is the matter of [`Tokens`]. Every request has a timeout. What can be repeated without harm is
//! repeated, with growing and jittered waits, when the answer is 429 or 5xx or none at all, and no sooner than
//! `Retry-After` says: `GET`, `PUT`, `DELETE`, what the API's description says to change nothing when repeated, and what
//! makes items, groups and invitations, which goes under an `Idempotency-Key` that stays the same. A token that is
//! refused is renewed once. How patient a client is: [`Patience`].
//!
//! A call that has no method here can be made with [`Client::request`]. Answers may grow: what a client does not know
//! yet is passed over.
#![warn(missing_docs)]

mod calls;
mod error;
mod list;
mod patience;
mod request;
mod tokens;
mod types;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Url};

pub use error::{Error, Mistake, Problem};
pub use list::{List, Timed};
pub use patience::Patience;
pub use request::{Answer, Request};
pub use tokens::{Fixed, Kept, NoToken, Pending, Token, Tokens};
pub use types::*;

/// The longest page of items that the API gives.
pub const MOST_ITEMS_OF_A_PAGE: usize = 500;
/// The longest page of anything else.
pub const MOST_ENTRIES_OF_A_PAGE: usize = 100;
/// The most items of a batch.
pub const MOST_OF_A_BATCH: usize = 100;

/// The API, for one person who is signed in. Copies are cheap and share their connections and their token.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    tokens: Arc<dyn Tokens>,
    patience: Patience,
    key: Option<Arc<str>>,
}

impl fmt::Debug for Client {
    /// Without anything secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// Connections, which any number of clients can share.
///
/// # Errors
/// If the system gives none.
pub fn connections() -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        // The API leads nowhere else; whoever does is not the API.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("freehold-client/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(|error| Error::Unsendable { why: error::cause(&error) })
}

impl Client {
    /// A client of the API at an address, with connections of its own.
    ///
    /// # Errors
    /// If the address is none.
    pub fn new(base: &str, tokens: impl Tokens + 'static) -> Result<Self, Error> {
        Self::with_connections(connections()?, base, tokens)
    }

    /// A client that shares connections with others, see [`connections`].
    ///
    /// # Errors
    /// If the address is none.
    pub fn with_connections(
        http: reqwest::Client,
        base: &str,
        tokens: impl Tokens + 'static,
    ) -> Result<Self, Error> {
        let no_address = |why: String| Error::Unsendable { why: format!("`{base}` is no address: {why}") };
        let base = Url::parse(base).map_err(|error| no_address(error.to_string()))?;
        if !["http", "https"].contains(&base.scheme()) {
            return Err(no_address("it must begin with `https://`".to_owned()));
        }
        Ok(Self { http, base, tokens: Arc::new(tokens), patience: Patience::default(), key: None })
    }

    /// The same, as patient as this.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same, with an idempotency key of the caller's choice for the next call that makes something, instead of one
    /// that the client makes: so that a program that was ended in between can repeat the call. A key stands for one call
    /// with one body; the API remembers it for a day.
    #[must_use]
    pub fn under_key(&self, key: &str) -> Self {
        Self { key: Some(key.into()), ..self.clone() }
    }

    /// An access token that counts, most likely.
    ///
    /// # Errors
    /// If there is none.
    pub async fn token(&self) -> Result<String, Error> {
        self.tokens.access_token().await.map_err(Error::NoToken)
    }

    /// A request of the caller's own making, for a path such as `/user/data`, which is sent as it is.
    pub fn request(&self, method: Method, path: &str) -> Request<'_> {
        let text = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        Request::new(self, method, Url::parse(&text).map_err(|error| error.to_string()))
    }

    /// A request for the path of these segments, whatever is in them.
    fn at(&self, method: Method, segments: &[&str]) -> Request<'_> {
        Request::new(self, method, self.url(segments))
    }

    fn url(&self, segments: &[&str]) -> Result<Url, String> {
        // These would lead to another path than the one that is meant.
        if let Some(odd) = segments.iter().find(|segment| ["", ".", ".."].contains(*segment)) {
            return Err(format!("`{odd}` names nothing"));
        }
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().extend(segments);
            }
            Err(()) => return Err(format!("`{}` has no paths", self.base)),
        }
        Ok(url)
    }

    fn get(&self, segments: &[&str]) -> Request<'_> {
        self.at(Method::GET, segments)
    }

    fn post(&self, segments: &[&str]) -> Request<'_> {
        self.at(Method::POST, segments)
    }

    fn put(&self, segments: &[&str]) -> Request<'_> {
        self.at(Method::PUT, segments)
    }

    fn patch(&self, segments: &[&str]) -> Request<'_> {
        self.at(Method::PATCH, segments)
    }

    fn delete(&self, segments: &[&str]) -> Request<'_> {
        self.at(Method::DELETE, segments)
    }

    /// A request that makes something, under a key that stands for it.
    fn making(&self, segments: &[&str]) -> Request<'_> {
        let key = self.key.as_deref().map_or_else(|| ulid::Ulid::generate().to_string(), str::to_owned);
        self.post(segments).key(key)
    }

    fn list<T>(&self, segments: &[&str]) -> List<T> {
        List::new(self.clone(), self.url(segments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(base: &str) -> Client {
        Client::new(base, Fixed::new("token")).unwrap()
    }

    #[test]
    fn what_is_in_a_path_stays_in_its_place() {
        let url = |base: &str, segments: &[&str]| client(base).url(segments).unwrap().to_string();
        assert_eq!(url("http://api", &["user", "data"]), "http://api/user/data");
        assert_eq!(url("http://api/stage/", &["user", "a/b?c"]), "http://api/stage/user/a%2Fb%3Fc");
        for odd in ["", ".", ".."] {
            assert!(client("http://api").url(&["groups", odd]).is_err(), "`{odd}`");
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        for bad in ["", "api.example.org", "file:///etc"] {
            let error = Client::new(bad, Fixed::new("token")).unwrap_err();
            assert!(matches!(error, Error::Unsendable { .. }), "{bad}: {error}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert!(!format!("{:?}", client("http://api")).contains("token"));
    }
}
