//! What somebody has put wrong by hand is found and put right.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use freehold_client::Group;
use journeys::{Person, Row, World, text, until};
use provision::session::{Session, reconcile};
use serde_json::Value;

const TIMES: [&str; 4] =
    ["2024-01-01T08:00:00Z", "2024-01-01T09:00:00Z", "2024-01-01T10:00:00Z", "2024-01-01T11:00:00Z"];

/// The copies of a provider in a group with all that they say, tombstones left out, by the item's identifier.
async fn whole(world: &World, group: &Group, provider: &Person) -> BTreeMap<String, Row> {
    let ours = |row: &Row| {
        let (pk, sk) = (text(row, "pk"), text(row, "sk"));
        let theirs = sk.split_once('#').filter(|(_, drive)| *drive == provider.user.drive.as_str());
        let alive = pk.starts_with(&format!("{}#", group.id)) && row.contains_key("body");
        theirs.filter(|_| alive).map(|(id, _)| id.to_owned())
    };
    let rows = world.rows("replicas").await;
    rows.into_iter().filter_map(|row| Some((ours(&row)?, row))).collect()
}

async fn put(world: &World, row: Row) {
    let put = world.clients.dynamodb().put_item().table_name(format!("{}-replicas", world.name));
    put.set_item(Some(row)).send().await.unwrap();
}

async fn delete(world: &World, row: &Row) {
    let key = ["pk", "sk"].map(|name| (name.to_owned(), row[name].clone()));
    let delete = world.clients.dynamodb().delete_item().table_name(format!("{}-replicas", world.name));
    delete.set_key(Some(key.into())).send().await.unwrap();
}

/// A copy with another value in it.
fn altered(row: &Row, mgdl: i64) -> Row {
    let mut body = row["body"].as_m().unwrap().clone();
    body.insert("mgdl".to_owned(), AttributeValue::N(mgdl.to_string()));
    let body = ("body".to_owned(), AttributeValue::M(body));
    row.clone().into_iter().chain([body]).collect()
}

#[tokio::test]
async fn copies_that_were_deleted_added_or_altered_by_hand_and_those_of_members_long_gone_are_put_right() {
    let world = World::new("repairs").await;
    let (owner, provider, gone, reader) = (
        world.person("owner").await,
        world.person("provider").await,
        world.person("gone").await,
        world.person("reader").await,
    );
    let group = owner.make_group("repaired").await;
    for (person, role) in [(&provider, "provider"), (&gone, "provider"), (&reader, "consumer")] {
        person.join(&owner, &group, role).await;
    }
    for (time, mgdl) in TIMES.iter().zip([200, 210, 220, 90]) {
        provider.read_glucose(time, mgdl).await;
    }
    gone.read_glucose("2024-01-01T08:30:00Z", 300).await;
    reader.comes_to_see(&group, &[200, 300, 210, 220]).await;
    let former = whole(&world, &group, &gone).await.into_values().next().unwrap();
    let left = gone.post(&format!("/groups/{}/leave", group.id), Value::Null).await;
    assert_eq!(left.status, 204, "{left:?}");
    // Not only the copy is gone but the job, which would otherwise find what is put there by hand.
    until("the purge is done", async || world.open_jobs(&group).await.is_empty().then_some(())).await;
    assert_eq!(whole(&world, &group, &gone).await, BTreeMap::new());
    let good = whole(&world, &group, &provider).await;
    let rows: Vec<&Row> = good.values().collect();

    delete(&world, rows[0]).await;
    put(&world, altered(rows[1], 999)).await;
    put(&world, former).await;
    let unshared = provider.items_of("glucose").all().await.unwrap();
    let unshared = unshared.iter().find(|item| item.fields["mgdl"] == 90).unwrap().id.clone();
    let sk = AttributeValue::S(format!("{unshared}#{}", provider.user.drive));
    let added = altered(rows[2], 500).into_iter().chain([("sk".to_owned(), sk)]).collect();
    put(&world, added).await;
    assert_eq!(reader.sees(&group).await, [999, 220, 500], "readers cannot know; but who left is not shown");

    let found = reconcile(&Session::open(&world.options()).await.unwrap(), true).await.unwrap();
    assert_eq!((found.missing, found.altered, found.orphans, found.failed), (1, 1, 2, 0), "{found:?}");
    assert_eq!(whole(&world, &group, &provider).await, good);
    assert_eq!(whole(&world, &group, &gone).await, BTreeMap::new());
    assert_eq!(reader.sees(&group).await, [200, 210, 220]);
    let again = reconcile(&Session::open(&world.options()).await.unwrap(), true).await.unwrap();
    assert_eq!(again.repaired(), 0, "{again:?}");
    world.destroy().await.unwrap();
}
