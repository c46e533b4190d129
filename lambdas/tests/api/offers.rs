//! Offers end with the right that made them: invitations, profile invites and profiles that wait for an address.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::GroupId;
use futures::future::join_all;
use serde_json::{Value as Json, json};

use crate::governing::{declared, stack_offer};
use crate::world::{Person, World, text};

/// What takes a right away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Leave,
    Remove,
    Demote,
    Transfer,
    Delete,
    Erase,
    CorrectOwner,
}

const EVENTS: [Event; 7] = [
    Event::Leave,
    Event::Remove,
    Event::Demote,
    Event::Transfer,
    Event::Delete,
    Event::Erase,
    Event::CorrectOwner,
];

/// Whom it happens to. For a deleted group and a corrected owner: the group of the offer, or another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Writer,
    Invitee,
    Bystander,
}

const SUBJECTS: [Subject; 3] = [Subject::Writer, Subject::Invitee, Subject::Bystander];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offer {
    Provider,
    Consumer,
    Owner,
    /// Of this role, to a user id.
    ToId(&'static str),
    /// Written by another owner, who has left since, and resent by the writer.
    Resent,
    /// By stack.yaml.
    Stack,
    ProfileInvite,
    WaitingProfile,
}

const OFFERS: [Offer; 10] = [
    Offer::Provider,
    Offer::Consumer,
    Offer::Owner,
    Offer::ToId("provider"),
    Offer::ToId("consumer"),
    Offer::ToId("owner"),
    Offer::Resent,
    Offer::Stack,
    Offer::ProfileInvite,
    Offer::WaitingProfile,
];

impl Offer {
    fn role(self) -> &'static str {
        match self {
            Self::Consumer | Self::Resent => "consumer",
            Self::Owner | Self::Stack => "owner",
            Self::ToId(role) => role,
            Self::Provider | Self::ProfileInvite | Self::WaitingProfile => "provider",
        }
    }
    fn is_profile(self) -> bool {
        matches!(self, Self::ProfileInvite | Self::WaitingProfile)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    event: Event,
    subject: Subject,
    offer: Offer,
    /// Whether the invitee declines in the end; otherwise they accept.
    declines: bool,
}

impl Cell {
    fn exists(self) -> bool {
        let Self { event, subject, offer, declines } = self;
        let of_the_group = matches!(event, Event::Delete | Event::CorrectOwner);
        match subject {
            // Nobody has the profile yet to whom something could happen.
            Subject::Invitee if offer.is_profile() || of_the_group => false,
            // Whoever is invited as an owner by id cannot own the group, and so cannot hand it over.
            Subject::Invitee if event == Event::Transfer && offer == Offer::ToId("owner") => false,
            Subject::Writer if offer == Offer::Stack && !of_the_group => false,
            _ => !(declines && offer.is_profile()),
        }
    }

    /// Whether the offer must not count afterwards.
    fn dies(self) -> bool {
        let Self { event, subject, offer, .. } = self;
        match subject {
            Subject::Bystander => false,
            Subject::Invitee => true,
            Subject::Writer => match event {
                Event::CorrectOwner => offer == Offer::Stack,
                Event::Delete => !offer.is_profile(),
                Event::Erase => true,
                Event::Leave | Event::Remove | Event::Demote | Event::Transfer => !offer.is_profile(),
            },
        }
    }
}

/// The people and the group of a cell.
struct Scene<'w> {
    world: &'w World,
    root: Person<'w>,
    writer: Person<'w>,
    invitee: Person<'w>,
    bystander: Person<'w>,
    group: String,
    /// The path of the invitation; of a profile, the response that made it.
    offered: Json,
}

fn failed(what: &str, reply: &crate::world::Reply) -> String {
    format!("{what}: {} {}", reply.status, reply.json)
}

impl<'w> Scene<'w> {
    async fn new(world: &'w World, cell: Cell) -> Self {
        let (root, writer) = (world.person("root").await, world.person("writer").await);
        let (invitee, bystander) = (world.person("invitee").await, world.person("bystander").await);
        let group = declared(world, &root).await;
        root.admit(&group, "owner", &writer).await;
        if cell.subject == Subject::Bystander {
            root.admit(&group, "owner", &bystander).await;
        }
        if cell.subject == Subject::Invitee {
            for role in ["owner", "consumer"] {
                if cell.offer != Offer::ToId(role) {
                    root.admit(&group, role, &invitee).await;
                }
            }
        }
        let mut scene = Self { world, root, writer, invitee, bystander, group, offered: Json::Null };
        scene.offered = scene.offer(cell.offer).await;
        scene
    }

