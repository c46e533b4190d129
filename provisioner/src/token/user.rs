//! Users for trying things out.

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::types::{AttributeType, MessageActionType};

use domain::address::Address;

use super::TokenError;

/// What kind of pool users are made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// That of the local target.
    Local,
    /// A real one.
    Real,
    /// A real one, and the caller was told to go on.
    RealConfirmed,
}

/// Sees to it that the user is there, confirmed and with this password; no mail is sent. Gives the user's `sub`.
///
/// # Errors
/// For a real pool unless confirmed, and when the pool refuses, as it does a weak password.
pub async fn ensure_user(
    client: &Client,
    pool: Pool,
    pool_id: &str,
    email: &str,
    password: &str,
) -> Result<String, TokenError> {
    if pool == Pool::Real {
        return Err(TokenError::RealPool(email.to_owned()));
    }
    let address = Address::parse(email)
        .map_err(|error| TokenError::User { email: email.to_owned(), why: error.why })?;
    let email = address.as_str();
    let created = client
        .admin_create_user()
        .user_pool_id(pool_id)
        .username(email)
        .message_action(MessageActionType::Suppress)
        .set_user_attributes(Some(attributes(email)?))
        .send()
        .await;
    if let Err(error) = created
        && error.code() != Some("UsernameExistsException")
    {
        return Err(refused(email, &error));
    }
    client
        .admin_set_user_password()
        .user_pool_id(pool_id)
        .username(email)
        .password(password)
        .permanent(true)
        .send()
        .await
        .map_err(|error| refused(email, &error))?;
    let user = client.admin_get_user().user_pool_id(pool_id).username(email).send().await;
    let user = user.map_err(|error| refused(email, &error))?;
    let sub = user.user_attributes().iter().find(|attribute| attribute.name() == "sub");
    let sub = sub.and_then(|attribute| attribute.value()).map(str::to_owned);
    sub.ok_or_else(|| TokenError::User { email: email.to_owned(), why: "it has no `sub`".to_owned() })
}

fn attributes(email: &str) -> Result<Vec<AttributeType>, TokenError> {
    let attribute = |name: &str, value: &str| {
        let built = AttributeType::builder().name(name).value(value).build();
        built.map_err(|error| TokenError::User { email: email.to_owned(), why: error.to_string() })
    };
    Ok(vec![attribute("email", email)?, attribute("email_verified", "true")?])
}

fn refused<E>(email: &str, error: &SdkError<E>) -> TokenError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    SdkError<E>: ProvideErrorMetadata,
{
    let why = error.message().map_or_else(|| DisplayErrorContext(error).to_string(), str::to_owned);
    TokenError::User { email: email.to_owned(), why }
}
