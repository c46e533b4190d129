//! Narrowing is synchronous, also while everybody writes and lists: what somebody takes away is in no list that began
//! after their call was answered. `FREEHOLD_ROUNDS` says how often each is tried; `.ci/leaves` tries 200 times.

use freehold_client::Group;
use futures::future::join3;
use journeys::{Person, World};
use serde_json::{Value, json};

use crate::under_load::{Lost, Round, Watch, write_forever};

/// How things are taken away. Another one is a line here and in the two methods of [`Scene`] below.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Leave,
    Removal,
    ItemDeletion,
    ContractNarrowing,
    GroupDeletion,
}

/// The readings that the one who takes away has from the start. Not all of them meet a narrower contract.
const PAST: [i64; 24] = {
    let mut values = [200; 24];
    values[22] = 260;
    values[23] = 270;
    values
};
/// What the narrower contract still lets through is more than this.
const NARROW: i64 = 250;

/// Who is there: `steady` shares all the time, `fickle` is the one whose readings are taken away.
struct Scene {
    owner: Person,
    reader: Person,
    steady: Person,
    fickle: Person,
    group: Group,
    /// Readings of `steady` that are always there.
    anchors: Vec<String>,
    /// Readings of `fickle` that are there while they share.
    past: Vec<String>,
}

impl Scene {
    async fn new(world: &World) -> Self {
        let (owner, reader) = (world.person("owner").await, world.person("reader").await);
        let (steady, fickle) = (world.person("steady").await, world.person("fickle").await);
        let group = owner.make_group("busy").await;
        reader.join(&owner, &group, "consumer").await;
        steady.join(&owner, &group, "provider").await;
        let anchors = past(&steady, &[400, 410, 420]).await;
        let past = past(&fickle, &PAST).await;
        Self { owner, reader, steady, fickle, group, anchors, past }
    }

    /// Shares what will be taken away.
    async fn share(&self, kind: Kind, number: usize) -> Round {
        let drive = self.fickle.user.drive.clone();
        let (group, before, anchors) = (self.group.clone(), self.past.clone(), self.anchors.clone());
        match kind {
            Kind::Leave | Kind::Removal => {
                self.fickle.join(&self.owner, &group, "provider").await;
                // Every other time they do not wait until all of their past is there.
                let before = if number.is_multiple_of(2) { before } else { before[..1].to_vec() };
                Round { group, lost: Lost::Provider(drive), before, always: anchors }
            }
            Kind::ItemDeletion => {
                self.join_once(number).await;
                let id = self.fickle.read_glucose("2024-01-02T08:00:00Z", 500).await;
                Round { group, lost: Lost::Item(id.clone()), before: vec![id], always: anchors }
            }
            Kind::ContractNarrowing => {
                self.join_once(number).await;
                self.contract(json!({})).await;
                let high = self.past.iter().zip(PAST).filter(|(_, mgdl)| *mgdl > NARROW);
                let always = anchors.into_iter().chain(high.map(|(id, _)| id.clone())).collect();
                Round { group, lost: Lost::UpTo(drive, NARROW), before, always }
            }
            Kind::GroupDeletion => {
                let group = self.owner.make_group("short-lived").await;
                self.reader.join(&self.owner, &group, "consumer").await;
                self.fickle.join(&self.owner, &group, "provider").await;
                Round { group, lost: Lost::Group, before, always: Vec::new() }
            }
        }
    }

    /// Takes it away.
    async fn take_away(&self, kind: Kind, round: &Round) {
        let at = |rest: &str| format!("/groups/{}{rest}", round.group.id);
        let (answer, expected) = match (kind, &round.lost) {
            (Kind::Removal, Lost::Provider(drive)) => {
                (self.owner.delete(&at(&format!("/members/{drive}"))).await, 204)
            }
            (Kind::ItemDeletion, Lost::Item(id)) => {
                (self.fickle.delete(&format!("/user/data/{id}")).await, 204)
            }
            (Kind::ContractNarrowing, _) => {
                let narrow = json!({"types": ["glucose"], "when": format!("resource.mgdl > {NARROW}")});
                return self.contract(narrow).await;
            }
            (Kind::GroupDeletion, _) => (self.owner.delete(&at("")).await, 204),
            _ => (self.fickle.post(&at("/leave"), json!({})).await, 204),
        };
        assert_eq!(answer.status, expected, "{answer:?}");
    }

