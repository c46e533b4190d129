//! What design §6 calls failed, and what else was tried: each must be found to break what it is said to break.

use models::{COMPLETENESS, IDEMPOTENCE, MONOTONIC, NO_RESURRECTION, REVOCATION, Scenario, Variant};

use stateright::HasDiscoveries;

use crate::{check, scenarios, steps, tell};

/// Checks that a variant breaks this invariant, perhaps among others, and shows the shortest way there.
fn breaks(variant: Variant, scenario: Scenario, invariant: &'static str) {
    let until = HasDiscoveries::AllOf([invariant].into());
    let outcome = check(scenario, variant, until);
    let Some((_, path)) = outcome.found.iter().find(|(name, _)| *name == invariant) else {
        let others: Vec<_> = outcome.found.iter().map(|(name, _)| name).collect();
        panic!("{variant:?} does not break `{invariant}`; found: {others:?}");
    };
    tell(&format!("    breaks {invariant}: {}", steps(path)));
}

#[test]
fn a_list_of_who_left_with_a_timer_leaks_when_a_writer_outlives_the_timer() {
    breaks(Variant::RevokedList, scenarios::revocations(), REVOCATION);
}

#[test]
fn a_guard_only_while_jobs_run_shows_late_writes() {
    breaks(Variant::GuardDuringJobs, scenarios::membership(), REVOCATION);
}

#[test]
fn without_epochs_a_former_membership_writes_into_the_next() {
    breaks(Variant::NoEpoch, scenarios::membership(), NO_RESURRECTION);
}

#[test]
fn without_rule_revisions_a_rewritten_copy_loses_to_its_former_self() {
    breaks(Variant::NoRuleRevision, scenarios::rules(), COMPLETENESS);
}

#[test]
fn without_contract_revisions_a_rewritten_copy_loses_to_its_former_self() {
    breaks(Variant::NoContractRevision, scenarios::contracts(), COMPLETENESS);
}

#[test]
fn a_guard_that_ignores_the_agreement_shows_what_the_provider_never_agreed_to() {
    breaks(Variant::ReaderIgnoresAgreement, scenarios::no_longer_following(), REVOCATION);
}

#[test]
fn writers_that_ignore_the_agreement_leave_copies_that_the_guard_cannot_judge() {
    breaks(Variant::WriterIgnoresAgreement, scenarios::consent(), COMPLETENESS);
}

#[test]
fn without_contract_revisions_a_copy_that_was_agreed_to_loses_to_its_former_self() {
    breaks(Variant::NoContractRevision, scenarios::consent(), COMPLETENESS);
}

#[test]
fn without_tombstones_a_late_write_brings_a_deleted_item_back() {
    breaks(Variant::NoTombstone, scenarios::membership(), NO_RESURRECTION);
}

#[test]
fn stale_reads_of_memberships_lose_copies() {
    breaks(Variant::StaleMembership, scenarios::membership(), COMPLETENESS);
}

#[test]
fn versions_that_restart_lose_to_the_former_ones() {
    breaks(
        Variant::VersionsRestart,
        Scenario { member: true, roster: 1, ..scenarios::membership() },
        COMPLETENESS,
    );
}

#[test]
fn versions_that_restart_make_repeats_matter() {
    breaks(
        Variant::VersionsRestart,
        Scenario { member: true, roster: 1, ..scenarios::membership() },
        IDEMPOTENCE,
    );
}

#[test]
fn tombstones_collected_at_any_time_let_deleted_items_come_back() {
    breaks(Variant::CollectAnyTime, scenarios::collection(), NO_RESURRECTION);
}

#[test]
fn leaving_deletions_to_the_stream_shows_deleted_items() {
    breaks(Variant::StreamOnly, scenarios::membership(), NO_RESURRECTION);
}

#[test]
fn believing_records_from_before_a_join_brings_deleted_items_back() {
    breaks(Variant::TrustRecords, scenarios::membership(), NO_RESURRECTION);
}

#[test]
fn believing_records_from_before_a_join_takes_items_back() {
    breaks(Variant::TrustRecords, Scenario { deletes: false, ..scenarios::membership() }, MONOTONIC);
}

#[test]
fn a_purge_that_deletes_under_a_list_from_before_the_leave_shows_a_deleted_item() {
    breaks(Variant::PurgeDeletes, scenarios::lists(), NO_RESURRECTION);
}

#[test]
fn a_purge_of_any_epoch_takes_tombstones_of_the_next_membership() {
    breaks(Variant::PurgeAnyEpoch, scenarios::membership(), NO_RESURRECTION);
}

#[test]
fn a_checkpoint_before_its_page_loses_the_page() {
    breaks(Variant::CheckpointFirst, scenarios::pages(), COMPLETENESS);
}

#[test]
fn a_deleted_group_that_can_be_joined_keeps_a_member() {
    breaks(Variant::JoinUnchecked, scenarios::deletion(), COMPLETENESS);
}

#[test]
fn a_restore_without_a_new_era_keeps_what_was_undone() {
    breaks(Variant::NoEra, scenarios::restore(), COMPLETENESS);
}

#[test]
fn a_restore_that_waits_for_nobody_leaves_what_late_writers_bring() {
    breaks(
        Variant::Protocol,
        Scenario { name: "restore at once", fence: false, ..scenarios::restore() },
        COMPLETENESS,
    );
}

#[test]
fn partitions_that_are_used_again_show_what_was_left_in_them() {
    breaks(Variant::PartitionsAgain, scenarios::shards(), NO_RESURRECTION);
}

#[test]
fn believing_records_from_before_a_change_of_shards_brings_deleted_items_back() {
    breaks(Variant::TrustLayouts, scenarios::shards(), NO_RESURRECTION);
}

#[test]
fn a_roster_remembered_without_asking_shows_who_left() {
    breaks(Variant::RememberedRoster, scenarios::lists(), REVOCATION);
}
