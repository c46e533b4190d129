use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::rows::{document, entry_row};
use super::*;
use crate::resource::Outputs;

fn entry(name: &str, status: Status) -> Entry {
    Entry {
        recorded: Recorded {
            address: Address::new("table", name),
            physical_id: format!("s-{name}"),
            attributes: json!({"a": 1, "f": 0.5}),
            outputs: Outputs::from([("arn".into(), "A".into())]),
        },
        depends_on: vec![Address::new("role", "x")],
        status,
        updated: Timestamp::from_millis(1_700_000_000_000),
    }
}

fn put(name: &str, token: u64) -> Write {
    Write {
        row: RowChange::Put(entry(name, Status::Ready)),
        journal: JournalLine {
            token,
            address: Address::new("table", name),
            action: Action::Create,
            begun: now(),
            ended: None,
            error: None,
        },
    }
}

/// A lease that has expired as soon as it is taken, with frequent heartbeats.
fn expired() -> LeaseTimes {
    LeaseTimes { lease: Duration::ZERO, heartbeat: Duration::from_millis(20), ..LeaseTimes::default() }
}

async fn take(store: &Arc<dyn StateStore>, times: LeaseTimes) -> Result<Lease, StateError> {
    Lease::acquire(store.clone(), Owner::current(), times).await
}

/// What every store promises.
async fn contract(store: Arc<dyn StateStore>) {
    let lease = take(&store, LeaseTimes::default()).await.unwrap();
    assert_eq!(lease.token(), 1);
    store.write(1, &put("a", 1)).await.unwrap();
    store.write(1, &put("b", 1)).await.unwrap();
    let remove = Write { row: RowChange::Remove(Address::new("table", "b")), ..put("b", 1) };
    store.write(1, &remove).await.unwrap();
    let snapshot = store.load().await.unwrap().unwrap();
    assert_eq!(snapshot.entries.into_values().collect::<Vec<_>>(), [entry("a", Status::Ready)]);

    match take(&store, LeaseTimes::default()).await {
        Err(StateError::Held(lock)) => assert_eq!(lock.owner, lease.held().await.owner),
        other => panic!("{other:?}"),
    }
    let run =
        Run { token: 1, owner: Owner::current(), begun: now(), ended: now(), outcome: "1 created".into() };
    store.end_run(&run).await.unwrap();
    lease.release().await.unwrap();

    let second = take(&store, LeaseTimes::default()).await.unwrap();
    assert_eq!((second.token(), second.taken_over.is_none()), (2, true));
    store.write(2, &put("a", 2)).await.unwrap();
    assert!(
        matches!(store.write(1, &put("a", 1)).await, Err(StateError::Lost)),
        "a late writer overwrote its successor"
    );
    second.release().await.unwrap();
    assert_eq!(store.load().await.unwrap().unwrap().runs, [run]);
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    contract(Arc::new(MemoryState::default())).await;
}

#[tokio::test]
async fn of_many_who_want_the_lock_one_gets_it() {
    let store: Arc<dyn StateStore> = Arc::new(MemoryState::default());
    let all = futures::future::join_all((0..50).map(|_| take(&store, LeaseTimes::default()))).await;
    assert_eq!(all.iter().filter(|lease| lease.is_ok()).count(), 1);
}

#[tokio::test]
async fn an_expired_lease_is_taken_over_and_its_holder_learns_of_it() {
    let store: Arc<dyn StateStore> = Arc::new(MemoryState::default());
    let dead = take(&store, expired()).await.unwrap();
    let next = take(&store, LeaseTimes::default()).await.unwrap();
    assert_eq!(next.token(), 2);
    assert_eq!(next.taken_over.as_ref().map(|lock| lock.token), Some(1));
    let mut lost = dead.lost();
    assert!(lost.wait_for(|lost| *lost).await.is_ok());
    dead.release().await.unwrap();
    assert!(store.lock().await.unwrap().unwrap().holds_at(now()), "the loser released its successor's lock");
}

