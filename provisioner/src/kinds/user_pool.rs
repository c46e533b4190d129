//! Cognito user pools: who the people are.
//!
//! An update of a pool resets everything that it does not mention, so an update begins with what is there and lays
//! what is wanted over it. The second factor has a call of its own. How people sign in is fixed when the pool is
//! made, and a pool holds people's accounts: it is never made again.

use aws_sdk_cognitoidentityprovider::Config;
use aws_sdk_cognitoidentityprovider::config::retry::RetryConfig;
use aws_sdk_cognitoidentityprovider::operation::set_user_pool_mfa_config::builders::SetUserPoolMfaConfigFluentBuilder;
use aws_sdk_cognitoidentityprovider::operation::update_user_pool::builders::UpdateUserPoolFluentBuilder;
use aws_sdk_cognitoidentityprovider::types::{
    AccountRecoverySettingType, AdminCreateUserConfigType, DeletionProtectionType, PasswordPolicyType,
    RecoveryOptionNameType, RecoveryOptionType, SoftwareTokenMfaConfigType, UserPoolMfaType,
    UserPoolPolicyType, UserPoolType, UsernameAttributeType, UsernameConfigurationType,
    VerifiedAttributeType,
};
use serde::{Deserialize, Serialize};

use super::typed::{
    At, Found, Seen, Tags, Typed, create_once, gone, lacking, optional, outputs, seen, surplus, tags,
};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, Policy, retry};

/// The kind.
#[derive(Debug)]
pub struct UserPool;

/// A user pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// Its name.
    pub name: String,
    /// Whether people sign in with their e-mail address, which is then verified.
    pub email_sign_in: bool,
    /// What a password must have.
    pub password_policy: PasswordPolicy,
    /// Whether people use a second factor.
    pub mfa: Mfa,
    /// Whether people may sign up by themselves.
    pub self_sign_up: bool,
    /// Whether it refuses to be deleted.
    pub deletion_protection: bool,
    /// Its tags.
    pub tags: Tags,
}

/// What a password must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordPolicy {
    /// The least number of characters.
    pub minimum_length: i32,
    /// A lower-case letter.
    pub require_lowercase: bool,
    /// An upper-case letter.
    pub require_uppercase: bool,
    /// A digit.
    pub require_numbers: bool,
    /// Something else.
    pub require_symbols: bool,
}

/// Whether people use a second factor: a code from an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mfa {
    /// Never.
    Off,
    /// If they wish.
    Optional,
    /// Always.
    Required,
}

impl Typed for UserPool {
    const NAME: &'static str = "user_pool";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(pool) = look(at).await? else { return Ok(Seen::Missing) };
        let found = found(at.ctx, &pool)?;
        let what = format!("user pool `{}` ({})", found.attributes.name, found.id);
        if let Some(foreign) = at.foreign::<Self>(&what, &found.attributes.tags) {
            return Ok(Seen::Foreign(foreign));
        }
        Ok(Seen::Owned(found))
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        let there = if at.is_new() { None } else { Self::find(at).await?.ours()? };
        let have = match there {
            Some(have) => have,
            None => match create(at, &want).await? {
                Some(made) => found(at.ctx, &made)?,
                None => seen::<Self>(at).await?,
            },
        };
        if have.attributes == want {
            return Ok(have);
        }
        let mut set_factor = have.attributes.mfa != want.mfa;
        if without_mfa(&have.attributes) == without_mfa(&want) {
            set_mfa(at.ctx, &have.id, want.mfa).await?;
            return Ok(Found { attributes: want, ..have });
        }
        if let Some(pool) = look(at).await?
            && without_mfa(&have.attributes) != without_mfa(&want)
        {
            update(at.ctx, &have.id, pool, &want).await?;
            // An update may reset the second factor too.
            set_factor |= want.mfa != Mfa::Off;
        }
        if set_factor {
            set_mfa(at.ctx, &have.id, want.mfa).await?;
        }
        let surplus = surplus(&have.attributes.tags, &want.tags);
        if !surplus.is_empty() {
            let arn = have.outputs.get("arn").ok_or_else(|| lacking("the user pool's ARN"))?;
            let request = at.ctx.clients.cognito().untag_resource().resource_arn(arn);
            request.set_tag_keys(Some(surplus)).send().await?;
        }
        seen::<Self>(at).await
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let id = &recorded.physical_id;
        let delete = || async { Ok(ctx.clients.cognito().delete_user_pool().user_pool_id(id).send().await?) };
        gone(retry(&format!("to delete user pool `{id}`"), Policy::default(), delete).await)
    }

    fn effect(path: &str) -> Effect {
        match path {
            "name" | "emailSignIn" => Effect::Blocked,
            _ => Effect::Update,
        }
    }
    fn holds_data() -> bool {
        true
    }
}

