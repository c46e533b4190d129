//! Providers who are asked before the group's rules share more of theirs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::{DriveId, GroupId};
use lambdas::scrubber::{Order, Scrubber};
use serde_json::{Value as Json, json};
use store::{Store, Tables};

use crate::world::{Person, World, numbers, text};

fn above(mgdl: i64) -> Json {
    when(&format!("resource.mgdl > {mgdl}"), &["takenAt", "mgdl"])
}

fn when(condition: &str, fields: &[&str]) -> Json {
    json!([{"types": ["glucose"], "when": condition, "fields": fields, "history": "all"}])
}

/// Readings of both providers, on both sides of every rule here: Bob's are odd and Cid's are even.
const READINGS: [i64; 5] = [121, 151, 171, 191, 251];

/// Ann owns and reads a group that receives readings above 180. Bob asks to be asked, and Cid follows the rules.
struct Study<'w> {
    world: &'w World,
    ann: Person<'w>,
    bob: Person<'w>,
    cid: Person<'w>,
    group: String,
}

impl<'w> Study<'w> {
    async fn new(world: &'w World) -> Self {
        let (ann, bob, cid) =
            (world.person("ann").await, world.person("bob").await, world.person("cid").await);
        let group = ann.group("Diabetes").await;
        let study = Self { world, ann, bob, cid, group };
        study.rules(above(180)).await;
        study.ann.admit(&study.group, "consumer", &study.ann).await;
        for (person, less) in [(&study.bob, 0), (&study.cid, 1)] {
            for (day, mgdl) in READINGS.iter().enumerate() {
                person.reading(&format!("2014-01-0{}T00:00:00Z", day + 1), mgdl - less).await;
            }
        }
        study.join(&study.bob, json!({})).await;
        study.join(&study.cid, json!({"rules": "follow"})).await;
        assert_eq!(study.bobs().await, [191, 251]);
        assert_eq!(study.cids().await, [190, 250]);
        study
    }

    async fn join(&self, person: &Person<'_>, body: Json) {
        let invitation = self.ann.invite(&self.group, "provider", &person.subject).await;
        person.post(&format!("{invitation}/accept"), body).await.expect(200);
        self.world.work().await;
    }

    /// Changes the rules, and finishes all that follows from it.
    async fn rules(&self, rules: Json) {
        self.rules_in(rules, 1).await;
    }

    async fn rules_in(&self, rules: Json, shards: u16) {
        let job = self.world.rules(&self.group, rules, shards).await;
        self.world.queue.lock().unwrap().sent.push(job);
        self.world.work().await;
    }

    fn path(&self, of: &str) -> String {
        format!("/groups/{}/{of}", self.group)
    }

    async fn consent(&self) -> Json {
        self.bob.get(&self.path("consent")).await.expect(200)
    }

    async fn agree(&self, body: Json) -> Json {
        self.bob.put(&self.path("consent"), body).await.expect(200)
    }

    /// What the consumer sees of both, by every list: the whole group and one type, in pages of all sizes.
    async fn seen(&self) -> Vec<i64> {
        let all = numbers(&self.ann.all(&self.path("data?order=asc")).await);
        for other in
            ["data?order=asc&limit=1", "data/types/glucose?order=asc", "data/types/glucose?order=asc&limit=2"]
        {
            assert_eq!(numbers(&self.ann.all(&self.path(other)).await), all, "{other}");
        }
        all
    }

    async fn bobs(&self) -> Vec<i64> {
        self.seen().await.into_iter().filter(|mgdl| mgdl % 2 == 1).collect()
    }

    async fn cids(&self) -> Vec<i64> {
        self.seen().await.into_iter().filter(|mgdl| mgdl % 2 == 0).collect()
    }

    async fn reconcile(&self) {
        let scrubber =
            Scrubber::new(self.world.store.clone(), self.world.document.clone(), Arc::new(self.world.jobs()));
        let order = Order { full: true, fresh: true };
        scrubber.run(order, Instant::now() + Duration::from_secs(600), self.world.now()).await.unwrap();
        self.world.work().await;
    }
}

