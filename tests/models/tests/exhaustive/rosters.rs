//! What a function remembers of a roster lacks nothing that was answered.

use models::rosters::{Guard, MISSED, REMEMBERED, Rosters};
use stateright::HasDiscoveries;

/// The properties that a guard breaks, or shows.
fn found(guard: Guard, deaths: bool, until: HasDiscoveries) -> Vec<&'static str> {
    let model = Rosters { guard, changes: 3, lists: 3, deaths };
    crate::found("rosters", &format!("{guard:?}"), model, until)
}

fn holds(guard: Guard, deaths: bool) {
    assert_eq!(found(guard, deaths, HasDiscoveries::AnyFailures), [REMEMBERED], "{guard:?}");
}

fn breaks(guard: Guard, deaths: bool) {
    let broken = found(guard, deaths, HasDiscoveries::AllOf([MISSED].into()));
    assert!(broken.contains(&MISSED), "{guard:?} breaks {broken:?}");
}

#[test]
fn no_list_lacks_what_was_answered_before_it_whoever_dies() {
    holds(Guard::Names, false);
    holds(Guard::Names, true);
}

#[test]
fn a_revision_alone_lets_half_of_a_change_be_remembered() {
    breaks(Guard::Nothing, false);
}

#[test]
fn a_second_revision_is_enough_unless_its_process_dies() {
    holds(Guard::SecondRevision, false);
    breaks(Guard::SecondRevision, true);
}

#[test]
fn one_flag_for_changes_that_overlap_is_taken_back_too_early() {
    breaks(Guard::Flag, false);
}

#[test]
fn names_that_are_asked_for_after_the_roster_come_too_late() {
    breaks(Guard::AskedAfterwards, false);
}
