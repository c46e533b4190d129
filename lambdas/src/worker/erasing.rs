//! Erasing somebody: the part that nobody has to wait for.
//!
//! In order: what names them in the directory, which also waits for the purges of the groups they left; their items;
//! what is left of their copies, tombstones included; and at last what is their own, with the receipts that said where
//! copies were. All of it but the last is done twice: a function that had read, before the call, that there is such a
//! user may have written something since.

use domain::id::{DriveId, JobId};
use store::StoreError;
use store::clock::now;
use store::directory::{Checkpoint, ErasurePlace, Job};
use store::erasure::Erased;

use super::purging::behind;
use super::{Step, Worker};

/// After how long nothing acts any more on what it read before the call, in milliseconds: functions end within 15
/// minutes, and remember callers for one.
const LATE: i64 = 20 * 60_000;

impl Worker {
    /// Removes a page of what is left of somebody.
    pub(super) async fn erase_page(&self, job: &mut Job, whom: Option<&Erased>) -> Result<Step, StoreError> {
        // Finished, but for the note of it.
        let Some(whom) = whom else { return Ok(Step::Finished) };
        let is_late = now() >= job.created.plus_millis(LATE);
        let begin = |last| Checkpoint::Erasing { last, at: ErasurePlace::Directory { after: None } };
        let (last, at) = match job.checkpoint.clone() {
            Some(Checkpoint::Erasing { last, at }) => (last, at),
            Some(Checkpoint::Waiting) if !is_late => return Ok(Step::Blocked),
            _ => {
                job.checkpoint = Some(begin(is_late));
                return Ok(Step::More);
            }
        };
        let next = match at {
            ErasurePlace::Directory { after } => {
                let stretch = self.store.erase_stretch(job, whom, after.as_ref()).await?;
                job.expected += stretch.records;
                if stretch.purging {
                    return Ok(Step::Blocked);
                }
                match stretch.next {
                    Some(after) => ErasurePlace::Directory { after: Some(after) },
                    None => ErasurePlace::Items,
                }
            }
            ErasurePlace::Items => {
                let erased = self.store.erase_items(&whom.drive).await?;
                job.done += erased;
                match erased {
                    0 => ErasurePlace::Copies { receipt: None, partition: None, after: None },
                    _ => ErasurePlace::Items,
                }
            }
            ErasurePlace::Copies { receipt, partition, after } => {
                match self.erase_copies(job, &whom.drive, receipt, partition, after).await? {
                    Some(next) => next,
                    None if last => ErasurePlace::Own,
                    None => {
                        self.store.note_erasure(job, None).await?;
                        job.checkpoint = Some(Checkpoint::Waiting);
                        return Ok(Step::More);
                    }
                }
            }
            ErasurePlace::Own => match self.store.erase_own(job, whom).await? {
                0 => {
                    self.store.note_erasure(job, Some(now())).await?;
                    return Ok(Step::Finished);
                }
                records => {
                    job.expected += records;
                    ErasurePlace::Own
                }
            },
        };
        job.checkpoint = Some(Checkpoint::Erasing { last, at: next });
        Ok(Step::More)
    }

    /// Removes a stretch of the drive's rows among the copies of a group that it once shared into: every such group has
    /// left a receipt. The place behind it; none behind the last.
    async fn erase_copies(
        &self,
        job: &mut Job,
        drive: &DriveId,
        receipt: Option<String>,
        partition: Option<String>,
        after: Option<String>,
    ) -> Result<Option<ErasurePlace>, StoreError> {
        // The receipt behind the last one that is done with.
        let (receipts, next) = self.store.receipts(drive, receipt.clone(), 1).await?;
        let Some(of) = receipts.first() else { return Ok(None) };
        let group = self.store.group(&of.group).await?;
        let partitions = group.layout.partitions(&group.id, self.document.data_types.keys());
        if let Some(partition) = partition.as_deref().or(partitions.first().map(String::as_str)) {
            let swept = self.store.forget_copies(partition, drive, after.as_deref()).await?;
            job.changed += swept.removed as u64;
            if let Some(Checkpoint::Copies { partition, after }) = behind(&partitions, partition, swept.next)
            {
                return Ok(Some(ErasurePlace::Copies { receipt, partition: Some(partition), after }));
            }
        }
        let done = receipt_position(&of.job);
        Ok(next.map(|_| ErasurePlace::Copies { receipt: Some(done), partition: None, after: None }))
    }
}

fn receipt_position(job: &JobId) -> String {
    store::receipts::position(job)
}
