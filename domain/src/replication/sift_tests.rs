//! Narrowing from the copies alone.

use proptest::prelude::*;

use super::terms_tests::{CONSENTS, Copy, Moment, RULES, item, moments, some_item, take};
use super::*;
use crate::item::Item;
use crate::rules::{Carried, Terms};
use crate::time::Timestamp;
use crate::value::Fields;

fn visible(moment: &Moment, item: &Item) -> Option<Fields> {
    moment.book.rules.visible(decide::question(item, &moment.membership.terms))
}

/// The items that the rules of the fixture can tell apart.
fn items() -> impl Iterator<Item = Item> {
    let notes = [None, Some("x"), Some("y")];
    let devices = [None, Some("a"), Some("b")];
    let texts = notes.into_iter().flat_map(move |note| devices.into_iter().map(move |device| (note, device)));
    texts.flat_map(|(note, device)| [50, 120, 170, 250].map(|mgdl| item(mgdl, note, device, 1)))
}

/// Whether nothing is seen afterwards that was not seen before, whatever the provider allows.
fn narrows(from: usize, to: usize) -> bool {
    let all = moments((from, 0), &[(true, to)]);
    items().all(|item| match (visible(&all[0], &item), visible(&all[1], &item)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(before), Some(after)) => after.keys().all(|name| before.contains_key(name)),
    })
}

/// What the job of a narrowing does about the copy of an item, if there is one.
fn sifted(copy: &mut Option<Copy>, item: &Item, end: &Moment, late: &[Terms]) -> Option<Sifted> {
    let (order, carried) = copy.clone()?;
    let row = ReplicaRow {
        data_type: item.data_type.clone(),
        id: item.id.clone(),
        drive: item.drive.clone(),
        order,
        carried: carried.unwrap_or_default(),
        expires: None,
    };
    let sifted = sift(&row, &end.membership, &end.book, late, Timestamp::from_millis(0));
    match sifted.clone() {
        Sifted::Decided(decision) => take(copy, decision),
        Sifted::Untold => take(copy, rewrite(item, &end.membership, &end.book)),
    }
    Some(sifted)
}

fn alive(copy: &Option<Copy>) -> Option<(Order, Carried)> {
    copy.clone().and_then(|(order, carried)| Some((order, carried?)))
}

fn some_narrowing() -> impl Strategy<Value = (usize, usize)> {
    let all = (0..RULES.len()).flat_map(|from| (0..RULES.len()).map(move |to| (from, to)));
    prop::sample::select(all.filter(|(from, to)| narrows(*from, *to)).collect::<Vec<_>>())
}

/// Terms that never counted together: a writer may have read the contract before its change and the rules after theirs.
fn mixed(rules_of: &Moment, contract_of: &Moment) -> Moment {
    Moment { book: rules_of.book.clone(), membership: contract_of.membership.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever writers of former rules and contracts still do, before or after the walk: a reader sees what the terms of
    /// now select.
    #[test]
    fn after_a_narrowing_that_looked_at_copies_alone_readers_see_what_the_rules_of_now_select(
        item in some_item(),
        (from, to) in some_narrowing(),
        (before, contract) in (0..CONSENTS, 0..CONSENTS),
        late in prop::collection::vec((0..4usize, any::<bool>()), 0..5),
    ) {
        let all = moments((from, before), &[(false, contract), (true, to)]);
        let (begin, end) = (&all[0], &all[2]);
        let writers = [begin.clone(), all[1].clone(), mixed(end, begin), end.clone()];
        let write = |moment: &Moment| decide(&Change::Present(&item), &moment.membership, &moment.book);
        let mut copy = None;
        take(&mut copy, write(begin));
        take(&mut copy, revise(&item, &all[1].membership, &all[1].book, &[begin.former()]));
        late.iter().filter(|late| late.1).for_each(|late| take(&mut copy, write(&writers[late.0])));
        sifted(&mut copy, &item, end, std::slice::from_ref(&begin.membership.terms));
        late.iter().filter(|late| !late.1).for_each(|late| take(&mut copy, write(&writers[late.0])));
        let seen = alive(&copy).and_then(|copy| end.seen(&item, copy));
        prop_assert_eq!(seen, visible(end, &item));
    }

    /// What stays as it was is not written: a narrowing costs what it takes away.
    #[test]
    fn a_narrowing_writes_no_copy_that_stays_as_it_is(
        item in some_item(),
        (from, to) in some_narrowing(),
        contract in 0..CONSENTS,
    ) {
        let all = moments((from, contract), &[(true, to)]);
        let (begin, end) = (&all[0], &all[1]);
        let mut copy = None;
        take(&mut copy, decide(&Change::Present(&item), &begin.membership, &begin.book));
        let before = alive(&copy);
        let came_to = sifted(&mut copy, &item, end, &[]);
        if let Some(Sifted::Decided(decision)) = &came_to {
            let same = alive(&copy).map(|(_, carried)| carried.fields) == before.map(|(_, carried)| carried.fields);
            prop_assert_eq!(same, *decision == Decision::Nothing);
        }
        prop_assert_eq!(came_to.is_none(), copy.is_none(), "what has no copy is not looked at");
    }
}

#[test]
fn the_fixture_has_narrowings_of_every_sort() {
    let of = |from: usize| -> Vec<usize> { (0..RULES.len()).filter(|to| narrows(from, *to)).collect() };
    // By a condition; by a condition and a projection; by a field that copies say nothing of.
    assert_eq!(of(0), [0, 1, 2, 3]);
    assert_eq!(of(1), [1, 2]);
}

#[test]
fn a_copy_that_says_nothing_of_what_is_asked_now_is_left_to_the_source() {
    let all = moments((0, 0), &[(true, 3)]);
    for (note, kept) in [(None, true), (Some("x"), false)] {
        let item = item(250, note, None, 1);
        let mut copy = None;
        take(&mut copy, decide(&Change::Present(&item), &all[0].membership, &all[0].book));
        assert_eq!(sifted(&mut copy, &item, &all[1], &[]), Some(Sifted::Untold));
        assert_eq!(alive(&copy).is_some(), kept, "{note:?}");
    }
}

#[test]
fn copies_of_others_tombstones_and_what_has_expired_are_left_alone() {
    let all = moments((0, 0), &[(true, 2)]);
    let item = item(120, None, None, 1);
    let Decision::Write { order, carried, .. } =
        decide(&Change::Present(&item), &all[0].membership, &all[0].book)
    else {
        panic!("everything is selected");
    };
    let (data_type, id, drive) = (item.data_type.clone(), item.id.clone(), item.drive.clone());
    let row = ReplicaRow { data_type, id, drive, order, carried, expires: None };
    let sifted =
        |row: &ReplicaRow| sift(row, &all[1].membership, &all[1].book, &[], Timestamp::from_millis(1000));
    assert!(matches!(sifted(&row), Sifted::Decided(Decision::Bury { .. })));
    let with = |order| ReplicaRow { order, ..row.clone() };
    for other in [
        with(Order { era: 1, ..order }),
        with(Order { epoch: 2, ..order }),
        with(Order { dead: true, ..order }),
        with(Order { rule_revision: 2, ..order }),
        ReplicaRow { expires: Some(Timestamp::from_millis(1000)), ..row.clone() },
    ] {
        assert_eq!(sifted(&other), Sifted::Decided(Decision::Nothing), "{other:?}");
    }
}
