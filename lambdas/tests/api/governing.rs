//! Groups that people govern: names, roles, owners, invitations, rules.

use domain::address::Address;
use domain::id::{GroupId, Name};
use domain::time::Timestamp;
use serde_json::{Value as Json, json};
use store::directory::{Invitation, InvitationStatus, Invitee, JobKind, NewGroup, Role, Writer};
use store::ids;

use crate::world::{Person, World, numbers, text};

/// What the stack offers the first owner of a group, at this revision of its roster.
pub fn stack_offer(world: &World, group: &GroupId, revision: u64, owner: &str) -> Invitation {
    Invitation {
        id: ids::invitation(),
        group: group.clone(),
        role: Role::Owner,
        invitee: Invitee::Email(Address::parse(&format!("{owner}@example.org")).unwrap()),
        writer: Writer::Stack,
        created: world.now(),
        offered: world.now(),
        revision,
        expires: world.now().plus_millis(86_400_000),
        status: InvitationStatus::Pending,
        answered_by: None,
    }
}

/// A group that stack.yaml declares, of which this person is an owner.
pub async fn declared(world: &World, owner: &Person<'_>) -> String {
    let group = ids::group();
    let invitation = stack_offer(world, &group, 1, &owner.subject);
    let rules = &world.document.group_defaults;
    let new =
        NewGroup { id: group.clone(), name: "clinic", description: None, rules, shards: 1, owner: None };
    let name = Name::parse(&format!("clinic-{}", owner.subject)).unwrap();
    world.store.create_declared_group(&new, &name, &invitation, world.now()).await.unwrap();
    owner
        .post(&format!("/groups/{group}/invitations/{}/accept", invitation.id), Json::Null)
        .await
        .expect(200);
    group.to_string()
}

#[tokio::test]
async fn people_list_their_groups_with_their_roles() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let (one, two) = (ann.group("One").await, ann.group("Two").await);
    ann.admit(&one, "provider", &bob).await;
    ann.admit(&one, "consumer", &bob).await;
    ann.admit(&two, "consumer", &bob).await;
    let gone = ann.group("Three").await;
    ann.admit(&gone, "consumer", &bob).await;
    ann.delete(&format!("/groups/{gone}")).await.expect(204);
    let mut seen: Vec<_> = bob
        .all("/groups?limit=1")
        .await
        .iter()
        .map(|group| (text(&group["name"]), text(&group["id"]), group["roles"].clone()))
        .collect();
    seen.sort_by_key(|(name, ..)| name.clone());
    assert_eq!(
        seen,
        [
            ("One".to_owned(), one, json!(["provider", "consumer"])),
            ("Two".to_owned(), two, json!(["consumer"])),
        ]
    );
    assert_eq!(ann.all("/groups").await.len(), 2);
}

#[tokio::test]
async fn owners_rename_their_groups_but_not_declared_ones() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &bob).await;
    let path = format!("/groups/{group}");
    bob.patch(&path, json!({"name": "Mine"})).await.problem(403, "forbidden");
    ann.patch(&path, json!({"name": " "})).await.problem(422, "invalid");
    let renamed = ann.patch(&path, json!({"name": " Endocrinology "})).await.expect(200);
    assert_eq!(renamed["name"], "Endocrinology");
    assert_eq!(ann.get(&path).await.expect(200), renamed);
    let clinic = declared(&world, &ann).await;
    let path = format!("/groups/{clinic}");
    for body in [json!({"name": "x"}), json!({"description": "x"}), json!({"description": null})] {
        ann.patch(&path, body).await.problem(409, "declared-group");
    }
    ann.put(&format!("{path}/rules"), json!({"rules": []})).await.problem(409, "declared-group");
    assert_eq!(ann.get(&path).await.expect(200)["declared"], true);
}

