//! What a function remembers of where a drive shares is what it would read.

use models::remembering::{REMEMBERED, Recall, Remembering, STALE, TORN};
use stateright::HasDiscoveries;

/// The properties that a variant breaks, or shows.
fn found(variant: Remembering, (changes, calls): (u8, u8), until: HasDiscoveries) -> Vec<&'static str> {
    let model = Recall { variant, changes, calls };
    crate::found("remembering", &format!("{variant:?}"), model, until)
}

#[test]
fn what_is_remembered_is_as_new_and_as_whole_as_what_is_read() {
    for variant in [Remembering::Rows, Remembering::Marks] {
        assert_eq!(found(variant, (3, 3), HasDiscoveries::AnyFailures), [REMEMBERED], "{variant:?}");
    }
}

#[test]
fn a_token_that_was_read_before_what_it_stands_for_vouches_for_what_a_transaction_has_not_reached() {
    breaks(Remembering::DriveToken, STALE);
    breaks(Remembering::MarkApart, STALE);
}

#[test]
fn what_is_changed_without_what_vouches_for_it_is_missed() {
    breaks(Remembering::SharesUntouched, STALE);
    breaks(Remembering::MarkUntouched, STALE);
}

#[test]
fn groups_that_are_read_before_memberships_come_with_contracts_of_after_them() {
    breaks(Remembering::GroupsFirst, TORN);
}

fn breaks(variant: Remembering, property: &'static str) {
    let until = HasDiscoveries::AllOf([property].into());
    let broken = found(variant, (3, 2), until);
    assert!(broken.contains(&property), "{variant:?} breaks {broken:?}");
}
