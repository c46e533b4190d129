//! Changes of a group's rules on the glucose study: planned, carried out, watched.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::id::Name;
use domain::rules::compare::Verdict;
use domain::time::Timestamp;
use freehold_client::{Client, Group, RulesMode, SharedItem};
use glucose_study::people::{CONSUMER, LEAD, own, subject_address};
use glucose_study::readings::{Reading, file, read};
use glucose_study::study::{GROUP, Size, run};
use glucose_study::talk::Talk;
use journeys::{Emulator, World, text, until};
use provision::event::{Collected, Event, JobState};
use provision::plan::{Consents, Known, Sharing};
use provision::session::{Followed, Session, data_plane, follow};
use provision::{Approval, Error, Exit, Options, apply};

const SMALL: Size = Size { subjects: Some(2), readings: Some(350), at_once: 2 };

/// The study with its group and the one who reads it.
struct Study {
    world: World,
    group: Group,
    consumer: Client,
    readings: Vec<Reading>,
}

/// What an apply told.
struct Told {
    sharing: Vec<Sharing>,
    events: Vec<Event>,
}

impl Study {
    async fn new(name: &'static str) -> Self {
        let yaml = include_str!("../../../examples/glucose-study/stack.yaml");
        let yaml = yaml.replace("name: glucose-study\n", &format!("name: {name}\n"));
        let world = World::with(Emulator::shared().await, name, &yaml).await;
        run(&world.place, SMALL, Talk::silent()).await.unwrap();
        let group = own(&world.place.person(LEAD).await.unwrap(), GROUP).await.unwrap();
        let consumer = world.place.person(CONSUMER).await.unwrap().api();
        let subjects = read(&file()).unwrap();
        let readings = subjects.values().take(2).flat_map(|readings| readings[..350].to_vec()).collect();
        Self { world, group, consumer, readings }
    }

    /// Applies the file, and tells what was told meanwhile.
    async fn apply(&self, allowed: &[&str]) -> (Result<(), Error>, Told) {
        self.apply_and(allowed, false).await
    }

    async fn apply_and(&self, allowed: &[&str], detach: bool) -> (Result<(), Error>, Told) {
        let collected = Arc::new(Collected::default());
        let allow_widening = allowed.iter().map(|name| (*name).to_owned()).collect();
        let options = Options { events: collected.clone(), allow_widening, detach, ..self.world.options() };
        let result = apply(&options, &Approval::Given).await.map(drop);
        let events = collected.events();
        let plan = events.iter().find_map(|event| match event {
            Event::Plan { plan } => Some(plan.sharing.clone()),
            _ => None,
        });
        (result, Told { sharing: plan.unwrap_or_default(), events })
    }

    /// What the consumer sees: the values and times.
    async fn seen(&self) -> BTreeSet<(String, i64)> {
        let items = self.consumer.group_items(&self.group.id).limit(100).all().await.unwrap();
        let field = |item: &SharedItem| {
            let fields = &item.fields;
            (fields["takenAt"].as_str().unwrap().to_owned(), fields["mgdl"].as_i64().unwrap())
        };
        items.iter().map(field).collect()
    }

    fn above(&self, threshold: i64) -> BTreeSet<(String, i64)> {
        let high = self.readings.iter().filter(|reading| reading.mgdl > threshold);
        high.map(|reading| (reading.taken_at.clone(), reading.mgdl)).collect()
    }
}

impl Told {
    fn jobs(&self) -> Vec<(String, JobState)> {
        let job = |event: &Event| match event {
            Event::Job { group, kind, state } => {
                assert_eq!(group, GROUP);
                Some((kind.clone(), *state))
            }
            _ => None,
        };
        self.events.iter().filter_map(job).collect()
    }

    fn verdict(&self) -> (Verdict, Known) {
        let [sharing] = self.sharing.as_slice() else { panic!("{:?}", self.sharing) };
        let one = sharing.types.values().next().unwrap();
        (one.verdict, one.known)
    }

