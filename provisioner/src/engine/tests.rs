use std::sync::Arc;

use serde_json::json;

use super::fake::{Fake, Shared, at, resource};
use super::*;
use crate::event::Collected;
use crate::plan::{plan, plan_destroy};
use crate::resource::Resource;
use crate::state::{Lease, LeaseTimes, MemoryState, Owner, Status};

struct Bench {
    world: Shared,
    state: Arc<MemoryState>,
    events: Arc<Collected>,
}

impl Bench {
    fn new(turns: usize) -> Self {
        let world = Arc::new(Fake::taking(turns));
        Self { world, state: Arc::default(), events: Arc::default() }
    }

    async fn plan(&self, desired: &[Resource]) -> Plan {
        let entries = self.state.load().await.unwrap().unwrap().entries;
        let observed = read_all(self.world.as_ref(), Wanted::all(desired, &entries)).await.unwrap();
        plan("s", desired, &observed, &entries, self.world.as_ref()).unwrap()
    }

    fn engine(&self, token: u64, interrupt: Interrupt) -> Engine {
        Engine {
            world: self.world.clone(),
            state: self.state.clone(),
            token,
            events: self.events.clone(),
            concurrency: CONCURRENCY,
            interrupt,
        }
    }

    async fn run(&self, plan: &Plan, interrupt: Interrupt) -> Execution {
        let lease =
            Lease::acquire(self.state.clone(), Owner::current(), LeaseTimes::default()).await.unwrap();
        let execution = execute(&self.engine(lease.token(), interrupt), plan).await;
        lease.release().await.unwrap();
        execution
    }

    async fn apply(&self, desired: &[Resource]) -> Execution {
        let plan = self.plan(desired).await;
        self.run(&plan, Interrupt::never()).await
    }
}

fn chain() -> Vec<Resource> {
    vec![
        resource("x.a", json!({"v": 1}), &[]),
        resource("x.b", json!({"v": 1}), &["x.a"]),
        resource("x.c", json!({"v": 1}), &["x.b"]),
        resource("x.alone", json!({"v": 1}), &[]),
    ]
}

#[tokio::test]
async fn what_was_applied_needs_nothing_more() {
    let bench = Bench::new(0);
    let execution = bench.apply(&chain()).await;
    assert!(execution.result().is_ok());
    assert_eq!(execution.summary().created, 4);
    assert!(bench.plan(&chain()).await.is_empty());
    assert!(bench.state.journal().iter().all(|line| line.ended.is_some()));
}

#[tokio::test]
async fn a_failure_stops_only_what_depends_on_it_and_the_next_run_goes_on() {
    let bench = Bench::new(0);
    bench.world.inner().fail.insert(at("x.b"));
    let execution = bench.apply(&chain()).await;
    let error = execution.result().unwrap_err();
    assert_eq!((error.exit(), error.code()), (crate::error::Exit::Partly, "FH0407"));
    assert!(matches!(&execution.outcomes[&at("x.c")], Outcome::Skipped(Some(by)) if *by == at("x.b")));
    assert!(matches!(execution.outcomes[&at("x.alone")], Outcome::Done(Action::Create)));
    assert_eq!(bench.state.load().await.unwrap().unwrap().entries[&at("x.b")].status, Status::Creating);

    bench.world.inner().fail.clear();
    bench.world.log();
    assert!(bench.apply(&chain()).await.result().is_ok());
    assert_eq!(bench.world.log(), ["converge x.b", "converge x.c"]);
    assert!(bench.plan(&chain()).await.is_empty());
}

#[tokio::test]
async fn independent_resources_run_at_once_and_serial_ones_never_overlap() {
    let bench = Bench::new(5);
    let mut desired: Vec<Resource> = (0..8).map(|i| resource(&format!("x.p{i}"), json!({}), &[])).collect();
    desired.extend((0..5).map(|i| resource(&format!("serial.s{i}"), json!({}), &[])));
    assert!(bench.apply(&desired).await.result().is_ok());
    let inner = bench.world.inner();
    assert_eq!((inner.serial_overlaps, inner.most_at_once), (0, 9));
}

#[tokio::test]
async fn there_are_no_levels_to_wait_for() {
    let bench = Bench::new(5);
    // With levels, `b` would wait for `slow`, which stands beside `a`.
    let desired = [
        resource("x.a", json!({}), &[]),
        resource("x.b", json!({}), &["x.a"]),
        resource("x.slow", json!({}), &[]),
    ];
    bench.apply(&desired).await;
    assert_eq!(bench.world.log(), ["converge x.a", "converge x.b", "converge x.slow"]);
}

