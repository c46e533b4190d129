//! How much one person may make, whoever asks at the same time.

use domain::id::UserId;
use futures::future::join_all;
use serde_json::{Value as Json, json};
use store::attr;
use store::keys::Key;
use store::quotas::Quota;

use crate::world::{ISSUER, Person, Reply, World};

/// Callers at the same time.
const CALLERS: usize = 50;
/// How much is left of a quota when they begin.
const LEFT: usize = 20;

/// Makes a count say that so much was made.
async fn count(world: &World, key: &Key, made: u32) {
    let update = world.store.client().update_item().table_name("t-directory");
    let update = update.set_key(Some(attr::key_row(key))).update_expression("SET #count = :made");
    let update = update.expression_attribute_names("#count", "count");
    update.expression_attribute_values(":made", attr::number(made)).send().await.unwrap();
}

async fn leave(world: &World, quota: Quota, person: &Person<'_>, left: usize) {
    let user = UserId::parse(&person.id().await).unwrap();
    count(world, &quota.key(&user, world.now()), quota.limit() - left as u32).await;
}

/// How many succeeded; all others are told that the quota is used up, and when to come back.
fn succeeded(replies: Vec<Reply>, status: u16, quota: Quota) -> usize {
    let (done, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == status);
    for reply in refused {
        let seconds: u32 = reply.headers["retry-after"].parse().unwrap();
        assert!((1..=86_401).contains(&seconds), "{seconds}");
        let problem = reply.problem(429, "quota-exceeded");
        assert_eq!(problem["limit"], quota.limit());
    }
    done.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_at_once_exactly_as_many_make_a_group_or_a_profile_as_the_quota_has_left() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let targets =
        [(Quota::Groups, "/groups", json!({"name": "Diabetes"})), (Quota::Profiles, "/profiles", json!({}))];
    for (quota, path, body) in targets {
        leave(&world, quota, &ann, LEFT).await;
        let calls = (0..CALLERS).map(|_| ann.post(path, body.clone()));
        assert_eq!(succeeded(join_all(calls).await, 201, quota), LEFT, "{path}");
        bob.post(path, body.clone()).await.expect(201);
    }
    assert_eq!(ann.all("/groups").await.len(), LEFT, "what was refused has left nothing");
    world.pass_days(1);
    ann.group("The day after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_at_once_exactly_as_many_change_rules_or_contracts_as_the_quota_has_left() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let mut groups = Vec::new();
    for n in 0..CALLERS {
        let group = ann.group(&format!("Group {n}")).await;
        ann.admit(&group, "provider", &ann).await;
        groups.push(group);
    }
    let rules = json!({"rules": [{"types": ["glucose"], "when": "resource.mgdl > 200", "fields": ["takenAt", "mgdl"]}]});
    let contract = json!({"types": ["glucose"]});
    for (quota, path, body) in
        [(Quota::RuleChanges, "rules", rules), (Quota::ContractChanges, "contract", contract)]
    {
        leave(&world, quota, &ann, LEFT).await;
        let paths: Vec<String> = groups.iter().map(|group| format!("/groups/{group}/{path}")).collect();
        let calls = paths.iter().map(|path| ann.put(path, body.clone()));
        assert_eq!(succeeded(join_all(calls).await, 200, quota), LEFT, "{path}");
        // What says the same again makes no job, and is not counted.
        let again = join_all(paths.iter().map(|path| ann.put(path, body.clone()))).await;
        assert_eq!(succeeded(again, 200, quota), LEFT, "{path}");
    }
}

#[tokio::test]
async fn a_person_is_erased_ten_times_a_day_and_loses_nothing_when_refused() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for _ in 0..Quota::Erasures.limit() {
        ann.delete("/user").await.expect(202);
        ann.post("/user", Json::Null).await.expect(201);
    }
    let group = ann.group("Kept").await;
    let bob = world.person("bob").await;
    ann.admit(&group, "owner", &bob).await;
    assert_eq!(succeeded(vec![ann.delete("/user").await], 202, Quota::Erasures), 0);
    assert_eq!(ann.get(&format!("/groups/{group}")).await.expect(200)["roles"], json!(["owner"]));
    world.pass_days(1);
    ann.delete("/user").await.expect(202);
}

#[tokio::test]
async fn the_count_of_erasures_says_nothing_of_whose_they_were() {
    let world = World::new().await;
    let key = |now| Quota::key_of_erasures(ISSUER, "ann", now);
    let (today, tomorrow) = (key(world.now()), key(world.now().plus_millis(86_400_000)));
    assert_ne!(today.pk, tomorrow.pk);
    assert_ne!(today.pk, store::keys::identity(ISSUER, "ann").pk);
    world.person("ann").await.delete("/user").await.expect(202);
    let read = world.store.client().get_item().table_name("t-directory");
    let row = read.set_key(Some(attr::key_row(&today))).send().await.unwrap().item.unwrap();
    let mut names: Vec<&str> = row.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["count", "exp", "pk", "sk"]);
}
