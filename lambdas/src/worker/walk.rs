//! Walking through a drive's items, type by type and page by page.

use domain::datatype::DataType;
use domain::id::Name;
use store::directory::{Checkpoint, Job};

use super::Step;

/// Items of a drive looked at between two checkpoints, at most.
///
/// A page costs four calls besides one for each 25 writes: the membership, the group, the items, and the note of how far
/// the job is. Over 2,000 items they are 5 % of the writing calls, over 200 they were 50 %. It is no more because the
/// membership is asked once a page, which takes 4 s at the usual pace, and because people watch the job go on by pages.
/// Memory is not bounded by this but by the answer of the database that a page ends with: 1 MB, and about ten times that
/// as rows and items.
pub(super) const PAGE: usize = 2_000;

/// Items written before the budget and the deadline are looked at again: eight calls side by side. More at once would be
/// a burst that a busy partition, which takes 1,000 writes a second, refuses to others too.
pub(super) const PORTION: usize = 200;

/// The type and position to go on from; none if every type is done.
pub(super) fn next_type<'t>(
    types: &[&'t DataType],
    checkpoint: Option<&Checkpoint>,
) -> Option<(&'t DataType, Option<String>)> {
    match checkpoint {
        None => types.first().map(|first| (*first, None)),
        Some(Checkpoint::Items { data_type: at, after }) => {
            // Types are in the order of their names; one that the stack has dropped since is passed over.
            let next = types.iter().find(|data_type| data_type.name >= *at)?;
            Some((*next, after.clone().filter(|_| next.name == *at)))
        }
        Some(_) => None,
    }
}

/// Moves the checkpoint behind a page; tells whether it was the last page of the last type.
pub(super) fn advance(
    job: &mut Job,
    types: &[&DataType],
    data_type: &DataType,
    next: Option<String>,
) -> Step {
    let at = |data_type: &Name, after| Checkpoint::Items { data_type: data_type.clone(), after };
    if next.is_some() {
        job.checkpoint = Some(at(&data_type.name, next));
        return Step::More;
    }
    match types.iter().find(|other| other.name > data_type.name) {
        Some(other) => {
            job.checkpoint = Some(at(&other.name, None));
            Step::More
        }
        None => Step::Finished,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::{GroupId, JobId};
    use serde_json::json;
    use store::clock::now;
    use store::directory::JobKind;

    fn types() -> Vec<DataType> {
        ["a", "c"]
            .map(|name| serde_json::from_value(json!({"name": name, "time": "at", "fields": {}})).unwrap())
            .to_vec()
    }

    #[test]
    fn a_job_walks_every_page_of_every_type_once() {
        let types = types();
        let types: Vec<&DataType> = types.iter().collect();
        let group = GroupId::from_bits(1);
        let mut job = Job::new(JobId::from_bits(2), group, JobKind::Dissolve, now());
        let mut pages = vec![None, Some("p2"), None, Some("p1")]; // popped from the end
        let mut seen = Vec::new();
        loop {
            let (data_type, after) = next_type(&types, job.checkpoint.as_ref()).unwrap();
            seen.push((data_type.name.to_string(), after));
            let next = pages.pop().unwrap().map(str::to_owned);
            if matches!(advance(&mut job, &types, data_type, next), Step::Finished) {
                break;
            }
        }
        let expected = [("a", None), ("a", Some("p1")), ("c", None), ("c", Some("p2"))];
        assert_eq!(seen, expected.map(|(name, at)| (name.to_owned(), at.map(str::to_owned))));
    }

    #[test]
    fn a_checkpoint_in_a_type_that_was_dropped_goes_on_with_the_next_one() {
        let types = types();
        let types: Vec<&DataType> = types.iter().collect();
        let at = |name: &str| Checkpoint::Items {
            data_type: Name::parse(name).unwrap(),
            after: Some("p".to_owned()),
        };
        assert_eq!(
            next_type(&types, Some(&at("b"))).map(|(t, p)| (t.name.to_string(), p)),
            Some(("c".into(), None))
        );
        assert!(next_type(&types, Some(&at("d"))).is_none());
    }
}