#[tokio::test]
async fn a_widening_shares_what_follows_the_rules_and_nothing_of_a_provider_who_is_asked() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    let first = study.ann.get(&study.path("data?order=asc&limit=1")).await.expect(200);
    let cursor = text(&first["next"]);
    study.rules(above(140)).await;
    assert_eq!(study.cids().await, [150, 170, 190, 250]);
    assert_eq!(study.bobs().await, [191, 251], "after the jobs");
    assert_eq!(world.live_replicas(&study.group, "glucose").await, 6, "nothing of his is copied and hidden");
    // A list that began before the change.
    let rest = study.ann.all(&study.path(&format!("data?order=asc&cursor={cursor}"))).await;
    assert!(numbers(&rest).iter().all(|mgdl| mgdl % 2 == 0 || *mgdl > 180), "{rest:#?}");

    // By the stream, by the reconciler, and after a change of shards.
    for (day, person, mgdl) in [(1, &study.bob, 161), (2, &study.bob, 201), (3, &study.cid, 160)] {
        let id = person.reading(&format!("2014-02-0{day}T00:00:00Z"), mgdl).await;
        world.replicate(person, &id).await;
    }
    let cids = [150, 170, 190, 250, 160];
    assert_eq!((study.bobs().await, study.cids().await), (vec![191, 251, 201], cids.to_vec()));
    study.reconcile().await;
    assert_eq!((study.bobs().await, study.cids().await), (vec![191, 251, 201], cids.to_vec()), "reconciled");
    study.rules_in(above(140), 3).await;
    assert_eq!((study.bobs().await, study.cids().await), (vec![191, 251, 201], cids.to_vec()), "in 3 shards");
    study.rules_in(above(140), 1).await;

    let consent = study.consent().await;
    let revision = consent["currentRevision"].clone();
    study.agree(json!({"revision": revision})).await;
    assert_eq!(study.bobs().await, [191, 251, 201], "before the job");
    world.work().await;
    assert_eq!(study.bobs().await, [151, 171, 191, 251, 161, 201]);
    study.reconcile().await;
    assert_eq!(study.bobs().await, [151, 171, 191, 251, 161, 201], "reconciled");
    assert_eq!(study.cids().await, cids);
}

#[tokio::test]
async fn a_consent_shows_the_difference_an_example_and_how_many_items_it_is_about() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    let before = study.consent().await;
    let group = study.group.as_str();
    let none = json!({
        "group": group, "groupName": "Diabetes", "rules": "ask", "agreedRevision": 2, "currentRevision": 2,
        "pending": false, "types": [],
    });
    assert_eq!(before, none);
    let purpose = json!({"description": "Finds high readings"});
    study.ann.patch(&format!("/groups/{group}"), purpose).await.expect(200);
    assert_eq!(study.consent().await["groupDescription"], "Finds high readings");
    study.rules(when("resource.mgdl > 140", &["takenAt", "mgdl", "note"])).await;
    let consent = study.consent().await;
    let head = ["rules", "agreedRevision", "currentRevision", "pending"].map(|name| consent[name].clone());
    assert_eq!(head, [json!("ask"), json!(2), json!(3), json!(true)]);
    let types = consent["types"].as_array().unwrap();
    assert_eq!(types.len(), 1, "{consent:#}");
    let glucose = &types[0];
    assert_eq!((&glucose["type"], &glucose["verdict"]), (&json!("glucose"), &json!("widens")));
    assert_eq!((&glucose["items"], &glucose["complete"]), (&json!(2), &json!(true)), "151 and 171");
    assert_eq!(glucose["agreed"]["rules"], above(180));
    assert_eq!(glucose["current"]["rules"][0]["when"], "resource.mgdl > 140");
    assert_eq!(glucose["agreed"]["fields"], json!(["mgdl", "takenAt"]));
    assert_eq!(glucose["current"]["fields"], json!(["mgdl", "note", "takenAt"]));
    let example = &glucose["example"];
    assert!(example["current"].as_array().is_some_and(|fields| !fields.is_empty()), "{example:#}");

    // With a note, what is shared already would be shared with more fields.
    let note = json!({"takenAt": "2014-03-01T00:00:00Z", "mgdl": 301, "note": "mine"});
    let made = study.bob.post("/user/data", json!({"type": "glucose", "fields": note})).await.expect(201);
    world.replicate(&study.bob, &text(&made["id"])).await;
    assert_eq!(study.consent().await["types"][0]["items"], 3);
    let shown = |items: Vec<Json>| items.into_iter().find(|item| item["fields"]["mgdl"] == 301).unwrap();
    let item = shown(study.ann.all(&study.path("data")).await);
    assert_eq!(item["fields"], json!({"takenAt": "2014-03-01T00:00:00Z", "mgdl": 301}), "not the note");
    study.agree(json!({"revision": 3})).await;
    world.work().await;
    let item = shown(study.ann.all(&study.path("data")).await);
    assert_eq!(item["fields"]["note"], "mine");
    assert_eq!(study.consent().await["types"], json!([]));
    let following = study.cid.get(&study.path("consent")).await.expect(200);
    assert_eq!((&following["rules"], &following["pending"]), (&json!("follow"), &json!(false)));
    assert_eq!(following.get("agreedRevision"), None);
}

