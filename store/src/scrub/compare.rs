//! What is wrong with a copy, if anything. Pure.

use domain::replication::{Decision, Order};
use domain::time::Timestamp;

use super::Finding;
use super::actual::Actual;

/// Compares a copy with what it should be.
pub(super) fn finding(desired: &Decision, actual: Option<&Actual>, now: Timestamp) -> Option<Finding> {
    let alive = actual.filter(|actual| !actual.is_dead());
    match desired {
        Decision::Nothing => alive.map(|_| Finding::Orphan),
        Decision::Bury { .. } => alive.map(|_| Finding::Orphan),
        Decision::Write { order, carried, expires, .. } => {
            let expires = expires.map(Timestamp::seconds);
            let Some(actual) = actual else {
                // Past its retention, and TTL has been at the copy first.
                return expires.is_none_or(|end| end > now.seconds()).then_some(Finding::Missing);
            };
            let Some(copy) = &actual.read else { return Some(Finding::Altered) };
            if copy.order < *order {
                let same = agrees(copy.order, *order)
                    && !copy.surplus
                    && copy.carried.fields == carried.fields
                    && copy.carried.absent.is_superset(&carried.absent)
                    && actual.expires == expires;
                return (!same).then_some(Finding::Outdated);
            }
            let same = copy.order == *order
                && !copy.surplus
                && copy.carried == *carried
                && actual.expires == expires;
            (!same).then_some(Finding::Altered)
        }
    }
}

/// Whether a copy of a lesser order may stay as it is: a change of rules or of a contract writes only what it changes.
fn agrees(copy: Order, desired: Order) -> bool {
    let terms = |order: Order| (order.rule_revision, order.contract_revision);
    copy.era == desired.era
        && copy.epoch == desired.epoch
        && copy.version == desired.version
        && !copy.dead
        && terms(copy) <= terms(desired)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr;
    use domain::id::Name;
    use domain::id::{DriveId, GroupId, ItemId};
    use domain::replication::ReplicaKey;
    use domain::rules::Carried;
    use domain::value::Value;

    const NOW: i64 = 1_000_000;

    fn order(version: u64, rule_revision: u32) -> Order {
        Order { version, rule_revision, ..Order::floor(1, 4) }
    }

    fn carried(number: i64) -> Carried {
        let fields = [(Name::parse("mgdl").unwrap(), Value::Integer(number))].into();
        Carried { fields, ..Carried::default() }
    }

    fn write(order: Order, number: i64, expires: Option<i64>) -> Decision {
        let id = ItemId::new(Timestamp::from_millis(0), &Name::parse("glucose").unwrap(), 7);
        let key = ReplicaKey {
            group: GroupId::from_bits(1),
            data_type: Name::parse("glucose").unwrap(),
            shard: crate::layout::Layout::default().current().shard_of(&id),
            id,
            drive: DriveId::from_bits(2),
        };
        Decision::Write {
            key,
            order,
            carried: carried(number),
            expires: expires.map(|seconds| Timestamp::from_millis(seconds * 1000)),
        }
    }

    fn copy(order: Order, number: i64, expires: Option<i64>) -> Actual {
        let read = super::super::actual::Copy { order, carried: carried(number), surplus: false };
        Actual { stored: Some(attr::text(order.to_string())), read: Some(read), expires }
    }

    fn found(decision: &Decision, actual: Option<&Actual>) -> Option<Finding> {
        finding(decision, actual, Timestamp::from_millis(NOW * 1000))
    }

    #[test]
    fn a_copy_that_is_as_its_source_says_is_left_alone() {
        let wanted = write(order(2, 3), 200, Some(NOW + 1));
        assert_eq!(found(&wanted, Some(&copy(order(2, 3), 200, Some(NOW + 1)))), None);
    }

    #[test]
    fn a_copy_of_former_rules_that_says_the_same_is_left_alone() {
        let wanted = write(order(2, 3), 200, None);
        assert_eq!(found(&wanted, Some(&copy(order(2, 1), 200, None))), None);
        assert_eq!(found(&wanted, Some(&copy(order(2, 1), 201, None))), Some(Finding::Outdated));
        // What the rules of now ask and the copy says nothing of: the item may have it or not.
        let mut asking = wanted.clone();
        if let Decision::Write { carried, .. } = &mut asking {
            carried.absent.insert(Name::parse("note").unwrap());
        }
        assert_eq!(found(&asking, Some(&copy(order(2, 1), 200, None))), Some(Finding::Outdated));
        let mut told = copy(order(2, 1), 200, None);
        told.read.as_mut().unwrap().carried.absent.insert(Name::parse("note").unwrap());
        assert_eq!(found(&asking, Some(&told)), None);
        assert_eq!(found(&wanted, Some(&told)), None, "more than is asked harms nobody");
    }

    #[test]
    fn a_copy_with_values_that_its_type_does_not_know_is_not_left_alone() {
        let wanted = write(order(2, 3), 200, None);
        for (stored, finding) in [(order(2, 3), Finding::Altered), (order(2, 1), Finding::Outdated)] {
            let mut actual = copy(stored, 200, None);
            actual.read.as_mut().unwrap().surplus = true;
            assert_eq!(found(&wanted, Some(&actual)), Some(finding));
        }
    }

    #[test]
    fn a_copy_of_another_era_or_version_is_outdated_whatever_it_says() {
        let wanted = write(order(2, 3), 200, None);
        let former = Order { era: 0, ..order(9, 9) };
        assert_eq!(found(&wanted, Some(&copy(former, 200, None))), Some(Finding::Outdated));
        assert_eq!(found(&wanted, Some(&copy(order(1, 3), 200, None))), Some(Finding::Outdated));
    }

    #[test]
    fn a_copy_that_says_something_else_at_its_order_or_above_was_altered() {
        let wanted = write(order(2, 3), 200, None);
        for actual in [
            copy(order(2, 3), 201, None),
            copy(order(2, 3), 200, Some(NOW + 1)),
            copy(order(3, 3), 200, None),
            copy(Order { dead: true, ..order(9, 3) }, 200, Some(NOW + 1)),
            Actual { stored: None, read: None, expires: None },
        ] {
            assert_eq!(found(&wanted, Some(&actual)), Some(Finding::Altered), "{actual:?}");
        }
    }

    #[test]
    fn what_should_not_be_there_is_an_orphan_unless_it_is_dead_already() {
        let alive = copy(order(2, 3), 200, None);
        let dead = copy(Order { dead: true, ..order(2, 3) }, 200, None);
        let Decision::Write { key, order, .. } = write(order(3, 3), 1, None) else { unreachable!() };
        for decision in [Decision::Nothing, Decision::Bury { key, order: Order { dead: true, ..order } }] {
            assert_eq!(found(&decision, Some(&alive)), Some(Finding::Orphan));
            assert_eq!(found(&decision, Some(&dead)), None);
            assert_eq!(found(&decision, None), None);
        }
    }

    #[test]
    fn what_is_past_its_retention_is_not_written_again() {
        let wanted = write(order(2, 3), 200, Some(NOW));
        assert_eq!(found(&wanted, None), None);
        assert_eq!(found(&write(order(2, 3), 200, Some(NOW + 1)), None), Some(Finding::Missing));
    }
}
