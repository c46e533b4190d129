//! Asking to stop: the first time what is under way is ended, the second time nothing is; the lock is given back both times.

use std::collections::BTreeSet;

use hostile::{Aws, Snapshot, When, World};
use provision::engine::Interrupt;
use provision::session::{Origin, Session, adoptable};
use provision::state::{LeaseTimes, Lock};

use crate::{by_hand, lost};

/// What `provision` ends with after an interrupt.
const INTERRUPTED: i32 = 130;

async fn lock(world: &World) -> Option<Lock> {
    Session::open(&world.options()).await.unwrap().state.lock().await.unwrap()
}

/// The addresses in the state.
async fn recorded(world: &World) -> BTreeSet<String> {
    let snapshot = Session::open(&world.options()).await.unwrap().state.load().await.unwrap();
    snapshot.unwrap_or_default().entries.keys().map(ToString::to_string).collect()
}

/// Another account that is as that one was.
fn again(world: &World, as_it_was: &Snapshot) -> World {
    let mut again = world.elsewhere(Aws::restored(as_it_was));
    // Nobody takes it over before its time.
    again.lease = LeaseTimes::default();
    again
}

/// How often somebody asks to stop.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    /// Once, and calls are answered.
    Once,
    /// Twice, at a call that is never answered.
    Twice,
}

/// Asks to stop at the so-manieth call of a command that changes something; its exit code.
async fn stopped_at(world: &World, args: &[&str], number: usize, asks: Asks) -> i32 {
    let (handle, interrupt) = Interrupt::new();
    let asked = handle.clone();
    world.aws.at_change(number, move || {
        asked.press();
        if asks == Asks::Twice {
            asked.press();
        }
    });
    if asks == Asks::Twice {
        drop(world.aws.kill_at(number, When::Before));
    }
    world.command_until(args, (handle, interrupt)).await.code
}

/// Some of the calls: the first ones, where each is of another kind, and the last ones.
fn some_of(calls: usize) -> impl Iterator<Item = usize> {
    (1..=calls).filter(move |number| *number < 12 || number % 9 == 0 || number + 3 > calls)
}

/// Asks a command to stop at calls that change something. After each, everything that was begun is ended, the lock is free,
/// and the next run does the rest. How often it was stopped.
async fn stop_everywhere(world: &World, args: &[&str], asks: Asks) -> usize {
    let before = world.aws.snapshot("as it was");
    let whole = again(world, &before);
    assert_eq!(whole.command(args).await.code, 0);
    let calls = whole.aws.take_calls().iter().filter(|record| record.call.is_mutating()).count();
    let all = (recorded(&whole).await, whole.aws.state().inventory());
    let unrecorded_before = unrecorded(&again(world, &before)).await;
    let mut stopped = 0;
    // The last call gives the lock back: then nothing is left to stop.
    for number in some_of(calls - 1) {
        let world = again(world, &before);
        let code = stopped_at(&world, args, number, asks).await;
        if code == 0 && asks == Asks::Once {
            assert!(number + 2 > calls, "at call {number} of {calls} nothing was left to begin");
            assert_eq!((recorded(&world).await, world.aws.state().inventory()), all);
            continue;
        }
        assert_eq!(code, INTERRUPTED, "at call {number} of {calls}");
        stopped += 1;
        assert!(
            lock(&world).await.is_none_or(|lock| lock.released),
            "at call {number} the lock is given back"
        );
        assert!(
            recorded(&world).await.len() < all.0.len(),
            "at call {number}: all was done, and it was stopped"
        );
        if asks == Asks::Once {
            let unrecorded = unrecorded(&world).await;
            assert!(
                unrecorded.is_subset(&unrecorded_before),
                "at call {number}: {unrecorded:?} begun, not ended"
            );
        }
        assert_eq!(world.command(args).await.code, 0, "after call {number}");
        assert_eq!((recorded(&world).await, world.aws.state().inventory()), all, "after call {number}");
    }
    stopped
}

/// What is the stack's by its tag and not in the state.
async fn unrecorded(world: &World) -> BTreeSet<String> {
    let session = Session::open(&world.options()).await.unwrap();
    let found = adoptable(&session, &session.desired().await.unwrap()).await.unwrap();
    let unrecorded = found.into_iter().filter(|adoption| adoption.origin == Origin::Unrecorded);
    unrecorded.map(|adoption| adoption.address.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_import_that_is_asked_to_stop_ends_what_it_began_and_gives_the_lock_back() {
    let stopped = stop_everywhere(&by_hand().await, &["import", "--yes"], Asks::Once).await;
    assert!(stopped > 12, "{stopped}");
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_that_is_asked_to_stop_ends_what_it_began_and_gives_the_lock_back() {
    let stopped = stop_everywhere(&lost().await, &["state", "rebuild"], Asks::Once).await;
    assert!(stopped > 12, "{stopped}");
}

#[tokio::test(start_paused = true)]
async fn an_import_that_is_asked_twice_to_stop_waits_for_nothing_and_gives_the_lock_back() {
    let stopped = stop_everywhere(&by_hand().await, &["import", "--yes"], Asks::Twice).await;
    assert!(stopped > 12, "{stopped}");
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_that_is_asked_twice_to_stop_waits_for_nothing_and_gives_the_lock_back() {
    let stopped = stop_everywhere(&lost().await, &["state", "rebuild"], Asks::Twice).await;
    assert!(stopped > 12, "{stopped}");
}
