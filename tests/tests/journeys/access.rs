//! Who may call what. Every refusal is asked of every route it concerns.

use domain::routes::{ROUTES, Route, Scope};
use journeys::{Person, Raw as _, World};
use reqwest::Method;
use serde_json::{Value, json};

/// A path of a route with identifiers that are well formed and name nothing.
fn some_path(route: &Route) -> String {
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let path = route.path.replace("{type}", "glucose");
    ["{data_id}", "{group_id}", "{member_id}", "{invitation_id}"]
        .iter()
        .fold(path, |path, name| path.replace(name, id))
}

/// The routes that take a token.
fn secured() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.scope.is_some())
}

fn method(route: &Route) -> Method {
    Method::from_bytes(route.method.as_bytes()).unwrap()
}

#[tokio::test]
async fn no_route_answers_without_a_token_that_counts() {
    let world = World::shared("no-token").await;
    let person = world.person("somebody").await;
    let good = person.token().await.unwrap();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for route in secured() {
        for token in [None, Some("nonsense"), Some(forged.as_str())] {
            let answer =
                person.call_with(method(route), &some_path(route), Some(&json!({})), token).await.unwrap();
            assert_eq!(answer.status, 401, "{} {} with {token:?}: {answer:?}", route.method, route.path);
        }
    }
}

#[tokio::test]
async fn an_id_token_opens_nothing() {
    let world = World::shared("id-token").await;
    let person = world.person("somebody").await;
    let sign_in = person.sign_in();
    let tokens = provision::token::sign_in(&sign_in).await.unwrap();
    let id_token = tokens.id_token.unwrap();
    for route in secured() {
        let answer = person
            .call_with(method(route), &some_path(route), Some(&json!({})), Some(&id_token))
            .await
            .unwrap();
        let refused = [401, 403].contains(&answer.status.as_u16());
        assert!(refused, "{} {}: {answer:?}", route.method, route.path);
    }
}

#[tokio::test]
async fn no_route_answers_a_token_that_lacks_its_scope() {
    let world = World::shared("scopes").await;
    let person = world.person("somebody").await;
    for lacking in Scope::ALL {
        let mut sign_in = person.sign_in();
        sign_in.app.scopes.retain(|scope| *scope != lacking.full());
        let limited = world.place.signed_in(sign_in).unwrap();
        let token = limited.token().await.unwrap();
        for route in ROUTES.iter().filter(|route| route.scope == Some(lacking)) {
            let answer = person
                .call_with(method(route), &some_path(route), Some(&json!({})), Some(&token))
                .await
                .unwrap();
            assert_eq!(answer.status, 403, "{} {}: {answer:?}", route.method, route.path);
        }
    }
}

#[tokio::test]
async fn who_has_no_profile_can_only_make_one() {
    let world = World::shared("no-profile").await;
    let client = world.place.person(&world.address("nobody")).await.unwrap();
    // They may also take one over that was made for them, and ask how far the erasure of one is that they had.
    let theirs = [("POST", "/user"), ("POST", "/user/claim"), ("GET", "/erasures/{erasure_id}")];
    for route in secured().filter(|route| !theirs.contains(&(route.method, route.path))) {
        let answer = client.call(method(route), &some_path(route), Some(&json!({}))).await.unwrap();
        let expected = if (route.method, route.path) == ("GET", "/user") { 404 } else { 403 };
        assert_eq!(answer.status, expected, "{} {}: {answer:?}", route.method, route.path);
        assert_eq!(answer.body["type"], "urn:freehold:problem:no-profile", "{answer:?}");
    }
}

/// Calls of every group route on a real group.
fn group_calls(group: &str, invitation: &str, member: &str) -> Vec<(&'static str, String, Value)> {
    let at = |rest: &str| format!("/groups/{group}{rest}");
    let invite = json!({"email": "friend@example.org", "role": "consumer"});
    vec![
        ("GET", at(""), Value::Null),
        ("DELETE", at(""), Value::Null),
        ("GET", at("/data"), Value::Null),
        ("GET", at("/data/types/glucose"), Value::Null),
        ("GET", at("/members"), Value::Null),
        ("DELETE", at(&format!("/members/{member}")), Value::Null),
        ("POST", at("/leave"), json!({})),
        ("GET", at("/contract"), Value::Null),
        ("PUT", at("/contract"), json!({})),
        ("GET", at("/invitations"), Value::Null),
        ("POST", at("/invitations"), invite),
        ("GET", at(&format!("/invitations/{invitation}/preview")), Value::Null),
        ("POST", at(&format!("/invitations/{invitation}/accept")), json!({})),
        ("POST", at(&format!("/invitations/{invitation}/decline")), json!({})),
    ]
}

