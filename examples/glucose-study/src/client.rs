//! A small client of Freehold's HTTP API, for one signed-in person.
//!
//! Every call has a timeout. [`Client::call`] sends a request once and gives its answer whatever the status; the typed
//! calls turn refusals into [`ClientError`]. What can be repeated without harm ([`Client::read`]) is repeated, with
//! growing and jittered waits, when the answer is 429 or 5xx or none at all.

mod calls;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use calls::{BATCH, Created, Group, Invitation, Item, Membership, PAGE, Page, User};

use provision::token::{SignIn, TokenError, sign_in};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::retry::pause;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(40);
/// How often what can be repeated is tried.
const ATTEMPTS: u32 = 8;
/// Tokens are renewed so long before they end.
const MARGIN: Duration = Duration::from_secs(120);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The person cannot be signed in.
    #[error("cannot sign in `{who}`: {source}")]
    SignIn {
        /// Who.
        who: String,
        /// Why.
        source: TokenError,
    },
    /// No answer, or half of one. Whether the request was carried out is not known.
    #[error("no answer to {what}: {why}")]
    NoAnswer {
        /// The request.
        what: String,
        /// Why.
        why: String,
    },
    /// The API refused.
    #[error("{what} was refused with {status}: {problem}")]
    Refused {
        /// The request.
        what: String,
        /// The status.
        status: StatusCode,
        /// What the API said.
        problem: String,
    },
    /// The API answered something that this client does not know.
    #[error("the answer to {what} is not understood: {why}")]
    Unknown {
        /// The request.
        what: String,
        /// Why.
        why: String,
    },
}

impl ClientError {
    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Refused { status, .. } => is_passing(*status),
            Self::SignIn { .. } | Self::Unknown { .. } => false,
        }
    }

    /// The status, if the API refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(status.as_u16()),
            _ => None,
        }
    }
}

/// Whether a status says that trying again later may help.
pub fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type of the body.
    pub content_type: String,
    /// The body; null if there is none or if it is not JSON.
    pub body: Value,
}

/// The API, for one person who is signed in.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    person: Arc<Person>,
}

struct Person {
    sign_in: SignIn,
    token: Mutex<Option<(String, Instant)>>,
}

/// Connections that many clients share.
///
/// # Errors
/// If the system gives none.
pub fn connections() -> Result<reqwest::Client, ClientError> {
    let builder = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).timeout(TIMEOUT);
    builder.build().map_err(|error| ClientError::NoAnswer { what: "anything".into(), why: cause(&error) })
}

impl Client {
    /// A client for a person, who is signed in when they first call.
    ///
    /// # Errors
    /// If the API's address is none.
    pub fn new(http: reqwest::Client, base: &str, sign_in: SignIn) -> Result<Self, ClientError> {
        let base = Url::parse(base)
            .map_err(|error| ClientError::Unknown { what: format!("`{base}`"), why: error.to_string() })?;
        Ok(Self { http, base, person: Arc::new(Person { sign_in, token: Mutex::new(None) }) })
    }

    /// Who calls.
    pub fn who(&self) -> &str {
        &self.person.sign_in.username
    }

    /// How they sign in.
    pub fn sign_in(&self) -> SignIn {
        self.person.sign_in.clone()
    }

    /// An access token with some time left.
    ///
    /// # Errors
    /// If the person cannot be signed in.
    pub async fn token(&self) -> Result<String, ClientError> {
        let mut held = self.person.token.lock().await;
        if let Some((token, end)) = held.as_ref()
            && *end > Instant::now()
        {
            return Ok(token.clone());
        }
        let tokens = sign_in(&self.person.sign_in)
            .await
            .map_err(|source| ClientError::SignIn { who: self.who().to_owned(), source })?;
        let lasts = Duration::from_secs(tokens.expires_in).saturating_sub(MARGIN);
        *held = Some((tokens.access_token.clone(), Instant::now() + lasts));
        Ok(tokens.access_token)
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// If there is no answer, or the person cannot be signed in.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let token = self.token().await?;
        self.call_with(method, path, body, Some(&token)).await
    }

