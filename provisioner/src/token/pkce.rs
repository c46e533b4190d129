//! Proof key for code exchange (RFC 7636) and the `state` of a request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Secrets of one sign-in.
#[derive(Clone)]
pub struct Secrets {
    /// What the token endpoint is told.
    pub verifier: String,
    /// What the page is told: the verifier's hash.
    pub challenge: String,
    /// What must come back.
    pub state: String,
}

impl Secrets {
    /// New ones. `None` when the system has no random numbers.
    pub fn new() -> Option<Self> {
        let verifier = random()?;
        let challenge = challenge(&verifier);
        Some(Self { verifier, challenge, state: random()? })
    }
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

fn random() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(super::challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn no_two_sign_ins_share_a_secret() {
        let (a, b) = (super::Secrets::new().unwrap(), super::Secrets::new().unwrap());
        assert!(a.verifier != b.verifier && a.state != b.state && a.verifier.len() == 43);
    }
}