#[tokio::test]
async fn narrowing_asks_nobody_and_neither_does_coming_back_to_what_was_agreed_to() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    for (rules, bobs) in [(above(200), vec![251]), (above(180), vec![191, 251]), (above(190), vec![191, 251])]
    {
        study.rules(rules.clone()).await;
        let consent = study.consent().await;
        let told = (&consent["pending"], &consent["agreedRevision"], &consent["types"]);
        assert_eq!(told, (&json!(false), &json!(2), &json!([])), "{rules}");
        assert_eq!(study.bobs().await, bobs, "{rules}");
    }
    let job = world.rules(&study.group, above(240), 1).await;
    assert_eq!(study.bobs().await, [251], "at once, before any job");
    world.work_on(&job).await;
    assert_eq!(study.bobs().await, [251]);
}

#[tokio::test]
async fn an_agreement_is_to_the_revision_that_was_seen_and_repeating_it_changes_nothing() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    study.rules(above(140)).await;
    let path = study.path("consent");
    for revision in [1, 2, 4] {
        // The agreement of before may be repeated at any time: it agrees to nothing new.
        if revision != 2 {
            study.bob.put(&path, json!({"revision": revision})).await.problem(409, "rules-moved-on");
        }
    }
    let same = study.agree(json!({"revision": 2})).await;
    assert_eq!((&same["agreedRevision"], &same["pending"], same.get("job")), (&json!(2), &json!(true), None));
    study.bob.put(&path, json!({"revision": 2, "rules": "follow"})).await.problem(409, "rules-moved-on");
    let agreed = study.agree(json!({"revision": 3})).await;
    assert_eq!((&agreed["agreedRevision"], &agreed["pending"]), (&json!(3), &json!(false)));
    assert!(agreed["job"]["id"].is_string(), "{agreed:#}");
    let again = study.agree(json!({"revision": 3, "rules": "ask"})).await;
    assert_eq!((&again["agreedRevision"], again.get("job")), (&json!(3), None));
    assert_eq!(world.queue.lock().unwrap().sent.len(), 1, "one job");
    world.work().await;
    study.rules(above(100)).await;
    study.bob.put(&path, json!({"revision": 3})).await.expect(200);
    assert_eq!(study.bobs().await, [151, 171, 191, 251], "the retry of an agreement agrees to nothing later");
    for body in
        [json!({}), json!({"revision": 0}), json!({"revision": 4, "rules": "maybe"}), json!({"revision": -1})]
    {
        let status = study.bob.put(&path, body.clone()).await.status;
        assert!((400..500).contains(&status), "{body}: {status}");
    }
}

#[tokio::test]
async fn a_provider_chooses_to_follow_the_rules_and_to_be_asked_again() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    study.rules(above(160)).await;
    study.agree(json!({"revision": 3, "rules": "follow"})).await;
    world.work().await;
    assert_eq!(study.bobs().await, [171, 191, 251], "the current rules");
    study.rules(above(140)).await;
    assert_eq!(study.bobs().await, [151, 171, 191, 251], "and later ones");
    let asks = study.agree(json!({"revision": 4, "rules": "ask"})).await;
    assert_eq!((&asks["rules"], &asks["agreedRevision"]), (&json!("ask"), &json!(4)));
    study.rules(above(100)).await;
    assert_eq!(study.bobs().await, [151, 171, 191, 251], "but not what comes after");
    assert_eq!(study.consent().await["types"][0]["items"], 1);
}

