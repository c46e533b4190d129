//! Who may call what: every actor on every route in every state of membership, against a table that was written down
//! by hand and knows nothing of the policies.

use std::collections::BTreeMap;

use domain::address::Address;
use domain::authorize::{About, Actor, GroupFacts, Policies, Roles, Subject, Verdict};
use domain::id::{DriveId, GroupId, UserId};
use domain::routes::{Operation, ROUTES, Route};
use serde_json::{Value as Json, json};

use crate::world::{Person, World, text};

/// What each actor gets, in the order of the columns below. A new route needs its row here.
///
/// `own` and `other` say whose item, membership or invitation is named. A `*` marks what the policies allow and what is
/// not there nevertheless.
const EXPECTED: &str = "
operation            target nobody visitor stranger owner provider consumer pending removed left deleted
GetUser              -      401    404*    200      200   200      200      200     200     200  200
CreateUser           -      401    201     200      200   200      200      200     200     200  200
ListData             -      401    403     200      200   200      200      200     200     200  200
CreateData           -      401    403     201      201   201      201      201     201     201  201
CreateDataBatch      -      401    403     200      200   200      200      200     200     200  200
GetData              own    401    403     200      200   200      200      200     200     200  200
GetData              other  401    403     404      404   404      404      404     404     404  404
UpdateData           own    401    403     200      200   200      200      200     200     200  200
UpdateData           other  401    403     404      404   404      404      404     404     404  404
DeleteData           own    401    403     204      204   204      204      204     204     204  204
DeleteData           other  401    403     404      404   404      404      404     404     404  404
ListDataOfType       -      401    403     200      200   200      200      200     200     200  200
ListUserMembers      -      401    403     200      200   200      200      200     200     200  200
ListUserInvitations  -      401    403     200      200   200      200      200     200     200  200
ListReceipts         -      401    403     200      200   200      200      200     200     200  200
CreateGroup          -      401    403     201      201   201      201      201     201     201  201
GetGroup             -      401    403     404      200   200      200      404     404     404  404
DeleteGroup          -      401    403     404      204   403      403      404     404     404  404
ListGroupData        -      401    403     404      403   403      200      404     404     404  404
ListGroupDataOfType  -      401    403     404      403   403      200      404     404     404  404
ListGroupMembers     -      401    403     404      200   200      200      404     404     404  404
RemoveGroupMember    own    401    403     404      204   204      204      404     404     404  404
RemoveGroupMember    other  401    403     404      204   403      403      404     404     404  404
LeaveGroup           -      401    403     404      204   204      204      404     404     404  404
GetContract          -      401    403     404      403   200      403      404     404     404  404
ReplaceContract      -      401    403     404      403   200      403      404     404     404  404
GetConsent           -      401    403     404      403   200      403      404     404     404  404
SetConsent           -      401    403     404      403   200      403      404     404     404  404
ListGroupInvitations -      401    403     404      200   403      403      404     404     404  404
CreateInvitation     -      401    403     404      201   403      403      404     404     404  404
AcceptInvitation     own    401    403     404      200   200      200      200     409     409  404
AcceptInvitation     other  401    403     404      403   404      404      404     404     404  404
DeclineInvitation    own    401    403     404      409   409      409      204     409     409  404
DeclineInvitation    other  401    403     404      403   404      404      404     404     404  404
PreviewInvitation    own    401    403     404      409   409      409      200     409     409  404
PreviewInvitation    other  401    403     404      403   404      404      404     404     404  404
UpdateDataBatch      -      401    403     200      200   200      200      200     200     200  200
DeleteDataBatch      -      401    403     200      200   200      200      200     200     200  200
ExportData           -      401    403     200      200   200      200      200     200     200  200
ListLedger           -      401    403     200      200   200      200      200     200     200  200
ListGroups           -      401    403     200      200   200      200      200     200     200  200
DeleteUser           -      401    403     202      202   202      202      202     202     202  202
GetErasure           -      401    404*    404*     404*  404*     404*     404*    404*    404* 404*
CreateProfile        -      401    403     201      201   201      201      201     201     201  201
ReissueInvite        -      401    403     404*     404*  404*     404*     404*    404*    404* 404*
ClaimProfile         -      401    404*    409      409   409      409      409     409     409  409
UpdateGroup          -      401    403     404      200   403      403      404     404     404  404
TransferGroup        -      401    403     404      422   403      403      404     404     404  404
ReplaceGroupRules    -      401    403     404      200   403      403      404     404     404  404
ListRulesHistory     -      401    403     404      200   200      200      404     404     404  404
ChangeMemberRoles    -      401    403     404      200   403      403      404     404     404  404
RevokeInvitation     other  401    403     404      204   403      403      404     404     404  404
ResendInvitation     other  401    403     404      200   403      403      404     404     404  404
GetAudience          -      401    403     404      403   200      403      404     404     404  404
SetAudience          -      401    403     404      403   200      403      404     404     404  404
AgreeToConsumer      -      401    403     404      403   404*     403      404     404     404  404
RefuseConsumer       -      401    403     404      403   404*     403      404     404     404  404
ShowOpenApi          -      200    200     200      200   200      200      200     200     200  200
";

