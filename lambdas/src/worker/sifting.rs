//! After a change of a group's rules that only takes away: the group's own copies are looked through, and no source is
//! read but for copies that say nothing of what the rules ask now.

use std::collections::BTreeMap;

use domain::datatype::DataType;
use domain::id::{DriveId, GroupId};
use domain::replication::{
    Decision, ProviderMembership, ReplicaRow, Roster, Rulebook, Sifted, rewrite, sift,
};
use domain::rules::Terms;
use domain::time::Timestamp;
use store::StoreError;
use store::clock::now;
use store::directory::{Checkpoint, GroupRow, Job};
use store::layout::Layout;

use super::purging::behind;
use super::walk::PORTION;
use super::{Step, Worker, slice_of};

/// What copies are compared with: the terms of now, and those that late writers may act upon.
struct Standing {
    book: Rulebook,
    members: BTreeMap<DriveId, (ProviderMembership, Vec<Terms>)>,
}

impl Worker {
    /// Looks through a page of the group's copies.
    pub(super) async fn sift_page(&self, job: &mut Job, revision: u32) -> Result<Step, StoreError> {
        let group = self.store.group(&job.group).await?;
        // A later change has a job of its own, which goes back as far as this one.
        if !group.active || group.rule_revision != revision {
            return Ok(Step::Finished);
        }
        // What is not in the layout of now was cleared before the rules could be narrowed this way.
        let layout = Layout::of(group.layout.current());
        let partitions = layout.partitions(&group.id, self.document.data_types.keys());
        let (partition, after) = match job.checkpoint.clone() {
            Some(Checkpoint::Copies { partition, after }) => (partition, after),
            _ => match partitions.first() {
                Some(first) => (first.clone(), None),
                None => return Ok(Step::Finished),
            },
        };
        if job.checkpoint.is_none() && job.total.is_none() {
            let copies = self.store.count_copies(&group, self.document.data_types.keys()).await?;
            job.total = (!copies.more).then_some(copies.count);
        }
        if let Some(data_type) = self.type_of(&group.id, &layout, &partition) {
            let copies = self.store.copies(&partition, data_type, after, PORTION).await?;
            let found = copies.rows.len();
            let rows: Vec<ReplicaRow> = copies.rows.into_iter().filter_map(Result::ok).collect();
            let (done, changed) = self.sift(&group, job.created, &rows).await?;
            job.changed += changed;
            let all = done == rows.len();
            job.done += if all { found } else { done } as u64;
            // The place behind the last copy that there was time for.
            let last = rows.get(done.saturating_sub(1)).filter(|_| !all);
            let next = last.map(|row| format!("{}#{}", row.id, row.drive));
            job.checkpoint = behind(&partitions, &partition, next.or(copies.next));
        } else {
            // Its data type is gone: nobody reads it.
            job.checkpoint = behind(&partitions, &partition, None);
        }
        Ok(if job.checkpoint.is_some() { Step::More } else { Step::Finished })
    }

    /// The data type whose copies lie in a partition.
    fn type_of(&self, group: &GroupId, layout: &Layout, partition: &str) -> Option<&DataType> {
        let holds = |data_type: &&DataType| {
            layout.partitions(group, [&data_type.name]).iter().any(|one| one == partition)
        };
        self.document.data_types.values().find(holds)
    }

    /// Brings copies to what the terms of now say, and tells how many of them it has looked at, and how many it wrote.
    async fn sift(
        &self,
        group: &GroupRow,
        changed: Timestamp,
        rows: &[ReplicaRow],
    ) -> Result<(usize, u64), StoreError> {
        let now = now();
        let standing = self.terms_of(group, changed, rows).await?;
        let (mut decisions, mut untold) = (Vec::new(), Vec::new());
        let sifted: Vec<Option<Sifted>> = slice_of(rows, |row| {
            // Copies of those who left are their purge's.
            let (membership, late) = standing.members.get(&row.drive)?;
            Some(sift(row, membership, &standing.book, late, now))
        })
        .collect();
        let done = sifted.len();
        for (row, sifted) in rows.iter().zip(sifted) {
            match sifted {
                None | Some(Sifted::Decided(Decision::Nothing)) => {}
                Some(Sifted::Decided(decision)) => decisions.push(decision),
                Some(Sifted::Untold) => untold.push(row),
            }
        }
        if !untold.is_empty() {
            let items = self.store.items_of(&untold, &self.document).await?;
            // What is gone meanwhile is buried by whoever deleted it.
            decisions.extend(items.values().filter_map(|item| {
                let (membership, _) = standing.members.get(&item.drive)?;
                Some(rewrite(item, membership, &standing.book))
            }));
        }
        Ok((done, self.store.apply_over(&decisions, now).await?.written as u64))
    }

    /// The terms of the providers of these copies, asked again on every page.
    async fn terms_of(
        &self,
        group: &GroupRow,
        changed: Timestamp,
        rows: &[ReplicaRow],
    ) -> Result<Standing, StoreError> {
        let roster: &Roster = &*self.store.roster(group, &self.document).await?;
        let jobs = self.store.jobs(&group.id).await?;
        let mut members = BTreeMap::new();
        for row in rows {
            let Some(provider) = roster.providers.get(&row.drive) else { continue };
            if members.contains_key(&row.drive) {
                continue;
            }
            let membership = ProviderMembership {
                group: group.id.clone(),
                drive: row.drive.clone(),
                epoch: provider.epoch,
                terms: provider.terms.clone(),
            };
            let late = self.store.late_terms(&jobs, &membership, &self.document, changed).await?;
            members.insert(row.drive.clone(), (membership, late));
        }
        Ok(Standing { book: self.store.rulebook(group, &self.document).await?, members })
    }
}
