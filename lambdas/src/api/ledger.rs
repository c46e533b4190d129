//! Who was shown what: noted with every page of a group's data, and listed for those whose it was.

use std::collections::BTreeMap;

use domain::id::{DriveId, GroupId};
use domain::replication::ReplicaRow;
use serde_json::{Value as Json, json};
use store::directory::Caller;
use store::ledger::Shown;

use super::paging::Paging;
use super::{Answer, Call};
use crate::problem::Problem;

/// An entry as the one whose data it was sees it.
pub(super) fn entry_json(shown: &Shown) -> Json {
    json!({
        "group": shown.group.as_str(), "reader": shown.reader.as_ref().map(|reader| reader.as_str()),
        "at": shown.at.to_string(), "count": shown.count(), "types": shown.types,
    })
}

impl Call<'_> {
    /// Writes down what a page shows, before it is answered.
    pub(super) async fn note_shown<'r>(
        &self,
        caller: &Caller,
        group: &GroupId,
        rows: impl Iterator<Item = &'r ReplicaRow>,
    ) -> Result<(), Problem> {
        let mut shown: BTreeMap<DriveId, Shown> = BTreeMap::new();
        for row in rows {
            let entry = shown.entry(row.drive.clone()).or_insert_with(|| Shown {
                group: group.clone(),
                reader: Some(caller.user.clone()),
                at: self.now,
                types: BTreeMap::new(),
            });
            *entry.types.entry(row.data_type.clone()).or_default() += 1;
        }
        if shown.is_empty() {
            return Ok(());
        }
        let shown: Vec<(DriveId, Shown)> = shown.into_iter().collect();
        self.store().note_shown(&shown).await.map_err(|error| {
            let mut problem = Problem::from(error);
            // Nothing is shown that its owner could not find out.
            tracing::warn!(metric = "ledger_not_written", problem = problem.slug, "a list was not answered");
            if problem.status == 503 {
                problem.detail = "what you were to be shown could not be noted; repeat in a moment".into();
            }
            problem
        })
    }

    /// Who was shown what of the caller's, latest first.
    pub(super) async fn list_ledger(&self) -> Answer {
        let caller = self.caller().await?;
        let paging = Paging::of_entries(self, &[caller.user.as_str()])?;
        let window = &paging.window;
        let (shown, next) = self.store().ledger(&caller.drive, window.after.clone(), window.limit).await?;
        Ok(paging.answer(self, shown.iter().map(entry_json).collect(), next.as_deref()))
    }
}
