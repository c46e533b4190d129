use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::datatype::DataType;
use crate::id::{DriveId, GroupId, ItemId, Name};
use crate::item::Item;
use crate::rules::{Carried, Terms, compile};
use crate::stack::RuleSet;
use crate::time::Timestamp;

fn order() -> impl Strategy<Value = Order> {
    (any::<u16>(), 0..=order::MOST, 0..=order::MOST, any::<u32>(), any::<u32>(), any::<bool>()).prop_map(
        |(era, epoch, version, rule_revision, contract_revision, dead)| Order {
            era,
            epoch,
            version,
            rule_revision,
            contract_revision,
            dead,
        },
    )
}

proptest! {
    #[test]
    fn the_stored_order_compares_as_the_order_does(a in order(), b in order()) {
        prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        prop_assert_eq!(a.to_string().parse::<Order>(), Ok(a));
    }

    #[test]
    fn what_is_no_stored_order_is_refused(text in ".{0,40}") {
        if let Ok(order) = text.parse::<Order>() {
            prop_assert_eq!(order.to_string(), text);
        }
    }
}

fn glucose() -> BTreeMap<Name, DataType> {
    let data_type: DataType = serde_json::from_value(json!({
        "name": "glucose", "time": "takenAt",
        "fields": {"takenAt": {"type": "datetime", "required": true}, "mgdl": {"type": "integer", "required": true}}
    }))
    .unwrap();
    BTreeMap::from([(data_type.name.clone(), data_type)])
}

fn book(when: &str, revision: u32) -> Rulebook {
    let rules: RuleSet =
        serde_json::from_value(json!([{"types": ["glucose"], "when": when, "fields": ["mgdl"]}])).unwrap();
    Rulebook {
        revision,
        era: 0,
        since: Timestamp::from_millis(0),
        spread: spread(),
        rules: compile(&glucose(), &rules).unwrap().into(),
    }
}

fn spread() -> Spread {
    Spread { revision: 1, shards: 1 }
}

fn empty_book(revision: u32) -> Rulebook {
    Rulebook {
        revision,
        era: 0,
        since: Timestamp::from_millis(0),
        spread: spread(),
        rules: compile(&glucose(), &RuleSet::default()).unwrap().into(),
    }
}

fn membership(epoch: u64) -> ProviderMembership {
    ProviderMembership {
        group: GroupId::from_bits(1),
        drive: DriveId::from_bits(2),
        epoch,
        terms: Terms::of_everything(Timestamp::from_millis(0)),
    }
}

fn item(mgdl: i64, version: u64) -> Item {
    let types = glucose();
    let data_type = &types["glucose"];
    let json = json!({"takenAt": "2014-02-03T03:42:12Z", "mgdl": mgdl});
    let fields = data_type.validate(json.as_object().unwrap()).unwrap();
    let time = data_type.time_of(&fields).unwrap();
    Item {
        drive: DriveId::from_bits(2),
        data_type: data_type.name.clone(),
        id: ItemId::new(time, &data_type.name, 7),
        version,
        fields,
        updated: time,
        expires: None,
    }
}

fn order_of(decision: &Decision) -> Option<Order> {
    match decision {
        Decision::Write { order, .. } | Decision::Bury { order, .. } => Some(*order),
        Decision::Nothing => None,
    }
}

#[test]
fn a_matching_item_is_copied_and_a_new_one_that_does_not_match_costs_nothing() {
    let book = book("resource.mgdl > 180", 1);
    let (high, low) = (item(181, 1), item(180, 1));
    assert!(
        matches!(decide(&Change::Present(&high), &membership(3), &book), Decision::Write { order, .. } if order.epoch == 3)
    );
    assert_eq!(decide(&Change::Present(&low), &membership(3), &book), Decision::Nothing);
}

#[test]
fn an_update_that_no_longer_matches_buries_the_copy_above_its_former_order() {
    let book = book("resource.mgdl > 180", 1);
    let before = decide(&Change::Present(&item(181, 1)), &membership(3), &book);
    let after = decide(&Change::Present(&item(180, 2)), &membership(3), &book);
    assert!(matches!(after, Decision::Bury { .. }) && order_of(&after) > order_of(&before));
}

#[test]
fn a_deleted_item_stays_buried_under_every_later_rule_of_the_same_membership() {
    let deleted = item(181, 4);
    let change = Change::Deleted { id: &deleted.id, data_type: &deleted.data_type, version: 4 };
    let buried = decide(&change, &membership(3), &book("resource.mgdl > 180", 1));
    let late = decide(&Change::Present(&deleted), &membership(3), &book("true", 900));
    assert!(order_of(&buried) > order_of(&late));
}

#[test]
fn a_type_that_was_dropped_from_the_rules_is_still_buried_with_its_items() {
    let gone = item(181, 1);
    let change = Change::Deleted { id: &gone.id, data_type: &gone.data_type, version: 1 };
    assert!(matches!(decide(&change, &membership(3), &empty_book(2)), Decision::Bury { .. }));
    assert_eq!(decide(&change, &membership(3), &empty_book(1)), Decision::Nothing);
}