    async fn offer(&self, offer: Offer) -> Json {
        let Self { writer, invitee, group, .. } = self;
        let list = format!("/groups/{group}/invitations");
        match offer {
            Offer::Provider | Offer::Consumer | Offer::Owner => {
                writer.invite(group, offer.role(), &invitee.subject).await.into()
            }
            Offer::ToId(role) => {
                let sent = json!({"role": role, "userId": invitee.id().await});
                format!("{list}/{}", text(&writer.post(&list, sent).await.expect(201)["id"])).into()
            }
            Offer::Resent => {
                let first = self.world.person(&format!("first-{}", writer.subject)).await;
                self.root.admit(group, "owner", &first).await;
                let path = first.invite(group, "consumer", &invitee.subject).await;
                first.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204);
                writer.post(&format!("{path}/resend"), Json::Null).await.expect(200);
                path.into()
            }
            Offer::Stack => format!("{list}/{}", self.correct_owner(group, &invitee.subject).await).into(),
            Offer::ProfileInvite => writer.post("/profiles", json!({})).await.expect(201),
            Offer::WaitingProfile => {
                let email = format!("new-{}@example.org", invitee.subject);
                writer.post("/profiles", json!({"email": email})).await.expect(201)
            }
        }
    }

    /// What `provision apply` does when `owner:` is another one.
    async fn correct_owner(&self, group: &str, owner: &str) -> String {
        let row = self.world.store.group(&GroupId::parse(group).unwrap()).await.unwrap();
        let offer = stack_offer(self.world, &row.id, row.roster_rev, owner);
        self.world.store.offer(&offer, None).await.unwrap();
        offer.id.to_string()
    }

    async fn happen(&self, cell: Cell) {
        let Self { root, group, .. } = self;
        let person = match cell.subject {
            Subject::Writer => &self.writer,
            Subject::Invitee => &self.invitee,
            Subject::Bystander => &self.bystander,
        };
        let path = format!("/groups/{group}");
        let is_other = cell.subject == Subject::Bystander;
        match cell.event {
            Event::Leave => {
                person.post(&format!("{path}/leave"), Json::Null).await.expect(204);
            }
            Event::Remove => {
                root.delete(&format!("{path}/members/{}", person.id().await)).await.expect(204);
            }
            Event::Demote => {
                let owns = person.get(&path).await.expect(200)["roles"].to_string().contains("owner");
                let roles = json!({"roles": [if owns { "consumer" } else { "owner" }]});
                let member = format!("{path}/members/{}", person.id().await);
                root.patch(&member, roles).await.expect(200);
            }
            Event::Transfer => {
                let to = json!({"to": root.id().await});
                person.post(&format!("{path}/transfer"), to).await.expect(204);
            }
            Event::Delete => {
                let of = if is_other { root.group("Other").await } else { group.clone() };
                root.delete(&format!("/groups/{of}")).await.expect(204);
            }
            Event::Erase => drop(person.delete("/user").await.expect(202)),
            Event::CorrectOwner => {
                let of = if is_other { declared(self.world, person).await } else { group.clone() };
                self.correct_owner(&of, &format!("right-{}", person.subject)).await;
            }
        }
    }

    /// Whether the offer counts, by every path, is what is expected.
    async fn check(&self, cell: Cell, last: bool) -> Result<(), String> {
        match cell.offer {
            Offer::ProfileInvite => self.check_invite(cell, last).await,
            Offer::WaitingProfile => self.check_waiting(cell, last).await,
            _ => self.check_invitation(cell, last).await,
        }
    }

    async fn check_invite(&self, cell: Cell, last: bool) -> Result<(), String> {
        if !last && !cell.dies() {
            return Ok(());
        }
        let claim = json!({"invite": self.offered["invite"]["token"]});
        let visitor = self.world.visitor(&format!("new-{}", self.invitee.subject));
        let reply = visitor.post("/user/claim", claim).await;
        let expected = if cell.dies() { 404 } else { 200 };
        (reply.status == expected).then_some(()).ok_or_else(|| failed("claim", &reply))
    }

    async fn check_waiting(&self, cell: Cell, last: bool) -> Result<(), String> {
        if !last {
            return Ok(());
        }
        let subject = format!("new-{}", self.invitee.subject);
        let email = format!("{subject}@example.org");
        self.world.pool.lock().unwrap().insert(subject.clone(), Ok(Some(email)));
        let reply = self.world.visitor(&subject).post("/user", Json::Null).await;
        let linked = reply.json["id"] == self.offered["id"];
        (linked != cell.dies()).then_some(()).ok_or_else(|| failed("sign-up", &reply))
    }

    async fn check_invitation(&self, cell: Cell, last: bool) -> Result<(), String> {
        let Self { invitee, root, group, .. } = self;
        let path = text(&self.offered);
        let id = path.rsplit_once('/').unwrap().1;
        let has = |list: &[Json]| list.iter().find(|one| one["id"] == id).cloned();
        let listed = has(&invitee.all("/user/invitations").await).is_some();
        if listed == cell.dies() {
            return Err(format!("in the invitee's list: {listed}"));
        }
        if cell.event != Event::Delete || cell.subject == Subject::Bystander {
            let seen = has(&root.all(&format!("/groups/{group}/invitations")).await);
            let status = seen.map(|one| text(&one["status"]));
            let right = match (cell.dies(), status.as_deref()) {
                (true, Some("revoked")) | (false, Some("pending")) => true,
                // What was for somebody who was erased is gone with them.
                (true, None) => cell.event == Event::Erase && cell.subject == Subject::Invitee,
                _ => false,
            };
            if !right {
                return Err(format!("in the owners' list: {status:?}"));
            }
        }
        let preview = invitee.get(&format!("{path}/preview")).await;
        if cell.dies() {
            for reply in [
                preview,
                invitee.post(&format!("{path}/decline"), Json::Null).await,
                invitee.post(&format!("{path}/accept"), Json::Null).await,
            ] {
                if ![404, 409].contains(&reply.status) {
                    return Err(failed("a dead invitation", &reply));
                }
            }
            return Ok(());
        }
        if preview.status != 200 {
            return Err(failed("preview", &preview));
        }
        if last {
            let (verb, status) = if cell.declines { ("decline", 204) } else { ("accept", 200) };
            let reply = invitee.post(&format!("{path}/{verb}"), Json::Null).await;
            return (reply.status == status).then_some(()).ok_or_else(|| failed(verb, &reply));
        }
        Ok(())
    }

    /// What is offered after the event counts again.
    async fn check_anew(&self, cell: Cell) -> Result<(), String> {
        let fresh = match cell.event {
            Event::Leave | Event::Remove | Event::Erase if cell.subject == Subject::Invitee => {
                self.root.invite(&self.group, cell.offer.role(), &self.invitee.subject).await
            }
            _ => return Ok(()),
        };
        let reply = self.invitee.post(&format!("{fresh}/accept"), Json::Null).await;
        (reply.status == 200).then_some(()).ok_or_else(|| failed("what was offered since", &reply))
    }
}

