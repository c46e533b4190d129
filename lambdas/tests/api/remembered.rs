//! What a function remembers of where drives share is never another thing than what it would read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::{DriveId, GroupId};
use fastrand::Rng;
use lambdas::scrubber::{Order, Scrubber};
use serde_json::{Value as Json, json};
use store::sharing::Outlet;
use store::{Store, Tables, keys};

use crate::world::{Person, World};

/// Histories, and changes in each.
const HISTORIES: u64 = 8;
const CHANGES: usize = 60;

/// All that writers use of where a drive shares.
fn said(outlets: &[Outlet]) -> Vec<String> {
    let each = outlets.iter().map(|Outlet { membership, book }| format!("{membership:?} {book:?}"));
    each.collect()
}

/// A function that has read nothing yet.
fn fresh(world: &World) -> Store {
    Store::new(world.store.client().clone(), Tables::of_stack("t"))
}

async fn outlets(store: &Store, world: &World, drive: &DriveId) -> Vec<String> {
    said(&store.outlets(drive, &world.document).await.unwrap())
}

/// Whether a function that remembers says what one says that has to read.
async fn agree(world: &World, remembering: &Store, drive: &DriveId, after: &str) {
    let found = outlets(remembering, world, drive).await;
    assert_eq!(found, outlets(&fresh(world), world, drive).await, "after {after}");
}

/// Every drive's shares, and what they should be by its memberships.
async fn shares(world: &World) -> BTreeMap<String, [BTreeMap<String, String>; 2]> {
    let rows = world.store.client().scan().table_name("t-directory").send().await.unwrap();
    assert!(rows.last_evaluated_key().is_none());
    let mut all: BTreeMap<String, [BTreeMap<String, String>; 2]> = BTreeMap::new();
    for row in rows.items() {
        let text = |name: &str| row[name].as_s().unwrap().clone();
        let number = |name: &str| row.get(name).map_or("0", |value| value.as_n().unwrap());
        if let Some(group) = text("sk").strip_prefix("PROVIDES#") {
            let entry = format!("{}.{}", number("epoch"), number("contractRev"));
            all.entry(text("pk")).or_default()[1].insert(group.to_owned(), entry);
        }
        if text("sk") == "SHARES" {
            let entries = row.iter().filter(|(name, _)| !["pk", "sk"].contains(&name.as_str()));
            all.entry(text("pk")).or_default()[0] =
                entries.map(|(name, entry)| (name.clone(), entry.as_s().unwrap().clone())).collect();
        }
    }
    all
}

async fn scrub(world: &World) {
    let scrubber = Scrubber::new(world.store.clone(), world.document.clone(), Arc::new(world.jobs()));
    let order = Order { full: true, fresh: false };
    scrubber.run(order, Instant::now() + Duration::from_secs(600), world.now()).await.unwrap();
}

