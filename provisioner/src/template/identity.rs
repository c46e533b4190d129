//! How people sign in.

use serde_json::{Value, json};

use super::{Attributes, Fate, Typed};

pub(super) fn user_pool(of: &Attributes<'_>) -> Option<Typed> {
    let by_email = of.truth("emailSignIn").then(|| json!(["email"]));
    let (mfa, factors) = match of.at("mfa").and_then(Value::as_str) {
        Some("required") => ("ON", Some(json!(["SOFTWARE_TOKEN_MFA"]))),
        Some("optional") => ("OPTIONAL", Some(json!(["SOFTWARE_TOKEN_MFA"]))),
        _ => ("OFF", None),
    };
    let properties = json!({
        "UserPoolName": of.get("name"),
        "UsernameAttributes": by_email,
        "AutoVerifiedAttributes": by_email,
        "UsernameConfiguration": { "CaseSensitive": false },
        "AccountRecoverySetting": { "RecoveryMechanisms": [{ "Name": "verified_email", "Priority": 1 }] },
        "Policies": { "PasswordPolicy": {
            "MinimumLength": of.get("passwordPolicy/minimumLength"),
            "RequireLowercase": of.get("passwordPolicy/requireLowercase"),
            "RequireUppercase": of.get("passwordPolicy/requireUppercase"),
            "RequireNumbers": of.get("passwordPolicy/requireNumbers"),
            "RequireSymbols": of.get("passwordPolicy/requireSymbols"),
            "TemporaryPasswordValidityDays": 7,
        } },
        "MfaConfiguration": mfa,
        "EnabledMfas": factors,
        "AdminCreateUserConfig": { "AllowAdminCreateUserOnly": !of.truth("selfSignUp") },
        "DeletionProtection": if of.truth("deletionProtection") { "ACTIVE" } else { "INACTIVE" },
        "UserPoolTags": of.get("tags"),
    });
    Typed::new("AWS::Cognito::UserPool", properties).map(|pool| pool.with(Fate::Stays))
}

pub(super) fn user_pool_client(of: &Attributes<'_>) -> Option<Typed> {
    let properties = json!({
        "UserPoolId": of.get("pool"),
        "ClientName": of.get("name"),
        "GenerateSecret": false,
        "CallbackURLs": of.get("callbackUrls"),
        "LogoutURLs": of.get("logoutUrls"),
        "AllowedOAuthFlowsUserPoolClient": true,
        "AllowedOAuthFlows": of.get("flows"),
        "AllowedOAuthScopes": of.get("scopes"),
        "SupportedIdentityProviders": ["COGNITO"],
        "ExplicitAuthFlows": of.get("authFlows"),
        "AccessTokenValidity": of.get("tokenMinutes"),
        "IdTokenValidity": of.get("tokenMinutes"),
        "RefreshTokenValidity": of.get("refreshDays"),
        "TokenValidityUnits": { "AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "days" },
        "PreventUserExistenceErrors": if of.truth("hidesUsers") { "ENABLED" } else { "LEGACY" },
        "EnableTokenRevocation": of.get("revocable"),
    });
    Typed::new("AWS::Cognito::UserPoolClient", properties)
}

pub(super) fn user_pool_domain(of: &Attributes<'_>) -> Option<Typed> {
    let properties = json!({ "Domain": of.get("prefix"), "UserPoolId": of.get("pool") });
    Typed::new("AWS::Cognito::UserPoolDomain", properties)
}

pub(super) fn resource_server(of: &Attributes<'_>) -> Option<Typed> {
    let scopes = of.at("scopes").and_then(Value::as_array).into_iter().flatten();
    let scopes: Value = scopes
        .map(|scope| json!({ "ScopeName": scope.get("name"), "ScopeDescription": scope.get("description") }))
        .collect();
    let properties = json!({
        "UserPoolId": of.get("pool"),
        "Identifier": of.get("identifier"),
        "Name": of.get("name"),
        "Scopes": scopes,
    });
    Typed::new("AWS::Cognito::UserPoolResourceServer", properties)
}
