//! What dies in the middle loses nothing that was acknowledged.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use freehold_client::Patience;
use futures::future::join_all;
use glucose_study::study::{Size, run};
use glucose_study::talk::Talk;
use journeys::{Emulator, Person, Raw as _, World, leftovers, processes, stack_yaml, until};
use provision::event::{Collected, Event};
use provision::{Approval, Options, Target};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Writes readings of different values until so many were acknowledged. What is not acknowledged is not sent again.
async fn write(person: &Person, acknowledged: &Mutex<BTreeSet<i64>>, enough: usize) {
    for mgdl in 181.. {
        if acknowledged.lock().unwrap().len() >= enough {
            return;
        }
        assert!(mgdl <= 1000, "too few were acknowledged");
        let time = format!("2024-01-01T{:02}:{:02}:00Z", (mgdl - 181) / 60, (mgdl - 181) % 60);
        let item = json!({"type": "glucose", "fields": {"takenAt": time, "mgdl": mgdl}});
        match person.call(reqwest::Method::POST, "/user/data", Some(&item)).await {
            Ok(answer) if answer.status == 201 => drop(acknowledged.lock().unwrap().insert(mgdl)),
            _ => tokio::time::sleep(Patience::default().pause(1)).await,
        }
    }
}

#[tokio::test]
async fn an_emulator_that_dies_while_people_write_keeps_what_it_acknowledged() {
    let emulator = Emulator::own().await;
    let world = World::with(emulator, "dies", &stack_yaml("dies")).await;
    let (owner, provider, reader) =
        (world.person("owner").await, world.person("provider").await, world.person("reader").await);
    let group = owner.make_group("kept").await;
    provider.join(&owner, &group, "provider").await;
    reader.join(&owner, &group, "consumer").await;
    let acknowledged = Mutex::new(BTreeSet::new());
    let kill = async {
        for at in [15, 35] {
            let reached = async || (acknowledged.lock().unwrap().len() >= at).then_some(());
            until(&format!("{at} were acknowledged"), reached).await;
            emulator.kill().await;
            emulator.restart().await;
        }
    };
    tokio::join!(write(&provider, &acknowledged, 60), kill);
    let acknowledged = acknowledged.into_inner().unwrap();
    let own = provider.sees_own().await;
    let kept: BTreeSet<i64> = own.iter().copied().collect();
    assert_eq!(kept.len(), own.len(), "nothing was written twice: {own:?}");
    assert!(acknowledged.is_subset(&kept), "lost: {:?}", acknowledged.difference(&kept));
    reader.comes_to_see(&group, &own).await;
}

#[tokio::test]
async fn functions_that_die_under_load_lose_nothing_and_double_nothing() {
    let yaml = include_str!("../../../examples/glucose-study/stack.yaml");
    let yaml = yaml.replace("name: glucose-study\n", "name: killed-functions\n");
    let world = World::with(Emulator::shared().await, "killed-functions", &yaml).await;
    let emulator = world.emulator.pid().await;
    let begun = async || {
        let scan = world.clients.dynamodb().scan().table_name("killed-functions-data").send().await;
        scan.is_ok_and(|scan| scan.count() > 0).then_some(())
    };
    let killed = Mutex::new(0);
    let kill = async {
        until("loading has begun", begun).await;
        loop {
            for function in ["api", "replicator"] {
                for pid in processes::of_function(emulator, &format!("killed-functions-{function}")) {
                    processes::kill(pid);
                    *killed.lock().unwrap() += 1;
                }
            }
            // Now and then, not all the time: something must get through in between.
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    };
    let size = Size { subjects: Some(3), readings: Some(1000), at_once: 3 };
    let findings = tokio::select! {
        findings = run(&world.place, size, Talk::silent()) => findings.unwrap(),
        () = kill => unreachable!(),
    };
    assert_eq!(findings.held, 3000);
    assert!(*killed.lock().unwrap() >= 2, "{killed:?} processes were killed");
}

/// Starts `provision apply` and kills it when so many resources are done. Its file, and what its process was.
async fn apply_and_die(emulator: &Emulator, name: &str, after: usize) -> (PathBuf, u32) {
    let file = emulator.dir.join(format!("{name}.yaml"));
    std::fs::write(&file, stack_yaml(name)).unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_provision-to-kill"));
    command.args(["apply", "--target", "local", "--yes", "--json", "--file"]).arg(&file);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let pid = child.id().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut done, mut last) = (0, String::new());
    while done < after {
        let Some(line) = lines.next_line().await.unwrap() else { panic!("it ended by itself: {last}") };
        done += usize::from(line.contains(r#""event":"resource-done""#));
        last = line;
    }
    child.kill().await.unwrap();
    (file, pid)
}

/// Applies again, and says what it warns of.
async fn apply_after(emulator: &Emulator, file: PathBuf) -> Vec<String> {
    let events = Arc::new(Collected::default());
    let (local, told) = (Some(emulator.options()), events.clone());
    let options = Options { local, events: told, ..Options::new(file, Target::Local) };
    provision::apply(&options, &Approval::Given).await.unwrap();
    let warning = |event| if let Event::Warning { text } = event { Some(text) } else { None };
    events.events().into_iter().filter_map(warning).collect()
}

#[tokio::test]
async fn a_provisioner_that_dies_anywhere_leaves_what_the_next_one_completes() {
    let emulator = Emulator::own().await;
    let deaths = [1, 12, 35].map(|after| async move {
        let name = format!("half-{after}");
        let (file, dead) = apply_and_die(emulator, &name, after).await;
        assert!(!leftovers(&emulator.clients().await, &name).await.is_empty(), "something had been made");
        let warnings = apply_after(emulator, file).await;
        let whose = format!("process {dead}, who was last alive at ");
        let taken = |text: &String| text.starts_with("took over the lock of ") && text.contains(&whose);
        assert!(warnings.iter().all(taken), "{warnings:?}");
        let world = World::with(emulator, &name, &stack_yaml(&name)).await;
        let person = world.person("somebody").await;
        person.read_glucose("2024-01-01T08:00:00Z", 200).await;
        assert_eq!(person.sees_own().await, [200]);
        assert_eq!(world.apply().await.1, 0, "nothing was left to do");
        world.destroy().await.unwrap();
        assert_eq!(leftovers(&world.clients, &name).await, Vec::<String>::new());
        (after, warnings.len())
    });
    // The first thing that is made is the table of the lock, and the last ones may be done before the signal comes.
    let taken_over = join_all(deaths).await;
    assert!(taken_over.iter().any(|(_, warnings)| *warnings == 1), "{taken_over:?}");
}