fn found(ctx: &Context, pool: &UserPoolType) -> Result<Found<Attributes>, AwsError> {
    let id = pool.id().ok_or_else(|| lacking("the user pool's id"))?;
    let attributes = normalise(pool);
    // The emulator writes the same issuer into its tokens as AWS does.
    let provider = format!("cognito-idp.{}.amazonaws.com/{id}", ctx.clients.region());
    let issuer = format!("https://{provider}");
    let arn = pool.arn().unwrap_or_default();
    let outputs = outputs([("id", id), ("arn", arn), ("name", &attributes.name), ("issuer", &issuer)]);
    Ok(Found { id: id.to_owned(), attributes, outputs })
}

/// The pool of the recorded id, or else the one of this name; ours first, since names of pools are not unique.
async fn look(at: At<'_>) -> Result<Option<UserPoolType>, AwsError> {
    if let Some(id) = at.id()
        && let Some(pool) = describe(at.ctx, id).await?
    {
        return Ok(Some(pool));
    }
    let Some(name) = at.text("name") else { return Ok(None) };
    let (mut other, mut next) = (None, None);
    loop {
        let request = at.ctx.clients.cognito().list_user_pools().max_results(60).set_next_token(next);
        let page = request.send().await?;
        for id in
            page.user_pools().iter().filter(|pool| pool.name() == Some(name)).filter_map(|pool| pool.id())
        {
            match describe(at.ctx, id).await? {
                Some(pool) if at.owns::<UserPool>(&normalise(&pool).tags) => return Ok(Some(pool)),
                pool => other = pool.or(other),
            }
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(other);
        }
    }
}

async fn describe(ctx: &Context, id: &str) -> Result<Option<UserPoolType>, AwsError> {
    let answer = ctx.clients.cognito().describe_user_pool().user_pool_id(id).send().await;
    Ok(optional(answer.map_err(AwsError::from))?.and_then(|answer| answer.user_pool))
}

fn normalise(pool: &UserPoolType) -> Attributes {
    let password = pool.policies().and_then(|policies| policies.password_policy());
    let has = |read: fn(&PasswordPolicyType) -> bool| password.is_some_and(read);
    let admin_only =
        pool.admin_create_user_config().is_some_and(|admin| admin.allow_admin_create_user_only());
    Attributes {
        name: pool.name().unwrap_or_default().to_owned(),
        email_sign_in: pool.username_attributes().contains(&UsernameAttributeType::Email),
        password_policy: PasswordPolicy {
            minimum_length: password.and_then(|policy| policy.minimum_length()).unwrap_or(8),
            require_lowercase: has(|policy| policy.require_lowercase()),
            require_uppercase: has(|policy| policy.require_uppercase()),
            require_numbers: has(|policy| policy.require_numbers()),
            require_symbols: has(|policy| policy.require_symbols()),
        },
        mfa: mfa_of(pool),
        self_sign_up: !admin_only,
        deletion_protection: pool.deletion_protection() == Some(&DeletionProtectionType::Active),
        tags: tags(pool.user_pool_tags().cloned().unwrap_or_default()),
    }
}

