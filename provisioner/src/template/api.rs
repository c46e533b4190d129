//! The HTTP API.

use serde_json::{Value, json};

use super::{Attributes, Typed};

pub(super) fn http_api(of: &Attributes<'_>) -> Option<Typed> {
    let cors = of.has("cors").then(|| {
        json!({
            "AllowOrigins": of.get("cors/origins"),
            "AllowMethods": of.get("cors/methods"),
            "AllowHeaders": of.get("cors/headers"),
            "ExposeHeaders": of.get("cors/exposes"),
            "MaxAge": of.get("cors/maxAge"),
        })
    });
    let properties = json!({
        "Name": of.get("name"),
        "ProtocolType": "HTTP",
        "CorsConfiguration": cors.unwrap_or(Value::Null),
        "Tags": of.get("tags"),
    });
    Typed::new("AWS::ApiGatewayV2::Api", properties)
}

pub(super) fn authorizer(of: &Attributes<'_>) -> Option<Typed> {
    let properties = json!({
        "ApiId": of.get("api"),
        "Name": of.get("name"),
        "AuthorizerType": "JWT",
        "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": { "Issuer": of.get("issuer"), "Audience": of.get("audience") },
    });
    Typed::new("AWS::ApiGatewayV2::Authorizer", properties)
}

pub(super) fn integration(of: &Attributes<'_>) -> Option<Typed> {
    let properties = json!({
        "ApiId": of.get("api"),
        "IntegrationType": "AWS_PROXY",
        "IntegrationMethod": "POST",
        "IntegrationUri": of.get("function"),
        "PayloadFormatVersion": of.get("payloadVersion"),
        "TimeoutInMillis": of.get("timeoutMs"),
    });
    Typed::new("AWS::ApiGatewayV2::Integration", properties)
}

pub(super) fn route(of: &Attributes<'_>) -> Option<Typed> {
    // An open route has no authorizer to name.
    let is_open = of.get("authorizer") == "";
    let secured = |value: Value| if is_open { Value::Null } else { value };
    let properties = json!({
        "ApiId": of.get("api"),
        "RouteKey": of.get("key"),
        "AuthorizationType": if is_open { "NONE" } else { "JWT" },
        "AuthorizerId": secured(of.get("authorizer")),
        "AuthorizationScopes": secured(of.get("scopes")),
        "Target": { "Fn::Join": ["/", ["integrations", of.get("integration")]] },
    });
    Typed::new("AWS::ApiGatewayV2::Route", properties)
}

pub(super) fn stage(of: &Attributes<'_>) -> Option<Typed> {
    let properties = json!({
        "ApiId": of.get("api"),
        "StageName": of.get("name"),
        "AutoDeploy": of.get("autoDeploy"),
        "DefaultRouteSettings": {
            "ThrottlingRateLimit": of.get("rateLimit"),
            "ThrottlingBurstLimit": of.get("burstLimit"),
        },
        "Tags": of.get("tags"),
    });
    Typed::new("AWS::ApiGatewayV2::Stage", properties)
}