#[tokio::test]
async fn a_state_that_began_anew_fences_off_whoever_held_a_lock_in_the_lost_one() {
    let store: Arc<dyn StateStore> = Arc::new(MemoryState::default());
    let anew =
        Lease::acquire_above(store.clone(), Owner::current(), LeaseTimes::default(), 1_000).await.unwrap();
    assert_eq!(anew.token(), 1_001);
    store.write(anew.token(), &put("a", anew.token())).await.unwrap();
    assert!(matches!(store.write(57, &put("a", 57)).await, Err(StateError::Lost)));
    anew.release().await.unwrap();
    assert_eq!(take(&store, LeaseTimes::default()).await.unwrap().token(), 1_002);
}

#[tokio::test]
async fn a_broken_lock_is_free_at_once_and_whoever_held_it_learns_of_it_and_writes_no_more() {
    let store: Arc<dyn StateStore> = Arc::new(MemoryState::default());
    let times = LeaseTimes {
        lease: Duration::from_secs(600),
        heartbeat: Duration::from_millis(5),
        ..LeaseTimes::default()
    };
    let hangs = take(&store, times).await.unwrap();
    // What was seen before the last heartbeats is enough to know whose lock it is.
    let seen = hangs.held().await;
    while hangs.held().await.heartbeat == seen.heartbeat {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(take_away(store.as_ref(), &seen).await.unwrap().is_some_and(|lock| lock.released));
    let next = take(&store, LeaseTimes::default()).await.unwrap();
    assert!(next.token() > hangs.token());
    store.write(next.token(), &put("a", next.token())).await.unwrap();
    assert!(hangs.lost().wait_for(|lost| *lost).await.is_ok());
    assert!(matches!(store.write(hangs.token(), &put("a", hangs.token())).await, Err(StateError::Lost)));
    assert_eq!(take_away(store.as_ref(), &seen).await.unwrap(), None, "the successor's lock is left alone");
}

#[tokio::test]
async fn on_one_machine_the_lock_of_a_dead_process_is_taken_over_at_once() {
    let store: Arc<dyn StateStore> = Arc::new(MemoryState::default());
    let dead = Owner { pid: u32::MAX, ..Owner::current() };
    let left = Lease::acquire(store.clone(), dead, LeaseTimes::default()).await.unwrap();
    drop(left);
    assert!(matches!(take(&store, LeaseTimes::default()).await, Err(StateError::Held(_))));
    if std::path::Path::new("/proc/self").exists() {
        let next = take(&store, LeaseTimes { one_machine: true, ..LeaseTimes::default() }).await.unwrap();
        assert!(next.taken_over.is_some());
    }
}

#[tokio::test]
async fn heartbeats_keep_a_lease_alive() {
    let store: Arc<dyn StateStore> = Arc::new(MemoryState::default());
    let times = LeaseTimes {
        lease: Duration::from_secs(60),
        heartbeat: Duration::from_millis(5),
        ..LeaseTimes::default()
    };
    let lease = take(&store, times).await.unwrap();
    let first = lease.held().await;
    while lease.held().await.heartbeat == first.heartbeat {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seen = store.lock().await.unwrap().unwrap();
    assert!(seen.heartbeat > first.heartbeat && seen.token == first.token);
    lease.release().await.unwrap();
}

#[test]
fn a_row_of_a_newer_version_is_not_guessed_at() {
    let mut row = entry_row(&entry("a", Status::Ready), 3).unwrap();
    assert_eq!(document::<Entry>(&row).unwrap(), entry("a", Status::Ready));
    row.insert("v".into(), rows::number(2));
    let error = document::<Entry>(&row).unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("version 2")), ("FH0303", true), "{error}");
}

#[test]
fn a_held_lock_says_who_holds_it() {
    let owner = Owner {
        user: "ann".into(),
        host: "ci-7".into(),
        pid: 42,
        id: "x".into(),
        run_url: Some("https://ci.example/1".into()),
    };
    let at = Timestamp::from_millis(1_700_000_000_000);
    let lock = Lock { token: 1, owner, acquired: at, heartbeat: at, lease_ms: 60_000, released: false };
    let error = crate::error::Error::from(StateError::Held(Box::new(lock)));
    insta::assert_snapshot!(format!("{}: {error}\nhelp: {}", error.code(), error.help()), @r"
    FH0301: the stack is locked by ann@ci-7, process 42 (https://ci.example/1) since 2023-11-14T22:13:20Z
    help: wait until it is done; if its process died, the lock can be taken over after 2023-11-14T22:14:20Z
    ");
    assert_eq!(error.exit() as i32, 5);
}
