//! What an app does for its people, with the typed client alone: from a first reading to the end of an account.

use freehold_client::{
    Acceptance, Client, Contract, Exported, Group, InvitationStatus, Invitee, Item, NewItem, Past, Progress,
    Receipt, Role, SharedItem,
};
use journeys::{Row, World, until};
use serde::{Deserialize, Serialize};

/// A reading, as the app knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reading {
    taken_at: String,
    mgdl: i64,
}

fn reading(hour: u8, mgdl: i64) -> Reading {
    Reading { taken_at: format!("2024-01-01T{hour:02}:00:00Z"), mgdl }
}

async fn shown(reader: &Client, group: &Group) -> Vec<Reading> {
    let items = reader.group_items(&group.id).oldest_first().all().await.unwrap();
    items.iter().map(|item: &SharedItem| item.read().unwrap()).collect()
}

async fn comes_to_be_shown(reader: &Client, group: &Group, readings: &[Reading]) {
    let look = async || (shown(reader, group).await == readings).then_some(());
    until(&format!("the group shows {readings:?}"), look).await;
}

/// Writes down what was measured, and corrects it.
async fn keep(owner: &Client) -> Vec<Item> {
    let first = owner.create_item("glucose", &reading(8, 190)).await.unwrap();
    let corrected = owner.update_item(&first.id, &reading(8, 195), Some(first.version)).await.unwrap();
    assert_eq!((corrected.version, corrected.read::<Reading>().unwrap()), (2, reading(8, 195)));
    // Another device that has not heard of the correction is told so, and reads it.
    let late = owner.update_item(&first.id, &reading(8, 80), Some(first.version)).await.unwrap_err();
    assert!(matches!(late, freehold_client::Error::OtherVersion { version: 2, .. }), "{late}");
    assert_eq!(owner.item(&first.id).await.unwrap(), corrected);
    assert_eq!(owner.item_unless(&first.id, 2).await.unwrap(), None);

    let more = [reading(9, 90), reading(10, 210), reading(11, 5000)];
    let more = more.map(|reading| NewItem::new("glucose", &reading).unwrap());
    let results = owner.create_items(&more).await.unwrap();
    let done: Vec<bool> = results.iter().map(|result| result.is_done()).collect();
    assert_eq!(done, [true, true, false], "each item for itself: {results:?}");
    let problem = results[2].problem.as_ref().unwrap();
    assert!(problem.kind == "invalid" && problem.mistakes[0].field.contains("mgdl"), "{problem:?}");
    owner.items_of("glucose").oldest_first().all().await.unwrap()
}

/// Joins with no more of the past than one hour, having looked at what that means.
async fn join(owner: &Client, doctor: &Client, group: &Group, address: &str) {
    let sent = doctor.invite(&group.id, &Invitee::email(address), Role::Provider).await.unwrap();
    let mine = owner.invitations().all().await.unwrap();
    assert_eq!((mine[0].id.as_str(), mine[0].group_name.as_str()), (sent.id.as_str(), "practice"));
    let everything = owner.preview_invitation(&group.id, &sent.id, &Acceptance::plain()).await.unwrap();
    assert_eq!((everything.types[0].items, everything.consumers.count), (2, 1), "{everything:?}");
    let contract = Contract::everything().types(&["glucose"]);
    let some = Acceptance::plain().past(Past::Since("2024-01-01T10:00:00Z".to_owned())).contract(contract);
    let less = owner.preview_invitation(&group.id, &sent.id, &some).await.unwrap();
    assert_eq!(less.types[0].items, 1, "{less:?}");
    let joined = owner.accept_invitation(&group.id, &sent.id, &some).await.unwrap();
    assert_eq!((joined.role, joined.member_id), (Role::Provider, owner.profile().await.unwrap().drive));
    let listed = doctor.group_invitations(&group.id).all().await.unwrap();
    assert!(
        listed.iter().any(|one| one.id == sent.id && one.status == InvitationStatus::Accepted),
        "{listed:?}"
    );
}