async fn judge(cell: Cell) -> Result<(), String> {
    let world = &World::new().await;
    let scene = Scene::new(world, cell).await;
    scene.happen(cell).await;
    let second = world.now().plus_millis(1_000);
    *world.now.lock().unwrap() = second;
    if cell.event == Event::Erase && cell.subject == Subject::Invitee {
        // Whoever signs up with the address again.
        scene.invitee.post("/user", Json::Null).await.expect(201);
    }
    scene.check(cell, false).await?;
    world.work().await;
    scene.check(cell, true).await.map_err(|why| format!("after all jobs, {why}"))?;
    scene.check_anew(cell).await
}

#[tokio::test]
async fn every_offer_ends_with_the_right_behind_it_and_no_other_one_does() {
    let mut cells = Vec::new();
    for event in EVENTS {
        for subject in SUBJECTS {
            for offer in OFFERS {
                cells.extend([false, true].map(|declines| Cell { event, subject, offer, declines }));
            }
        }
    }
    // What is still open can be declined, whatever happened to others.
    cells.retain(|cell| cell.exists() && !(cell.declines && (cell.dies() || cell.event != Event::Remove)));
    let mut wrong = Vec::new();
    for cell in &cells {
        if let Err(why) = judge(*cell).await {
            wrong.push(format!("{cell:?}: {why}"));
        }
    }
    println!("{} of {} offers end or stay as they should", cells.len() - wrong.len(), cells.len());
    let dying = cells.iter().filter(|cell| cell.dies()).count();
    assert!(dying > 40 && cells.len() - dying > 40, "{dying} of {} end", cells.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_removed_member_does_not_return_by_another_invitation_that_was_open() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let by_id = json!({"role": "consumer", "userId": bob.id().await});
    let list = format!("/groups/{group}/invitations");
    let spare = text(&ann.post(&list, by_id).await.expect(201)["id"]);
    ann.admit(&group, "consumer", &bob).await;
    ann.delete(&format!("/groups/{group}/members/{}", bob.id().await)).await.expect(204);
    bob.post(&format!("{list}/{spare}/accept"), Json::Null).await.problem(409, "not-acceptable");
    bob.get(&format!("/groups/{group}")).await.problem(404, "not-found");
    // But what is offered afterwards counts.
    ann.admit(&group, "consumer", &bob).await;
    bob.get(&format!("/groups/{group}")).await.expect(200);
}

#[tokio::test]
async fn a_removed_or_demoted_owner_does_not_return_by_an_invitation_of_their_own() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person("ann").await, world.person("bob").await, world.person("eve").await);
    for demoted in [false, true] {
        let group = ann.group("Diabetes").await;
        ann.admit(&group, "owner", &bob).await;
        let list = format!("/groups/{group}/invitations");
        let own = json!({"role": "owner", "userId": bob.id().await});
        bob.post(&list, own).await.problem(409, "role-held");
        bob.post(&list, json!({"role": "owner", "email": "bob@example.org"})).await.problem(409, "role-held");
        let to_self = bob.invite(&group, "provider", "bob").await;
        let to_eve = bob.invite(&group, "owner", "eve").await;
        let member = format!("/groups/{group}/members/{}", bob.id().await);
        if demoted {
            ann.patch(&member, json!({"roles": ["consumer"]})).await.expect(200);
        } else {
            ann.delete(&member).await.expect(204);
        }
        bob.post(&format!("{to_self}/accept"), Json::Null).await.problem(409, "not-acceptable");
        eve.post(&format!("{to_eve}/accept"), Json::Null).await.problem(409, "not-acceptable");
        // An owner again: nothing of before comes back.
        ann.admit(&group, "owner", &bob).await;
        bob.post(&format!("{to_self}/accept"), Json::Null).await.problem(409, "not-acceptable");
        eve.post(&format!("{to_eve}/accept"), Json::Null).await.problem(409, "not-acceptable");
        assert!(eve.all("/user/invitations").await.is_empty());
        // Resent, it is an offer of whoever resends it.
        bob.post(&format!("{to_eve}/resend"), Json::Null).await.expect(200);
        eve.post(&format!("{to_eve}/accept"), Json::Null).await.expect(200);
        assert_eq!(ann.get(&format!("/groups/{group}")).await.expect(200)["members"]["owners"], 3);
    }
}

