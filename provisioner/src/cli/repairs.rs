//! `provision repairs`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde::Serialize;
use store::clock::now;
use store::repairs::{Repair, RepairCounts};

use super::App;
use crate::error::{Error, Exit, count};
use crate::kinds::stackdoc::failed;
use crate::session::{Session, data_plane};

/// Items in one page.
const PAGE: usize = 100;
/// Items shown on a terminal, at most; `--json` gives all of them.
const SHOWN: usize = 50;

/// Show or repair items whose changes could not be brought to their groups
///
/// A record that cannot be replicated is parked, so that it stops no other. The function `scrubber` tries to repair what
/// is parked by itself.
#[derive(Debug, Args)]
pub(super) struct Repairs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what needs repair, and why
    List,
    /// Try to repair all of it now: from the source, as it is today
    Run,
}

#[derive(Serialize)]
struct Listed<'a> {
    repairs: &'a [Repair],
    unreadable: usize,
}

impl Repairs {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        match self.command {
            Command::List => list(app).await,
            Command::Run => repair(app).await,
        }
    }
}

async fn list(app: &App) -> Result<Exit, Error> {
    let session = Session::open(&app.options_for_document()).await?;
    let (store, _) = data_plane(&session).await?;
    let (mut repairs, mut unreadable, mut after) = (Vec::new(), 0, None);
    loop {
        let page = store.repairs(after, PAGE).await.map_err(|error| Error::from(failed(&error)))?;
        repairs.extend(page.repairs);
        unreadable += page.unreadable;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    app.show(&Listed { repairs: &repairs, unreadable }, || table(&repairs, unreadable));
    Ok(Exit::Done)
}

async fn repair(app: &App) -> Result<Exit, Error> {
    let session = Session::open(&app.options_for_document()).await?;
    let (store, document) = data_plane(&session).await?;
    let (mut counts, mut after) = (RepairCounts::default(), None);
    loop {
        let page = store.repair_page(after, (PAGE, None), &document, now()).await;
        let (page, next) = page.map_err(|error| Error::from(failed(&error)))?;
        counts.repaired += page.repaired;
        counts.failed += page.failed;
        after = next;
        if after.is_none() {
            break;
        }
        session.options.step(format!("repaired {} of {}", counts.repaired, counts.repaired + counts.failed));
    }
    app.show(&counts, || format!("repaired {}\n", count(counts.repaired, "item")));
    match counts.failed {
        0 => Ok(Exit::Done),
        left => Err(Error::Unrepaired { left }),
    }
}

fn table(repairs: &[Repair], unreadable: usize) -> String {
    if repairs.is_empty() && unreadable == 0 {
        return "nothing needs repair\n".to_owned();
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for repair in repairs {
        *reasons.entry(&repair.reason).or_default() += 1;
    }
    if unreadable > 0 {
        reasons.insert("the note itself cannot be read", unreadable);
    }
    let mut text = String::from("   items  reason\n");
    for (reason, items) in reasons {
        let _ = writeln!(text, "{items:>8}  {reason}");
    }
    let width = |of: fn(&Repair) -> &str, least: usize| {
        repairs.iter().take(SHOWN).map(|repair| of(repair).len()).max().unwrap_or(0).max(least)
    };
    let (drives, items) = (width(|r| &r.drive, 5), width(|r| &r.item, 4));
    let _ = writeln!(text, "\n{:24}  {:>5}  {:drives$}  {:items$}", "since", "tries", "drive", "item");
    for Repair { drive, item, since, attempts, .. } in repairs.iter().take(SHOWN) {
        let since = since.to_string();
        let _ = writeln!(text, "{since:24}  {attempts:>5}  {drive:drives$}  {item:items$}");
    }
    if let Some(more) = repairs.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "and {more} more; `--json` gives all of them");
    }
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::Timestamp;

    fn parked(item: &str, reason: &str, attempts: u32) -> Repair {
        Repair {
            drive: "DRIVE".into(),
            item: item.into(),
            reason: reason.into(),
            since: Timestamp::parse("2026-01-02T03:04:05Z").unwrap(),
            attempts,
        }
    }

    #[test]
    fn what_needs_repair_is_counted_by_reason_and_listed() {
        let repairs = [
            parked("glucose#1", "data type `glucose` is not declared", 3),
            parked("glucose#22", "data type `glucose` is not declared", 0),
            parked("memo#3", "`ver` is not a number of the right size", 0),
        ];
        insta::assert_snapshot!(table(&repairs, 1), @r"
           items  reason
               1  `ver` is not a number of the right size
               2  data type `glucose` is not declared
               1  the note itself cannot be read

        since                     tries  drive  item
        2026-01-02T03:04:05Z          3  DRIVE  glucose#1
        2026-01-02T03:04:05Z          0  DRIVE  glucose#22
        2026-01-02T03:04:05Z          0  DRIVE  memo#3
        ");
        assert_eq!(table(&[], 0), "nothing needs repair\n");
    }

    #[test]
    fn a_long_list_says_how_much_it_leaves_out() {
        let repairs: Vec<Repair> = (0..SHOWN + 7).map(|n| parked(&n.to_string(), "x", 0)).collect();
        assert!(table(&repairs, 0).ends_with("and 7 more; `--json` gives all of them\n"));
    }
}
