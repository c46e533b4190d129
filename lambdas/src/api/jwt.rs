//! Reading a token and verifying its signature: JWS in its compact form (RFC 7515) with RS256, and nothing else.
//!
//! That is all that a user pool makes, so there is nothing to choose and nothing that a token could choose for us: no
//! other algorithm, no key but those that the pool lists. The arithmetic is aws-lc's, which this process has anyway.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Bytes of a token at most: the gateway passes on no more than 10 KB of headers.
const LONGEST: usize = 8 * 1024;
/// Bytes of a key's name at most.
const LONGEST_NAME: usize = 256;

/// A token does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It is none.
    #[error("the token cannot be read")]
    Unreadable,
    /// It is signed in another way, or brings a key along.
    #[error("the token is not signed as tokens of the user pool are")]
    OtherWay,
    /// Its signature is not that of the key.
    #[error("the token was not signed by the user pool")]
    Signature,
}

/// What a token says of how it is signed. Keys in a token, or where it leads to, are no keys: one with any of these is
/// somebody's attempt. So is one with extensions that would have to be understood.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    jwk: Option<serde::de::IgnoredAny>,
    jku: Option<serde::de::IgnoredAny>,
    x5c: Option<serde::de::IgnoredAny>,
    x5u: Option<serde::de::IgnoredAny>,
    crit: Option<serde::de::IgnoredAny>,
}

/// A token that was taken apart; nothing in it counts before [`Token::claims`] has verified it.
#[derive(Debug)]
pub struct Token<'a> {
    /// The name of the key that it says it was signed with.
    pub key: String,
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

fn decoded(part: &str) -> Result<Vec<u8>, Rejected> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejected::Unreadable)
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// If it is none, or is signed in another way than all of ours.
    pub fn read(token: &'a str) -> Result<Self, Rejected> {
        let (signed, signature) =
            token.rsplit_once('.').filter(|_| token.len() <= LONGEST).ok_or(Rejected::Unreadable)?;
        let (header, payload) = signed.split_once('.').ok_or(Rejected::Unreadable)?;
        if payload.contains('.') {
            return Err(Rejected::Unreadable);
        }
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| Rejected::Unreadable)?;
        let Header { alg, kid, jwk, jku, x5c, x5u, crit } = header;
        let foreign = [jwk, jku, x5c, x5u, crit].iter().any(Option::is_some);
        if alg != "RS256" || foreign || kid.is_empty() || kid.len() > LONGEST_NAME {
            return Err(Rejected::OtherWay);
        }
        Ok(Self { key: kid, signed, payload, signature: decoded(signature)? })
    }

    /// What it says, once its signature has been verified.
    ///
    /// # Errors
    /// If the signature is another's, or it does not say what a token has to say.
    pub fn claims<T: DeserializeOwned>(&self, key: &PublicKey) -> Result<T, Rejected> {
        let parts = RsaPublicKeyComponents { n: &key.modulus, e: &key.exponent };
        parts
            .verify(&RSA_PKCS1_2048_8192_SHA256, self.signed.as_bytes(), &self.signature)
            .map_err(|_| Rejected::Signature)?;
        serde_json::from_slice(&decoded(self.payload)?).map_err(|_| Rejected::Unreadable)
    }
}

/// A public key of a user pool.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// A key as a list of keys (RFC 7517) has it.
#[derive(Debug, Clone, Deserialize)]
pub struct ListedKey {
    kid: Option<String>,
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
}

impl ListedKey {
    /// The key with its name, if tokens of ours may be signed with it.
    pub fn usable(&self) -> Option<(String, PublicKey)> {
        let fits = self.kty == "RSA"
            && self.alg.as_ref().is_none_or(|alg| alg == "RS256")
            && self.purpose.as_ref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_ref().is_none_or(|uses| uses.iter().any(|one| one == "verify"));
        let part = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
        let key = PublicKey { modulus: part(&self.n)?, exponent: part(&self.e)? };
        fits.then_some((self.kid.clone()?, key))
    }
}
