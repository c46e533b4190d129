//! Comparing from the source: each provider's items in each group, and the copies they should have.

use domain::datatype::DataType;
use domain::id::{DriveId, GroupId, Name};
use domain::item::Item;
use domain::replication::{Change, Decision, ReplicaKey, decide};

use super::actual::{Actual, Place};
use super::compare::finding;
use super::{At, Finding, Position, Slice, is_about_one, position_of, start_at};
use crate::attr::{self, Row};
use crate::error::{Result, sdk};
use crate::keys::{self, Key};
use crate::page::{Direction, Window};
use crate::replicas;
use crate::rows::Freshness;
use crate::sharing::Outlet;

/// Rows of the directory looked at in one request.
const ROSTER_ROWS: i32 = 500;
/// Items compared at a time: as many as can be looked up in one request.
const ITEMS: usize = 100;

/// A provider in a group.
struct Pair {
    group: GroupId,
    drive: DriveId,
}

/// A data type, and a position among its items.
type Within = Option<(Name, Option<String>)>;

impl Slice<'_> {
    /// Goes on comparing from the source, as long as there is room; whether everything was.
    pub(super) async fn members(
        &mut self,
        after: &mut Option<Position>,
        at: &mut Option<At>,
    ) -> Result<bool> {
        let store = &self.scrub.store;
        let answer = store
            .client
            .scan()
            .table_name(&store.tables.directory)
            .filter_expression("begins_with(sk, :providers)")
            .expression_attribute_values(":providers", attr::text("ROSTER#DRIVE#"))
            .limit(ROSTER_ROWS)
            .set_exclusive_start_key(start_at(after.clone()))
            .send()
            .await
            .map_err(sdk)?;
        for row in answer.items() {
            if !self.has_room() {
                return Ok(false);
            }
            match pair(row) {
                Some(pair) => {
                    // A provider who left in between takes the position along.
                    let same = at.take().filter(|at| at.group == pair.group && at.drive == pair.drive);
                    let mut within = same.map(|at| (at.data_type, at.after));
                    let done = self.pair(&pair, &mut within).await;
                    *at = within.map(|(data_type, after)| At {
                        group: pair.group,
                        drive: pair.drive,
                        data_type,
                        after,
                    });
                    if !done? {
                        return Ok(false);
                    }
                    self.counts.pairs += 1;
                }
                None => self.counts.failed += 1,
            }
            *at = None;
            *after = position_of(row);
        }
        // Even a page without a provider is work.
        self.seen += 1;
        *after = answer.last_evaluated_key.as_ref().and_then(position_of);
        Ok(after.is_none())
    }

    /// Compares one provider's items with their copies, from a position on; whether all of them were.
    async fn pair(&mut self, pair: &Pair, within: &mut Within) -> Result<bool> {
        loop {
            match self.items(pair, within).await {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                // A membership or rules that cannot be read: the others can.
                Err(error) => {
                    self.pass_over(error, Some(&pair.group))?;
                    return Ok(true);
                }
            }
            if !self.has_room() {
                return Ok(false);
            }
        }
    }

    /// Compares a page of one provider's items; whether it was the last one.
    async fn items(&mut self, pair: &Pair, within: &mut Within) -> Result<bool> {
        let (store, document) = (&self.scrub.store, &self.scrub.document);
        // Asked again on every page, as a backfill does.
        let outlets = store.outlets(&pair.drive, document).await?;
        if !store.remembers(&pair.drive) {
            store.mend_shares(&pair.drive).await?;
        }
        if self.busy.with(store, &pair.group, &pair.drive, self.now).await? {
            return Ok(true);
        }
        let Some(outlet) = outlets.iter().find(|outlet| outlet.membership.group == pair.group) else {
            return Ok(true);
        };
        let reach = |data_type: &DataType| {
            outlet.book.rules.reaches_back_to(&data_type.name, &outlet.membership.terms)
        };
        let mut types = document.data_types.values().filter(|data_type| reach(data_type).is_some());
        let from = within.as_ref().map(|(name, _)| name);
        let Some(data_type) = types.find(|data_type| from.is_none_or(|from| data_type.name >= *from)) else {
            return Ok(true);
        };
        let after =
            within.as_ref().filter(|(name, _)| *name == data_type.name).and_then(|(_, after)| after.clone());
        let window =
            Window { from: reach(data_type), to: None, limit: ITEMS, direction: Direction::Asc, after };
        let page = store.items(&pair.drive, &[data_type], &window, document, self.now).await?;
        self.seen += 1 + page.items.len() as u64;
        self.counts.items += page.items.len() as u64;
        self.compare(outlet, data_type, &page.items).await?;
        *within = match page.next {
            Some(next) => Some((data_type.name.clone(), Some(next))),
            None => types.next().map(|next| (next.name.clone(), None)),
        };
        Ok(within.is_none())
    }

    async fn compare(&mut self, outlet: &Outlet, data_type: &DataType, items: &[Item]) -> Result<()> {
        let store = &self.scrub.store;
        let settled = items.iter().filter(|item| !self.is_fresh(item.updated));
        let desired: Vec<(ReplicaKey, Decision)> = settled
            .filter_map(|item| {
                let decision = decide(&Change::Present(item), &outlet.membership, &outlet.book);
                Some((key_of(&decision)?.clone(), decision))
            })
            .collect();
        let keys: Vec<Key> = desired.iter().map(|(key, _)| keys::replica(key)).collect();
        let rows = store.rows_at(&store.tables.replicas, &keys, Freshness::Eventual).await?;
        let (mut plain, mut suspects) = (Vec::new(), Vec::new());
        for ((replica, decision), key) in desired.into_iter().zip(keys) {
            let actual = rows.get(&key).map(|row| Actual::of(row, data_type));
            match finding(&decision, actual.as_ref(), self.now) {
                None => {}
                Some(found @ (Finding::Missing | Finding::Outdated)) => plain.push((found, decision)),
                Some(_) => suspects.push(place_of(key, replica)),
            }
        }
        self.write(plain).await?;
        for place in suspects {
            self.look_again(&place).await?;
        }
        Ok(())
    }

    /// Writes what is missing or outdated, with the ordinary condition.
    async fn write(&mut self, plain: Vec<(Finding, Decision)>) -> Result<()> {
        for kind in [Finding::Missing, Finding::Outdated] {
            let of_kind: Vec<&Decision> =
                plain.iter().filter(|(found, _)| *found == kind).map(|(_, decision)| decision).collect();
            for chunk in of_kind.chunks(replicas::BATCH) {
                let chunk: Vec<Decision> = chunk.iter().copied().cloned().collect();
                let written = self.apply(&chunk).await?;
                for _ in 0..written {
                    self.counts.note(kind);
                }
            }
        }
        Ok(())
    }

    /// Applies decisions together or, if that fails, one by one: one that the database will not take stops no others.
    /// How many took effect.
    async fn apply(&mut self, decisions: &[Decision]) -> Result<usize> {
        let store = &self.scrub.store;
        match store.apply(decisions, self.now).await {
            Ok(applied) => return Ok(applied.written),
            Err(error) if !is_about_one(&error) => return Err(error),
            Err(_) => {}
        }
        let mut written = 0;
        for decision in decisions {
            match store.apply(std::slice::from_ref(decision), self.now).await {
                Ok(applied) => written += applied.written,
                Err(error) => self.pass_over(error, key_of(decision).map(|key| &key.group))?,
            }
        }
        Ok(written)
    }

    /// The second look at one copy.
    pub(super) async fn look_again(&mut self, place: &Place) -> Result<()> {
        match self.scrub.settle(place, self.now).await {
            Ok(Some(found)) => self.counts.note(found),
            Ok(None) => {}
            Err(error) => self.pass_over(error, Some(&place.group))?,
        }
        Ok(())
    }
}

fn pair(row: &Row) -> Option<Pair> {
    let text = |name| attr::get_text(row, name).ok();
    Some(Pair { group: GroupId::parse(text("group")?).ok()?, drive: DriveId::parse(text("drive")?).ok()? })
}

fn key_of(decision: &Decision) -> Option<&ReplicaKey> {
    match decision {
        Decision::Nothing => None,
        Decision::Write { key, .. } | Decision::Bury { key, .. } => Some(key),
    }
}

fn place_of(key: Key, replica: ReplicaKey) -> Place {
    let ReplicaKey { group, data_type, id, drive, .. } = replica;
    Place { key, group, data_type, id, drive }
}
