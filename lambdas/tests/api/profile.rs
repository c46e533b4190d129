use lambdas::api::userinfo::UserInfoError;
use serde_json::Value as Json;

use crate::world::World;

#[tokio::test]
async fn a_profile_is_made_once_with_the_verified_address() {
    let world = World::new().await;
    let ann = world.visitor("ann");
    world.pool.lock().unwrap().insert("ann".into(), Ok(Some("Ann@Example.org".into())));
    let made = ann.post("/user", Json::Null).await.expect(201);
    assert_eq!(made["email"], "Ann@Example.org");
    assert_ne!(made["id"], made["drive"]);
    assert_eq!(ann.post("/user", Json::Null).await.expect(200), made);
    assert_eq!(ann.get("/user").await.expect(200), made);
}

#[tokio::test]
async fn without_a_verified_address_the_profile_has_none() {
    let world = World::new().await;
    let made = world.visitor("bob").post("/user", Json::Null).await.expect(201);
    assert_eq!(made.get("email"), None);
}

#[tokio::test]
async fn nothing_is_made_while_the_pool_does_not_answer() {
    let world = World::new().await;
    let ann = world.visitor("ann");
    world.pool.lock().unwrap().insert("ann".into(), Err(UserInfoError::Unavailable));
    let reply = ann.post("/user", Json::Null).await;
    assert!(reply.headers.contains_key("retry-after"));
    reply.problem(503, "unavailable");
    ann.get("/user").await.problem(404, "no-profile");
    world.pool.lock().unwrap().insert("ann".into(), Err(UserInfoError::Refused));
    ann.post("/user", Json::Null).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn two_devices_at_once_get_one_profile() {
    let world = World::new().await;
    let ann = world.visitor("ann");
    let (one, two) = futures::join!(ann.post("/user", Json::Null), ann.post("/user", Json::Null));
    assert_eq!(one.json["id"], two.json["id"]);
}
