//! With `--json`, what a command gives is one document on stdout; what it tells on the way is elsewhere.

use hostile::command::Ended;
use hostile::{When, World};
use provision::state::LeaseTimes;
use serde_json::{Value, json};

use crate::{by_hand, deployed, lost, store};

/// Runs it with `--json` and `--json-into`: how it ended, and the lines of the file.
async fn run(world: &World, args: &[&str]) -> (Ended, Vec<Value>) {
    let into = world.file().with_file_name("events.ndjson");
    let path = into.display().to_string();
    let ended = world.command(&[args, &["--json", "--json-into", &path]].concat()).await;
    let lines = std::fs::read_to_string(into).unwrap();
    (ended, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Runs it, which works. Its document, which is in the file as well, behind every call that was made for it.
async fn document(world: &World, args: &[&str]) -> Value {
    world.aws.take_calls();
    let (ended, lines) = run(world, args).await;
    assert_eq!(ended.code, 0, "{args:?}: {ended:#?}");
    let document = ended.document();
    assert_eq!(lines.last(), Some(&document), "{args:?}");
    let calls = lines.iter().filter(|line| line["event"] == "call").count();
    assert!(calls > 0 && calls >= world.aws.take_calls().len(), "{args:?}: {calls} of the calls are told");
    document
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_shown_and_broken_in_one_document() {
    let mut world = deployed().await;
    let free = document(&world, &["lock", "show"]).await;
    assert_eq!((&free["stack"], &free["held"]), (&json!("acme"), &json!(false)));
    assert_eq!(document(&world, &["lock", "break", "--yes"]).await["held"], false, "nobody has it");

    world.lease = LeaseTimes::default();
    world.recode("worker", "other code");
    let mut dead = world.aws.kill_at(3, When::After);
    tokio::select! {
        ended = world.try_apply() => panic!("it ended: {:?}", ended.map(|applied| applied.summary)),
        died = dead.wait_for(|dead| *dead) => drop(died.unwrap()),
    }
    assert_eq!(document(&world, &["lock", "show"]).await["held"], true);
    let (refused, _) = run(&world, &["lock", "break"]).await;
    assert_eq!((refused.code, &refused.document()["code"]), (1, &json!("FH0204")), "nobody can be asked");
    let broken = document(&world, &["lock", "break", "--yes"]).await;
    assert_eq!((&broken["held"], &broken["lock"]["released"]), (&json!(false), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_into_the_stack_is_one_document() {
    let world = by_hand().await;
    let imported = document(&world, &["import", "--yes"]).await;
    let found = imported["found"].as_array().unwrap();
    assert!(found.iter().filter(|one| one["origin"] == "untagged").count() >= 6, "{imported}");
    assert_eq!(imported["imported"], found.len());
    assert_eq!(document(&world, &["import", "--yes"]).await["imported"], 0);

    let world = lost().await;
    let rebuilt = document(&world, &["state", "rebuild"]).await;
    assert!(rebuilt["recorded"].as_array().unwrap().len() > 40, "{rebuilt}");
    assert_eq!(document(&world, &["state", "rebuild"]).await["recorded"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_needs_repair_is_one_document_also_if_it_cannot_be_repaired() {
    let world = deployed().await;
    let empty = json!({"repairs": [], "unreadable": 0});
    assert_eq!(document(&world, &["repairs", "list"]).await, empty);
    assert_eq!(document(&world, &["repairs", "run"]).await, json!({"repaired": 0, "failed": 0}));

    let store = store(&world).await;
    let at = store::clock::now();
    store.park("DRIVE", "no such item", "somebody wrote it by hand", at).await.unwrap();
    assert_eq!(document(&world, &["repairs", "list"]).await["repairs"][0]["item"], "no such item");
    let (ended, lines) = run(&world, &["repairs", "run"]).await;
    assert_eq!((ended.code, ended.document()), (8, json!({"repaired": 0, "failed": 1})));
    assert!(ended.err.contains("error[FH0601]: 1 item needs repair still"), "{}", ended.err);
    assert_eq!(lines.last().unwrap()["code"], "FH0601", "programs are told of it in the file");
}

#[tokio::test(start_paused = true)]
async fn what_is_compared_is_one_document() {
    let world = deployed().await;
    assert_eq!(document(&world, &["drift"]).await, json!({"stack": "acme", "drift": []}));
    assert_eq!(document(&world, &["reconcile"]).await["repaired"], 0);
    assert_eq!(document(&world, &["plan", "--iam-policy"]).await["Version"], "2012-10-17");
}

#[tokio::test(start_paused = true)]
async fn what_the_state_knows_is_one_document() {
    let mut world = deployed().await;
    let known = document(&world, &["state", "list"]).await;
    assert!(known.as_array().unwrap().contains(&json!("table.data")), "{known}");
    let table = document(&world, &["state", "show", "table.data"]).await;
    assert_eq!((&table["status"], &table["physicalId"]), (&json!("ready"), &json!("acme-data")));
    let (missing, _) = run(&world, &["state", "show", "table.dta"]).await;
    assert_eq!((missing.code, &missing.document()["code"]), (1, &json!("FH0206")));
    assert!(missing.document()["help"].as_str().unwrap().contains("table.data"), "{missing:#?}");

    world.recode("worker", "other code");
    world.apply().await;
    let ended = document(&world, &["state", "journal"]).await;
    assert_eq!(ended["journal"][0]["address"], "function.worker", "{ended}");
    assert!(ended["journal"][0]["ended"].is_string());
    let first = document(&world, &["state", "journal", "--run", "1"]).await;
    assert!(first["journal"].as_array().unwrap().len() > 40, "{first}");

    world.lease = LeaseTimes::default();
    world.recode("worker", "yet other code");
    let mut dead = world.aws.kill_at(3, When::After);
    tokio::select! {
        ended = world.try_apply() => panic!("it ended: {:?}", ended.map(|applied| applied.summary)),
        died = dead.wait_for(|dead| *dead) => drop(died.unwrap()),
    }
    let open = document(&world, &["state", "journal"]).await;
    assert!(open["journal"][0]["ended"].is_null(), "{open}");
}

#[tokio::test(start_paused = true)]
async fn what_a_destroy_would_delete_can_be_seen_before() {
    let world = deployed().await;
    world.aws.take_calls();
    let markdown = world.file().with_file_name("plan.md").display().to_string();
    let seen = world.command(&["plan", "--destroy", "--markdown", &markdown]).await;
    assert_eq!(seen.code, 0, "{seen:#?}");
    assert!(seen.out.contains(" to delete") && seen.out.contains("- table.data"), "{}", seen.out);
    assert!(seen.err.contains("people would lose for good:\n  group `care-team`: "), "{}", seen.err);
    let comment = std::fs::read_to_string(markdown).unwrap();
    assert!(comment.contains("| group <code>care-team</code> |"), "{comment}");
    assert!(!world.aws.take_calls().iter().any(|record| record.call.is_mutating()), "it only reads");
}

#[tokio::test(start_paused = true)]
async fn what_a_command_with_a_document_tells_on_the_way_is_on_stderr() {
    let world = lost().await;
    let (rebuilt, lines) = run(&world, &["state", "rebuild"]).await;
    let step = "looking for everything that carries the stack's name and tag";
    assert!(rebuilt.err.contains(step), "{}", rebuilt.err);
    assert!(lines.iter().any(|line| line["event"] == "step" && line["text"] == step));
}