    /// Sends a request once, with a token of the caller's choice or with none.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn call_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Result<Answer, ClientError> {
        self.request(method, path, body, (token, None)).await
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        (token, key): (Option<&str>, Option<&str>),
    ) -> Result<Answer, ClientError> {
        let what = format!("{method} {}", path.split('?').next().unwrap_or(path));
        let lost = |error: reqwest::Error| ClientError::NoAnswer { what: what.clone(), why: cause(&error) };
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut request = self.http.request(method, url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let header =
            response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = header.unwrap_or_default().to_owned();
        let bytes = response.bytes().await.map_err(lost)?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status, content_type, body })
    }

    /// Sends a request once and reads a good answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, ClientError> {
        let what = format!("{method} {}", path.split('?').next().unwrap_or(path));
        good(what, self.call(method, path, body).await?)
    }

    /// Sends what makes something, until there is an answer that will not change by itself: the key, which stands for
    /// this request and no other, keeps it from being made twice.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn make<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        key: &str,
    ) -> Result<T, ClientError> {
        let once = async || {
            let token = self.token().await?;
            let answer = self.request(Method::POST, path, Some(body), (Some(&token), Some(key))).await?;
            good(format!("POST {path}"), answer)
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            match once().await {
                Err(error) if error.is_passing() && attempt < ATTEMPTS => {
                    tokio::time::sleep(pause(attempt)).await
                }
                result => return result,
            }
        }
    }

    /// Sends what can be repeated without harm, until there is an answer that will not change by itself.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn insist<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, ClientError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.send(method.clone(), path, body).await {
                Err(error) if error.is_passing() && attempt < ATTEMPTS => {
                    tokio::time::sleep(pause(attempt)).await
                }
                result => return result,
            }
        }
    }

    /// Reads.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.insist(Method::GET, path, None).await
    }

    /// Reads a list to its end, page by page. `seen` is told how many there are so far.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn read_all<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Vec<T>, ClientError> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let limit = limit.to_string();
            let mut parameters = query.to_vec();
            parameters.push(("limit", &limit));
            if let Some(cursor) = &cursor {
                parameters.push(("cursor", cursor));
            }
            let page: Page<T> = self.read(&with_query(path, &parameters)).await?;
            all.extend(page.items);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }
}

/// A path with its query.
pub fn with_query(path: &str, parameters: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse("http://api/") else { return path.to_owned() };
    url.query_pairs_mut().extend_pairs(parameters);
    format!("{path}?{}", url.query().unwrap_or_default())
}

/// Reads a good answer.
fn good<T: DeserializeOwned>(what: String, answer: Answer) -> Result<T, ClientError> {
    let Answer { status, body, .. } = answer;
    if !status.is_success() {
        return Err(ClientError::Refused { what, status, problem: problem(&body) });
    }
    serde_json::from_value(body).map_err(|error| ClientError::Unknown { what, why: error.to_string() })
}

/// What a problem document says, in one line.
fn problem(body: &Value) -> String {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    match (text("title"), text("detail")) {
        (Some(title), Some(detail)) => format!("{title}: {detail}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => text("message").unwrap_or("it does not say why").to_owned(),
    }
}

/// The innermost reason, which is the one that helps.
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_told_in_one_line() {
        assert_eq!(problem(&json!({"title": "Conflict", "detail": "it is taken"})), "Conflict: it is taken");
        assert_eq!(problem(&json!({"message": "Unauthorized"})), "Unauthorized");
        assert_eq!(problem(&Value::Null), "it does not say why");
    }

    #[test]
    fn cursors_pass_through_queries_unharmed() {
        assert_eq!(
            with_query("/user/data", &[("cursor", "a+b/c="), ("limit", "2")]),
            "/user/data?cursor=a%2Bb%2Fc%3D&limit=2"
        );
    }
}
