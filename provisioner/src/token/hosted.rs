//! The hosted sign-in page, filled in without a browser.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{RequestBuilder, StatusCode, Url};

use super::form::{self, Form};
use super::pkce::Secrets;
use super::{App, SignIn, TokenError, authorize_url, client, refusal, unreachable};

const HOPS: usize = 6;

/// Just as much of a browser as the page needs: cookies, and redirects that end at the callback.
pub(super) struct Browser {
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
    redirect_uri: String,
}

/// Where a request led.
enum Landing {
    /// To the app's callback address, which is not contacted.
    Callback(Url),
    /// To a page.
    Page(Url, String),
}

impl Browser {
    pub fn new(app: &App) -> Result<Self, TokenError> {
        Ok(Self { client: client()?, cookies: BTreeMap::new(), redirect_uri: app.redirect_uri.clone() })
    }

    /// From the authorize endpoint to the address of the callback.
    pub async fn sign_in(&mut self, request: &SignIn, secrets: &Secrets) -> Result<Url, TokenError> {
        let url = authorize_url(&request.app, secrets)?;
        let (url, html) = match self.go(url.clone(), self.client.get(url)).await? {
            Landing::Callback(callback) => return Ok(callback),
            Landing::Page(url, html) => (url, html),
        };
        let why = "it has no fields for a user and a password";
        let form = form::sign_in_form(&html).ok_or_else(|| TokenError::Page { url: shown(&url), why })?;
        let target = url.join(&form.action).unwrap_or(url);
        let post = self.client.post(target.clone()).form(&filled(form, request));
        match self.go(target, post).await? {
            Landing::Callback(callback) => Ok(callback),
            Landing::Page(_, html) => Err(refused(request, &html)),
        }
    }

    /// Sends a request and follows where it leads.
    async fn go(&mut self, mut url: Url, mut request: RequestBuilder) -> Result<Landing, TokenError> {
        for _ in 0..HOPS {
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            if !cookies.is_empty() {
                request = request.header(COOKIE, cookies.join("; "));
            }
            let response = request.send().await.map_err(unreachable(&url))?;
            for cookie in
                response.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok())
            {
                let pair = cookie.split(';').next().unwrap_or_default();
                if let Some((name, value)) = pair.split_once('=') {
                    self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
                }
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let Some(next) = location.and_then(|location| url.join(location).ok()) else {
                return self.page(url, response).await;
            };
            if self.is_callback(&next) {
                return Ok(Landing::Callback(next));
            }
            if next.origin() != url.origin() {
                let why = "it leads to another site";
                return Err(TokenError::Page { url: shown(&next), why });
            }
            request = self.client.get(next.clone());
            url = next;
        }
        Err(TokenError::Page { url: shown(&url), why: "it only leads on and on" })
    }

    async fn page(&self, url: Url, response: reqwest::Response) -> Result<Landing, TokenError> {
        let status = response.status();
        let text = response.text().await.map_err(unreachable(&url))?;
        if status.is_client_error() && status != StatusCode::FORBIDDEN || status.is_server_error() {
            let said = refusal(&text).or_else(|| form::error_text(&text));
            return Err(TokenError::Request(said.unwrap_or_else(|| format!("status {status}"))));
        }
        Ok(Landing::Page(url, text))
    }

    fn is_callback(&self, url: &Url) -> bool {
        Url::parse(&self.redirect_uri).is_ok_and(|callback| {
            callback.origin() == url.origin()
                && callback.path() == url.path()
                && callback.scheme() == url.scheme()
        })
    }
}

fn filled(form: Form, request: &SignIn) -> Vec<(String, String)> {
    let mut fields = form.fields;
    fields.extend(form.username.map(|name| (name, request.username.clone())));
    fields.extend(form.password.map(|name| (name, request.password.clone())));
    fields
}

/// Why the page came back instead of the callback.
fn refused(request: &SignIn, html: &str) -> TokenError {
    let new_password = html.contains("name=\"new_password\"");
    let why = form::error_text(html).unwrap_or_else(|| {
        let text = if new_password { "a new password must be chosen first" } else { "the page asks again" };
        text.to_owned()
    });
    TokenError::Refused { username: request.username.clone(), why }
}

fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