#[tokio::test]
async fn an_owner_gives_a_member_other_roles() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "provider", &bob).await;
    ann.admit(&group, "consumer", &bob).await;
    let member = format!("/groups/{group}/members/{}", bob.id().await);
    let roles = |roles: &[&str]| json!({"roles": roles});
    bob.patch(&member, roles(&["owner"])).await.problem(403, "forbidden");
    let changed = ann.patch(&member, roles(&["owner"])).await.expect(200);
    assert_eq!(changed["roles"], json!(["owner"]));
    assert_eq!(
        bob.get(&format!("/groups/{group}")).await.expect(200)["roles"],
        json!(["owner", "provider"]),
        "what people share is not the owners' to change"
    );
    bob.get(&format!("/groups/{group}/data")).await.problem(403, "forbidden");
    ann.patch(&member, roles(&["owner", "consumer"])).await.expect(200);
    let mine = format!("/groups/{group}/members/{}", ann.id().await);
    bob.patch(&mine, roles(&["consumer"])).await.expect(200);
    ann.patch(&member, roles(&["consumer"])).await.problem(403, "forbidden");
    bob.patch(&member, roles(&["consumer"])).await.problem(409, "last-owner");
    let members = bob.get(&format!("/groups/{group}")).await.expect(200);
    assert_eq!(members["members"], json!({"owners": 1, "providers": 1, "consumers": 2}));
    for (who, status) in [(bob.drive().await, 404), ("nobody".into(), 404), (ids::user().to_string(), 404)] {
        let path = format!("/groups/{group}/members/{who}");
        assert_eq!(bob.patch(&path, roles(&["owner"])).await.status, status);
    }
    bob.patch(&mine, roles(&["provider"])).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_group_is_handed_over_in_one_step() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person("ann").await, world.person("bob").await, world.person("eve").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &bob).await;
    let path = format!("/groups/{group}/transfer");
    let to = |id: String| json!({"to": id});
    bob.post(&path, to(bob.id().await)).await.problem(403, "forbidden");
    ann.post(&path, to(ann.id().await)).await.problem(422, "invalid");
    ann.post(&path, to(eve.id().await)).await.problem(422, "invalid");
    ann.post(&path, to(bob.id().await)).await.expect(204);
    let group_path = format!("/groups/{group}");
    ann.get(&group_path).await.problem(404, "not-found");
    let seen = bob.get(&group_path).await.expect(200);
    assert_eq!((&seen["roles"], &seen["members"]["owners"]), (&json!(["owner", "consumer"]), &json!(1)));
    bob.admit(&group, "owner", &eve).await;
    bob.post(&path, to(eve.id().await)).await.expect(204);
    let seen = eve.get(&group_path).await.expect(200);
    assert_eq!(seen["members"], json!({"owners": 1, "providers": 0, "consumers": 1}));
    eve.post(&format!("/groups/{group}/leave"), Json::Null).await.problem(409, "last-owner");
}

#[tokio::test]
async fn an_invitation_that_was_revoked_lets_nobody_in() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let path = ann.invite(&group, "consumer", "bob").await;
    bob.delete(&path).await.problem(404, "not-found");
    ann.delete(&path).await.expect(204);
    ann.delete(&path).await.expect(204);
    assert!(bob.all("/user/invitations").await.is_empty());
    bob.post(&format!("{path}/accept"), Json::Null).await.problem(409, "not-acceptable");
    assert_eq!(ann.all(&format!("/groups/{group}/invitations")).await[0]["status"], "revoked");
    ann.post(&format!("{path}/resend"), Json::Null).await.problem(409, "not-open");
    let accepted = ann.invite(&group, "consumer", "bob").await;
    bob.post(&format!("{accepted}/accept"), Json::Null).await.expect(200);
    ann.delete(&accepted).await.problem(409, "not-open");
    ann.delete(&format!("/groups/{group}/invitations/nonsense")).await.problem(404, "not-found");
}

#[tokio::test]
async fn an_invitation_that_is_over_can_be_sent_again() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let path = ann.invite(&group, "consumer", "bob").await;
    world.pass_days(15);
    bob.post(&format!("{path}/accept"), Json::Null).await.problem(409, "not-acceptable");
    assert!(bob.all("/user/invitations").await.is_empty());
    let again = ann.post(&format!("{path}/resend"), Json::Null).await.expect(200);
    assert_eq!(again["status"], "pending");
    assert!(Timestamp::parse(&text(&again["expires"])).unwrap() > world.now());
    assert_eq!(bob.all("/user/invitations").await.len(), 1);
    bob.post(&format!("{path}/accept"), Json::Null).await.expect(200);
}