#[tokio::test]
async fn a_corrected_owner_of_a_declared_group_revokes_the_invitation_of_the_wrong_one() {
    let world = World::new().await;
    let (ann, bob) = (world.person("wrnog").await, world.person("right").await);
    let group = store::ids::group();
    let wrong = stack_offer(&world, &group, 1, "wrnog");
    let rules = &world.document.group_defaults;
    let new = store::directory::NewGroup { id: group.clone(), name: "clinic", rules, shards: 1, owner: None };
    let name = domain::id::Name::parse("clinic").unwrap();
    world.store.create_declared_group(&new, &name, &wrong, world.now()).await.unwrap();
    assert_eq!(ann.all("/user/invitations").await.len(), 1);
    let right = stack_offer(&world, &group, 1, "right");
    world.store.offer(&right, None).await.unwrap();
    let path = |invitation: &store::directory::Invitation| {
        format!("/groups/{group}/invitations/{}/accept", invitation.id)
    };
    assert!(ann.all("/user/invitations").await.is_empty());
    ann.post(&path(&wrong), Json::Null).await.problem(409, "not-acceptable");
    bob.post(&path(&right), Json::Null).await.expect(200);
    ann.post(&path(&wrong), Json::Null).await.problem(409, "not-acceptable");
    let seen = bob.all(&format!("/groups/{group}/invitations")).await;
    let statuses: Vec<String> = seen.iter().map(|one| text(&one["status"])).collect();
    assert!(
        statuses.contains(&"revoked".to_owned()) && statuses.contains(&"accepted".to_owned()),
        "{seen:?}"
    );
}