/// Somebody who calls: a column, and the role it is about if the column stands for each of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    column: &'static str,
    role: Option<&'static str>,
}

const ROLES: [&str; 3] = ["owner", "provider", "consumer"];

fn kinds() -> Vec<Kind> {
    let plain = ["nobody", "visitor", "stranger"].map(|column| Kind { column, role: None });
    let active = ROLES.map(|role| Kind { column: role, role: Some(role) });
    let states = ["pending", "removed", "left", "deleted"];
    let former = states.into_iter().flat_map(|column| ROLES.map(|role| Kind { column, role: Some(role) }));
    plain.into_iter().chain(active).chain(former).collect()
}

/// What the table says of one cell.
#[derive(Debug, Clone, Copy)]
struct Expected {
    status: u16,
    allowed_but_absent: bool,
}

struct Row {
    route: &'static Route,
    target: &'static str,
    cells: BTreeMap<&'static str, Expected>,
}

fn rows() -> Vec<Row> {
    let mut lines = EXPECTED.trim().lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let columns = lines.next().unwrap();
    lines
        .map(|line| {
            assert_eq!(line.len(), columns.len(), "{line:?}");
            let route = ROUTES.iter().find(|route| format!("{:?}", route.operation) == line[0]);
            let cell = |text: &str| Expected {
                status: text.trim_end_matches('*').parse().unwrap(),
                allowed_but_absent: text.ends_with('*'),
            };
            let cells = columns[2..].iter().zip(&line[2..]).map(|(name, text)| (*name, cell(text)));
            Row {
                route: route.unwrap_or_else(|| panic!("{line:?}")),
                target: line[1],
                cells: cells.collect(),
            }
        })
        .collect()
}

/// A group with somebody of one kind, and with others for whom things are meant that are not theirs.
struct Scene<'w> {
    actor: Person<'w>,
    group: String,
    /// The paths of the actor's own things and of others'.
    items: [String; 2],
    members: [String; 2],
    invitations: [String; 2],
}

async fn member_id(person: &Person<'_>, role: &str) -> String {
    if role == "provider" { person.drive().await } else { person.id().await }
}

/// Invites owners by their id and others by their address: both ways have to work.
async fn invite(boss: &Person<'_>, group: &str, role: &str, whom: &Person<'_>) -> String {
    if role != "owner" {
        return boss.invite(group, role, &whom.subject).await;
    }
    let sent = json!({"role": role, "userId": whom.id().await});
    let made = boss.post(&format!("/groups/{group}/invitations"), sent).await.expect(201);
    format!("/groups/{group}/invitations/{}", text(&made["id"]))
}

