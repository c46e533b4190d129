//! `provision drift`

use std::fmt::Write;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::App;
use crate::error::{Error, Exit, count};
use crate::plan::{Drift, Found};
use crate::session::Session;

/// Show what somebody changed behind the stack's back
///
/// Compares what is there with what was last applied; what the file says by now plays no part. Exits with 2 if there is
/// any drift and with 0 if there is none. `apply` sets it back.
#[derive(Debug, Args)]
pub(super) struct DriftArgs {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    stack: &'a str,
    drift: &'a [Drift],
}

impl DriftArgs {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let session = Session::open(&app.options_for_document()).await?;
        let drift = session.drift().await?;
        app.show(&Document { stack: session.name(), drift: &drift }, || text(session.name(), &drift));
        Ok(if drift.is_empty() { Exit::Done } else { Exit::Pending })
    }
}

fn text(stack: &str, drift: &[Drift]) -> String {
    if drift.is_empty() {
        return format!("no drift: everything of `{stack}` is as it was applied\n");
    }
    let are = if drift.len() == 1 { "is" } else { "are" };
    let mut text = format!("drift of `{stack}`: {} {are} not as applied\n\n", count(drift.len(), "resource"));
    for Drift { address, physical_id, found, changes } in drift {
        let what = match found {
            Found::Changed => String::new(),
            Found::Deleted => format!("  (`{physical_id}` was deleted)"),
            Found::NotOurs => "  (something that is not the stack's has its name)".to_owned(),
            Found::Replaced => format!("  (`{physical_id}` was deleted, and another was made)"),
        };
        let _ = writeln!(text, "  ~ {address}{what}");
        for change in changes {
            let (applied, found) = (show(change.applied.as_ref()), show(change.found.as_ref()));
            let _ = writeln!(text, "      {}: applied {applied}, found {found}", change.path);
        }
    }
    text
}

fn show(value: Option<&Value>) -> String {
    value.map_or_else(|| "(none)".to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::Drifted;
    use crate::resource::Address;

    #[test]
    fn drift_reads_as_what_was_applied_and_what_was_found() {
        let one = |name: &str, found, changes| Drift {
            address: Address::new("table", name),
            physical_id: format!("study-{name}"),
            found,
            changes,
        };
        let changes = vec![
            Drifted { path: "tags/team".into(), applied: Some(json!("data")), found: None },
            Drifted {
                path: "deletionProtection".into(),
                applied: Some(json!(true)),
                found: Some(json!(false)),
            },
        ];
        let drift = [one("data", Found::Changed, changes), one("replicas", Found::Deleted, vec![])];
        insta::assert_snapshot!(text("study", &drift), @r#"
        drift of `study`: 2 resources are not as applied

          ~ table.data
              tags/team: applied "data", found (none)
              deletionProtection: applied true, found false
          ~ table.replicas  (`study-replicas` was deleted)
        "#);
        insta::assert_snapshot!(text("study", &[]), @"no drift: everything of `study` is as it was applied");
    }
}
