//! Who is let in at all.

use domain::routes::{ROUTES, Route, Scope};
use serde_json::{Value as Json, json};

use crate::tokens;
use crate::world::World;

const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// The routes that take a token.
pub fn secured() -> impl Iterator<Item = (&'static Route, Scope)> {
    ROUTES.iter().filter_map(|route| Some((route, route.scope?)))
}

pub fn filled(path: &str) -> String {
    let mut filled = path.replace("{type}", "glucose");
    for name in ["{data_id}", "{group_id}", "{member_id}", "{invitation_id}", "{user_id}", "{erasure_id}"] {
        filled = filled.replace(name, ID);
    }
    filled
}

#[tokio::test]
async fn no_route_answers_without_a_token() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for (route, _) in secured() {
        let mut request = ann.request(route.method, &filled(route.path), Json::Null);
        for header in [None, Some("Bearer "), Some("Basic YTpi"), Some("Bearer nonsense")] {
            request.headers.remove("authorization");
            request.headers.extend(header.map(|value| ("authorization".to_owned(), value.to_owned())));
            let reply = ann.send(request.clone()).await;
            assert!(reply.headers["www-authenticate"].contains("invalid_token"));
            reply.problem(401, "unauthorized");
        }
    }
}

#[tokio::test]
async fn every_route_asks_for_its_own_scope() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for (route, scope) in secured() {
        let mut claims = ann.claims();
        let others = claims["scope"].as_str().unwrap().replace(&scope.full(), "");
        for scopes in [others, format!("{}2 {}", scope.full(), scope.name()), String::new()] {
            claims["scope"] = scopes.into();
            let mut request = ann.request(route.method, &filled(route.path), Json::Null);
            request.headers.insert("authorization".into(), format!("Bearer {}", tokens::token(&claims)));
            let reply = ann.send(request).await;
            assert!(reply.headers["www-authenticate"].contains(&scope.full()));
            assert_eq!(reply.problem(403, "insufficient-scope")["scope"], scope.full());
        }
    }
}

#[tokio::test]
async fn without_a_profile_every_route_says_to_make_one() {
    let world = World::new().await;
    let visitor = world.visitor("zoe");
    visitor.get("/user").await.problem(404, "no-profile");
    visitor.delete("/user").await.problem(403, "no-profile");
    let without = ["/user", "/user/claim", "/erasures/{erasure_id}"];
    for (route, _) in secured().filter(|(route, _)| !without.contains(&route.path)) {
        let problem =
            visitor.call(route.method, &filled(route.path), Json::Null).await.problem(403, "no-profile");
        assert!(problem["detail"].as_str().unwrap().contains("POST /user"));
    }
}

#[tokio::test]
async fn to_a_stranger_no_group_exists() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let bodies = json!({"role": "owner", "email": "bob@example.org"});
    for route in ROUTES.iter().filter(|route| route.path.starts_with("/groups/")) {
        let path = filled(&route.path.replace("{group_id}", &group));
        let body = if route.path.ends_with("/invitations") { bodies.clone() } else { Json::Null };
        let body = if route.method == "POST" { body } else { Json::Null };
        let there = bob.call(route.method, &path, body.clone()).await.problem(404, "not-found");
        let nowhere =
            bob.call(route.method, &filled(route.path), body.clone()).await.problem(404, "not-found");
        assert_eq!(there, nowhere, "{} {}", route.method, route.path);
        let never = filled(&route.path.replace("{group_id}", "no-id"));
        bob.call(route.method, &never, body).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    ann.get("/nowhere").await.problem(404, "not-found");
    let reply = ann.call("PUT", "/user", Json::Null).await;
    assert_eq!(reply.headers["allow"], "GET, POST, DELETE");
    reply.problem(405, "method-not-allowed");
}

#[tokio::test]
async fn parameters_that_a_route_does_not_know_are_named() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let problem = ann.get("/user?verbose=1").await.problem(400, "invalid-parameter");
    assert_eq!(problem["parameter"], "verbose");
    for route in ROUTES {
        ann.call(route.method, &format!("{}?colour=red", filled(route.path)), Json::Null).await.refused();
    }
}

impl crate::world::Reply {
    fn refused(self) {
        assert!((400..500).contains(&self.status), "{:#}", self.json);
    }
}
