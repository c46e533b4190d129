//! The study of `examples/glucose-study`, smaller.

use glucose_study::check::Seen;
use glucose_study::readings::{file, high, read};
use glucose_study::study::{Size, run};
use glucose_study::talk::Talk;
use journeys::{Emulator, World};

const SMALL: Size = Size { subjects: Some(2), readings: Some(350), at_once: 2 };

fn promised() -> Seen {
    let subjects = read(&file()).unwrap();
    high(subjects.values().take(2).flat_map(|readings| &readings[..350]))
}

#[tokio::test]
async fn a_group_sees_exactly_what_its_rule_selects_however_often_it_is_loaded() {
    let yaml = include_str!("../../../examples/glucose-study/stack.yaml");
    let yaml = yaml.replace("name: glucose-study\n", "name: small-study\n");
    let world = World::with(Emulator::shared().await, "small-study", &yaml).await;
    let first = run(&world.place, SMALL, Talk::silent()).await.unwrap();
    assert_eq!((first.held, &first.seen), (700, &promised()));
    assert!(!first.seen.is_empty(), "the subset has high readings");
    let second = run(&world.place, SMALL, Talk::silent()).await.unwrap();
    assert_eq!(second, first, "a second run finds everything and loads nothing twice");
}
