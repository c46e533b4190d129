//! Where people come in: the user pool that they sign in to, and the API.

use std::collections::BTreeSet;

use domain::routes::{RESOURCE_SERVER, ROUTES, Route, Scope};
use domain::stack as model;

use super::{API, DesiredOptions, IDENTITY, MAIN, Resources, output};
use crate::kinds::{
    authorizer, http_api, integration, permission, resource_server, route, sign_up_trigger, stage, user_pool,
    user_pool_client, user_pool_domain,
};
use crate::resource::Input;

/// Headers that web pages of the stack's origins may send, sorted.
const REQUEST_HEADERS: [&str; 5] =
    ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match"];
/// Headers of answers that they may read, sorted.
const ANSWER_HEADERS: [&str; 4] = ["etag", "location", "retry-after", "x-request-id"];

impl Resources<'_> {
    pub(super) fn identity(&mut self) {
        let identity = &self.stack.identity;
        let pool = user_pool::Attributes {
            name: self.physical("people"),
            email_sign_in: true,
            password_policy: user_pool::PasswordPolicy {
                minimum_length: i32::from(identity.password_policy.minimum_length),
                require_lowercase: identity.password_policy.require_lowercase,
                require_uppercase: identity.password_policy.require_uppercase,
                require_numbers: identity.password_policy.require_numbers,
                require_symbols: identity.password_policy.require_symbols,
            },
            mfa: match identity.mfa {
                model::Mfa::Off => user_pool::Mfa::Off,
                model::Mfa::Optional => user_pool::Mfa::Optional,
                model::Mfa::Required => user_pool::Mfa::Required,
            },
            self_sign_up: identity.self_sign_up,
            deletion_protection: self.stack.protection.deletion_protection,
            tags: self.tags("user_pool", MAIN),
        };
        let prefix = identity.domain_prefix.clone();
        let domain = user_pool_domain::Attributes {
            prefix: prefix
                .unwrap_or_else(|| format!("{}-{}", self.stack.name.as_str(), self.options.account)),
            pool: output("user_pool", MAIN, "id"),
        };
        let mut scopes: Vec<_> = Scope::ALL
            .iter()
            .map(|scope| resource_server::Scope {
                name: scope.name().to_owned(),
                description: scope.description().to_owned(),
            })
            .collect();
        scopes.sort();
        let server = resource_server::Attributes {
            pool: output("user_pool", MAIN, "id"),
            identifier: RESOURCE_SERVER.to_owned(),
            name: self.stack.name.as_str().to_owned(),
            scopes,
        };
        let client = self.client();
        self.add("user_pool", MAIN, pool);
        self.add("user_pool_domain", MAIN, domain);
        self.add("resource_server", MAIN, server);
        self.add("user_pool_client", MAIN, client);
        let permission = permission::Attributes {
            function: output("function", IDENTITY, "name"),
            principal: "cognito-idp.amazonaws.com".to_owned(),
            action: "lambda:InvokeFunction".to_owned(),
            source: output("user_pool", MAIN, "arn"),
        };
        self.add("permission", IDENTITY, permission);
        let trigger = sign_up_trigger::Attributes {
            pool: output("user_pool", MAIN, "id"),
            function: output("function", IDENTITY, "arn"),
            after: output("permission", IDENTITY, "statementId"),
        };
        self.add("sign_up_trigger", MAIN, trigger);
    }

    fn client(&self) -> user_pool_client::Attributes<Input> {
        let identity = &self.stack.identity;
        let sorted = |texts: &[String]| {
            let mut texts = texts.to_vec();
            texts.sort();
            texts
        };
        user_pool_client::Attributes {
            pool: output("user_pool", MAIN, "id"),
            name: self.physical("client"),
            callback_urls: sorted(&identity.callback_urls),
            logout_urls: sorted(&identity.logout_urls),
            flows: vec!["code".to_owned()],
            scopes: scopes().into_iter().map(scope_input).collect(),
            // Passwords never reach the client: people type them on the hosted page only.
            auth_flows: vec!["ALLOW_REFRESH_TOKEN_AUTH".to_owned()],
            token_minutes: 60,
            refresh_days: 30,
            hides_users: true,
            revocable: true,
        }
    }

    pub(super) fn api(&mut self) {
        let origins = &self.stack.api.cors_origins;
        let methods: BTreeSet<&str> = ROUTES.iter().map(|route| route.method).chain(["OPTIONS"]).collect();
        let cors = (!origins.is_empty()).then(|| {
            let mut origins = origins.clone();
            origins.sort();
            http_api::Cors {
                origins,
                methods: methods.into_iter().map(str::to_owned).collect(),
                headers: REQUEST_HEADERS.map(str::to_owned).to_vec(),
                exposes: ANSWER_HEADERS.map(str::to_owned).to_vec(),
                max_age: 3600,
            }
        });
        let api = http_api::Attributes { name: self.physical(API), cors, tags: self.tags("http_api", API) };
        self.add("http_api", API, api);
        let id = || output("http_api", API, "id");
        let authorizer = authorizer::Attributes {
            api: id(),
            name: "people".to_owned(),
            issuer: output("user_pool", MAIN, "issuer"),
            audience: vec![output("user_pool_client", MAIN, "id")],
        };
        self.add("authorizer", API, authorizer);
        let integration = integration::Attributes {
            api: id(),
            name: API.to_owned(),
            function: output("function", API, "arn"),
            payload_version: "2.0".to_owned(),
            timeout_ms: 30_000,
        };
        self.add("integration", API, integration);
        for route in ROUTES {
            let attributes = route::Attributes {
                api: id(),
                key: format!("{} {}", route.method, route.path),
                authorizer: route.scope.map(|_| output("authorizer", API, "id")).unwrap_or_else(|| "".into()),
                scopes: route.scope.map(|scope| scope_input(scope.full())).into_iter().collect(),
                integration: output("integration", API, "id"),
            };
            self.add("route", &route_name(route), attributes);
        }
        // What is no route: the function says which methods a path takes, and asks for a token where one is needed, as it
        // does everywhere.
        let rest = route::Attributes {
            api: id(),
            key: "$default".to_owned(),
            authorizer: "".into(),
            scopes: Vec::new(),
            integration: output("integration", API, "id"),
        };
        self.add("route", "default", rest);
        let stage = stage::Attributes {
            api: id(),
            name: "$default".to_owned(),
            auto_deploy: true,
            rate_limit: self.stack.api.rate_limit,
            burst_limit: self.stack.api.burst_limit,
            tags: self.tags("stage", API),
        };
        self.add("stage", API, stage);
        let DesiredOptions { region, account, .. } = self.options;
        let prefix = format!("arn:aws:execute-api:{region}:{account}:");
        let permission = permission::Attributes {
            function: output("function", API, "name"),
            principal: "apigateway.amazonaws.com".to_owned(),
            action: "lambda:InvokeFunction".to_owned(),
            source: Input::Join(vec![prefix.into(), id(), "/*".into()]),
        };
        self.add("permission", API, permission);
    }
}

/// A route's name in addresses: `get-user-data-data_id`.
fn route_name(route: &Route) -> String {
    let path = route.path.replace(['{', '}'], "").replace('/', "-");
    format!("{}{path}", route.method.to_lowercase())
}

/// What a person's tokens may carry, sorted.
pub(super) fn scopes() -> Vec<String> {
    let standard = ["email", "openid"].map(str::to_owned);
    let mut scopes: Vec<String> = Scope::ALL.iter().map(|scope| scope.full()).chain(standard).collect();
    scopes.sort();
    scopes
}

/// A scope of ours exists only once the resource server does; standard ones always do.
fn scope_input(scope: String) -> Input {
    match scope.strip_prefix(RESOURCE_SERVER) {
        Some(rest) => Input::Join(vec![output("resource_server", MAIN, "identifier"), rest.into()]),
        None => scope.into(),
    }
}
