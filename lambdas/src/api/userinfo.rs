//! What the user pool knows about the holder of a token: whether an address is verified as theirs.

use std::sync::OnceLock;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value as Json;

/// Why nothing was learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserInfoError {
    /// The pool refuses the token.
    #[error("the user pool refuses the token")]
    Refused,
    /// The pool does not answer, or not sensibly.
    #[error("the user pool does not answer")]
    Unavailable,
}

/// Where a token's holder can be asked about.
pub trait UserInfo: Send + Sync {
    /// The verified address of the token's holder, who must be `subject`.
    fn verified_email<'a>(
        &'a self,
        token: &'a str,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, UserInfoError>>;
}

/// The pool's userinfo endpoint.
#[derive(Debug)]
pub struct HttpUserInfo {
    url: String,
    client: OnceLock<Option<reqwest::Client>>,
}

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Attempts at most.
const ATTEMPTS: u32 = 2;

impl HttpUserInfo {
    /// The endpoint at an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), client: OnceLock::new() }
    }

    /// Made when first needed: it reads the system's certificates, which no other request should wait for.
    fn client(&self) -> Option<&reqwest::Client> {
        let make = || {
            // A redirect would carry the token to somebody else.
            let builder =
                reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
            builder.build().ok()
        };
        self.client.get_or_init(make).as_ref()
    }

    async fn ask(&self, token: &str) -> Result<Json, UserInfoError> {
        let client = self.client().ok_or(UserInfoError::Unavailable)?;
        let answer =
            client.get(&self.url).bearer_auth(token).header("accept", "application/json").send().await;
        let answer = answer.map_err(|_| UserInfoError::Unavailable)?;
        match answer.status().as_u16() {
            200 => answer.json().await.map_err(|_| UserInfoError::Unavailable),
            400 | 401 | 403 => Err(UserInfoError::Refused),
            _ => Err(UserInfoError::Unavailable),
        }
    }
}

impl UserInfo for HttpUserInfo {
    fn verified_email<'a>(
        &'a self,
        token: &'a str,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, UserInfoError>> {
        Box::pin(async move {
            for _ in 1..ATTEMPTS {
                match self.ask(token).await {
                    Err(UserInfoError::Unavailable) => tokio::time::sleep(Duration::from_millis(150)).await,
                    settled => return settled.and_then(|info| verified(&info, subject)),
                }
            }
            self.ask(token).await.and_then(|info| verified(&info, subject))
        })
    }
}

/// The address in an answer, if it is about the caller and says that the address is verified.
fn verified(info: &Json, subject: &str) -> Result<Option<String>, UserInfoError> {
    if info.get("sub").and_then(Json::as_str) != Some(subject) {
        return Err(UserInfoError::Unavailable);
    }
    // The standard says a boolean; Cognito says it as a text.
    let verified = info.get("email_verified").is_some_and(|v| *v == Json::Bool(true) || *v == "true");
    let email = info.get("email").and_then(Json::as_str).filter(|email| !email.is_empty());
    Ok(email.filter(|_| verified).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_verified_address_of_the_caller_counts() {
        let info = |verified: Json| json!({"sub": "s", "email": "a@example.org", "email_verified": verified});
        assert_eq!(super::verified(&info(json!("true")), "s"), Ok(Some("a@example.org".into())));
        assert_eq!(super::verified(&info(json!(true)), "s"), Ok(Some("a@example.org".into())));
        assert_eq!(super::verified(&info(json!("false")), "s"), Ok(None));
        assert_eq!(super::verified(&info(json!(null)), "s"), Ok(None));
        assert_eq!(super::verified(&json!({"sub": "s"}), "s"), Ok(None));
        assert_eq!(super::verified(&info(json!(true)), "other"), Err(UserInfoError::Unavailable));
    }
}
