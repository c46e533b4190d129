//! What a plan would take away for good, before everything else: nothing else in it cannot be taken back.

use std::cmp::Reverse;
use std::fmt::Write as _;

use super::{MOST, code};
use crate::plan::{Action, Losses, Plan, items};

/// More than these are folded away.
const SHOWN: usize = 12;
/// Room for everything else must be left.
const MOST_LOSSES: usize = MOST / 4;

/// The counts of what would be lost, those with most in them first.
pub(super) fn section(text: &mut String, plan: &Plan, losses: &Losses) {
    if losses.is_empty() {
        return;
    }
    let refused = plan.nodes.iter().any(|node| node.action == Action::Blocked);
    let unless = if refused { "; refused unless the file names them under <code>removed</code>" } else { "" };
    let more = if losses.more { "; there is more than was counted" } else { "" };
    let what = "these would be lost for good, with all that people put into them";
    let _ = writeln!(text, "> [!CAUTION]\n> {what}{more}{unless}\n");
    let rows = rows(losses);
    let mut folded = false;
    text.push_str(HEAD);
    for (at, row) in rows.iter().enumerate() {
        if at == SHOWN {
            let _ = write!(text, "\n<details>\n<summary>and {} more</summary>\n\n{HEAD}", rows.len() - at);
            folded = true;
        }
        if text.len() > MOST_LOSSES {
            let left = rows.len() - at;
            let _ =
                writeln!(text, "\n… and {left} more: the file of <code>plan --out</code> has all of them");
            break;
        }
        text.push_str(row);
    }
    text.push_str(if folded { "\n</details>\n\n" } else { "\n" });
}

const HEAD: &str = "| would be lost | with |\n|---|---|\n";

fn rows(losses: &Losses) -> Vec<String> {
    let mut types: Vec<_> = losses.data_types.iter().collect();
    types.sort_by_key(|(_, tally)| Reverse(tally.count));
    let mut groups: Vec<_> = losses.groups.iter().collect();
    groups.sort_by_key(|(_, loss)| Reverse((loss.copies.count, loss.members)));
    let types = types
        .into_iter()
        .map(|(name, tally)| format!("| data type {} | {} |\n", code(name.as_str()), items(*tally)));
    let mut fields: Vec<_> = losses.fields.iter().collect();
    fields.sort_by_key(|(_, tally)| Reverse(tally.count));
    let fields = fields
        .into_iter()
        .map(|(name, tally)| format!("| field {} | its value in {} |\n", code(name), items(*tally)));
    let groups = groups.into_iter().map(|(name, loss)| format!("| group {} | {loss} |\n", code(name)));
    types.chain(fields).chain(groups).collect()
}