#[tokio::test]
async fn who_stops_following_before_a_widening_shares_nothing_of_what_older_copies_hold() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    study.agree(json!({"revision": 2, "rules": "follow"})).await;
    study.rules(above(140)).await;
    assert_eq!(study.bobs().await, [151, 171, 191, 251]);
    // The rules narrow, and their job is late; he asks to be asked; the rules widen again.
    let late = world.rules(&study.group, above(180), 1).await;
    study.agree(json!({"revision": 4, "rules": "ask"})).await;
    let wide = world.rules(&study.group, above(140), 1).await;
    assert_eq!(study.bobs().await, [191, 251], "copies of the former rules are there and not shown");
    for job in [wide, late] {
        world.work_on(&job).await;
        assert_eq!(study.bobs().await, [191, 251]);
    }
    world.work().await;
    assert_eq!(study.bobs().await, [191, 251]);
    study.reconcile().await;
    assert_eq!(study.bobs().await, [191, 251]);
}

#[tokio::test]
async fn an_agreement_and_a_contract_do_not_undo_each_other() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    let narrow = json!({"types": ["glucose"], "when": "resource.mgdl < 200"});
    let told = study.bob.put(&study.path("contract"), narrow.clone()).await.expect(200);
    assert_eq!((&told["rules"], &told["agreedRevision"]), (&json!("ask"), &json!(2)));
    world.work().await;
    assert_eq!(study.bobs().await, [191]);
    study.rules(above(140)).await;
    assert_eq!(study.bobs().await, [191]);
    assert_eq!(study.consent().await["types"][0]["items"], 2, "251 is not his to share by his contract");
    study.agree(json!({"revision": 3})).await;
    world.work().await;
    assert_eq!(study.bobs().await, [151, 171, 191]);
    let contract = study.bob.get(&study.path("contract")).await.expect(200);
    assert_eq!((&contract["contract"], &contract["agreedRevision"]), (&narrow, &json!(3)));
    study.rules(above(100)).await;
    study.bob.put(&study.path("contract"), json!({})).await.expect(200);
    world.work().await;
    assert_eq!(study.bobs().await, [151, 171, 191, 251], "a wider contract agrees to no rules");
}

#[tokio::test]
async fn what_an_update_takes_beyond_the_agreed_rules_is_gone_at_once() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    study.rules(above(140)).await;
    let items = study.bob.all("/user/data?order=asc").await;
    let high = items.iter().find(|item| item["fields"]["mgdl"] == 251).unwrap();
    let path = format!("/user/data/{}", text(&high["id"]));
    study.bob.patch(&path, json!({"fields": {"mgdl": 161}})).await.expect(200);
    assert_eq!(study.bobs().await, [191], "161 is above the current rules and below the agreed ones");
    study.bob.patch(&path, json!({"fields": {"mgdl": 261}})).await.expect(200);
    world.replicate(&study.bob, &text(&high["id"])).await;
    assert_eq!(study.bobs().await, [191, 261]);
}

#[tokio::test]
async fn leaving_and_joining_again_agrees_to_the_rules_of_that_moment() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    study.rules(above(140)).await;
    study.bob.post(&study.path("leave"), Json::Null).await.expect(204);
    world.work().await;
    let receipts = study.bob.all("/user/receipts").await;
    let count = |name: &str| receipts[0][name].as_u64().unwrap();
    assert_eq!((count("expected"), count("deleted"), count("remaining")), (2, 2, 0), "what he agreed to");
    study.join(&study.bob, json!({})).await;
    assert_eq!(study.consent().await["agreedRevision"], 3);
    assert_eq!(study.bobs().await, [151, 171, 191, 251]);
    study.rules(above(100)).await;
    assert_eq!(study.bobs().await, [151, 171, 191, 251], "and is asked again");
    assert_eq!(study.consent().await["pending"], true);
}

