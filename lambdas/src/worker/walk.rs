//! Walking through a drive's items, type by type and stretch by stretch.

use std::time::Instant;

use domain::datatype::DataType;
use domain::id::DriveId;
use domain::item::Item;
use domain::time::Timestamp;
use store::StoreError;
use store::directory::{Checkpoint, Job};
use store::page::Window;

use super::{Worker, is_late};

/// Items of a drive looked at between two checkpoints, at most.
///
/// A page costs three calls besides one for each 25 writes: the membership and the group, the items, and the note of how
/// far the job is. Over 2,000 items they are 4 % of the writing calls, over 200 they would be 37 %. It is no more because
/// the membership is asked once a page, which takes 4 s at the usual pace, and because people watch the job go on by
/// pages. Memory is not bounded by this but by the answers of the database that make up a page: each ends with 1 MB, and
/// comes to about ten times that as rows and items.
const PAGE: usize = 2_000;

/// Types of data of which one page can have items: most people have few items of most types, and a note for each of them
/// would cost more than reading them. The first answer that does not hold all of a type's items ends the page.
const TYPES: usize = 4;

/// Items written before the budget and the deadline are looked at again: eight calls side by side. More at once would be
/// a burst that a busy partition, which takes 1,000 writes a second, refuses to others too.
pub(super) const PORTION: usize = 200;

/// Which items a job looks at: those of these types, in the order of their names, each within its window.
pub(super) type Windows<'t> = [(&'t DataType, Window)];

/// Some of a drive's items.
pub(super) struct Stretch {
    pub(super) items: Vec<Item>,
    /// The place behind it; none behind the last.
    pub(super) next: Option<Checkpoint>,
}

/// The type and position to go on from; none if every type is done.
fn begin(windows: &Windows<'_>, checkpoint: Option<&Checkpoint>) -> Option<(usize, Option<String>)> {
    match checkpoint {
        None => (!windows.is_empty()).then_some((0, None)),
        Some(Checkpoint::Items { data_type: at, after }) => {
            // One that the stack has dropped since is passed over.
            let next = windows.iter().position(|(data_type, _)| data_type.name >= *at)?;
            let is_same = windows.get(next).is_some_and(|(data_type, _)| data_type.name == *at);
            Some((next, after.clone().filter(|_| is_same)))
        }
        Some(_) => None,
    }
}

/// What is left of the windows behind a stretch.
fn rest<'t>(windows: &Windows<'t>, next: Option<&Checkpoint>) -> Vec<(&'t DataType, Window)> {
    let Some((first, after)) = next.and_then(|next| begin(windows, Some(next))) else { return Vec::new() };
    let mut rest: Vec<_> = windows.iter().skip(first).cloned().collect();
    if let Some((_, window)) = rest.first_mut() {
        window.after = after;
    }
    rest
}

impl Worker {
    /// The next of a drive's items, from where a job is. What has expired by `now` is left out.
    pub(super) async fn stretch(
        &self,
        drive: &DriveId,
        windows: &Windows<'_>,
        from: Option<&Checkpoint>,
        now: Timestamp,
    ) -> Result<Stretch, StoreError> {
        let (mut items, mut at) = (Vec::new(), begin(windows, from));
        for _ in 0..TYPES {
            let Some((number, after)) = at.take() else { break };
            let Some((data_type, window)) = windows.get(number) else { break };
            let window = Window { after, limit: PAGE - items.len(), ..window.clone() };
            let page = self.store.stretch_of_items(drive, data_type, &window, &self.document, now).await?;
            items.extend(page.items);
            if page.next.is_some() {
                at = Some((number, page.next));
                break;
            }
            at = Some((number + 1, None));
            if items.len() >= PAGE {
                break;
            }
        }
        let next = at.and_then(|(number, after)| {
            let (data_type, _) = windows.get(number)?;
            Some(Checkpoint::Items { data_type: data_type.name.clone(), after })
        });
        Ok(Stretch { items, next })
    }

    /// Says at the beginning how many items a job will look at, for those who watch it. Only those behind the first stretch
    /// are counted: most jobs have none.
    pub(super) async fn estimate(
        &self,
        job: &mut Job,
        drive: &DriveId,
        windows: &Windows<'_>,
        stretch: &Stretch,
    ) -> Result<(), StoreError> {
        if job.checkpoint.is_none() && job.total.is_none() {
            let rest = self.store.count_items(drive, &rest(windows, stretch.next.as_ref())).await?;
            job.total = rest.map(|rest| stretch.items.len() as u64 + rest);
        }
        Ok(())
    }

    /// Works through a stretch of items, a portion at a time, as the budget allows; `each` tells how many of the items it
    /// has done, one at least, and how many writes it took. The place to go on from: that behind the stretch, or behind
    /// the last item there was time for.
    pub(super) async fn portions(
        &self,
        stretch: Stretch,
        deadline: Instant,
        mut each: impl AsyncFnMut(&[Item]) -> Result<(usize, u64), StoreError>,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let mut left = stretch.items.as_slice();
        while !left.is_empty() {
            let begun = Instant::now();
            let portion = left.get(..PORTION).unwrap_or(left);
            let (done, writes) = each(portion).await?;
            let last = portion.get(done.saturating_sub(1));
            left = left.get(done.max(1)..).unwrap_or_default();
            // What the last portion has to wait for is waited for when the page is noted.
            if left.is_empty() {
                break;
            }
            self.pace.keep(writes, begun).await;
            if is_late(deadline) {
                let behind = |item: &Item| Checkpoint::Items {
                    data_type: item.data_type.clone(),
                    after: Some(item.id.to_string()),
                };
                return Ok(last.map(behind));
            }
        }
        Ok(stretch.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::Name;
    use serde_json::json;
    use store::page::Direction;

    fn types() -> Vec<DataType> {
        ["a", "c"]
            .map(|name| serde_json::from_value(json!({"name": name, "time": "at", "fields": {}})).unwrap())
            .to_vec()
    }

    /// Where a job goes on, as the name of the type and the position.
    fn at(checkpoint: Option<Checkpoint>) -> Option<(String, Option<String>)> {
        let types = types();
        let window = Window { from: None, to: None, limit: PAGE, direction: Direction::Asc, after: None };
        let windows: Vec<_> = types.iter().map(|data_type| (data_type, window.clone())).collect();
        let (number, after) = begin(&windows, checkpoint.as_ref())?;
        Some((windows[number].0.name.to_string(), after))
    }

    fn behind(data_type: &str, after: Option<&str>) -> Option<Checkpoint> {
        Some(Checkpoint::Items {
            data_type: Name::parse(data_type).unwrap(),
            after: after.map(str::to_owned),
        })
    }

    #[test]
    fn a_job_begins_with_the_first_type_and_goes_on_where_it_was() {
        assert_eq!(at(None), Some(("a".into(), None)));
        assert_eq!(at(behind("a", Some("p1"))), Some(("a".into(), Some("p1".into()))));
        assert_eq!(at(behind("c", None)), Some(("c".into(), None)));
        assert_eq!(at(Some(Checkpoint::Waiting)), None, "items are done");
    }

    #[test]
    fn a_checkpoint_in_a_type_that_was_dropped_goes_on_with_the_next_one() {
        assert_eq!(at(behind("b", Some("p"))), Some(("c".into(), None)));
        assert_eq!(at(behind("d", Some("p"))), None);
    }
}