    /// Requests about what people own, or its copies.
    fn data_requests(&self) -> Vec<String> {
        let about_data = |event: &Event| match event {
            Event::Call(call) => {
                let table = call.table.as_deref().unwrap_or_default();
                let looks_only = call.operation.starts_with("Describe") || call.operation.starts_with("List");
                let data = table.ends_with("-data") || table.ends_with("-replicas");
                (data && !looks_only).then(|| format!("{} {table}", call.operation))
            }
            _ => None,
        };
        self.events.iter().filter_map(about_data).collect()
    }
}

/// *Proved* where there is a solver, and *enumerated* where there is none.
fn by_any_argument(known: Known) -> bool {
    match std::env::var("FREEHOLD_SOLVER").as_deref() {
        Ok("required") => known == Known::Proved,
        _ => known != Known::NotDecided,
    }
}

#[tokio::test]
async fn a_rule_of_the_study_is_narrowed_widened_and_reworded() {
    let study = Study::new("changing-study").await;
    let world = &study.world;
    assert_eq!(study.seen().await, study.above(180));

    // Narrower: gone when `apply` returns, and from the copies alone.
    world.rewrite("resource.mgdl > 180", "resource.mgdl > 200");
    let copies = world.copies(&study.group).await.len();
    let (result, told) = study.apply(&[]).await;
    result.unwrap();
    let (verdict, known) = told.verdict();
    assert!(verdict == Verdict::Narrows && by_any_argument(known), "{verdict:?} {known:?}");
    let example = told.sharing[0].types.values().next().unwrap().vanishes.clone().unwrap();
    assert!((181..=200).contains(&example.fields["mgdl"].as_i64().unwrap()), "{example:?}");
    let jobs = told.jobs();
    let (kind, last) = jobs.last().unwrap();
    assert_eq!((kind.as_str(), last.finished), ("sift", true), "{jobs:?}");
    // It has looked at each copy, and at none of the 700 items.
    assert_eq!(last.done, copies as u64);
    assert_eq!(last.changed, (study.above(180).len() - study.above(200).len()) as u64);
    assert_eq!(study.seen().await, study.above(200));
    assert_eq!(world.copies(&study.group).await.len(), study.above(200).len());

    // Wider: refused, then approved, and followed to its end.
    world.rewrite("resource.mgdl > 200", "resource.mgdl > 140");
    let (refused, told) = study.apply(&[]).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.code(), refused.exit()), ("FH0420", Exit::Widening), "{refused}");
    assert_eq!(told.verdict().0, Verdict::Widens);
    assert_eq!(study.seen().await, study.above(200), "nothing was done");
    let (result, told) = study.apply(&[GROUP]).await;
    result.unwrap();
    let jobs = told.jobs();
    assert!(jobs.iter().any(|(_, state)| !state.finished), "there is progress to be seen: {jobs:?}");
    let (_, last) = jobs.last().unwrap();
    assert!(last.finished && last.done == 700, "{last:?}");
    assert_eq!(study.seen().await, study.above(140));

    // In other words: nothing moves.
    let rows = |mut rows: Vec<journeys::Row>| {
        rows.sort_by_key(|row| (text(row, "pk"), text(row, "sk")));
        rows
    };
    let (before, jobs) = (rows(world.rows("replicas").await), world.jobs(&study.group).await.len());
    world.rewrite("resource.mgdl > 140", "140 < resource.mgdl || resource.mgdl >= 400");
    let (result, told) = study.apply(&[]).await;
    result.unwrap();
    let (verdict, known) = told.verdict();
    assert!(verdict == Verdict::Unchanged && by_any_argument(known), "{verdict:?} {known:?}");
    assert_eq!((told.jobs(), told.data_requests()), (vec![], vec![]));
    assert_eq!(world.jobs(&study.group).await.len(), jobs, "no job was made");
    assert_eq!(rows(world.rows("replicas").await), before, "no copy was touched");
    assert_eq!(study.seen().await, study.above(140));

    // Left to run, and watched again by somebody else.
    world.rewrite("140 < resource.mgdl || resource.mgdl >= 400", "resource.mgdl > 100");
    let (result, told) = study.apply_and(&[GROUP], true).await;
    result.unwrap();
    assert_eq!(told.jobs(), vec![]);
    let next = told.events.iter().find_map(|event| match event {
        Event::NextSteps { lines } => Some(lines.join("\n")),
        _ => None,
    });
    assert!(next.is_some_and(|lines| lines.contains("status --follow")));
    let collected = Arc::new(Collected::default());
    let options = Options { events: collected.clone(), ..world.options() };
    let session = Session::open(&options).await.unwrap();
    let (store, _) = data_plane(&session).await.unwrap();
    let declared = store.declared_group(&Name::parse(GROUP).unwrap()).await.unwrap().unwrap();
    let groups = [(declared.id.clone(), GROUP.to_owned())].into();
    let since = Timestamp::from_millis(i64::MAX / 2);
    assert_eq!(follow(&session, &store, groups, since).await.unwrap(), Followed::Finished);
    assert_eq!(study.seen().await, study.above(100));

    // Every revision is listed with the verdict that its plan gave. The rewording made none.
    let lead = world.place.person(LEAD).await.unwrap().api();
    let history = lead.rules_history(&study.group.id).all().await.unwrap();
    let told: Vec<_> =
        history.iter().map(|one| (one.revision, one.verdict, one.reworded.is_some())).collect();
    let [narrows, widens] = [freehold_client::Verdict::Narrows, freehold_client::Verdict::Widens].map(Some);
    assert_eq!(told, [(4, widens, false), (3, widens, true), (2, narrows, false), (1, None, false)]);

    // The purpose in the file is the one that people see, also after somebody else has removed it.
    let purpose = async || lead.group(&study.group.id).await.unwrap().description;
    assert!(purpose().await.unwrap().starts_with("sees readings above 180"));
    world.rewrite("sees readings above 180 mg/dL, and not whose diagnosis is what", "sees high readings");
    study.apply(&[]).await.0.unwrap();
    assert_eq!(purpose().await.as_deref(), Some("sees high readings"));
    store.describe_declared_group(&declared, None).await.unwrap();
    assert_eq!(purpose().await, None);
    study.apply(&[]).await.0.unwrap();
    assert_eq!(purpose().await.as_deref(), Some("sees high readings"));
    assert_eq!(lead.rules_history(&study.group.id).all().await.unwrap(), history);
}