/// A pool's second factor.
pub(super) fn mfa_of(pool: &UserPoolType) -> Mfa {
    match pool.mfa_configuration() {
        Some(UserPoolMfaType::On) => Mfa::Required,
        Some(UserPoolMfaType::Optional) => Mfa::Optional,
        _ => Mfa::Off,
    }
}

fn without_mfa(attributes: &Attributes) -> Attributes {
    Attributes { mfa: Mfa::Off, ..attributes.clone() }
}

fn deletion_protection(want: &Attributes) -> DeletionProtectionType {
    if want.deletion_protection { DeletionProtectionType::Active } else { DeletionProtectionType::Inactive }
}

fn password_policy(want: &PasswordPolicy, have: Option<&PasswordPolicyType>) -> PasswordPolicyType {
    PasswordPolicyType::builder()
        .minimum_length(want.minimum_length)
        .require_lowercase(want.require_lowercase)
        .require_uppercase(want.require_uppercase)
        .require_numbers(want.require_numbers)
        .require_symbols(want.require_symbols)
        .set_password_history_size(have.and_then(|have| have.password_history_size()))
        .temporary_password_validity_days(have.map_or(7, |have| have.temporary_password_validity_days()))
        .build()
}

/// Makes the pool; nothing is returned if it came about without an answer.
async fn create(at: At<'_>, want: &Attributes) -> Result<Option<UserPoolType>, AwsError> {
    let recovery =
        RecoveryOptionType::builder().priority(1).name(RecoveryOptionNameType::VerifiedEmail).build()?;
    let mut request = at
        .ctx
        .clients
        .cognito()
        .create_user_pool()
        .pool_name(&want.name)
        .policies(
            UserPoolPolicyType::builder()
                .password_policy(password_policy(&want.password_policy, None))
                .build(),
        )
        .deletion_protection(deletion_protection(want))
        .admin_create_user_config(
            AdminCreateUserConfigType::builder().allow_admin_create_user_only(!want.self_sign_up).build(),
        )
        .account_recovery_setting(AccountRecoverySettingType::builder().recovery_mechanisms(recovery).build())
        .username_configuration(UsernameConfigurationType::builder().case_sensitive(false).build()?)
        .set_user_pool_tags(Some(want.tags.clone().into_iter().collect()));
    if want.email_sign_in {
        request = request
            .username_attributes(UsernameAttributeType::Email)
            .auto_verified_attributes(VerifiedAttributeType::Email);
    }
    let what = format!("to make user pool `{}`", want.name);
    let once = Config::builder().retry_config(RetryConfig::disabled());
    let made = create_once::<UserPool, _, _, _>(at, &what, || async {
        Ok(request.clone().customize().config_override(once.clone()).send().await?)
    });
    made.await?.map(|made| made.user_pool.ok_or_else(|| lacking("the user pool"))).transpose()
}

/// An update that leaves a pool as it is: what it does not mention is reset.
pub(super) fn as_it_is(
    request: UpdateUserPoolFluentBuilder,
    id: &str,
    pool: UserPoolType,
) -> UpdateUserPoolFluentBuilder {
    // Without how long an unused account counts, which is refused where the password policy says it.
    let admin = pool.admin_create_user_config.as_ref().map(|admin| {
        AdminCreateUserConfigType::builder()
            .allow_admin_create_user_only(admin.allow_admin_create_user_only())
            .set_invite_message_template(admin.invite_message_template().cloned())
            .build()
    });
    request
        .user_pool_id(id)
        .set_policies(pool.policies)
        .set_admin_create_user_config(admin)
        .set_deletion_protection(pool.deletion_protection)
        .set_auto_verified_attributes(pool.auto_verified_attributes)
        .set_user_pool_tags(pool.user_pool_tags)
        .set_lambda_config(pool.lambda_config)
        .set_sms_verification_message(pool.sms_verification_message)
        .set_email_verification_message(pool.email_verification_message)
        .set_email_verification_subject(pool.email_verification_subject)
        .set_verification_message_template(pool.verification_message_template)
        .set_sms_authentication_message(pool.sms_authentication_message)
        .set_user_attribute_update_settings(pool.user_attribute_update_settings)
        .set_mfa_configuration(pool.mfa_configuration)
        .set_device_configuration(pool.device_configuration)
        .set_email_configuration(pool.email_configuration)
        .set_sms_configuration(pool.sms_configuration)
        .set_user_pool_add_ons(pool.user_pool_add_ons)
        .set_account_recovery_setting(pool.account_recovery_setting)
        .set_user_pool_tier(pool.user_pool_tier)
}

