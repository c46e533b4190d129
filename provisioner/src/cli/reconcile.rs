//! `provision reconcile`

use clap::Args;
use serde::Serialize;

use super::App;
use crate::error::{Error, Exit};
use crate::session::{Reconciled, Session, begin_era, reconcile};

/// Compare what every group sees with what it should see, and repair the difference
///
/// The function `scrubber` does the same all the time, a slice at once. This does it now, from the start to the end, and
/// may be stopped and run again at any time.
#[derive(Debug, Args)]
pub(super) struct Reconcile {
    /// Begin a new era first: after a table was restored from a backup, when versions start over
    #[arg(long)]
    after_restore: bool,
    /// Compare also what was written within the last two minutes, instead of leaving that to the stream
    #[arg(long)]
    fresh: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    era: Option<u16>,
    repaired: u64,
    #[serde(flatten)]
    found: Reconciled,
}

impl Reconcile {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let session = Session::open(&app.options_for_document()).await?;
        let era = match self.after_restore {
            true => Some(begin_era(&session).await?),
            false => None,
        };
        let found = reconcile(&session, self.fresh || self.after_restore).await?;
        app.show(&Document { era, repaired: found.repaired(), found }, || text(era, &found));
        match usize::try_from(found.failed).unwrap_or(usize::MAX) {
            0 => Ok(Exit::Done),
            failed => Err(Error::Uncompared { failed }),
        }
    }
}

fn text(era: Option<u16>, found: &Reconciled) -> String {
    let Reconciled { pairs, items, copies, missing, outdated, altered, orphans, .. } = found;
    let era = era.map(|era| format!("era {era} has begun\n")).unwrap_or_default();
    format!(
        "{era}compared {items} items of {pairs} memberships, and {copies} copies\n\
         {missing:>8}  missing, written\n\
         {outdated:>8}  outdated, written anew\n\
         {altered:>8}  altered, replaced\n\
         {orphans:>8}  orphans, removed\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_reads_as_a_table() {
        let found =
            Reconciled { pairs: 2, items: 300, copies: 120, missing: 3, orphans: 1, ..Default::default() };
        insta::assert_snapshot!(text(Some(1), &found), @r"
        era 1 has begun
        compared 300 items of 2 memberships, and 120 copies
               3  missing, written
               0  outdated, written anew
               0  altered, replaced
               1  orphans, removed
        ");
    }
}