/// Changes something of somebody's in some group, if it can be changed, and says what.
async fn change(rng: &mut Rng, world: &World, people: &[Person<'_>; 3], groups: &mut [String]) -> String {
    let [owner, providers @ ..] = people;
    let (at, provider) = (rng.usize(..groups.len()), &providers[rng.usize(..2)]);
    let group = groups[at].clone();
    let path = format!("/groups/{group}");
    let what = match rng.u8(..17) {
        0..4 => {
            let invitation = owner.invite(&group, "provider", &provider.subject).await;
            let mut terms = json!({"rules": if rng.bool() { "follow" } else { "ask" }});
            if rng.bool() {
                terms["contract"] = json!({"types": ["glucose"]});
            }
            provider.post(&format!("{invitation}/accept"), terms).await;
            "join"
        }
        4 => {
            provider.post(&format!("{path}/leave?role=provider"), Json::Null).await;
            "leave"
        }
        5 => {
            owner.delete(&format!("{path}/members/{}", provider.drive().await)).await;
            "removal"
        }
        6..8 => {
            let types = if rng.bool() { json!(["glucose"]) } else { json!(["memo"]) };
            provider.put(&format!("{path}/contract"), json!({ "types": types })).await;
            "contract"
        }
        15.. => {
            let consent = provider.get(&format!("{path}/consent")).await;
            let rules = if rng.bool() { "follow" } else { "ask" };
            let agreed = json!({"revision": consent.json["currentRevision"], "rules": rules});
            provider.put(&format!("{path}/consent"), agreed).await;
            "consent"
        }
        8..10 => {
            let above = rng.u8(..);
            let rules = json!([{"types": ["glucose"], "when": format!("resource.mgdl > {above}")}]);
            world.rules(&group, rules, 1 + rng.u16(..3)).await;
            "rules"
        }
        10 => {
            let rules =
                json!({"rules": [{"types": ["glucose"], "when": "resource.mgdl > 190", "fields": ["mgdl"]}]});
            owner.put(&format!("{path}/rules"), rules).await.expect(200);
            "rules by their owner"
        }
        11 => {
            owner.delete(&path).await.expect(204);
            groups[at] = owner.group("another").await;
            "deletion"
        }
        12 => {
            provider.call("DELETE", "/user", Json::Null).await;
            provider.post("/user", Json::Null).await.expect(201);
            "erasure"
        }
        13 => {
            world.work().await;
            "jobs"
        }
        _ => {
            // As if a version had made the memberships that knows no shares.
            let drive = DriveId::parse(&provider.drive().await).unwrap();
            let delete = world.store.client().delete_item().table_name("t-directory");
            delete.set_key(Some(store::attr::key_row(&keys::shares(&drive)))).send().await.unwrap();
            agree(world, &world.store, &drive, "losing what it shares").await;
            scrub(world).await;
            "repair"
        }
    };
    format!("{what} of {} in {group}", provider.subject)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_is_what_would_be_read_whatever_has_changed() {
    let (mut asked, mut read) = (0, 0);
    for seed in 0..HISTORIES {
        let mut rng = Rng::with_seed(seed);
        let world = World::new().await;
        let people = [world.person("ann").await, world.person("bob").await, world.person("eve").await];
        let mut groups = vec![people[0].group("One").await, people[0].group("Two").await];
        for step in 0..CHANGES {
            let done = change(&mut rng, &world, &people, &mut groups).await;
            let after = format!("{done}, change {step} of history {seed}");
            for person in &people[1..] {
                let drive = DriveId::parse(&person.drive().await).unwrap();
                agree(&world, &world.store, &drive, &after).await;
                // And once more, when nothing has changed since.
                world.calls.lock().unwrap().clear();
                let shared = outlets(&world.store, &world, &drive).await;
                let calls = world.calls.lock().unwrap().clone();
                if !shared.is_empty() {
                    (asked, read) = (asked + 1, read + usize::from(calls.contains(&"Query".to_owned())));
                }
            }
            for (drive, [told, real]) in shares(&world).await {
                assert_eq!(told, real, "{drive} after {after}");
            }
        }
    }
    assert!(asked > 200, "{asked}");
    assert_eq!(read, 0, "of {asked}");
}

/// A drive that shares into so many groups.
async fn sharing<'w>(world: &'w World, groups: usize) -> (Person<'w>, Person<'w>, Vec<String>, DriveId) {
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let mut made = Vec::new();
    for at in 0..groups {
        made.push(ann.group(&format!("Group {at}")).await);
        ann.admit(&made[at], "provider", &bob).await;
    }
    let drive = DriveId::parse(&bob.drive().await).unwrap();
    (ann, bob, made, drive)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_drive_with_more_groups_than_a_request_can_name_every_change_is_seen() {
    let world = World::new().await;
    let (ann, bob, groups, drive) = sharing(&world, 102).await;
    agree(&world, &world.store, &drive, "joining").await;
    let rules = json!([{"types": ["glucose"], "when": "resource.mgdl > 7"}]);
    for group in groups.iter().step_by(20) {
        world.rules(group, rules.clone(), 2).await;
        agree(&world, &world.store, &drive, "rules").await;
    }
    bob.put(&format!("/groups/{}/contract", groups[3]), json!({"types": ["memo"]})).await.expect(200);
    agree(&world, &world.store, &drive, "a contract").await;
    ann.delete(&format!("/groups/{}", groups[4])).await.expect(204);
    agree(&world, &world.store, &drive, "a deletion").await;
    bob.post(&format!("/groups/{}/leave?role=provider", groups[5]), Json::Null).await.expect(204);
    agree(&world, &world.store, &drive, "a leave").await;
    world.calls.lock().unwrap().clear();
    assert_eq!(outlets(&world.store, &world, &drive).await.len(), 100);
    assert_eq!(*world.calls.lock().unwrap(), ["BatchGetItem"]);
}

/// Lets something be done just before a call, and asks where the drive shares.
async fn meanwhile(
    world: &World,
    store: &Store,
    drive: &DriveId,
    (call, change): (&'static str, impl Future<Output = ()> + Send + 'static),
) {
    *world.meanwhile.lock().unwrap() = Some((call, Box::pin(change)));
    outlets(store, world, drive).await;
    assert!(world.meanwhile.lock().unwrap().is_none(), "{call} was called");
    agree(world, store, drive, "a change at the same time").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_it_is_read_is_seen_the_next_time() {
    for many in [2, 101] {
        let world = World::new().await;
        let (_, _, groups, drive) = sharing(&world, many).await;
        let first = if many > 99 { "TransactGetItems" } else { "BatchGetItem" };
        let rules = |above: i64| {
            let (store, group, now) = (fresh(&world), GroupId::parse(&groups[0]).unwrap(), world.now());
            async move {
                let row = store.group(&group).await.unwrap();
                let rules = json!([{"types": ["glucose"], "when": format!("resource.mgdl > {above}")}]);
                let rules = serde_json::from_value(rules).unwrap();
                store
                    .change_rules(&row, (&rules, domain::rules::compare::Judged::UNDECIDED), 1, now)
                    .await
                    .unwrap();
            }
        };
        let leaves = |at: usize| {
            let (store, group) = (fresh(&world), GroupId::parse(&groups[at]).unwrap());
            let (drive, document, now) = (drive.clone(), world.document.clone(), world.now());
            async move {
                use store::directory::{Departure, Job, JobKind, Leaving};
                let membership = store.provider(&group, &drive, &document).await.unwrap().unwrap();
                let kind = JobKind::Purge(Departure::of(&membership, 1));
                let job = Job::new(store::ids::job(), group.clone(), kind, now);
                let leaving = Leaving { provider: Some((membership, job)), ..Leaving::default() };
                let group = store.group(&group).await.unwrap();
                store.leave(&group, &leaving, now).await.unwrap();
            }
        };
        // While it is read for the first time, between any two reads; and while it is asked whether it is still so.
        for (at, call) in ["Query", first].into_iter().enumerate() {
            let above = 10 * at as i64;
            meanwhile(&world, &fresh(&world), &drive, (call, rules(above + 1))).await;
        }
        meanwhile(&world, &world.store, &drive, ("Query", rules(99))).await;
        meanwhile(&world, &world.store, &drive, ("BatchGetItem", rules(100))).await;
        meanwhile(&world, &fresh(&world), &drive, (first, leaves(0))).await;
        meanwhile(&world, &world.store, &drive, ("BatchGetItem", leaves(1))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_who_change_the_rules_of_many_groups_at_once_all_succeed() {
    let world = World::new().await;
    let (_, _, groups, drive) = sharing(&world, 20).await;
    agree(&world, &world.store, &drive, "joining").await;
    let rules = json!([{"types": ["glucose"], "when": "resource.mgdl > 7"}]);
    futures::future::join_all(groups.iter().map(|group| world.rules(group, rules.clone(), 1))).await;
    agree(&world, &world.store, &drive, "rules").await;
}
