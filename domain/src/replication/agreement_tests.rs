//! Providers who are asked before the rules share more.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::terms_tests::{CONTRACTS, RULES, contract, item, some_item, types};
use super::*;
use crate::rules::{AgreedRules, CompiledContract, CompiledRules, Question, Terms, compile};
use crate::stack::RuleSet;
use crate::time::Timestamp;

/// History windows that end on both sides of the time of every item here.
const HISTORIES: [&str; 4] =
    [r#""all""#, r#""none""#, r#"{"days": 30}"#, r#"{"since": "2014-02-03T03:42:13Z"}"#];

/// A set of rules with one or two of those of the fixture, each with a window of its own.
fn some_rules() -> impl Strategy<Value = Arc<CompiledRules>> {
    prop::collection::vec((0..RULES.len(), 0..HISTORIES.len()), 0..3).prop_map(|each| {
        let rule = |(at, history): (usize, usize)| {
            let (when, fields) = RULES[at];
            let history: serde_json::Value = serde_json::from_str(HISTORIES[history]).unwrap();
            json!({"types": ["glucose"], "when": when, "fields": fields, "history": history})
        };
        let set: RuleSet = serde_json::from_value(each.into_iter().map(rule).collect()).unwrap();
        Arc::new(compile(&types(), &set).unwrap())
    })
}

fn agreeing(contract: &Arc<CompiledContract>, agreed: &Arc<CompiledRules>) -> Arc<CompiledContract> {
    let agreed = AgreedRules { revision: 1, rules: agreed.clone() };
    Arc::new(CompiledContract::clone(contract).with_agreed(Some(agreed)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// What a provider who asks shares is what the agreed rules, the current rules and the contract each share by
    /// themselves; and a copy that was written under these terms shows exactly that.
    #[test]
    fn effective_sharing_is_what_agreed_rules_current_rules_and_contract_have_in_common(
        item in some_item(),
        agreed in some_rules(),
        current in some_rules(),
        contract_at in 0..CONTRACTS.len(),
        days in 0..60i64,
    ) {
        let joined = Timestamp::parse("2014-02-03T03:42:12Z").unwrap().plus_millis((days - 1) * 86_400_000);
        let follows = contract(contract_at, None, 0);
        let seen = |rules: &CompiledRules, contract: &Arc<CompiledContract>| {
            let terms = Terms { joined, contract: contract.clone() };
            let (data_type, time, fields) = (&item.data_type, item.time(), &item.fields);
            rules.visible(Question { data_type, time, fields, terms: &terms })
        };
        let expected = match (seen(&agreed, &CompiledContract::open()), seen(&current, &follows)) {
            (Some(agreed), Some(current)) => {
                Some(current.into_iter().filter(|(name, _)| agreed.contains_key(name)).collect())
            }
            _ => None,
        };
        let asks = agreeing(&follows, &agreed);
        prop_assert_eq!(&seen(&current, &asks), &expected);
        prop_assert_eq!(seen(&current, &agreeing(&follows, &current)), seen(&current, &follows), "agreed to the current rules");

        let terms = Terms { joined, contract: asks };
        let reach = current.reaches_back_to(&item.data_type, &terms);
        prop_assert!(expected.is_none() || reach.is_some_and(|reach| reach <= item.time()), "{:?}", reach);
        let membership = ProviderMembership {
            group: crate::id::GroupId::from_bits(1),
            drive: item.drive.clone(),
            epoch: 3,
            terms: terms.clone(),
        };
        let book = Rulebook {
            revision: 2,
            era: 0,
            since: Timestamp::from_millis(0),
            spread: Spread { revision: 1, shards: 1 },
            rules: current,
        };
        let Decision::Write { order, carried, .. } = decide(&Change::Present(&item), &membership, &book) else {
            prop_assert_eq!(expected, None);
            return Ok(());
        };
        let (id, data_type, drive) = (item.id.clone(), item.data_type.clone(), item.drive.clone());
        let row = ReplicaRow { data_type, id, drive: drive.clone(), order, carried, expires: None };
        let providers = BTreeMap::from([(drive, ProviderTerms { epoch: 3, terms })]);
        let roster = Roster { providers, ..Roster::default() };
        prop_assert_eq!(shown(&row, &roster, &book, Timestamp::from_millis(0)), expected);
    }
}

#[test]
fn a_membership_that_agreed_to_nothing_shares_nothing() {
    let nothing = AgreedRules { revision: 0, rules: Arc::default() };
    let asks = CompiledContract::default().with_agreed(Some(nothing));
    let (reading, current) = (item(120, None, None, 1), super::terms_tests::rules(0));
    assert!(!asks.covers(&reading.data_type));
    let terms = Terms { joined: Timestamp::from_millis(0), contract: asks.into() };
    let (data_type, time, fields) = (&reading.data_type, reading.time(), &reading.fields);
    assert_eq!(current.visible(Question { data_type, time, fields, terms: &terms }), None);
    assert_eq!(current.reaches_back_to(data_type, &terms), None);
}