#[tokio::test]
async fn nobody_is_invited_to_a_role_that_they_are_known_to_hold() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let list = format!("/groups/{group}/invitations");
    // To share into one's own group, and to read it, is sensible.
    for role in ["provider", "consumer"] {
        ann.admit(&group, role, &ann).await;
        ann.post(&list, json!({"role": role, "email": "Ann@example.org"})).await.problem(409, "role-held");
    }
    ann.admit(&group, "consumer", &bob).await;
    let to_bob = json!({"role": "consumer", "userId": bob.id().await});
    ann.post(&list, to_bob).await.problem(409, "role-held");
    // An address is not looked up: whether it is a member's, nobody learns.
    ann.post(&list, json!({"role": "consumer", "email": "bob@example.org"})).await.expect(201);
}

#[tokio::test]
async fn what_was_written_under_a_key_is_answered_alike_after_it_was_accepted() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let sent = json!({"role": "consumer", "userId": bob.id().await});
    let mut request = ann.request("POST", &format!("/groups/{group}/invitations"), sent);
    request.headers.insert("idempotency-key".into(), "k".into());
    let made = ann.send(request.clone()).await.expect(201);
    let path = format!("/groups/{group}/invitations/{}", text(&made["id"]));
    bob.post(&format!("{path}/accept"), Json::Null).await.expect(200);
    assert_eq!(ann.send(request).await.expect(201), made);
}

#[tokio::test]
async fn a_newer_invitation_replaces_the_open_one_to_the_same_role() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    let mut paths = Vec::new();
    for _ in 0..5 {
        paths.push(ann.invite(&group, "consumer", "bob").await);
    }
    let other = ann.invite(&group, "provider", "bob").await;
    let mine = bob.all("/user/invitations").await;
    assert_eq!(mine.len(), 2);
    for path in &paths[..4] {
        bob.post(&format!("{path}/accept"), Json::Null).await.problem(409, "not-acceptable");
        bob.post(&format!("{path}/decline"), Json::Null).await.problem(409, "not-declinable");
        bob.get(&format!("{path}/preview")).await.problem(409, "not-acceptable");
        ann.post(&format!("{path}/resend"), Json::Null).await.problem(409, "not-open");
    }
    bob.post(&format!("{}/accept", paths[4]), Json::Null).await.expect(200);
    bob.post(&format!("{other}/accept"), Json::Null).await.expect(200);
    assert!(bob.all("/user/invitations").await.is_empty());

    // One that has expired has left its place to another, and comes back only as the newest.
    let (old, zoe) = (ann.invite(&group, "owner", "zoe").await, world.person("zoe").await);
    world.pass_days(15);
    let next = ann.invite(&group, "owner", "zoe").await;
    ann.post(&format!("{old}/resend"), Json::Null).await.expect(200);
    assert_eq!(zoe.all("/user/invitations").await.len(), 1);
    zoe.post(&format!("{next}/accept"), Json::Null).await.problem(409, "not-acceptable");
    zoe.post(&format!("{old}/accept"), Json::Null).await.expect(200);
}

