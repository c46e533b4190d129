//! Access tokens.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is not there yet.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why there is no token: whatever the source says.
pub type NoToken = Box<dyn std::error::Error + Send + Sync>;

/// Where access tokens come from: who is signed in.
///
/// [`Kept`] is one for programs that can sign in; [`Fixed`] for those that were given a token.
pub trait Tokens: Send + Sync {
    /// An access token that has some time left.
    fn access_token(&self) -> Pending<'_, Result<String, NoToken>>;

    /// The API refused this token; giving it out again would not help. It must not block.
    fn refused(&self, token: &str);
}

/// One token, for as long as it lasts.
pub struct Fixed(String);

impl Fixed {
    /// This token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }
}

impl Tokens for Fixed {
    fn access_token(&self) -> Pending<'_, Result<String, NoToken>> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn refused(&self, _: &str) {}
}

/// A token, and for how long it counts.
#[derive(Clone)]
pub struct Token {
    /// The access token.
    pub access: String,
    /// How long it counts from now on.
    pub lasts: Duration,
}

/// Tokens are renewed so long before they end, or after half their time if they are short.
const MARGIN: Duration = Duration::from_secs(120);

type Renew = dyn Fn() -> Pending<'static, Result<Token, NoToken>> + Send + Sync;

/// Signs in when a token is needed, and keeps it until shortly before its end or until it is refused. Calls that come
/// meanwhile wait for the same sign-in.
pub struct Kept {
    renew: Box<Renew>,
    held: Mutex<Option<(String, Instant)>>,
    turn: tokio::sync::Mutex<()>,
}

impl Kept {
    /// With what gives a new token: a sign-in, or the use of a refresh token.
    pub fn new<F, R>(renew: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Token, NoToken>> + Send + 'static,
    {
        Self {
            renew: Box::new(move || Box::pin(renew())),
            held: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<(String, Instant)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn good(&self) -> Option<String> {
        self.held().as_ref().filter(|(_, end)| *end > Instant::now()).map(|(token, _)| token.clone())
    }
}

impl Tokens for Kept {
    fn access_token(&self) -> Pending<'_, Result<String, NoToken>> {
        Box::pin(async {
            if let Some(token) = self.good() {
                return Ok(token);
            }
            let _turn = self.turn.lock().await;
            // Somebody else may have signed in meanwhile.
            if let Some(token) = self.good() {
                return Ok(token);
            }
            let Token { access, lasts } = (self.renew)().await?;
            let end = Instant::now() + (lasts - MARGIN.min(lasts / 2));
            *self.held() = Some((access.clone(), end));
            Ok(access)
        })
    }

    fn refused(&self, token: &str) {
        let mut held = self.held();
        if held.as_ref().is_some_and(|(own, _)| own == token) {
            *held = None;
        }
    }
}

impl fmt::Debug for Kept {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn counting(lasts: Duration) -> (Kept, Arc<AtomicU64>) {
        let sign_ins = Arc::new(AtomicU64::new(0));
        let counted = sign_ins.clone();
        let kept = Kept::new(move || {
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                tokio::task::yield_now().await;
                Ok(Token { access: format!("token {number}"), lasts })
            }
        });
        (kept, sign_ins)
    }

    #[tokio::test]
    async fn whoever_comes_at_once_waits_for_one_sign_in() {
        let (kept, sign_ins) = counting(Duration::from_secs(3600));
        let (one, other) = tokio::join!(kept.access_token(), kept.access_token());
        assert_eq!((one.unwrap(), other.unwrap()), ("token 1".to_owned(), "token 1".to_owned()));
        assert_eq!(sign_ins.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_token_that_was_refused_is_not_given_out_again_and_a_newer_one_stays() {
        let (kept, _) = counting(Duration::from_secs(3600));
        assert_eq!(kept.access_token().await.unwrap(), "token 1");
        kept.refused("token 1");
        assert_eq!(kept.access_token().await.unwrap(), "token 2");
        kept.refused("token 1");
        assert_eq!(kept.access_token().await.unwrap(), "token 2");
    }

    #[tokio::test]
    async fn a_token_that_has_ended_is_not_given_out() {
        let (kept, _) = counting(Duration::ZERO);
        assert_eq!(kept.access_token().await.unwrap(), "token 1");
        assert_eq!(kept.access_token().await.unwrap(), "token 2");
    }
}