async fn scene(world: &World, kind: Kind, number: usize) -> Scene<'_> {
    let boss = world.person(&format!("boss{number}")).await;
    let pat = world.person(&format!("pat{number}")).await;
    let group = boss.group("Matrix").await;
    boss.admit(&group, "provider", &pat).await;
    let others_item = pat.reading("2024-01-01T00:00:00Z", 200).await;
    let others_invitation = boss.invite(&group, "consumer", &pat.subject).await;
    let name = format!("actor{number}");
    let mut items = [others_item.clone(), others_item];
    let mut invitations = [others_invitation.clone(), others_invitation];
    let mut members = [pat.drive().await, pat.drive().await];
    let actor = if ["nobody", "visitor"].contains(&kind.column) {
        world.visitor(&name)
    } else {
        world.person(&name).await
    };
    if !["nobody", "visitor"].contains(&kind.column) {
        items[0] = actor.reading("2024-01-01T00:00:00Z", 150).await;
        members[0] = member_id(&actor, kind.role.unwrap_or_default()).await;
    }
    if let Some(role) = kind.role {
        invitations[0] = invite(&boss, &group, role, &actor).await;
        if kind.column != "pending" {
            actor.post(&format!("{}/accept", invitations[0]), Json::Null).await.expect(200);
        }
        match kind.column {
            "removed" => {
                drop(boss.delete(&format!("/groups/{group}/members/{}", members[0])).await.expect(204))
            }
            "left" => drop(actor.post(&format!("/groups/{group}/leave"), Json::Null).await.expect(204)),
            "deleted" => drop(boss.delete(&format!("/groups/{group}")).await.expect(204)),
            _ => {}
        }
    }
    Scene { actor, group, items, members, invitations }
}

/// Whom and what nothing is of.
const NOBODY: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn body(operation: Operation) -> Json {
    let item = json!({"type": "glucose", "fields": {"takenAt": "2024-01-02T00:00:00Z", "mgdl": 120}});
    match operation {
        Operation::CreateData => item,
        Operation::CreateDataBatch => json!({ "items": [item] }),
        Operation::UpdateData => json!({"fields": {"mgdl": 121}}),
        Operation::UpdateDataBatch => json!({"items": [{"id": NOBODY, "fields": {}}]}),
        Operation::DeleteDataBatch => json!({"items": [{"id": NOBODY}]}),
        Operation::ClaimProfile => json!({"invite": "guess"}),
        Operation::UpdateGroup => json!({"name": "Matrix again"}),
        Operation::TransferGroup => json!({"to": NOBODY}),
        Operation::ReplaceGroupRules => json!({"rules": [{"types": ["memo"]}]}),
        Operation::ChangeMemberRoles => json!({"roles": ["consumer"]}),
        Operation::SetAudience => json!({"audience": "ask"}),
        Operation::CreateGroup => json!({"name": "Another"}),
        Operation::ReplaceContract => json!({"types": ["glucose"]}),
        Operation::SetConsent => json!({"revision": 1}),
        Operation::CreateInvitation => json!({"role": "consumer", "email": "friend@example.org"}),
        _ => Json::Null,
    }
}

impl Scene<'_> {
    async fn call(&self, row: &Row, kind: Kind) -> u16 {
        let at = usize::from(row.target == "other");
        let invitation = self.invitations[at].rsplit('/').next().unwrap();
        let target = row
            .route
            .path
            .replace("{group_id}", &self.group)
            .replace("{data_id}", &self.items[at])
            .replace("{member_id}", &self.members[at])
            .replace("{invitation_id}", invitation)
            .replace("{user_id}", NOBODY)
            .replace("{erasure_id}", NOBODY)
            .replace("{type}", "glucose");
        let mut request = self.actor.request(row.route.method, &target, body(row.route.operation));
        if kind.column == "nobody" {
            request.headers.remove("authorization");
        }
        self.actor.send(request).await.status
    }
}

