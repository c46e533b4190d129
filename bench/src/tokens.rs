//! Tokens as the user pool makes them, so that the API's own checks run.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::routes::Scope;
use futures::future::BoxFuture;
use lambdas::api::keys::{KeyList, KeySource, NoKeys};
use serde_json::{Value as Json, json};

use crate::error::{BenchError, Result};

/// Who issues the tokens.
pub const ISSUER: &str = "https://pool.example.org/p";
/// The client that they are for.
pub const CLIENT: &str = "client";
const KEY: &str = "pool-key";

/// The key that the pool signs with.
pub struct Signer(KeyPair);

/// The list of keys that the pool publishes.
pub struct Listed(pub Json);

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    /// A new key.
    ///
    /// # Errors
    /// If none could be made.
    pub fn new() -> Result<Self> {
        KeyPair::generate(KeySize::Rsa2048).map(Self).map_err(BenchError::other)
    }

    /// The public key as lists of keys have it.
    ///
    /// # Errors
    /// If its encoding is not that of 2048 bits and the usual exponent.
    pub fn listed(&self) -> Result<Listed> {
        // RSAPublicKey of RFC 8017: its parts are always in the same places.
        let der = self.0.public_key().as_ref();
        let (modulus, exponent) =
            der.get(9..265).zip(der.get(267..)).ok_or_else(|| BenchError::other("an odd key"))?;
        Ok(Listed(json!({"keys": [{
            "kty": "RSA", "kid": KEY, "alg": "RS256", "use": "sig",
            "n": encoded(modulus), "e": encoded(exponent),
        }]})))
    }

    /// An access token with every scope.
    ///
    /// # Errors
    /// If it could not be signed.
    pub fn token(&self, subject: &str, until: i64) -> Result<String> {
        let scopes: Vec<String> = Scope::ALL.iter().map(|scope| scope.full()).collect();
        let claims = json!({
            "iss": ISSUER, "token_use": "access", "client_id": CLIENT, "sub": subject,
            "exp": until, "scope": format!("openid {}", scopes.join(" ")),
        });
        let header = json!({"alg": "RS256", "kid": KEY, "typ": "JWT"});
        let text = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(BenchError::other)?;
        Ok(format!("{text}.{}", encoded(signature)))
    }
}

impl KeySource for Listed {
    fn fetch(&self) -> BoxFuture<'_, std::result::Result<KeyList, NoKeys>> {
        Box::pin(std::future::ready(serde_json::from_value(self.0.clone()).map_err(|_| NoKeys)))
    }
}
