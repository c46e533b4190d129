//! What can go wrong when somebody signs in.

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The sign-in page or token endpoint does not answer.
    #[error(
        "`{url}` does not answer ({why}): see that the stack is applied and, on the local target, running"
    )]
    Unreachable {
        /// Which address.
        url: String,
        /// What happened instead.
        why: String,
    },
    /// The pool refuses the request itself.
    #[error(
        "the sign-in page refuses the request: {0}; compare the callback address and scopes with the stack's"
    )]
    Request(String),
    /// Wrong user or password, or a user who may not sign in.
    #[error("`{username}` could not sign in: {why}")]
    Refused {
        /// Who.
        username: String,
        /// What the page said.
        why: String,
    },
    /// A page that is not understood.
    #[error("the page at `{url}` is not a sign-in form ({why}): sign in with a browser instead")]
    Page {
        /// Which address.
        url: String,
        /// What is missing.
        why: &'static str,
    },
    /// The answer belongs to another request.
    #[error(
        "the answer carries another `state` than the request: somebody may have tampered with it, sign in again"
    )]
    State,
    /// The code was not exchanged.
    #[error("the pool gives no tokens for the code: {0}")]
    Exchange(String),
    /// The browser never came back.
    #[error("nobody signed in within {0} s: open the address again and finish there")]
    TimedOut(u64),
    /// The loopback listener cannot be used.
    #[error("cannot wait for the browser at `{address}`: {why}")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        why: String,
    },
    /// Making users is for the local target.
    #[error(
        "`{0}` would be made in a real user pool with a password from the command line: that is for the local target"
    )]
    RealPool(String),
    /// The pool refuses the user.
    #[error("the pool does not take the user `{email}`: {why}")]
    User {
        /// Who.
        email: String,
        /// What it said.
        why: String,
    },
}

impl TokenError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "FH0520",
            Self::Request(_) => "FH0521",
            Self::Refused { .. } => "FH0522",
            Self::Page { .. } => "FH0523",
            Self::State => "FH0524",
            Self::Exchange(_) => "FH0525",
            Self::TimedOut(_) | Self::Listen { .. } => "FH0526",
            Self::RealPool(_) => "FH0527",
            Self::User { .. } => "FH0528",
        }
    }
}