#[tokio::test]
async fn owners_change_the_rules_within_what_the_stack_allows() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &ann).await;
    ann.admit(&group, "provider", &bob).await;
    for (day, mgdl) in [(1, 150), (2, 200), (3, 300)] {
        let id = bob.reading(&format!("2025-12-0{day}T00:00:00Z"), mgdl).await;
        world.replicate(&bob, &id).await;
    }
    world.work().await;
    let (rules_at, data) = (format!("/groups/{group}/rules"), format!("/groups/{group}/data"));
    assert_eq!(numbers(&ann.all(&data).await), [300, 200]);
    let rule = |when: &str| json!({"types": ["glucose"], "when": when, "fields": ["takenAt", "mgdl"]});
    bob.put(&rules_at, json!({"rules": [rule("resource.mgdl > 0")]})).await.problem(403, "forbidden");
    let changed = ann.put(&rules_at, json!({"rules": [rule("resource.mgdl > 250")]})).await.expect(200);
    assert_eq!((&changed["revision"], &changed["job"]["status"]), (&json!(2), &json!("open")));
    assert_eq!(numbers(&ann.all(&data).await), [300], "narrowing is there at once");
    let job = || world.queue.lock().unwrap().sent.last().unwrap().kind.clone();
    assert!(matches!(job(), JobKind::Sift { .. }), "it is known to take away only");
    ann.put(&rules_at, json!({"rules": [rule("resource.mgdl > 190")]})).await.expect(200);
    assert!(matches!(job(), JobKind::Spread { .. }));
    world.work().await;
    assert_eq!(numbers(&ann.all(&data).await), [300, 200], "widening comes by the job");
    let seen = ann.get(&format!("/groups/{group}")).await.expect(200);
    assert_eq!(
        (&seen["ruleRevision"], &seen["rules"][0]["when"]),
        (&json!(3), &json!("resource.mgdl > 190"))
    );
    let same = ann.put(&rules_at, json!({"rules": [rule("resource.mgdl > 190")]})).await.expect(200);
    assert_eq!((&same["revision"], &same["job"]), (&json!(3), &Json::Null), "the same again is no change");
}

#[tokio::test]
async fn rules_that_the_stack_does_not_allow_are_refused_with_every_mistake() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let group = ann.group("Diabetes").await;
    let put = async |rules: Json| {
        let reply = ann.put(&format!("/groups/{group}/rules"), json!({"rules": rules})).await;
        let problem = reply.problem(422, "invalid");
        problem["errors"].as_array().unwrap().iter().map(|e| text(&e["field"])).collect::<Vec<_>>()
    };
    let fields = json!(["takenAt", "mgdl"]);
    let wrong = json!([
        {"types": ["weight"]},
        {"types": ["glucose"], "when": "resource.mdgl > 1", "fields": fields},
        {"types": ["glucose"], "fields": ["colour"]},
    ]);
    assert_eq!(put(wrong).await, ["rules.0.types.0", "rules.1.when", "rules.2.fields.0"]);
    assert_eq!(
        put(json!([{"types": ["glucose"]}])).await,
        ["rules.0.fields"],
        "all fields are more than allowed"
    );
    assert_eq!(put(json!([{"types": ["glucose"], "fields": ["device"]}])).await, ["rules.0.fields"]);
    assert_eq!(
        put(json!([{"types": ["memo"], "wehn": "false"}, {"types": []}])).await,
        ["rules.0", "rules.1.types"]
    );
    let many = vec![json!({"types": ["memo"]}); 51];
    assert_eq!(put(json!(many)).await, ["rules.50"]);
    assert_eq!(ann.get(&format!("/groups/{group}")).await.expect(200)["ruleRevision"], 1);
}
