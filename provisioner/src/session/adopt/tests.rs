use serde_json::json;

use super::*;
use crate::engine::fake::{Fake, at, resource};
use crate::state::now;

fn owned(attributes: Value) -> Read {
    Read::Owned(Observed { physical_id: "id".into(), attributes, outputs: Outputs::new() })
}

fn considered(address: &str, wanted: Value, ours: Read, all: Read) -> Option<Adoption> {
    let (ours, all) = (BTreeMap::from([(at(address), ours)]), BTreeMap::from([(at(address), all)]));
    consider(&resource(address, wanted, &[]), &ours, &all, &|_| None, &Fake::default())
}

#[test]
fn what_has_our_name_and_no_tag_can_be_taken_and_says_what_will_change() {
    let foreign = Read::Foreign("no tag".into());
    let taken = considered("x.a", json!({"v": 2}), foreign, owned(json!({"v": 1}))).unwrap();
    assert_eq!((taken.origin, taken.refused), (Origin::Untagged, None));
    assert_eq!(taken.changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["v"]);
}

#[test]
fn what_belongs_to_another_stack_and_what_would_lose_its_data_is_not_taken() {
    let theirs = || Read::Foreign("it belongs to stack `other`".into());
    let taken = considered("x.a", json!({}), theirs(), theirs()).unwrap();
    assert_eq!(
        (taken.origin, taken.refused.as_deref()),
        (Origin::Elsewhere, Some("it belongs to stack `other`"))
    );
    let fixed = owned(json!({"fixed": 1}));
    let taken = considered("data.a", json!({"fixed": 2}), theirs(), fixed).unwrap();
    assert!(taken.refused.unwrap().contains("`fixed`"));
}

#[test]
fn what_is_ours_and_not_recorded_is_only_written_down_and_what_is_missing_is_left_to_apply() {
    let there = || owned(json!({}));
    assert_eq!(considered("x.a", json!({}), there(), there()).unwrap().origin, Origin::Unrecorded);
    assert_eq!(considered("x.a", json!({}), Read::Missing, there()).unwrap().origin, Origin::Unrecorded);
    assert_eq!(considered("x.a", json!({}), Read::Missing, Read::Missing), None);
}

#[test]
fn what_cannot_be_read_back_is_remembered_as_the_file_says_it_and_what_can_as_it_is() {
    let found = json!({"v": 1, "gone": null});
    let desired = json!({"v": 2, "gone": 3, "zip": "x", "later": {"$unknown": "x.b#id"}});
    assert_eq!(remembered(&found, &desired), json!({"v": 1, "gone": 3, "zip": "x"}));
}

#[test]
fn tokens_of_a_state_that_began_anew_are_above_those_of_the_lost_one() {
    assert!(above_all(now()) > 1_000_000_000);
}