#[tokio::test]
async fn who_joins_agrees_to_the_rules_of_their_preview_or_not_at_all() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    let dan = world.person("dan").await;
    let invitation = study.ann.invite(&study.group, "provider", "dan").await;
    let revision = dan.get(&format!("{invitation}/preview")).await.expect(200)["ruleRevision"].clone();
    assert_eq!(revision, 2);
    study.rules(above(140)).await;
    let accept = format!("{invitation}/accept");
    dan.post(&accept, json!({"revision": 2})).await.problem(409, "not-acceptable");
    assert!(dan.all("/user/members").await.is_empty());
    let joined = dan.post(&accept, json!({"revision": 3})).await.expect(200);
    study.rules(above(100)).await;
    assert_eq!(dan.post(&accept, json!({"revision": 3})).await.expect(200)["memberId"], joined["memberId"]);
    for (body, status) in [(json!({"rules": "sometimes"}), 400), (json!({"revision": null}), 400)] {
        assert_eq!(dan.post(&accept, body.clone()).await.status, status, "{body}");
    }
    let consumer = study.ann.invite(&study.group, "consumer", "dan").await;
    dan.post(&format!("{consumer}/accept"), json!({"rules": "follow"})).await.problem(422, "invalid");
}

#[tokio::test]
async fn an_audience_and_an_agreement_both_count() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    let eve = world.person("eve").await;
    let audience = study.path("audience");
    study.bob.put(&audience, json!({"audience": "ask"})).await.expect(200);
    study.ann.admit(&study.group, "consumer", &eve).await;
    study.rules(above(140)).await;
    let eves = async || -> Vec<i64> {
        let all = numbers(&eve.all(&study.path("data?order=asc")).await);
        all.into_iter().filter(|mgdl| mgdl % 2 == 1).collect()
    };
    assert_eq!(eves().await, [] as [i64; 0]);
    study.bob.put(&format!("{audience}/{}", eve.id().await), Json::Null).await.expect(200);
    assert_eq!(eves().await, [191, 251], "agreeing to a consumer agrees to no rules");
    study.agree(json!({"revision": 3})).await;
    world.work().await;
    assert_eq!(eves().await, [151, 171, 191, 251]);
}

#[tokio::test]
async fn a_provider_finds_what_they_agreed_to_wherever_they_look() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    study.rules(above(140)).await;
    let membership = study.bob.all("/user/members").await.remove(0);
    let told = (&membership["rules"], &membership["agreedRevision"], &membership["ruleRevision"]);
    assert_eq!(told, (&json!("ask"), &json!(2), &json!(3)));
    let membership = study.cid.all("/user/members").await.remove(0);
    assert_eq!((&membership["rules"], membership.get("agreedRevision")), (&json!("follow"), None));
    let export = study.bob.all("/user/data/export").await;
    let membership = &export.iter().find(|entry| entry["kind"] == "membership").unwrap()["membership"];
    assert_eq!((&membership["rules"], &membership["agreedRevision"]), (&json!("ask"), &json!(2)));
    for (person, status, slug) in
        [(&study.ann, 403, "forbidden"), (&world.person("eve").await, 404, "not-found")]
    {
        person.get(&study.path("consent")).await.problem(status, slug);
        person.put(&study.path("consent"), json!({"revision": 3})).await.problem(status, slug);
    }
}

/// A function that remembers nothing.
fn fresh(world: &World) -> Store {
    Store::new(world.store.client().clone(), Tables::of_stack("t"))
}