#[tokio::test]
async fn every_actor_gets_on_every_route_in_every_state_what_the_table_says() {
    let world = World::new().await;
    let (mut cells, mut wrong, mut scenes) = (0, Vec::new(), 0);
    let rows = rows();
    for kind in kinds() {
        scenes += 1;
        let shared = scene(&world, kind, scenes).await;
        for row in &rows {
            let expected = row.cells[kind.column].status;
            // What is refused changes nothing; what is not, needs a scene of its own.
            let status = if (200..300).contains(&expected) && row.route.method != "GET" {
                scenes += 1;
                scene(&world, kind, scenes).await.call(row, kind).await
            } else {
                shared.call(row, kind).await
            };
            cells += 1;
            if status != expected {
                wrong.push(format!(
                    "{kind:?} {:?} {}: {status}, not {expected}",
                    row.route.operation, row.target
                ));
            }
        }
    }
    eprintln!("the matrix has {cells} cells, of which {} are wrong", wrong.len());
    assert_eq!(cells, kinds().len() * rows.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_has_a_row_for_every_route_and_a_column_for_every_actor() {
    let rows = rows();
    for route in ROUTES {
        let found = rows.iter().any(|row| row.route.operation == route.operation);
        assert!(found, "write down in EXPECTED who may {} {}", route.method, route.path);
    }
    for kind in kinds() {
        assert!(rows.iter().all(|row| row.cells.contains_key(kind.column)), "{kind:?}");
    }
}

/// The same cells asked of the policies alone. Gives those that come out otherwise than the table says.
fn wrong_cells(policies: &Policies) -> Vec<String> {
    let (me, mine) = (UserId::from_bits(1), DriveId::from_bits(2));
    let (pat, pats) = (UserId::from_bits(3), DriveId::from_bits(4));
    let [my_address, pats_address] =
        ["me@example.org", "pat@example.org"].map(|email| Address::parse(email).unwrap());
    let group = GroupId::from_bits(5);
    let mut wrong = Vec::new();
    for kind in kinds() {
        let is = |role: &str| kind.role == Some(role) && (kind.column == role || kind.column == "deleted");
        let roles = Roles { owner: is("owner"), provider: is("provider"), consumer: is("consumer") };
        let facts = GroupFacts { id: &group, active: kind.column != "deleted", roles };
        let actor = match kind.column {
            "nobody" => Actor::Nobody,
            "visitor" => Actor::Visitor,
            _ => Actor::User { id: &me, drive: &mine, address: Some(&my_address) },
        };
        let reads = policies.may_read_former_rules(&actor, &facts);
        if reads != (facts.active && (roles.owner || roles.provider)) {
            wrong.push(format!("{kind:?} reads former rules: {reads}"));
        }
        for row in rows() {
            let own = row.target != "other" && kind.role.is_some();
            let subject = match policies.about(row.route.operation).unwrap() {
                About::Api => Subject::Api,
                About::Drive => Subject::Drive(if row.target == "other" { &pats } else { &mine }),
                About::Group => Subject::Group(facts),
                About::Member if !own => Subject::Member(facts, pats.as_str()),
                About::Member if is("provider") => Subject::Member(facts, mine.as_str()),
                About::Member => Subject::Member(facts, me.as_str()),
                About::Invitation => {
                    let by_id = kind.role == Some("owner");
                    let (user, address) = if own { (&me, &my_address) } else { (&pat, &pats_address) };
                    Subject::Invitation {
                        group: facts,
                        user: by_id.then_some(user),
                        address: (!by_id).then_some(address),
                    }
                }
            };
            let expected = row.cells[kind.column];
            let verdict = policies.decide(&actor, row.route.operation, &subject);
            let fits = match (expected.status, verdict) {
                _ if expected.allowed_but_absent => verdict == Verdict::Allowed,
                (401, verdict) => verdict == Verdict::SignIn,
                (403, verdict) => matches!(verdict, Verdict::Forbidden(_) | Verdict::NoProfile),
                (404, verdict) => matches!(verdict, Verdict::Hidden(_)),
                (_, verdict) => verdict == Verdict::Allowed,
            };
            if !fits {
                wrong.push(format!("{kind:?} {:?} {}: {verdict:?}", row.route.operation, row.target));
            }
        }
    }
    wrong
}

#[test]
fn the_policies_alone_say_what_the_table_says() {
    let wrong = wrong_cells(Policies::built_in().unwrap());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn without_any_one_policy_the_table_is_not_kept() {
    let policies = Policies::built_in().unwrap();
    assert!(policies.names().len() >= 14);
    for name in policies.names() {
        let wrong = wrong_cells(&policies.without(&name)).len();
        eprintln!("without `{name}` {wrong} cells are wrong");
        assert!(wrong > 0, "`{name}` is of no use, or nothing tests it");
    }
}
