//! `/groups/{group_id}/data`: what consumers see.
//!
//! Everything that decides is read after the request arrived, and consistently: the group's row, its copies, and the
//! roster and rules that the row names. So whatever was taken away before the request began cannot be in the answer.

use domain::datatype::DataType;
use domain::id::GroupId;
use domain::replication::{ReplicaRow, Roster, Rulebook, shown};
use domain::value::{Fields, fields_to_json};
use serde_json::{Value as Json, json};
use store::directory::Caller;
use store::page::Window;
use store::{Result as StoreResult, StoreError};

use super::paging::{MOST_ITEMS, Paging, fit};
use super::{Answer, Call};

/// How often more is read for a page on which nothing may be seen, before it is answered empty with a next one.
const READS_OF_NOTHING: usize = 8;

impl Call<'_> {
    pub(super) async fn list_group_data(&self) -> Answer {
        let (types, about) = self.chosen_types()?;
        self.list_shared(&types, &about, true).await
    }

    pub(super) async fn list_group_data_of_type(&self) -> Answer {
        let data_type = self.data_type()?;
        self.list_shared(&[data_type], data_type.name.as_str(), false).await
    }

    async fn list_shared(&self, types: &[&DataType], about: &str, choosable: bool) -> Answer {
        let caller = self.caller().await?;
        let id = self.group_id()?;
        let paging = Paging::of_items(self, &[caller.user.as_str(), id.as_str(), about], choosable)?;
        // In parallel: the copies are no use without the group's row, but waiting for it first would double the time.
        let guess = self.store().guessed_layout(&id);
        let (group, page) = futures::join!(
            self.store().group(&id),
            self.store().replicas(&id, &guess, types, &paging.window)
        );
        let group = group?;
        let roster = self.store().roster(&group, self.document()).await?;
        self.ask_in_group(&caller, &group, &roster)?;
        let mut page = match guess == group.layout {
            true => page?,
            false => self.store().replicas(&id, &group.layout, types, &paging.window).await?,
        };
        let book = self.store().rulebook(&group, self.document()).await?;
        let mut shown = self.guarded((&caller, &id), page.items, &roster, &book);
        // Tombstones stay for days: whoever writes and deletes much must not fill others' lists with empty pages.
        for _ in 0..READS_OF_NOTHING {
            let Some(after) = page.next.take_if(|_| shown.is_empty()) else { break };
            let window = Window { limit: MOST_ITEMS, after: Some(after), ..paging.window.clone() };
            page = self.store().replicas(&id, &group.layout, types, &window).await?;
            shown = self.guarded((&caller, &id), page.items, &roster, &book);
        }
        if shown.len() > paging.window.limit {
            shown.truncate(paging.window.limit);
            page.next = shown.last().map(|(position, ..)| position.clone());
        }
        let next = fit(&mut shown, |(position, json, _)| (position, json), page.next);
        self.note_shown(&caller, &id, shown.iter().map(|(.., row)| row)).await?;
        let items = shown.into_iter().map(|(_, json, _)| json).collect();
        Ok(paging.answer(self, items, next.as_deref()))
    }

    /// The copies that may be seen, by their positions. A page can be short, or empty, and still have a next one.
    fn guarded(
        &self,
        (caller, group): (&Caller, &GroupId),
        rows: Vec<StoreResult<ReplicaRow>>,
        roster: &Roster,
        book: &Rulebook,
    ) -> Vec<(String, Json, ReplicaRow)> {
        let mut unreadable = 0_usize;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                // A provider who wants to be asked has not agreed to this reader.
                Ok(row) if !roster.lets_read(&row.drive, &caller.user) => {}
                Ok(row) => {
                    if let Some(fields) = shown(&row, roster, book, self.now) {
                        items.push((position(&row), shared_json(&row, &fields), row));
                    }
                }
                Err(error) => {
                    unreadable += 1;
                    log_unreadable(&error);
                }
            }
        }
        if unreadable > 0 {
            tracing::warn!(metric = "replicas_unreadable", unreadable, %group, "copies of a group cannot be read");
        }
        items
    }
}

fn log_unreadable(error: &StoreError) {
    if let StoreError::Corrupt { table, what } = error {
        tracing::debug!(table, what, "a row cannot be read");
    }
}

/// Where a copy stands in the lists of its group, as the store has it.
fn position(row: &ReplicaRow) -> String {
    format!("{}#{}", row.id, row.drive)
}

fn shared_json(row: &ReplicaRow, fields: &Fields) -> Json {
    json!({
        "id": row.id.as_str(),
        "type": row.data_type.as_str(),
        "time": row.id.time().to_string(),
        "version": row.order.version,
        "provider": row.drive.as_str(),
        "fields": fields_to_json(fields),
    })
}
