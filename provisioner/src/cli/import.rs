//! `provision import`

use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::App;
use crate::error::{Error, Exit, Refusal, count};
use crate::resource::Address;
use crate::session::{Adoption, Origin, Session, adopt, adoptable};

/// Take existing resources into the stack
///
/// Finds what already has the names that the stack would give, and carries no other stack's tag. Shows in what each
/// differs from the file, asks, tags it and writes it into the state. Nothing else about it is changed: that is for the
/// next `apply`, after its plan was seen. Resources of another stack, or of the stack of this name in another region,
/// are never taken; naming the address of one is an error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  provision import                          everything that has the stack's names
  provision import table.data queue.jobs    only these; `provision plan` names their addresses")]
pub(super) struct Import {
    /// Only these: `table.data`
    #[arg(value_name = "ADDRESS")]
    only: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    stack: &'a str,
    found: &'a [Adoption],
    imported: usize,
}

impl Import {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let only = addresses(&self.only)?;
        let session = Session::open(&app.options_for_document()).await?;
        let desired = session.desired().await?;
        let mut found = adoptable(&session, &desired).await?;
        if !only.is_empty() {
            known(&only, &found)?;
            found.retain(|adoption| only.contains(&adoption.address));
            refused(&found)?;
        }
        let can = found.iter().filter(|adoption| adoption.refused.is_none()).count();
        if !found.is_empty() {
            app.printer.talk(text(session.name(), &found).trim_end());
        }
        let mut imported = 0;
        if can > 0 {
            if !self.yes {
                app.printer.agree("take them into the stack?", "importing resources")?;
            }
            imported = adopt(&session, &desired, &found).await?;
        }
        app.show(&Document { stack: session.name(), found: &found, imported }, || done(imported, &found));
        Ok(Exit::Done)
    }
}

fn done(imported: usize, found: &[Adoption]) -> String {
    let left = found.len() - imported.min(found.len());
    match (imported, left) {
        (0, 0) => "nothing to import: whatever has the stack's names is in its state\n".to_owned(),
        (imported, 0) => format!("imported {}; see `provision plan`\n", count(imported, "resource")),
        (imported, left) => {
            format!("imported {}, left {left} alone; see `provision plan`\n", count(imported, "resource"))
        }
    }
}

fn addresses(texts: &[String]) -> Result<Vec<Address>, Error> {
    texts.iter().map(|text| Address::try_from(text.clone()).map_err(Error::Usage)).collect()
}

fn known(only: &[Address], found: &[Adoption]) -> Result<(), Error> {
    let missing = only.iter().find(|address| found.iter().all(|adoption| adoption.address != **address));
    let known = || found.iter().map(|adoption| adoption.address.to_string()).collect();
    missing.map_or(Ok(()), |address| {
        Err(Error::Unknown { what: "a resource to import at", name: address.to_string(), known: known() })
    })
}

/// An error if one of the resources that were asked for cannot be taken.
fn refused(found: &[Adoption]) -> Result<(), Error> {
    let refusal = |adoption: &Adoption| {
        let reason = adoption.refused.clone()?;
        let foreign = adoption.origin == Origin::Elsewhere;
        Some(Refusal { address: adoption.address.clone(), reason, foreign })
    };
    let refusals: Vec<Refusal> = found.iter().filter_map(refusal).collect();
    if refusals.is_empty() { Ok(()) } else { Err(Error::Refused(refusals)) }
}

/// What was found, and what will become of it.
pub(super) fn text(stack: &str, found: &[Adoption]) -> String {
    let mut text = format!("found {} that `{stack}` could take:\n\n", count(found.len(), "resource"));
    for adoption in found {
        let id = &adoption.physical_id;
        let what = match (&adoption.refused, adoption.origin) {
            (Some(why), _) => format!("  ✗ {}  ({why})", adoption.address),
            (None, Origin::Untagged) => format!("  + {}  (`{id}`: is tagged and recorded)", adoption.address),
            (None, _) => format!("  + {}  (`{id}`: is recorded)", adoption.address),
        };
        let _ = writeln!(text, "{what}");
        for change in adoption.changes.iter().filter(|change| !change.path.starts_with("tags/")) {
            let show = |value: Option<&serde_json::Value>| {
                value.map_or_else(|| "(none)".to_owned(), serde_json::Value::to_string)
            };
            let wanted = if change.known_after_apply {
                "(known after apply)".to_owned()
            } else {
                show(change.after.as_ref())
            };
            let _ = writeln!(
                text,
                "      {}: is {}, the file says {wanted}",
                change.path,
                show(change.before.as_ref())
            );
        }
    }
    text
}