#[tokio::test]
async fn the_first_interrupt_drains_and_the_run_can_be_resumed() {
    let bench = Bench::new(5);
    let plan = bench.plan(&chain()).await;
    let (handle, interrupt) = Interrupt::new();
    let run = bench.run(&plan, interrupt);
    let press = async {
        while bench.world.inner().running.is_empty() {
            tokio::task::yield_now().await;
        }
        handle.press();
    };
    let (execution, ()) = tokio::join!(run, press);
    assert!(execution.interrupted);
    assert_eq!(execution.result().unwrap_err().exit() as i32, 130);
    let done: Vec<_> = bench.world.log();
    assert_eq!(done.len(), 2, "what was begun was ended: {done:?}");
    assert!(bench.apply(&chain()).await.result().is_ok());
    assert_eq!(bench.world.log().len(), 2);
}

#[tokio::test]
async fn the_second_interrupt_aborts_and_the_run_can_be_resumed() {
    let bench = Bench::new(5);
    let plan = bench.plan(&chain()).await;
    let (handle, interrupt) = Interrupt::new();
    let press = async {
        while bench.world.inner().running.is_empty() {
            tokio::task::yield_now().await;
        }
        handle.press();
        handle.press();
    };
    let (execution, ()) = tokio::join!(bench.run(&plan, interrupt), press);
    assert!(execution.interrupted && bench.world.log().is_empty());
    assert!(bench.apply(&chain()).await.result().is_ok());
    assert!(bench.plan(&chain()).await.is_empty());
}

#[tokio::test]
async fn a_replaced_resource_is_deleted_first_and_its_dependents_follow() {
    let bench = Bench::new(0);
    let with = |fixed: u32| {
        vec![resource("x.a", json!({"fixed": fixed}), &[]), resource("x.b", json!({}), &["x.a"])]
    };
    bench.apply(&with(1)).await;
    bench.world.log();
    assert!(bench.apply(&with(2)).await.result().is_ok());
    assert_eq!(bench.world.log(), ["delete x.a", "converge x.a", "converge x.b"]);
    assert!(bench.plan(&with(2)).await.is_empty());
}

#[tokio::test]
async fn an_output_that_changed_unforeseen_reaches_its_dependents_in_the_same_run() {
    let bench = Bench::new(0);
    let with = |v: u32| {
        let copy = json!({"from": {"$ref": "x.a#copy"}});
        vec![resource("x.a", json!({ "v": v }), &[]), resource("x.b", copy, &[])]
    };
    bench.apply(&with(1)).await;
    bench.world.log();
    bench.apply(&with(2)).await;
    assert_eq!(bench.world.log(), ["converge x.a", "converge x.b"]);
    assert!(bench.plan(&with(2)).await.is_empty());
}

#[tokio::test]
async fn what_the_file_drops_goes_and_its_users_go_first() {
    let bench = Bench::new(0);
    bench.apply(&chain()).await;
    bench.world.log();
    let rest = [resource("x.alone", json!({"v": 1}), &[])];
    assert!(bench.apply(&rest).await.result().is_ok());
    assert_eq!(bench.world.log(), ["delete x.c", "delete x.b", "delete x.a"]);
    assert!(bench.plan(&rest).await.is_empty());
}

#[tokio::test]
async fn destroy_leaves_nothing_behind_even_without_state() {
    let bench = Bench::new(0);
    bench.apply(&chain()).await;
    bench.world.log();
    let nothing = std::collections::BTreeMap::new();
    let desired = chain();
    let observed = read_all(bench.world.as_ref(), Wanted::all(&desired, &nothing)).await.unwrap();
    let plan = plan_destroy("s", &desired, &observed, &nothing).unwrap();
    assert!(bench.run(&plan, Interrupt::never()).await.result().is_ok());
    assert!(bench.world.inner().there.is_empty());
    let log = bench.world.log();
    let place = |what: &str| log.iter().position(|line| line == what).unwrap();
    assert!(
        place("delete x.c") < place("delete x.b") && place("delete x.b") < place("delete x.a"),
        "{log:?}"
    );
}

#[tokio::test]
async fn without_the_lock_nothing_is_changed() {
    let bench = Bench::new(0);
    bench.apply(&chain()).await;
    let changed: Vec<Resource> = chain()
        .into_iter()
        .map(|mut r| {
            r.attributes["v"] = json!(2);
            r
        })
        .collect();
    let plan = bench.plan(&changed).await;
    bench.world.log();
    let late = execute(&bench.engine(0, Interrupt::never()), &plan).await;
    assert!(late.result().is_err() && bench.world.log().is_empty());
}