#[tokio::test]
async fn a_list_of_invitations_costs_the_same_however_many_there_are() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let mut costs = Vec::new();
    // From here on the function knows who calls.
    assert!(bob.all("/user/invitations").await.is_empty());
    for more in [1, 10, 20] {
        for _ in 0..more {
            let group = ann.group("Diabetes").await;
            ann.invite(&group, "consumer", "bob").await;
        }
        world.calls.lock().unwrap().clear();
        let page = bob.get("/user/invitations?limit=1").await.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        costs.push(world.calls.lock().unwrap().clone());
    }
    assert!(costs.windows(2).all(|two| two[0] == two[1]), "{costs:?}");
    assert_eq!(bob.all("/user/invitations?limit=7").await.len(), 31);
    let by_id = json!({"role": "provider", "userId": bob.id().await});
    let group = ann.group("Diabetes").await;
    ann.post(&format!("/groups/{group}/invitations"), by_id).await.expect(201);
    for limit in [1, 3, 31, 32, 100] {
        let all = bob.all(&format!("/user/invitations?limit={limit}")).await;
        let mut ids: Vec<String> = all.iter().map(|one| text(&one["id"])).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((all.len(), ids.len()), (32, 32), "in pages of {limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_at_most_a_thousand_open_invitations_whoever_writes_them_at_once() {
    const MOST: usize = store::directory::MOST_OPEN as usize;
    let world = World::new().await;
    let ann = world.person("ann").await;
    let group = ann.group("Diabetes").await;
    let list = format!("/groups/{group}/invitations");
    let write = async |whom: String| {
        loop {
            let sent = json!({"role": "consumer", "email": format!("{whom}@example.org")});
            let reply = ann.post(&list, sent).await;
            // Too many at once is no answer.
            if reply.status != 503 && reply.json["type"] != "urn:freehold:problem:conflict" {
                return reply;
            }
        }
    };
    for n in 0..MOST - 3 {
        write(format!("a{n}")).await.expect(201);
    }
    let replies = join_all((0..8).map(|n| write(format!("b{n}")))).await;
    let written = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(written, 3);
    for reply in replies.into_iter().filter(|reply| reply.status != 201) {
        reply.problem(409, "too-many-invitations");
    }
    // Not even in the place of another. One more for each that was revoked or has expired.
    let last = write("a0".into()).await;
    last.problem(409, "too-many-invitations");
    let open = ann.all(&format!("{list}?limit=100")).await;
    assert_eq!(open.iter().filter(|one| one["status"] == "pending").count(), MOST);
    ann.delete(&format!("{list}/{}", text(&open[0]["id"]))).await.expect(204);
    write("c".into()).await.expect(201);
    write("d".into()).await.problem(409, "too-many-invitations");
    world.pass_days(15);
    write("d".into()).await.expect(201);
}

#[tokio::test]
async fn an_open_invitation_shows_the_current_name_of_its_group() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("t16").await;
    let path = ann.invite(&group, "consumer", "bob").await;
    ann.patch(&format!("/groups/{group}"), json!({"name": "renamed"})).await.expect(200);
    assert_eq!(bob.all("/user/invitations").await[0]["groupName"], "renamed");
    assert_eq!(bob.get(&format!("{path}/preview")).await.expect(200)["groupName"], "renamed");
}

#[tokio::test]
async fn an_erasure_takes_what_was_offered_to_its_address_before_and_nothing_offered_since() {
    let world = World::new().await;
    *world.now.lock().unwrap() = store::clock::now();
    let (ann, zoe) = (world.person("ann").await, world.person("zoe").await);
    let (before, since) = (ann.group("Before").await, ann.group("Since").await);
    let ghost = ann.invite(&before, "consumer", "zoe").await;
    let resent = ann.invite(&before, "provider", "zoe").await;
    let job = |world: &World| world.queue.lock().unwrap().sent.last().unwrap().clone();
    zoe.delete("/user").await.expect(202);
    let erasure = job(&world);
    *world.now.lock().unwrap() = world.now().plus_millis(1_000);
    zoe.post("/user", Json::Null).await.expect(201);
    assert!(zoe.all("/user/invitations").await.is_empty());
    for call in ["accept", "decline"] {
        let status = zoe.post(&format!("{ghost}/{call}"), Json::Null).await.status;
        assert_eq!(status, 409, "{call}");
    }
    let path = ann.invite(&since, "consumer", "zoe").await;
    ann.post(&format!("{resent}/resend"), Json::Null).await.expect(200);
    ann.post("/profiles", json!({"email": "zoe@example.org"})).await.expect(201);
    let listed = async |group: &str| ann.all(&format!("/groups/{group}/invitations")).await.len();
    for pass in ["first", "second"] {
        world.work_on(&erasure).await;
        assert_eq!((listed(&before).await, listed(&since).await), (1, 1), "after the {pass} pass");
        assert_eq!(zoe.all("/user/invitations").await.len(), 2, "after the {pass} pass");
        let open = world.store.job(&erasure.group, &erasure.id).await.unwrap().is_open();
        assert_eq!(open, pass == "first");
        // The second pass is 20 minutes later. Only what decides that is moved, not when the erasure was requested.
        make_late(&world, &erasure).await;
    }
    zoe.post(&format!("{ghost}/accept"), Json::Null).await.problem(404, "not-found");
    zoe.post(&format!("{path}/accept"), Json::Null).await.expect(200);
    zoe.post(&format!("{resent}/accept"), Json::Null).await.expect(200);
    let scan = world.store.client().scan().table_name("t-directory").send().await.unwrap();
    let rows = format!("{:?}", scan.items());
    assert!(!rows.contains("ERASED"), "the mark of the erasure is gone");
    assert!(rows.contains("waitsFor"), "a profile for the address that was made since still waits");
}

