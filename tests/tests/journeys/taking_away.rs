//! Narrowing is synchronous: what somebody takes away is gone when their call returns, and really gone soon after.

use freehold_client::Group;
use journeys::{Person, World, until, with_query};
use serde_json::json;

const TIMES: [&str; 3] = ["2024-01-01T08:00:00Z", "2024-01-01T09:00:00Z", "2024-01-01T10:00:00Z"];

/// A group with an owner, a provider whose readings are 200, 210 and 220, and a reader who sees them.
struct Shared {
    owner: Person,
    provider: Person,
    reader: Person,
    group: Group,
    ids: Vec<String>,
}

async fn shared(world: &World) -> Shared {
    let (owner, provider, reader) =
        (world.person("owner").await, world.person("provider").await, world.person("reader").await);
    let group = owner.make_group("taken").await;
    provider.join(&owner, &group, "provider").await;
    reader.join(&owner, &group, "consumer").await;
    let mut ids = Vec::new();
    for (time, mgdl) in TIMES.iter().zip([200, 210, 220]) {
        ids.push(provider.read_glucose(time, mgdl).await);
    }
    reader.comes_to_see(&group, &[200, 210, 220]).await;
    Shared { owner, provider, reader, group, ids }
}

async fn comes_to_hold_no_copies(world: &World, group: &Group) {
    let none = async || world.copies(group).await.is_empty().then_some(());
    until("no copy is left in the replicas table", none).await;
}

#[tokio::test]
async fn who_leaves_is_gone_at_once_and_their_copies_soon() {
    let world = World::shared("leave").await;
    let Shared { provider, reader, group, .. } = shared(&world).await;
    assert_eq!(world.copies(&group).await.len(), 3);
    assert_eq!(provider.post(&format!("/groups/{}/leave", group.id), json!({})).await.status, 204);
    assert!(reader.sees(&group).await.is_empty(), "gone when the call returns");
    comes_to_hold_no_copies(&world, &group).await;
    provider.read_glucose("2024-01-02T08:00:00Z", 400).await;
    // Something that does pass through the stream shows that what came before it has passed too.
    let other = world.person("other").await;
    let own = other.make_group("own").await;
    provider.join(&other, &own, "provider").await;
    reader.join(&other, &own, "consumer").await;
    provider.read_glucose("2024-01-02T09:00:00Z", 410).await;
    reader.comes_to_see(&own, &[200, 210, 220, 400, 410]).await;
    assert!(reader.sees(&group).await.is_empty(), "nothing comes back");
}

#[tokio::test]
async fn a_provider_who_is_removed_is_gone_at_once() {
    let world = World::shared("removal").await;
    let Shared { owner, provider, reader, group, .. } = shared(&world).await;
    let members = owner.get(&format!("/groups/{}/members", group.id)).await;
    assert!(members.body.to_string().contains(&provider.user.drive), "{members:?}");
    let path = format!("/groups/{}/members/{}", group.id, provider.user.drive);
    assert_eq!(owner.delete(&path).await.status, 204);
    assert!(reader.sees(&group).await.is_empty());
    comes_to_hold_no_copies(&world, &group).await;
    assert_eq!(owner.delete(&path).await.status, 404, "they are no member any more");
    let path = format!("/groups/{}/members/{}", group.id, reader.user.id);
    assert_eq!(owner.delete(&path).await.status, 204);
    let answer = reader.get(&format!("/groups/{}/data", group.id)).await;
    assert_eq!(answer.status, 404, "a reader who is removed is a stranger: {answer:?}");
}

#[tokio::test]
async fn an_update_that_no_longer_matches_is_gone_at_once() {
    let world = World::shared("update-out").await;
    let Shared { provider, reader, group, ids, .. } = shared(&world).await;
    let answer = provider.patch(&format!("/user/data/{}", ids[1]), json!({"fields": {"mgdl": 100}})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(reader.sees(&group).await, [200, 220]);
    let answer = provider.patch(&format!("/user/data/{}", ids[1]), json!({"fields": {"mgdl": 230}})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    reader.comes_to_see(&group, &[200, 230, 220]).await;
}

#[tokio::test]
async fn what_is_deleted_is_gone_at_once_and_stays_gone() {
    let world = World::shared("deletion").await;
    let Shared { provider, reader, group, ids, .. } = shared(&world).await;
    let path = format!("/user/data/{}", ids[0]);
    assert_eq!(provider.delete(&path).await.status, 204);
    assert_eq!(reader.sees(&group).await, [210, 220]);
    assert_eq!(provider.get(&path).await.status, 404);
    assert_eq!(provider.delete(&path).await.status, 404);
    // A later write shows that the stream has passed the deletion.
    provider.read_glucose("2024-01-01T11:00:00Z", 230).await;
    reader.comes_to_see(&group, &[210, 220, 230]).await;
}

#[tokio::test]
async fn a_deleted_group_shows_nothing_to_anybody_and_leaves_nothing() {
    let world = World::shared("group-deletion").await;
    let Shared { owner, provider, reader, group, .. } = shared(&world).await;
    assert_eq!(reader.delete(&format!("/groups/{}", group.id)).await.status, 403, "only owners delete");
    assert_eq!(owner.delete(&format!("/groups/{}", group.id)).await.status, 204);
    for person in [&owner, &provider, &reader] {
        for path in ["", "/data", "/data/types/glucose", "/members"] {
            let answer = person.get(&format!("/groups/{}{path}", group.id)).await;
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
        }
        let members = person.get("/user/members").await;
        assert_eq!(members.body["items"], json!([]), "{members:?}");
    }
    comes_to_hold_no_copies(&world, &group).await;
    assert_eq!(provider.sees_own().await, [200, 210, 220], "what people own is still theirs");
}

#[tokio::test]
async fn the_last_owner_cannot_go() {
    let world = World::shared("last-owner").await;
    let owner = world.person("owner").await;
    let group = owner.make_group("mine").await;
    let answer = owner.post(&format!("/groups/{}/leave", group.id), json!({})).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    let second = world.person("second").await;
    second.join(&owner, &group, "owner").await;
    assert_eq!(owner.post(&format!("/groups/{}/leave", group.id), json!({})).await.status, 204);
    assert_eq!(owner.get(&format!("/groups/{}", group.id)).await.status, 404);
}

#[tokio::test]
async fn a_cursor_from_before_a_leave_does_not_lead_past_it() {
    let world = World::shared("old-cursor").await;
    let Shared { provider, reader, group, .. } = shared(&world).await;
    let path = format!("/groups/{}/data/types/glucose", group.id);
    let page = reader.get(&format!("{path}?limit=1")).await;
    let cursor = page.body["next"].as_str().unwrap_or_else(|| panic!("{page:?}")).to_owned();
    assert_eq!(provider.post(&format!("/groups/{}/leave", group.id), json!({})).await.status, 204);
    let answer = reader.get(&with_query(&path, &[("limit", "1"), ("cursor", &cursor)])).await;
    // Refused, or an empty page: what left is never shown.
    assert!(answer.status == 400 || answer.body["items"] == json!([]), "{answer:?}");
    let forged = reader.get(&format!("{path}?cursor=AAAA{cursor}")).await;
    assert_eq!(forged.status, 400, "{forged:?}");
}