#[tokio::test]
async fn an_approved_widening_still_needs_each_provider_who_is_asked() {
    let study = Study::new("consenting-study").await;
    let subjects = read(&file()).unwrap();
    let asked = subjects.keys().next().unwrap();
    let provider = study.world.place.person(&subject_address(asked)).await.unwrap();
    provider.set_consent(&study.group.id, 1, Some(RulesMode::Ask)).await.unwrap();
    study.world.rewrite("resource.mgdl > 180", "resource.mgdl > 140");
    let (result, told) = study.apply(&[GROUP]).await;
    result.unwrap();
    let consents = told.sharing[0].impact.unwrap().consents;
    assert_eq!(consents, Consents { asked: 1, follow: 1, agreed: 0 });
    let high = |reading: &&Reading| reading.mgdl > 180 || (reading.mgdl > 140 && reading.subject != *asked);
    let value = |reading: &Reading| (reading.taken_at.clone(), reading.mgdl);
    assert_eq!(study.seen().await, study.readings.iter().filter(high).map(value).collect());
    assert_ne!(study.seen().await, study.above(140), "they have readings in between");
    let consent = provider.consent(&study.group.id).await.unwrap();
    assert!(consent.pending && consent.types.unwrap()[0].items > 0);
    provider.set_consent(&study.group.id, consent.current_revision, None).await.unwrap();
    until("all of them are shown", async || (study.seen().await == study.above(140)).then_some(())).await;
    study.world.destroy().await.unwrap();
}
