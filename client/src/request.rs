//! One request, from its parts to its answer.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, IF_MATCH, IF_NONE_MATCH, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Client;
use crate::error::{Error, cause};
use crate::patience::is_passing;

const KEY: &str = "idempotency-key";
const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// An answer, whatever its status.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type of the body.
    pub content_type: String,
    /// The request, for whoever asks the operators about it.
    pub request_id: Option<String>,
    /// When to come back, if it says so.
    pub retry_after: Option<Duration>,
    /// The body; null if there is none or if it is not JSON.
    pub body: Value,
    /// The body as it came, if it is not JSON.
    pub(crate) text: String,
}

/// Whose token goes along.
enum Bearer {
    Own,
    Given(Option<String>),
}

/// A request that is not sent yet.
#[must_use = "it is not sent yet"]
pub struct Request<'c> {
    client: &'c Client,
    method: Method,
    url: Result<Url, String>,
    headers: Vec<(&'static str, String)>,
    body: Option<Result<Vec<u8>, String>>,
    bearer: Bearer,
    can_be_repeated: bool,
}

impl<'c> Request<'c> {
    pub(crate) fn new(client: &'c Client, method: Method, url: Result<Url, String>) -> Self {
        let can_be_repeated = [Method::GET, Method::PUT, Method::DELETE].contains(&method);
        Self { client, method, url, headers: Vec::new(), body: None, bearer: Bearer::Own, can_be_repeated }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn body<B: Serialize + ?Sized>(mut self, media_type: &'static str, body: &B) -> Self {
        self.body = Some(serde_json::to_vec(body).map_err(|error| error.to_string()));
        self.header(CONTENT_TYPE.as_str(), media_type)
    }

    /// With a parameter in its query.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if let Ok(url) = &mut self.url {
            url.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// With a body.
    pub fn json<B: Serialize + ?Sized>(self, body: &B) -> Self {
        self.body(JSON, body)
    }

    /// With a body that says what shall change (RFC 7396).
    pub fn merge_patch<B: Serialize + ?Sized>(self, body: &B) -> Self {
        self.body(MERGE_PATCH, body)
    }

    /// With an idempotency key, so that it can be repeated.
    pub fn key(self, key: impl Into<String>) -> Self {
        self.header(KEY, key).repeatable()
    }

    /// Only if the item has this version.
    pub fn if_version(self, version: u64) -> Self {
        self.header(IF_MATCH.as_str(), format!("\"{version}\""))
    }

    /// Only if the item has another version.
    pub fn unless_version(self, version: u64) -> Self {
        self.header(IF_NONE_MATCH.as_str(), format!("\"{version}\""))
    }

    /// Repeating it does no harm, whatever its method.
    pub fn repeatable(mut self) -> Self {
        self.can_be_repeated = true;
        self
    }

    /// With a token of the caller's choice, or with none.
    pub fn bearer(mut self, token: Option<&str>) -> Self {
        self.bearer = Bearer::Given(token.map(str::to_owned));
        self
    }

    /// The method and the path, without the query.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.url.as_ref().map_or("", Url::path))
    }

    async fn token(&self) -> Result<Option<String>, Error> {
        match &self.bearer {
            Bearer::Own => self.client.token().await.map(Some),
            Bearer::Given(token) => Ok(token.clone()),
        }
    }

    /// Sends it once, and gives the answer whatever its status.
    ///
    /// # Errors
    /// If there is no token or no answer.
    pub async fn once(&self) -> Result<Answer, Error> {
        let token = self.token().await?;
        self.attempt(token.as_deref()).await
    }

    async fn attempt(&self, token: Option<&str>) -> Result<Answer, Error> {
        let unsendable = |why: &String| Error::Unsendable { why: why.clone() };
        let url = self.url.as_ref().map_err(unsendable)?;
        let mut request = self.client.http.request(self.method.clone(), url.clone());
        request = request.timeout(self.client.patience.timeout);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &self.body {
            request = request.body(body.as_ref().map_err(unsendable)?.clone());
        }
        let lost = |error: reqwest::Error| match error.is_builder() {
            true => Error::Unsendable { why: cause(&error) },
            false => Error::NoAnswer { request: self.name(), why: cause(&error) },
        };
        let response = request.send().await.map_err(lost)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.map_err(lost)?;
        Ok(Answer::new(status, &headers, &bytes))
    }