    /// For what happens within a membership.
    async fn join_once(&self, number: usize) {
        if number == 0 {
            self.fickle.join(&self.owner, &self.group, "provider").await;
        }
    }

    async fn contract(&self, contract: Value) {
        let path = format!("/groups/{}/contract", self.group.id);
        let answer = self.fickle.ask("PUT", &path, Some(contract)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// Readings of these values, and their identifiers.
async fn past(person: &Person, values: &[i64]) -> Vec<String> {
    let mut ids = Vec::new();
    for (minute, mgdl) in values.iter().enumerate() {
        ids.push(person.read_glucose(&format!("2024-01-01T08:{minute:02}:00Z"), *mgdl).await);
    }
    ids
}

fn rounds() -> usize {
    std::env::var("FREEHOLD_ROUNDS")
        .map_or(6, |rounds| rounds.parse().expect("`FREEHOLD_ROUNDS` is a number"))
}

async fn each_time_it_is_gone(kind: Kind, family: &str) {
    let world = World::shared(family).await;
    let scene = Scene::new(&world).await;
    let watch = Watch::new(&scene.reader);
    let rounds = rounds();
    let take = async {
        for number in 0..rounds {
            let round = scene.share(kind, number).await;
            watch.begin(round.clone());
            watch.comes_to_show().await;
            watch.taking();
            scene.take_away(kind, &round).await;
            watch.acknowledged();
            watch.looks_again().await;
            watch.end();
        }
    };
    let load = join3(watch.forever(), write_forever(&scene.steady, 2), write_forever(&scene.fickle, 3));
    tokio::select! {
        () = take => {}
        _ = load => unreachable!("the load has no end"),
    }
    let tally = watch.tally();
    eprintln!(
        "{kind:?}: {rounds} times; {} lists, {} of them begun afterwards with {} rows, of which {} had been taken \
         away; lists from before had shown {} such rows",
        tally.lists,
        tally.lists_after,
        tally.rows_after,
        tally.leaked.len(),
        tally.lost_before,
    );
    assert_eq!(tally.leaked, Vec::<String>::new());
    assert_eq!(tally.missing, Vec::<String>::new(), "what others share stays");
    assert!(tally.lost_before >= rounds && tally.lists_after >= rounds, "{tally:?}");
    let (shown, anchors) = (scene.reader.sees(&scene.group).await, [400, 410, 420]);
    assert!(anchors.iter().all(|mgdl| shown.contains(mgdl)), "{shown:?}");
}

#[tokio::test]
async fn who_leaves_is_in_no_list_that_begins_afterwards() {
    each_time_it_is_gone(Kind::Leave, "busy-leave").await;
}

#[tokio::test]
async fn who_is_removed_is_in_no_list_that_begins_afterwards() {
    each_time_it_is_gone(Kind::Removal, "busy-removal").await;
}

#[tokio::test]
async fn what_is_deleted_is_in_no_list_that_begins_afterwards() {
    each_time_it_is_gone(Kind::ItemDeletion, "busy-deletion").await;
}

#[tokio::test]
async fn what_a_contract_withholds_is_in_no_list_that_begins_afterwards() {
    each_time_it_is_gone(Kind::ContractNarrowing, "busy-contract").await;
}

#[tokio::test]
async fn a_deleted_group_is_in_no_list_that_begins_afterwards() {
    each_time_it_is_gone(Kind::GroupDeletion, "busy-group").await;
}