async fn call(person: &Person, (method, path, body): &(&'static str, String, Value)) -> u16 {
    let body = (!body.is_null()).then(|| body.clone());
    let answer = person.ask(method, path, body).await;
    assert!(
        answer.status.is_success() || answer.content_type.starts_with("application/problem+json"),
        "{method} {path}: {answer:?}"
    );
    answer.status.as_u16()
}

#[tokio::test]
async fn a_stranger_learns_of_a_group_not_even_that_it_exists() {
    let world = World::shared("strangers").await;
    let (owner, stranger) = (world.person("owner").await, world.person("stranger").await);
    let group = owner.make_group("private").await;
    let invitation = owner.invites(&group, "friend@example.org", "provider").await;
    for real in group_calls(&group.id, &invitation.id, &owner.user.id) {
        assert_eq!(call(&stranger, &real).await, 404, "{real:?}");
    }
    // The same answers as for a group that is not there.
    let nothing = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for imagined in group_calls(nothing, nothing, nothing) {
        assert_eq!(call(&stranger, &imagined).await, 404, "{imagined:?}");
    }
}

#[tokio::test]
async fn a_role_opens_what_is_its_own_and_no_more() {
    let world = World::shared("roles").await;
    let owner = world.person("owner").await;
    let group = owner.make_group("roles").await;
    let invitation = owner.invites(&group, "friend@example.org", "provider").await;
    let reads = ["/data", "/data/types/glucose"];
    for role in ["provider", "consumer"] {
        let person = world.person(role).await;
        person.join(&owner, &group, role).await;
        for it in group_calls(&group.id, &invitation.id, &owner.user.id) {
            let rest = it.1.trim_start_matches(&format!("/groups/{}", group.id));
            let expected = match (it.0, rest) {
                ("POST", "/leave") => continue,
                ("GET", "" | "/members") => 200,
                ("GET", rest) if reads.contains(&rest) && role == "consumer" => 200,
                // A contract is a provider's own.
                (_, "/contract") if role == "provider" => 200,
                // Somebody else's invitation.
                (_, rest)
                    if rest.ends_with("/preview")
                        || rest.ends_with("/accept")
                        || rest.ends_with("/decline") =>
                {
                    404
                }
                _ => 403,
            };
            assert_eq!(call(&person, &it).await, expected, "{role}: {it:?}");
        }
    }
    for rest in reads {
        let answer = owner.get(&format!("/groups/{}{rest}", group.id)).await;
        assert_eq!(answer.status, 403, "an owner administers and does not read: {answer:?}");
    }
}

#[tokio::test]
async fn nobody_reaches_the_items_of_another() {
    let world = World::shared("others-items").await;
    let (one, other) = (world.person("one").await, world.person("other").await);
    let id = one.read_glucose("2024-01-01T08:00:00Z", 200).await;
    let path = format!("/user/data/{id}");
    assert_eq!(other.get(&path).await.status, 404);
    assert_eq!(other.patch(&path, json!({"fields": {"mgdl": 100}})).await.status, 404);
    assert_eq!(other.delete(&path).await.status, 404);
    assert!(other.sees_own().await.is_empty());
    assert_eq!(one.sees_own().await, [200]);
}

#[tokio::test]
async fn an_invitation_is_for_whom_it_names_and_counts_once() {
    let world = World::shared("invitations").await;
    let (owner, friend, thief) =
        (world.person("owner").await, world.person("friend").await, world.person("thief").await);
    let group = owner.make_group("friends").await;
    let invitation = owner.invites(&group, &friend.who().to_uppercase(), "consumer").await;
    let at = |what: &str| format!("/groups/{}/invitations/{}/{what}", group.id, invitation.id);
    for what in ["accept", "decline"] {
        assert_eq!(thief.post(&at(what), json!({})).await.status, 404);
    }
    assert!(thief.invitations().all().await.unwrap().is_empty());
    assert_eq!(friend.invitations().all().await.unwrap().len(), 1);
    for _ in 0..2 {
        assert_eq!(
            friend.post(&at("accept"), json!({})).await.status,
            200,
            "accepting again changes nothing"
        );
    }
    assert_eq!(friend.post(&at("decline"), json!({})).await.status, 409);
    assert!(friend.invitations().all().await.unwrap().is_empty());
    assert_eq!(friend.post(&format!("/groups/{}/leave", group.id), json!({})).await.status, 204);
    let again = friend.post(&at("accept"), json!({})).await;
    assert_eq!(again.status, 409, "an invitation does not let anybody back in: {again:?}");
    let second = owner.invites(&group, friend.who(), "provider").await;
    let path = format!("/groups/{}/invitations/{}", group.id, second.id);
    assert_eq!(friend.post(&format!("{path}/decline"), json!({})).await.status, 204);
    let answer = friend.post(&format!("{path}/accept"), json!({})).await;
    assert_eq!(answer.status, 409, "declined is declined: {answer:?}");
}