/// Everything that is somebody's, by its kind.
async fn exported(owner: &Client) -> (Vec<Item>, Vec<Receipt>, usize) {
    let (mut items, mut receipts, mut ledger) = (Vec::new(), Vec::new(), 0);
    let mut export = owner.export().limit(2);
    while let Some(thing) = export.next().await.unwrap() {
        match thing {
            Exported::Item { item } => items.push(item),
            Exported::Receipt { receipt } => receipts.push(receipt),
            Exported::Ledger { .. } => ledger += 1,
            Exported::Unknown => panic!("the client does not know what was exported"),
            _ => {}
        }
    }
    (items, receipts, ledger)
}

#[tokio::test]
async fn an_app_does_all_that_an_owner_can_ask_for_with_typed_calls() {
    let world = World::shared("owners-day").await;
    let (owner, doctor) = (world.person("owner").await, world.person("doctor").await);
    let items = keep(&owner).await;
    let group = doctor.create_group("practice").await.unwrap();
    doctor.join(&doctor, &group, "consumer").await;
    join(&owner, &doctor, &group, owner.who()).await;
    comes_to_be_shown(&doctor, &group, &[reading(10, 210)]).await;
    let fresh = owner.create_item("glucose", &reading(12, 220)).await.unwrap();
    comes_to_be_shown(&doctor, &group, &[reading(10, 210), reading(12, 220)]).await;

    // Who has seen what.
    let seen = owner.ledger().next().await.unwrap().unwrap();
    assert_eq!(
        (seen.reader.as_deref(), seen.group.as_str()),
        (Some(doctor.user.id.as_str()), group.id.as_str())
    );
    assert_eq!((seen.count, seen.types["glucose"]), (2, 2));

    // Less, at once; then nothing at all, with a receipt.
    let allowed = owner.contract(&group.id).await.unwrap().contract;
    assert_eq!(allowed.from.as_deref(), Some("2024-01-01T10:00:00Z"), "what of the past came along");
    let narrow = allowed.to("2024-01-01T12:00:00Z");
    let state = owner.set_contract(&group.id, &narrow).await.unwrap();
    assert_eq!(state.contract, narrow);
    assert_eq!(shown(&doctor, &group).await, [reading(10, 210)]);
    owner.leave_group(&group.id, None).await.unwrap();
    assert!(shown(&doctor, &group).await.is_empty());
    let receipt = until("there is a receipt", async || owner.receipts().next().await.unwrap()).await;
    assert_eq!((&receipt.group, receipt.remaining), (&group.id, 0));

    // All of it, and then none of it.
    let (mut own, receipts, ledger) = exported(&owner).await;
    own.sort_by(|a, b| a.time.cmp(&b.time));
    assert_eq!(own, items.into_iter().chain([fresh]).collect::<Vec<_>>());
    assert_eq!(receipts, [receipt]);
    assert!(ledger > 0);
    let erasure = owner.erase_profile().await.unwrap();
    assert!(owner.profile().await.unwrap_err().is("no-profile"));
    assert_eq!(erasure.status, Progress::Open);
    let removed = async || (doctor.erasure(&erasure.id).await.unwrap().items == 4).then_some(());
    until("all of the items have been removed", removed).await;
    // The second pass begins 20 minutes after the request: the test moves the request back in time.
    world.request_erasure_earlier(&erasure.id).await;
    let done = async || (doctor.erasure(&erasure.id).await.unwrap().status == Progress::Done).then_some(());
    until("the erasure is done", done).await;
    for table in ["data", "replicas", "directory"] {
        let names =
            |row: &Row| [&owner.user.id, &owner.user.drive].map(|name| format!("{row:?}").contains(name));
        let left: Vec<Row> =
            world.rows(table).await.into_iter().filter(|row| names(row).contains(&true)).collect();
        assert!(left.is_empty(), "`{table}` still names the user: {left:?}");
    }
}