#[test]
fn after_a_restore_nothing_is_shown_that_was_written_before_it() {
    let copied = item(200, 1);
    let provider = ProviderTerms { epoch: 3, terms: Terms::of_everything(Timestamp::from_millis(0)) };
    let roster =
        Roster { providers: BTreeMap::from([(copied.drive.clone(), provider)]), ..Roster::default() };
    let row = |era| ReplicaRow {
        data_type: copied.data_type.clone(),
        id: copied.id.clone(),
        drive: copied.drive.clone(),
        order: Order { version: 1, rule_revision: 1, ..Order::floor(era, 3) },
        carried: Carried { fields: copied.fields.clone(), ..Carried::default() },
        expires: None,
    };
    let restored = Rulebook { era: 1, ..book("true", 1) };
    let now = Timestamp::from_millis(1000);
    assert!(shown(&row(1), &roster, &restored, now).is_some());
    assert!(shown(&row(0), &roster, &restored, now).is_none());
    assert!(
        shown(&row(2), &roster, &restored, now).is_none(),
        "of an era that this reader does not know yet"
    );
}

/// One copy of an item as a reader would find it, in a roster that has its provider with the given epoch.
fn seen(row_epoch: u64, dead: bool, roster_epoch: Option<u64>, when: &str, expires: Option<i64>) -> bool {
    let copied = item(200, 1);
    let row = ReplicaRow {
        data_type: copied.data_type.clone(),
        id: copied.id.clone(),
        drive: copied.drive.clone(),
        order: Order { version: 1, rule_revision: 1, dead, ..Order::floor(0, row_epoch) },
        carried: Carried { fields: copied.fields.clone(), ..Carried::default() },
        expires: expires.map(Timestamp::from_millis),
    };
    let terms = Terms::of_everything(Timestamp::from_millis(0));
    let providers =
        roster_epoch.map(|epoch| (copied.drive.clone(), ProviderTerms { epoch, terms: terms.clone() }));
    let roster = Roster { providers: providers.into_iter().collect(), ..Roster::default() };
    shown(&row, &roster, &book(when, 1), Timestamp::from_millis(1000)).is_some()
}

#[test]
fn a_reader_sees_only_live_copies_of_present_members_that_the_rules_still_select() {
    assert!(seen(3, false, Some(3), "true", None));
    assert!(seen(3, false, Some(3), "true", Some(1001)));
    assert!(!seen(3, false, None, "true", None), "a provider who left");
    assert!(!seen(3, false, Some(9), "true", None), "a copy of an earlier membership");
    assert!(
        !seen(9, false, Some(3), "true", None),
        "a copy of a membership that this roster does not know yet"
    );
    assert!(!seen(3, true, Some(3), "true", None), "a tombstone");
    assert!(!seen(3, false, Some(3), "resource.mgdl > 200", None), "a rule that was narrowed");
    assert!(!seen(3, false, Some(3), "true", Some(1000)), "past its retention");
}

#[test]
fn a_record_is_believed_only_if_it_was_written_clearly_after_the_join() {
    let terms = Terms::of_everything(Timestamp::from_millis(1_000_000));
    let written = |after: i64| Some(Timestamp::from_millis(1_000_000 + after));
    assert!(must_ask_source(None, &terms, &book("true", 1)), "nobody knows when");
    assert!(must_ask_source(written(-1), &terms, &book("true", 1)));
    assert!(must_ask_source(written(CLOCK_SLACK - 1), &terms, &book("true", 1)));
    assert!(!must_ask_source(written(CLOCK_SLACK), &terms, &book("true", 1)));
    assert!(!must_ask_source(written(CLOCK_SLACK + 1), &terms, &book("true", 1)));
    // Before a change of the rules an item may have gone without a tombstone: its type may not have been in them.
    let later = Rulebook { since: Timestamp::from_millis(2_000_000), ..book("true", 2) };
    assert!(must_ask_source(written(CLOCK_SLACK + 1), &terms, &later));
    assert!(!must_ask_source(written(1_000_000 + CLOCK_SLACK), &terms, &later));
}

#[test]
fn an_order_beyond_what_fits_is_the_greatest_that_fits() {
    let greatest = Order { epoch: u64::MAX, version: u64::MAX, ..Order::floor(0, 0) };
    let stored = greatest.to_string();
    assert_eq!(stored.len(), Order::floor(0, 0).to_string().len());
    let read: Order = stored.parse().unwrap();
    assert_eq!((read.epoch, read.version), (0xffff_ffff_ffff, 0xffff_ffff_ffff));
}

#[test]
fn the_end_of_a_membership_is_above_all_of_it_and_below_the_next_one() {
    let last = Order::last(2, 7);
    let greatest = Order { era: 2, epoch: 7, version: order::MOST, rule_revision: u32::MAX, ..last };
    assert!(last.dead && last >= greatest && last.to_string() >= greatest.to_string());
    assert!(Order { dead: false, ..last } < last && Order::floor(2, 7) < last);
    assert!(last < Order::floor(2, 8) && last < Order::floor(3, 0));
}

#[test]
fn a_text_that_is_nearly_an_order_is_refused_and_named_shortly() {
    let good = Order { version: 0xabc, ..Order::floor(1, 2) }.to_string();
    assert!(good.parse::<Order>().is_ok());
    for bad in [
        good.to_uppercase(),
        format!("{good}0"),
        good[1..].to_owned(),
        format!("{}2", &good[..good.len() - 1]),
        format!("+{}", &good[1..]),
        String::new(),
    ] {
        assert_eq!(bad.parse::<Order>(), Err(InvalidOrder(bad.clone())));
    }
    let long = "x".repeat(500);
    let InvalidOrder(named) = long.parse::<Order>().unwrap_err();
    assert_eq!(named.len(), good.len() + 1, "enough to see that it is too long");
}
