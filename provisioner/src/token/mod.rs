//! Sign-in tokens for people at a terminal and for tests: the authorization code flow with PKCE, as an app does it.
//!
//! [`sign_in`] fills in the hosted page by itself; [`sign_in_browser`] lets a person do so in a browser, which also
//! works where the page asks for more than a password.

mod browser;
mod error;
mod form;
mod hosted;
mod pkce;
mod user;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use browser::sign_in_browser;
pub use error::TokenError;
use reqwest::Url;
use serde::Deserialize;
pub use user::{Pool, ensure_user};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Which app signs in, and for what.
#[derive(Debug, Clone)]
pub struct App {
    /// The sign-in domain's base address; on the local target the emulator's.
    pub hosted_url: String,
    /// The app client.
    pub client_id: String,
    /// One of the client's callback addresses. Only [`sign_in_browser`] really listens there.
    pub redirect_uri: String,
    /// The scopes to ask for. `openid` also gives an id token.
    pub scopes: Vec<String>,
}

/// Who signs in.
#[derive(Clone)]
pub struct SignIn {
    /// The app.
    pub app: App,
    /// The user's name or e-mail address.
    pub username: String,
    /// The user's password.
    pub password: String,
}

/// What a sign-in gives.
#[derive(Clone, Deserialize)]
pub struct Tokens {
    /// For the API.
    pub access_token: String,
    /// Who the user is; with the scope `openid`.
    pub id_token: Option<String>,
    /// For new access tokens.
    pub refresh_token: Option<String>,
    /// Seconds until the access token ends.
    pub expires_in: u64,
}

/// Signs in through the hosted page. The callback address is never contacted.
///
/// # Errors
/// See [`TokenError`].
pub async fn sign_in(request: &SignIn) -> Result<Tokens, TokenError> {
    let secrets = secrets()?;
    let mut page = hosted::Browser::new(&request.app)?;
    let callback = page.sign_in(request, &secrets).await?;
    let code = code(&callback, &secrets)?;
    exchange(&request.app, &code, &secrets).await
}

fn secrets() -> Result<pkce::Secrets, TokenError> {
    pkce::Secrets::new().ok_or_else(|| TokenError::Request("this system gives no random numbers".to_owned()))
}

/// The address that the sign-in begins at.
fn authorize_url(app: &App, secrets: &pkce::Secrets) -> Result<Url, TokenError> {
    let mut url = endpoint(app, "/oauth2/authorize")?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &app.client_id)
        .append_pair("redirect_uri", &app.redirect_uri)
        .append_pair("scope", &app.scopes.join(" "))
        .append_pair("state", &secrets.state)
        .append_pair("code_challenge", &secrets.challenge)
        .append_pair("code_challenge_method", "S256");
    Ok(url)
}

fn endpoint(app: &App, path: &str) -> Result<Url, TokenError> {
    let text = format!("{}{path}", app.hosted_url.trim_end_matches('/'));
    Url::parse(&text).map_err(|error| TokenError::Unreachable { url: text, why: error.to_string() })
}

fn client() -> Result<reqwest::Client, TokenError> {
    let client =
        reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
    client.map_err(|error| TokenError::Request(error.to_string()))
}

fn unreachable(url: &Url) -> impl FnOnce(reqwest::Error) -> TokenError {
    let url = url.clone();
    move |error| {
        let mut why = &error as &dyn std::error::Error;
        while let Some(source) = why.source() {
            why = source;
        }
        // The query holds what is nobody's business.
        TokenError::Unreachable {
            url: format!("{}{}", url.origin().ascii_serialization(), url.path()),
            why: why.to_string(),
        }
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The code in the address that the page sent the browser to.
fn code(callback: &Url, secrets: &pkce::Secrets) -> Result<String, TokenError> {
    if let Some(error) = parameter(callback, "error") {
        let more =
            parameter(callback, "error_description").map(|text| format!(" ({text})")).unwrap_or_default();
        return Err(TokenError::Request(format!("`{error}`{more}")));
    }
    if parameter(callback, "state").as_deref() != Some(secrets.state.as_str()) {
        return Err(TokenError::State);
    }
    parameter(callback, "code").ok_or_else(|| TokenError::Request("it sent no code".to_owned()))
}

async fn exchange(app: &App, code: &str, secrets: &pkce::Secrets) -> Result<Tokens, TokenError> {
    let url = endpoint(app, "/oauth2/token")?;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", app.client_id.as_str()),
        ("redirect_uri", app.redirect_uri.as_str()),
        ("code", code),
        ("code_verifier", secrets.verifier.as_str()),
    ];
    let response = client()?.post(url.clone()).form(&form).send().await.map_err(unreachable(&url))?;
    let status = response.status();
    let text = response.text().await.map_err(unreachable(&url))?;
    if !status.is_success() {
        return Err(TokenError::Exchange(refusal(&text).unwrap_or_else(|| format!("status {status}"))));
    }
    serde_json::from_str(&text).map_err(|_| TokenError::Exchange("its answer is not understood".to_owned()))
}

/// What an OAuth error document says.
fn refusal(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        error_description: Option<String>,
    }
    let Refusal { error, error_description } = serde_json::from_str(text).ok()?;
    Some(error_description.map_or_else(|| format!("`{error}`"), |more| format!("`{error}` ({more})")))
}
