//! Offers end with the right that made them, and no other one does.

use models::offers::{ACCEPTED, DEAD, LIVE, ONE, Offers, RESENT, Without};
use stateright::HasDiscoveries;

fn model(without: Without) -> Offers {
    Offers { without, invitations: 2, losses: 2, accepts: 1 }
}

/// The shortest failures of a variant: it must break this property.
fn breaks(without: Without, property: &'static str) {
    let until = HasDiscoveries::AllOf([property].into());
    let broken = crate::found("offers", &format!("{without:?}"), model(without), until);
    assert!(broken.contains(&property), "{without:?} breaks {broken:?}");
}

#[test]
fn an_offer_counts_exactly_as_long_as_the_right_behind_it() {
    let found = crate::found("offers", "Nothing", model(Without::Nothing), HasDiscoveries::AnyFailures);
    assert_eq!(found, [RESENT, ACCEPTED]);
}

#[test]
fn without_the_writers_ownership_a_removed_owner_lets_others_in() {
    breaks(Without::WriterOwns, DEAD);
}

#[test]
fn without_since_when_the_writer_owns_a_promotion_brings_old_offers_back() {
    breaks(Without::OwnsSince, DEAD);
}

#[test]
fn without_the_losses_of_roles_a_removed_member_returns() {
    breaks(Without::RoleLoss, DEAD);
}

#[test]
fn a_loss_that_records_a_revision_it_did_not_get_misses_offers() {
    breaks(Without::LossAtRevision, DEAD);
}

#[test]
fn without_the_groups_state_a_deleted_group_is_joined() {
    breaks(Without::GroupActive, DEAD);
}

#[test]
fn an_offer_that_does_not_revoke_the_previous_one_leaves_two() {
    breaks(Without::SlotRevokes, ONE);
}

#[test]
fn a_resent_offer_with_the_old_revision_does_not_count() {
    breaks(Without::ResendRestamps, LIVE);
}

#[test]
fn without_the_mark_of_an_erasure_the_next_holder_of_an_address_gets_old_offers() {
    breaks(Without::ErasureMark, DEAD);
}

#[test]
fn an_erasure_that_looks_at_no_time_takes_what_was_offered_since() {
    breaks(Without::ErasureLooksAtTime, LIVE);
}
