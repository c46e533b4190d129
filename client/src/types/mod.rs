//! What is sent and what is answered, with the names of the API's description. Times are texts as in RFC 3339, in UTC;
//! identifiers are texts.

mod governing;
mod groups;
mod invitations;
mod items;
mod profile;

pub use governing::*;
pub use groups::*;
pub use invitations::*;
pub use items::*;
pub use profile::*;

/// An enum of words that may become more: what is not known is `Unknown`.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$each:meta])* $word:ident),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
        #[serde(rename_all = "lowercase")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$each])* $word,)+
            /// One that this client does not know.
            #[serde(other)]
            Unknown,
        }
    };
}
pub(crate) use words;

words!(
    /// What somebody is in a group.
    Role {
        /// They govern it.
        Owner,
        /// They share their items with it.
        Provider,
        /// They read what is shared.
        Consumer,
    }
);

words!(
    /// How far something is that takes its time.
    Progress {
        /// It is under way.
        Open,
        /// It is over.
        Done,
    }
);
