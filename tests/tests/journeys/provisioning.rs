//! Applying again, changing the file, taking down.

use journeys::{Emulator, World, leftovers, stack_yaml};
use provision::error::Error;

#[tokio::test]
async fn a_second_apply_changes_nothing_and_makes_no_call_that_could() {
    let world = World::shared("twice").await;
    let (applied, mutating) = world.apply().await;
    assert_eq!(mutating, 0);
    assert_eq!(applied.summary.mutating_calls, 0);
    assert!(applied.summary.unchanged > 40, "{:?}", applied.summary);
    assert_eq!(applied.outputs["apiUrl"], world.place.api);
}

#[tokio::test]
async fn a_changed_rule_counts_at_once_for_reading_and_for_what_is_written_from_then_on() {
    let world = World::new("new-rule").await;
    let (lead, provider, reader) =
        (world.person("lead").await, world.person("provider").await, world.person("reader").await);
    let group = glucose_study::people::own(&lead, "clinic").await.unwrap();
    provider.join(&lead, &group, "provider").await;
    reader.join(&lead, &group, "consumer").await;
    provider.read_glucose("2024-01-01T08:00:00Z", 200).await;
    provider.read_glucose("2024-01-01T09:00:00Z", 300).await;
    reader.comes_to_see(&group, &[200, 300]).await;

    world.rewrite(
        "resource.mgdl > 180\n        fields: [takenAt, mgdl]\ngroupDefaults",
        "resource.mgdl > 250\n        fields: [takenAt, mgdl]\ngroupDefaults",
    );
    let (_, mutating) = world.apply().await;
    assert!(mutating > 0);
    assert_eq!(reader.sees(&group).await, [300], "a narrower rule hides when the apply returns");
    let shown = reader.get(&format!("/groups/{}", group.id)).await;
    assert_eq!(shown.body["rules"][0]["when"], "resource.mgdl > 250", "{shown:?}");

    world.rewrite("resource.mgdl > 250", "resource.mgdl > 150");
    world.apply().await;
    provider.read_glucose("2024-01-01T10:00:00Z", 160).await;
    provider.read_glucose("2024-01-01T11:00:00Z", 140).await;
    provider.read_glucose("2024-01-01T12:00:00Z", 170).await;
    // What was written under an earlier rule is for the job that a later version of the tool runs.
    journeys::until("the newly written readings are there", async || {
        let seen = reader.sees(&group).await;
        seen.ends_with(&[160, 170]).then_some(())
    })
    .await;
    assert_eq!(world.apply().await.1, 0);
}

#[tokio::test]
async fn a_protected_stack_stays_whole_and_an_unprotected_one_leaves_nothing() {
    let yaml = stack_yaml("protected").replace("deletionProtection: false", "deletionProtection: true");
    let world = World::with(Emulator::shared().await, "protected", &yaml).await;
    let person = world.person("somebody").await;
    person.read_glucose("2024-01-01T08:00:00Z", 200).await;
    let before = leftovers(&world.clients, "protected").await;
    for kind in ["table", "queue", "function", "mapping", "role", "log group", "api", "user pool", "domain"] {
        assert!(before.iter().any(|name| name.starts_with(kind)), "no {kind} among {before:?}");
    }

    let refused = world.destroy().await.unwrap_err();
    assert!(matches!(refused, Error::Protected(_)), "{refused}");
    assert!(refused.help().contains("deletionProtection: false"), "{}", refused.help());
    assert_eq!(leftovers(&world.clients, "protected").await, before);
    assert_eq!(person.sees_own().await, [200]);

    world.rewrite("deletionProtection: true", "deletionProtection: false");
    world.apply().await;
    let summary = world.destroy().await.unwrap();
    assert!(summary.deleted > 40, "{summary:?}");
    assert_eq!(leftovers(&world.clients, "protected").await, Vec::<String>::new());
    assert_eq!(world.destroy().await.unwrap().deleted, 0, "again: nothing to do");
}