    /// Sends it until there is an answer that will not change by itself, if it can be repeated. Says as well whether an
    /// attempt before may have been carried out.
    async fn attempts(&self) -> Result<(Answer, bool), Error> {
        let patience = &self.client.patience;
        let (mut attempt, mut renewed, mut perhaps_done) = (0, false, false);
        loop {
            let token = self.token().await?;
            let outcome = self.attempt(token.as_deref()).await;
            let asked = match &outcome {
                // What was refused for its token was not carried out, so that anything can be sent again.
                Ok(Answer { status: StatusCode::UNAUTHORIZED, .. })
                    if !renewed && matches!(self.bearer, Bearer::Own) =>
                {
                    renewed = true;
                    self.client.tokens.refused(token.as_deref().unwrap_or_default());
                    continue;
                }
                Ok(answer) if !is_passing(answer.status) => {
                    return outcome.map(|answer| (answer, perhaps_done));
                }
                Ok(answer) => answer.retry_after,
                Err(error) if !error.is_passing() => return outcome.map(|answer| (answer, perhaps_done)),
                Err(_) => None,
            };
            perhaps_done |= !matches!(&outcome, Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS);
            attempt += 1;
            match patience.wait(attempt, asked).filter(|_| self.can_be_repeated) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return outcome.map(|answer| (answer, perhaps_done)),
            }
        }
    }

    /// Sends it and gives a good answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn answer(self) -> Result<Answer, Error> {
        let (answer, _) = self.attempts().await?;
        if answer.status.is_success() { Ok(answer) } else { Err(Error::refusal(self.name(), &answer)) }
    }

    /// Sends it and reads a good answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read<T: DeserializeOwned>(self) -> Result<T, Error> {
        let name = self.name();
        self.answer().await?.read(name)
    }

    /// The same, or none if the caller has it already (304).
    pub(crate) async fn read_unless_known<T: DeserializeOwned>(self) -> Result<Option<T>, Error> {
        let (answer, _) = self.attempts().await?;
        match answer.status {
            StatusCode::NOT_MODIFIED => Ok(None),
            status if status.is_success() => answer.read(self.name()).map(Some),
            _ => Err(Error::refusal(self.name(), &answer)),
        }
    }

    /// Sends it, and asks for nothing but that it is done. What is to be deleted and is not there after an attempt whose
    /// outcome is not known is deleted.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn done(self) -> Result<(), Error> {
        let (answer, perhaps_done) = self.attempts().await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let error = Error::refusal(self.name(), &answer);
        let gone = self.method == Method::DELETE && perhaps_done && error.is("not-found");
        if gone { Ok(()) } else { Err(error) }
    }
}

impl Answer {
    fn new(status: StatusCode, headers: &HeaderMap, bytes: &[u8]) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (body, text) = match serde_json::from_slice(bytes) {
            Ok(body) => (body, String::new()),
            Err(_) => (Value::Null, String::from_utf8_lossy(bytes).into_owned()),
        };
        Self {
            status,
            content_type: header(CONTENT_TYPE.as_str()).unwrap_or_default().to_owned(),
            request_id: header("x-request-id").map(str::to_owned),
            // The API gives seconds; a date is not worth the trust in two clocks.
            retry_after: header(RETRY_AFTER.as_str())
                .and_then(|text| text.trim().parse().ok())
                .map(Duration::from_secs),
            body,
            text,
        }
    }

    fn read<T: DeserializeOwned>(self, request: String) -> Result<T, Error> {
        let Self { body, text, .. } = self;
        if body.is_null() && !text.is_empty() {
            return Err(Error::Strange { request, why: "it is not JSON".to_owned() });
        }
        serde_json::from_value(body).map_err(|error| Error::Strange { request, why: error.to_string() })
    }
}
