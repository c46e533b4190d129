//! Comparing from the copies: whether each has a provider, an item, and a rule that selects it.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::DriveId;
use domain::replication::{Change, decide};

use super::actual::{Actual, Place, lies_at};
use super::compare::finding;
use super::{Position, Slice, position_of, start_at};
use crate::attr::Row;
use crate::data;
use crate::error::{Result, sdk};
use crate::keys::{self, Key};
use crate::rows::Freshness;
use crate::sharing::Outlet;

/// Copies looked at in one request.
const COPIES: i32 = 100;

/// A copy that may or may not be as it should.
struct Candidate {
    place: Place,
    actual: Actual,
    item: Key,
}

impl Slice<'_> {
    /// Looks at a page of all copies; whether it was the last one.
    pub(super) async fn copies(&mut self, after: &mut Option<Position>) -> Result<bool> {
        let store = &self.scrub.store;
        let answer = store
            .client
            .scan()
            .table_name(&store.tables.replicas)
            .limit(COPIES)
            .set_exclusive_start_key(start_at(after.clone()))
            .send()
            .await
            .map_err(sdk)?;
        let rows = answer.items();
        self.seen += 1 + rows.len() as u64;
        self.counts.copies += rows.len() as u64;
        let mut candidates = Vec::new();
        for row in rows {
            candidates.extend(self.candidate(row).await?);
        }
        for place in self.suspects(candidates).await? {
            self.look_again(&place).await?;
        }
        *after = answer.last_evaluated_key.as_ref().and_then(position_of);
        Ok(after.is_none())
    }

    /// What there may be something to say about; not what TTL or a job will remove.
    async fn candidate(&mut self, row: &Row) -> Result<Option<Candidate>> {
        let (store, document) = (&self.scrub.store, &self.scrub.document);
        let Some(place) = Place::of(row) else {
            // No reader can come to it, and nobody can say what it should be.
            self.counts.failed += 1;
            return Ok(None);
        };
        // A type that is not declared any more, or not yet where this runs: nobody reads it.
        let Some(data_type) = document.data_types.get(&place.data_type) else { return Ok(None) };
        let actual = Actual::of(row, data_type);
        let left_to_ttl = actual.expires.is_some_and(|end| end <= self.now.seconds());
        if actual.is_dead() || left_to_ttl {
            return Ok(None);
        }
        if self.busy.with(store, &place.group, &place.drive, self.now).await? {
            return Ok(None);
        }
        let item = keys::item(&place.drive, &place.data_type, &place.id);
        Ok(Some(Candidate { place, actual, item }))
    }

    /// Those that do not look as they should.
    async fn suspects(&mut self, candidates: Vec<Candidate>) -> Result<Vec<Place>> {
        let store = &self.scrub.store;
        let keys: BTreeSet<Key> = candidates.iter().map(|candidate| candidate.item.clone()).collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        let items = match keys.is_empty() {
            true => Default::default(),
            false => store.rows_at(&store.tables.data, &keys, Freshness::Eventual).await?,
        };
        let mut outlets: BTreeMap<DriveId, Vec<Outlet>> = BTreeMap::new();
        let mut suspects = Vec::new();
        for candidate in candidates {
            let drive = &candidate.place.drive;
            if !outlets.contains_key(drive) {
                match store.outlets(drive, &self.scrub.document).await {
                    Ok(found) => drop(outlets.insert(drive.clone(), found)),
                    Err(error) => {
                        self.pass_over(error, Some(&candidate.place.group))?;
                        continue;
                    }
                }
            }
            let theirs = outlets.get(drive).map(Vec::as_slice).unwrap_or_default();
            let outlet = theirs.iter().find(|outlet| outlet.membership.group == candidate.place.group);
            if !self.looks_right(&candidate, outlet, items.get(&candidate.item)) {
                suspects.push(candidate.place);
            }
        }
        Ok(suspects)
    }

    fn looks_right(&self, candidate: &Candidate, outlet: Option<&Outlet>, item: Option<&Row>) -> bool {
        let (Some(Outlet { membership, book }), Some(row)) = (outlet, item) else { return false };
        let Ok(item) = data::item_from_row(row, &self.scrub.document) else { return false };
        if self.is_fresh(item.updated) {
            return true;
        }
        let decision = decide(&Change::Present(&item), membership, book);
        let placed = match &decision {
            domain::replication::Decision::Write { key, .. } => lies_at(&candidate.place.key, key),
            _ => true,
        };
        placed && finding(&decision, Some(&candidate.actual), self.now).is_none()
    }
}
