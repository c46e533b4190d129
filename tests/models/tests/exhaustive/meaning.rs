//! The models say themselves what rules and contracts select; here that is compared with the real functions.

use models::oracle::{decide, shown};
use models::terms::{Contract, Edition, Layout, Op, Reading, Rule, Said, View};

const CONTRACTS: [Contract; 4] =
    [Contract::Open, Contract::High, Contract::Agreed(Rule::All), Contract::Agreed(Rule::High)];

fn every_view() -> impl Iterator<Item = View> {
    let terms =
        [Rule::All, Rule::High].into_iter().flat_map(|rule| CONTRACTS.map(|contract| (rule, contract)));
    terms.map(|(rule, contract)| View {
        era: 0,
        epoch: 2,
        joined: 2,
        edition: Edition { rule, layout: Layout { shards: 1, since: 1, at: 1 } },
        rule_revision: 1,
        contract,
        contract_revision: 0,
    })
}

#[test]
fn the_models_and_the_real_functions_mean_the_same_by_rules_and_contracts() {
    for view in every_view() {
        for reading in [Reading::Low, Reading::High] {
            let meant = view.edition.rule.allows(reading) && view.contract.allows(reading);
            let said = Said { item: 0, version: 1, reading: Some(reading) };
            let Some(Op::Put(_, row)) = decide(said, &view) else {
                assert!(!meant, "{view:?} {reading:?}: nothing is written");
                continue;
            };
            assert!(meant && row.body.is_some(), "{view:?} {reading:?}: {row:?}");
            assert!(shown(0, &row, &view), "{view:?} {reading:?}: what was just written is not shown");
            assert!(!shown(0, &row, &View { epoch: 3, ..view }), "{view:?}: of a former membership");
        }
    }
}

#[test]
fn a_copy_is_shown_under_other_terms_only_if_they_select_it() {
    for (written, read) in every_view().flat_map(|one| every_view().map(move |other| (one, other))) {
        for reading in [Reading::Low, Reading::High] {
            let Some(Op::Put(_, row)) =
                decide(Said { item: 0, version: 1, reading: Some(reading) }, &written)
            else {
                continue;
            };
            let meant = read.edition.rule.allows(reading) && read.contract.allows(reading);
            assert!(
                !shown(0, &row, &read) || meant,
                "{reading:?} written under {written:?} read under {read:?}"
            );
        }
    }
}
