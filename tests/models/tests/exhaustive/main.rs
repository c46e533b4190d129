//! tmp
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]
use models::terms::*;
use models::*;
use stateright::{Checker, Model};
use std::io::Write as _;

fn check(scenario: Scenario, variant: Variant) -> bool {
    let start = std::time::Instant::now();
    let name = scenario.name;
    let checker = Protocol { scenario, variant }
        .checker()
        .finish_when(stateright::HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let mut out = std::io::stdout();
    let found = checker.discoveries();
    let failed: Vec<_> = found.iter().filter(|(n, _)| n.starts_with("I")).collect();
    writeln!(
        out,
        "{name} {variant:?}: {} unique, {} gen, depth {}, {:?}; shown {}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        start.elapsed(),
        found.contains_key(SHOWN)
    )
    .unwrap();
    for (n, path) in &failed {
        writeln!(out, "   {n}: {:?}", (*path).clone().into_actions()).unwrap();
    }
    failed.is_empty()
}

fn membership() -> Scenario {
    Scenario {
        name: "membership",
        readings: &[Reading::High],
        versions: 2,
        deletes: true,
        roster: 4,
        ..Scenario::SMALL
    }
}
fn rules() -> Scenario {
    Scenario {
        name: "rules",
        readings: &[Reading::Low, Reading::High],
        versions: 2,
        deletes: true,
        roster: 1,
        member: true,
        rule: Rule::All,
        rule_revisions: 3,
        ..Scenario::SMALL
    }
}
fn contracts() -> Scenario {
    Scenario { name: "contracts", contract_revisions: 2, rule: Rule::All, rule_revisions: 1, ..rules() }
}
fn both() -> Scenario {
    Scenario {
        name: "both",
        contract_revisions: 1,
        rule: Rule::All,
        rule_revisions: 2,
        split: true,
        ..rules()
    }
}
fn pages() -> Scenario {
    Scenario {
        name: "pages",
        items: 2,
        page: 1,
        workers: 2,
        readings: &[Reading::High],
        deletes: false,
        versions: 1,
        roster: 3,
        ..Scenario::SMALL
    }
}
fn shards() -> Scenario {
    Scenario {
        name: "shards",
        rule: Rule::All,
        readings: &[Reading::High],
        rule_revisions: 3,
        shards: &[1, 2],
        ..rules()
    }
}
fn deletion() -> Scenario {
    Scenario { name: "deletion", deletion: true, roster: 3, ..membership() }
}
fn restore() -> Scenario {
    Scenario { name: "restore", restores: 1, roster: 2, ..membership() }
}
fn collection() -> Scenario {
    Scenario { name: "collection", collection: true, roster: 1, member: true, ..membership() }
}
fn stepwise() -> Scenario {
    Scenario { name: "stepwise", reader: Reader::Stepwise, roster: 3, ..membership() }
}

#[test]
fn probe() {
    for s in
        [pages(), rules(), contracts(), both(), shards(), deletion(), restore(), collection(), stepwise()]
    {
        if s.name.contains(&only) {
            check(s, Variant::Protocol);
        }
    }
}
#[test]
fn variants() {
    use Variant::*;
    for (s, v) in [
        (membership(), RevokedList),
        (membership(), GuardDuringJobs),
        (membership(), NoEpoch),
        (rules(), NoRuleRevision),
        (contracts(), NoContractRevision),
        (membership(), NoTombstone),
        (membership(), StaleMembership),
        (Scenario { member: true, roster: 1, ..membership() }, VersionsRestart),
        (collection(), CollectAnyTime),
        (membership(), StreamOnly),
        (membership(), TrustRecords),
        (stepwise(), PurgeAtOnce), (membership(), PurgeAnyEpoch),
        (pages(), CheckpointFirst),
        (deletion(), JoinUnchecked),
        (restore(), NoEra),
        (shards(), PartitionsAgain),
        (rules(), ReviseFromLast),
        (stepwise(), RememberedRoster),
        (Scenario { name: "unfenced", fence: false, ..restore() }, Protocol),
    ] {
        check(s, v);
    }
}