/// Sends everything that the pool has, with what is wanted laid over it.
async fn update(ctx: &Context, id: &str, pool: UserPoolType, want: &Attributes) -> Result<(), AwsError> {
    let policies = pool.policies.as_ref();
    let password =
        password_policy(&want.password_policy, policies.and_then(|policies| policies.password_policy()));
    let policies = UserPoolPolicyType::builder()
        .password_policy(password)
        .set_sign_in_policy(policies.and_then(|policies| policies.sign_in_policy().cloned()))
        .build();
    let admin = pool.admin_create_user_config.as_ref();
    let admin = AdminCreateUserConfigType::builder()
        .allow_admin_create_user_only(!want.self_sign_up)
        .set_invite_message_template(admin.and_then(|admin| admin.invite_message_template().cloned()))
        .build();
    let verified = if want.email_sign_in { vec![VerifiedAttributeType::Email] } else { Vec::new() };
    let request = as_it_is(ctx.clients.cognito().update_user_pool(), id, pool)
        .policies(policies)
        .admin_create_user_config(admin)
        .deletion_protection(deletion_protection(want))
        .set_auto_verified_attributes(Some(verified))
        .set_user_pool_tags(Some(want.tags.clone().into_iter().collect()));
    let what = format!("to change user pool `{}`", want.name);
    retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await.map(|_| ())
}

async fn set_mfa(ctx: &Context, id: &str, mfa: Mfa) -> Result<(), AwsError> {
    let request = with_mfa(ctx.clients.cognito().set_user_pool_mfa_config(), id, mfa);
    let what = format!("to set the second factor of user pool `{id}`");
    retry(&what, Policy::default(), || async { Ok(request.clone().send().await?) }).await.map(|_| ())
}

/// A call that sets a pool's second factor.
pub(super) fn with_mfa(
    request: SetUserPoolMfaConfigFluentBuilder,
    id: &str,
    mfa: Mfa,
) -> SetUserPoolMfaConfigFluentBuilder {
    let (kind, codes) = match mfa {
        Mfa::Off => (UserPoolMfaType::Off, false),
        Mfa::Optional => (UserPoolMfaType::Optional, true),
        Mfa::Required => (UserPoolMfaType::On, true),
    };
    let request = request.user_pool_id(id).mfa_configuration(kind);
    match codes {
        true => {
            let app = SoftwareTokenMfaConfigType::builder().enabled(true).build();
            request.software_token_mfa_configuration(app)
        }
        false => request,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cognito_leaves_out_reads_as_its_default() {
        let found = normalise(&UserPoolType::builder().name("people").build());
        assert_eq!((found.mfa, found.self_sign_up, found.deletion_protection), (Mfa::Off, true, false));
        assert_eq!((found.password_policy.minimum_length, found.email_sign_in), (8, false));
    }

    #[test]
    fn a_pool_is_never_made_again() {
        assert_eq!(
            (UserPool::effect("emailSignIn"), UserPool::effect("mfa")),
            (Effect::Blocked, Effect::Update)
        );
        assert!(UserPool::holds_data());
    }

    #[test]
    fn what_we_do_not_manage_of_a_password_policy_is_kept() {
        let want = normalise(&UserPoolType::builder().build()).password_policy;
        let have = PasswordPolicyType::builder()
            .password_history_size(5)
            .temporary_password_validity_days(2)
            .build();
        let sent = password_policy(&want, Some(&have));
        assert_eq!((sent.password_history_size(), sent.temporary_password_validity_days()), (Some(5), 2));
    }
}
