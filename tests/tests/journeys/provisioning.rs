//! Applying again, changing the file, taking down.

use std::collections::BTreeSet;

use domain::rules::compare::Verdict;
use freehold_client::Group;
use journeys::{Emulator, World, leftovers, stack_yaml, text};
use provision::error::{Error, Exit};
use provision::plan::{Known, Sharing};
use provision::session::{Approval, Session, apply};

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
    assert_eq!(planned(&world).await.0, (Verdict::Narrows, true));
    let (_, mutating) = world.apply().await;
    assert!(mutating > 0);
    assert_eq!(reader.sees(&group).await, [300], "a narrower rule hides when the apply returns");
    let shown = reader.get(&format!("/groups/{}", group.id)).await;
    assert_eq!(shown.body["rules"][0]["when"], "resource.mgdl > 250", "{shown:?}");

    // In other words: nobody sees anything else, so nothing moves.
    settled(&world, &group).await;
    let before = (world.rows("replicas").await, jobs(&world, &group).await);
    world.rewrite("resource.mgdl > 250", "250 < resource.mgdl");
    assert_eq!(planned(&world).await.0, (Verdict::Unchanged, false));
    world.apply().await;
    assert_eq!((world.rows("replicas").await, jobs(&world, &group).await), before);
    assert_eq!(reader.sees(&group).await, [300]);

    // More is only shared if that was approved, and then the past is, too.
    world.rewrite("250 < resource.mgdl", "resource.mgdl > 150");
    let (verdict, sharing) = planned(&world).await;
    assert_eq!(verdict, (Verdict::Widens, true));
    let refused = apply(&world.options(), &Approval::Given).await.unwrap_err();
    assert_eq!((refused.exit(), refused.code()), (Exit::Widening, "FH0420"), "{refused}");
    assert!(refused.help().contains(&format!("approved: {}", sharing.code)), "{}", refused.help());
    assert_eq!(jobs(&world, &group).await, before.1);
    world.rewrite("    owner: lead@", &format!("    approved: {}\n    owner: lead@", sharing.code));
    world.apply().await;
    for (hour, mgdl) in [(10, 160), (11, 140), (12, 170)] {
        provider.read_glucose(&format!("2024-01-01T{hour}:00:00Z"), mgdl).await;
    }
    reader.comes_to_see(&group, &[200, 300, 160, 170]).await;
    assert_eq!(world.apply().await.1, 0);
}

/// What the next apply would mean for the readers of the only group that it changes.
async fn planned(world: &World) -> ((Verdict, bool), Sharing) {
    let session = Session::open(&world.options()).await.unwrap();
    let plan = session.plan(&session.desired().await.unwrap()).await.unwrap().plan;
    let [sharing] = plan.sharing.as_slice() else { panic!("{:?}", plan.sharing) };
    let one = &sharing.types.values().next().unwrap();
    assert_ne!(one.known, Known::NotDecided, "{sharing:?}");
    assert_eq!(one.appears.is_some(), one.verdict == Verdict::Widens, "{sharing:?}");
    ((sharing.verdict(), one.moves), sharing.clone())
}

/// The jobs of a group that there ever were.
async fn jobs(world: &World, group: &Group) -> BTreeSet<String> {
    let rows = world.rows("directory").await;
    let own = rows.iter().filter(|row| text(row, "pk") == format!("GROUP#{}", group.id));
    own.filter(|row| text(row, "sk").starts_with("JOB#")).map(|row| text(row, "sk")).collect()
}

/// Waits until all jobs of a group are finished.
async fn settled(world: &World, group: &Group) {
    journeys::until("the jobs are finished", async || world.open_jobs(group).await.is_empty().then_some(()))
        .await;
}

/// What a command that ends well writes to stdout with `--json`.
async fn as_json(world: &World, command: &str) -> serde_json::Value {
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_provision-to-kill"));
    program.args([command, "--json", "--target", "local", "--file"]).arg(&world.file);
    let ended = program.kill_on_drop(true).output().await.unwrap();
    let out = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{out}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

#[tokio::test]
async fn a_protected_stack_stays_whole_and_an_unprotected_one_leaves_nothing() {
    let yaml = stack_yaml("protected").replace("deletionProtection: false", "deletionProtection: true");
    let world = World::with(Emulator::shared().await, "protected", &yaml).await;
    let person = world.person("somebody").await;
    person.read_glucose("2024-01-01T08:00:00Z", 200).await;
    for command in ["drift", "reconcile"] {
        let document = as_json(&world, command).await;
        assert!(document.is_object(), "{command} gives one document and nothing else: {document}");
    }
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
