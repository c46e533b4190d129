//! A group's owner widens its rules: who asked to be asked shares no more until they agree.

use freehold_client::{Acceptance, Group, Rule, RulesMode, SharedItem};
use journeys::{Emulator, Person, World, stack_yaml, until};
use provision::session::{Session, reconcile};

/// The asking provider's readings are odd, and those of the one who follows the rules are even.
const READINGS: [(u8, i64); 4] = [(8, 131), (9, 151), (10, 171), (11, 191)];

async fn above(owner: &Person, group: &Group, mgdl: i64) -> u64 {
    let rule = Rule::of(&["glucose"]).when(&format!("resource.mgdl > {mgdl}")).fields(&["takenAt", "mgdl"]);
    owner.set_rules(&group.id, &[rule]).await.unwrap().revision
}

fn values(items: &[SharedItem]) -> Vec<i64> {
    let mut values: Vec<i64> = items.iter().map(|item| item.fields["mgdl"].as_i64().unwrap()).collect();
    values.sort_unstable();
    values
}

async fn settled(world: &World, group: &Group) {
    until("the jobs are done", async || world.open_jobs(group).await.is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_widening_reaches_the_provider_who_is_asked_only_when_they_agree() {
    // What people's groups may share is wider than what this group shares at first.
    let yaml = stack_yaml("consent").replace("resource.mgdl > 180", "resource.mgdl > 0");
    let world = World::with(Emulator::shared().await, "consent", &yaml).await;
    let (owner, reader) = (world.person("owner").await, world.person("reader").await);
    let (asking, following) = (world.person("asking").await, world.person("following").await);
    let group = owner.make_group("widened").await;
    let first = above(&owner, &group, 180).await;
    reader.join(&owner, &group, "consumer").await;
    asking.join_with(&owner, &group, "provider", Acceptance::plain().of_revision(first)).await;
    following.join_with(&owner, &group, "provider", Acceptance::plain().following()).await;
    for (hour, mgdl) in READINGS {
        following.read_glucose(&format!("2024-01-01T{hour:02}:00:00Z"), mgdl - 1).await;
        asking.read_glucose(&format!("2024-01-01T{hour:02}:30:00Z"), mgdl).await;
    }
    reader.comes_to_see(&group, &[190, 191]).await;
    let open = || reader.group_items(&group.id).oldest_first().limit(1);
    let mut begun = open();
    let mut cursor = vec![begun.next().await.unwrap().unwrap()];

    let wide = above(&owner, &group, 140).await;
    reader.comes_to_see(&group, &[150, 170, 190, 191]).await;
    settled(&world, &group).await;
    assert_eq!(reader.sees(&group).await, [150, 170, 190, 191], "by list");
    while let Some(item) = begun.next().await.unwrap() {
        cursor.push(item);
    }
    assert!(values(&cursor).iter().all(|mgdl| mgdl % 2 == 0 || *mgdl == 191), "by cursor: {cursor:?}");
    asking.read_glucose("2024-01-01T12:00:00Z", 161).await;
    asking.read_glucose("2024-01-01T13:00:00Z", 201).await;
    reader.comes_to_see(&group, &[150, 170, 190, 191, 201]).await;
    reconcile(&Session::open(&world.options()).await.unwrap(), true).await.unwrap();
    settled(&world, &group).await;
    assert_eq!(reader.sees(&group).await, [150, 170, 190, 191, 201], "after a reconcile");

    let consent = asking.consent(&group.id).await.unwrap();
    assert_eq!((consent.agreed_revision, consent.current_revision), (Some(first), wide));
    let types = consent.types.unwrap();
    let [glucose] = &types[..] else { panic!("{types:?}") };
    assert_eq!((consent.pending, glucose.items, glucose.complete), (true, 3, true), "151, 171 and 161");
    assert_eq!(glucose.agreed.rules[0].when.as_deref(), Some("resource.mgdl > 180"));
    assert_eq!(glucose.current.rules[0].when.as_deref(), Some("resource.mgdl > 140"));
    assert!(asking.set_consent(&group.id, first + 7, None).await.unwrap_err().is("rules-moved-on"));
    asking.set_consent(&group.id, wide, None).await.unwrap();
    reader.comes_to_see(&group, &[150, 151, 170, 171, 190, 191, 161, 201]).await;

    // Less is asked of nobody, and gone at once.
    above(&owner, &group, 185).await;
    assert_eq!(reader.sees(&group).await, [190, 191, 201]);
    let narrowed = asking.consent(&group.id).await.unwrap();
    assert_eq!((narrowed.pending, narrowed.agreed_revision), (false, Some(wide)));
    above(&owner, &group, 140).await;
    reader.comes_to_see(&group, &[150, 151, 170, 171, 190, 191, 161, 201]).await;

    // Who leaves and joins again is asked about what comes after that, and about nothing before.
    asking.leave_group(&group.id, None).await.unwrap();
    assert_eq!(reader.sees(&group).await, [150, 170, 190]);
    asking.join_with(&owner, &group, "provider", Acceptance::plain()).await;
    reader.comes_to_see(&group, &[150, 151, 170, 171, 190, 191, 161, 201]).await;
    above(&owner, &group, 120).await;
    reader.comes_to_see(&group, &[130, 150, 151, 170, 171, 190, 191, 161, 201]).await;
    settled(&world, &group).await;
    assert_eq!(reader.sees(&group).await, [130, 150, 151, 170, 171, 190, 191, 161, 201]);
    let last = asking.consent(&group.id).await.unwrap();
    assert!(last.pending);
    asking.set_consent(&group.id, last.current_revision, Some(RulesMode::Follow)).await.unwrap();
    reader.comes_to_see(&group, &[130, 131, 150, 151, 170, 171, 190, 191, 161, 201]).await;
    world.destroy().await.unwrap();
}