#[tokio::test]
async fn a_membership_that_does_not_say_what_was_agreed_to_shares_nothing() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    let (group, drive) =
        (GroupId::parse(&study.group).unwrap(), DriveId::parse(&study.bob.drive().await).unwrap());
    for key in [store::keys::roster_provider(&group, &drive), store::keys::provides(&drive, &group)] {
        let update = world.store.client().update_item().table_name("t-directory");
        let update = update.set_key(Some(store::attr::key_row(&key))).update_expression("REMOVE agreement");
        update.send().await.unwrap();
    }
    let store = fresh(&world);
    let outlets = store.outlets(&drive, &world.document).await.unwrap();
    let glucose = &world.document.data_types.keys().next().unwrap().clone();
    let terms = &outlets[0].membership.terms;
    assert_eq!(outlets[0].book.rules.reaches_back_to(glucose, terms), None);
    assert!(!terms.contract.covers(glucose));
    let row = store.group(&group).await.unwrap();
    let roster = store.roster(&row, &world.document).await.unwrap();
    assert!(!roster.providers[&drive].terms.contract.covers(glucose));
}

#[tokio::test]
async fn agreed_rules_that_no_longer_fit_the_data_types_share_nothing_of_that_provider() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    study.rules(above(140)).await;
    let mut document = (*world.document).clone();
    let rules = when("resource.value > 140", &["takenAt"]);
    let glucose = domain::id::Name::parse("glucose").unwrap();
    let data_type = document.data_types.get_mut(&glucose).unwrap();
    let field = data_type.fields.remove("mgdl").unwrap();
    data_type.fields.insert(domain::id::Name::parse("value").unwrap(), field);
    world.rules(&study.group, rules, 1).await;
    let store = fresh(&world);
    for (person, shares) in [(&study.bob, false), (&study.cid, true)] {
        let drive = DriveId::parse(&person.drive().await).unwrap();
        let outlets = store.outlets(&drive, &document).await.unwrap();
        assert_eq!(outlets[0].membership.terms.contract.covers(&glucose), shares);
    }
}

#[tokio::test]
async fn a_page_takes_two_requests_however_many_providers_agreed_to_whatever() {
    let world = World::new().await;
    let study = Study::new(&world).await;
    // Each agrees to another revision.
    for (at, name) in ["dan", "eve", "fay", "gus"].iter().enumerate() {
        study.rules(above(170 - 10 * at as i64)).await;
        let person = world.person(name).await;
        study.join(&person, json!({})).await;
        world.replicate(&person, &person.reading("2014-05-01T00:00:00Z", 300).await).await;
    }
    let group = GroupId::parse(&study.group).unwrap();
    let page = async |store: &Store| {
        let types = [&world.document.data_types[&domain::id::Name::parse("glucose").unwrap()]];
        let window = store::page::Window {
            from: None,
            to: None,
            limit: 20,
            direction: store::page::Direction::Asc,
            after: None,
        };
        world.calls.lock().unwrap().clear();
        let row = store.group(&group).await.unwrap();
        store.replicas(&group, &row.layout, &types, &window).await.unwrap();
        store.roster(&row, &world.document).await.unwrap();
        store.rulebook(&row, &world.document).await.unwrap();
        world.calls.lock().unwrap().clone()
    };
    let store = fresh(&world);
    let cold = page(&store).await;
    assert_eq!(cold, ["GetItem", "Query", "Query", "TransactGetItems", "GetItem"], "all revisions at once");
    assert_eq!(page(&store).await, ["GetItem", "Query"]);
}

#[tokio::test]
async fn a_batch_reads_what_was_agreed_to_together_with_the_groups() {
    let world = World::new().await;
    let bob = world.person("bob").await;
    let ann = world.person("ann").await;
    for name in ["one", "two", "three"] {
        let group = ann.group(name).await;
        let invitation = ann.invite(&group, "provider", "bob").await;
        bob.post(&format!("{invitation}/accept"), Json::Null).await.expect(200);
    }
    let drive = DriveId::parse(&bob.drive().await).unwrap();
    let store = fresh(&world);
    world.calls.lock().unwrap().clear();
    let outlets = store.outlets(&drive, &world.document).await.unwrap();
    assert_eq!(
        *world.calls.lock().unwrap(),
        ["Query", "BatchGetItem"],
        "the current rules are the agreed ones"
    );
    assert!(outlets.iter().all(|outlet| outlet.membership.terms.contract.agreed().is_some()));
    world.calls.lock().unwrap().clear();
    store.outlets(&drive, &world.document).await.unwrap();
    assert_eq!(*world.calls.lock().unwrap(), ["BatchGetItem"]);
}