/// Lets 20 minutes pass for a job, and for everything that was written since it was asked for.
async fn make_late(world: &World, job: &store::directory::Job) {
    const LONG: i64 = -1_300_000;
    let scan = world.store.client().scan().table_name("t-directory").send().await.unwrap();
    for row in scan.items() {
        let mut row = row.clone();
        for name in ["created", "offered", "requested"] {
            if let Some(AttributeValue::S(text)) = row.get(name) {
                let then = domain::time::Timestamp::parse(text).unwrap().plus_millis(LONG);
                row.insert(name.to_owned(), AttributeValue::S(then.to_string()));
            }
        }
        if let Some(AttributeValue::N(text)) = row.get("erasedAt") {
            let then = text.parse::<i64>().unwrap() + LONG;
            row.insert("erasedAt".to_owned(), AttributeValue::N(then.to_string()));
        }
        let put = world.store.client().put_item().table_name("t-directory").set_item(Some(row));
        put.send().await.unwrap();
    }
    assert!(world.store.job(&job.group, &job.id).await.is_ok());
}

/// How often each race is run: who comes first differs from run to run.
const RUNS: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_and_what_ends_the_offer_at_once_never_leave_somebody_in_who_should_be_out() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let mut accepted_first = [0; 4];
    for run in 0..RUNS {
        let eve = world.person(&format!("eve{run}")).await;
        let group = ann.group("Diabetes").await;
        ann.admit(&group, "owner", &bob).await;
        ann.admit(&group, "consumer", &bob).await;
        ann.admit(&group, "consumer", &eve).await;
        let kind = run % 4;
        // Bob offers Eve to own the group; meanwhile he is removed or demoted, or she is removed, or all is deleted.
        let path = bob.invite(&group, "owner", &eve.subject).await;
        let accept = format!("{path}/accept");
        let member = |id: &str| format!("/groups/{group}/members/{id}");
        let (bobs, eves) = (member(&bob.id().await), member(&eve.id().await));
        let group_path = format!("/groups/{group}");
        let end = async {
            match kind {
                0 => ann.delete(&bobs).await,
                1 => ann.patch(&bobs, json!({"roles": ["consumer"]})).await,
                2 => ann.delete(&eves).await,
                _ => ann.delete(&group_path).await,
            }
        };
        let (accepted, ended) = futures::join!(eve.post(&accept, Json::Null), end);
        assert!([200, 204].contains(&ended.status), "{:#}", ended.json);
        let roles = eve.get(&group_path).await.json["roles"].to_string();
        match accepted.status {
            200 => {
                accepted_first[kind] += 1;
                // Taken before: whoever was removed afterwards is out with all roles.
                assert_eq!(roles.contains("owner"), kind < 2, "{kind}: {roles}");
            }
            404 | 409 => assert!(!roles.contains("owner"), "{kind}: {roles}"),
            status => panic!("{kind}: {status} {:#}", accepted.json),
        }
        // Too late in any case.
        let again = eve.post(&accept, Json::Null).await.status;
        assert!(again != 200 || (accepted.status == 200 && kind < 2), "{kind}: {again}");
    }
    println!("accepted before what ended it: {accepted_first:?} of {} each", RUNS / 4);
}
