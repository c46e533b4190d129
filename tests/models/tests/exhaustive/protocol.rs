//! The protocol as it is: no invariant is broken in any state that can be reached.

use models::{SHOWN, Scenario, TOO_LATE, Variant};

use stateright::HasDiscoveries;

use crate::{check, scenarios, steps};

/// Looks at every state. `at_least` is a floor under their number: a scenario that shrinks has lost its subject.
fn holds(scenario: Scenario, at_least: usize) {
    let outcome = check(scenario, Variant::Protocol, HasDiscoveries::AnyFailures);
    let broken: Vec<_> = outcome.found.iter().filter(|(name, _)| ![SHOWN, TOO_LATE].contains(name)).collect();
    if let Some((invariant, path)) = broken.first() {
        panic!("breaks {invariant}: {}", steps(path));
    }
    assert!(outcome.done, "not every state was looked at");
    assert!(outcome.states >= at_least, "only {} states", outcome.states);
    assert!(outcome.has(SHOWN), "no state has everything done and everything shown");
}

macro_rules! hold {
    ($($name:ident: $scenario:ident, $at_least:expr;)*) => {
        $(#[test] fn $name() { holds(scenarios::$scenario(), $at_least); })*
    };
}

hold! {
    it_holds_while_a_drive_leaves_and_comes_back: membership, 500_000;
    it_holds_with_late_writers_and_jobs_delivered_twice: crowd, 100_000;
    it_holds_while_two_devices_change_one_item: devices, 50_000;
    it_holds_while_rules_narrow_and_widen: rules, 200_000;
    it_holds_while_a_contract_narrows_and_widens: contracts, 100_000;
    it_holds_while_a_provider_agrees_to_rules: consent, 20_000;
    it_holds_while_a_provider_stops_following_the_rules: no_longer_following, 20_000;
    it_holds_while_rules_and_contract_change_at_once: rules_and_contracts, 100_000;
    it_holds_while_the_rules_change_during_a_join: rules_while_joining, 20_000;
    it_holds_over_several_pages: pages, 100_000;
    it_holds_when_a_page_is_left_half_written: long_pages, 20_000;
    it_holds_while_the_number_of_shards_changes_and_comes_back: shards, 100_000;
    it_holds_while_a_group_is_deleted_during_a_join: deletion, 100_000;
    it_holds_over_a_restore: restore, 100_000;
    it_holds_when_tombstones_end: collection, 10_000;
    it_holds_for_lists_that_take_their_time: lists, 100_000;
    it_holds_for_lists_that_take_their_time_while_terms_narrow: lists_while_narrowing, 100_000;
}
